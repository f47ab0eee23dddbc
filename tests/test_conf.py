"""Every configuration composes and can be built."""

import contextlib

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf

from gazekit.verbs.build import Saved, build_net, make_recipe
from gazekit.verbs.evaluate import open_data

ANNOTATION = ("impn",)
"""Experiments of the other task: tests/test_annotation_verbs.py."""


@pytest.fixture(autouse=True)
def config_module():
    with initialize_config_module("gazekit.conf", version_base="1.3"):
        yield


def options(repo_root, group):
    return sorted(path.stem for path in (repo_root / "conf" / group).glob("*.yaml"))


def tiny(*overrides):
    return compose(
        "fit", [*overrides, "data.options.n_scenes=30", "data.options.n_observers=2", "run_dir=unused"]
    )


def pytest_generate_tests(metafunc):
    from pathlib import Path

    root = Path(__file__).parent.parent
    for group in ("experiment", "model", "data", "trainer", "callbacks", "metrics"):
        if group in metafunc.fixturenames:
            metafunc.parametrize(group, [name for name in options(root, group) if name not in ANNOTATION])


def test_experiments_build(experiment):
    cfg = tiny(f"+experiment={experiment}")
    data = instantiate(cfg.data, _convert_="all")
    data.setup()
    net = build_net(make_recipe(cfg, data))
    assert sum(p.numel() for p in net.parameters()) > 1000
    assert instantiate(cfg.model.optimizer)(net.parameters()).param_groups


def test_metrics_instantiate(metrics):
    cfg = compose("fit", [f"metrics={metrics}", "run_dir=unused"]).metrics
    assert cfg.samples > 0
    for metric in cfg.get("positions", {}).values():
        assert instantiate(metric).compute is not None


def test_models_compose(model):
    assert compose("fit", [f"model={model}", "run_dir=unused"]).model.net._target_


def test_data_sets_instantiate(data):
    verb = "evaluate" if data == "from_checkpoint" else "fit"
    cfg = compose(verb, [f"data={data}", "run_dir=unused", *(["ckpt=x"] if verb == "evaluate" else [])])
    if data != "from_checkpoint":
        assert instantiate(cfg.data, _convert_="all").dataset_name == data


def test_data_configs_match_the_loaders(repo_root):
    from gazekit.datasets import NAMES

    assert set(options(repo_root, "data")) == {*NAMES, "from_checkpoint"}


def test_trainers_compose(trainer):
    assert compose("fit", [f"trainer={trainer}", "run_dir=unused"]).trainer.max_steps > 0


def test_callbacks_compose(callbacks):
    cfg = compose("fit", [f"callbacks={callbacks}", "run_dir=unused"])
    assert cfg.callbacks.checkpoint.monitor.startswith("val/")


def test_predict_composes():
    assert compose("predict", ["ckpt=a", "image=b", "boxes=c"]).n == 10


def test_misspelt_key_is_refused():
    with pytest.raises(Exception, match=r"Could not override 'model\.net\.widht'"):
        compose("fit", ["model.net.widht=3"])


def test_appearance_that_the_data_lack_is_refused():
    cfg = tiny("model.net.appearance=colour")
    data = instantiate(cfg.data, _convert_="all")
    data.setup()
    with pytest.raises(ValueError, match="must be one of auto, crop, category, none, got 'colour'"):
        make_recipe(cfg, data)


def test_a_checkpoint_cannot_choose_what_runs():
    for name in ("os.system", "gazekit.models.module.torch.save", "gazekit.scanpaths.baselines.Pairwise"):
        with pytest.raises(ValueError, match=f"must be one of gazekit.models.oat.OATNet, got '{name}'"):
            build_net({"net": {"_target_": name, "f": "true"}})


@pytest.mark.parametrize("where", ["net", "options", "fractions"])
def test_nothing_in_a_checkpoint_is_instantiated(tmp_path, where):
    """A payload anywhere in the recipe ends in an error, and does not run."""
    trace = tmp_path / "trace"
    payload = {"_target_": "torch.save", "obj": 1, "f": str(trace)}
    cfg = tiny()
    data = instantiate(cfg.data, _convert_="all")
    data.setup()
    recipe = make_recipe(cfg, data)
    if where == "net":
        recipe["net"]["sigma"] = payload
    else:
        recipe["data"][where] = payload if where == "options" else [payload, 0.1, 0.1]
    saved = object.__new__(Saved)
    saved.recipe = recipe
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        build_net(recipe)
        open_data(OmegaConf.create({"data": {}}), saved)
    assert not trace.exists()
