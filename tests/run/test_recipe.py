"""A checkpoint must not choose what runs."""

import json
import os
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from shell import run_here

from gazekit.base import Data, Predictor, System
from gazekit.files import save_tensors
from gazekit.metrics import NSS
from gazekit.run.checkpoint import build, load_checkpoint, read_checkpoint
from gazekit.run.compose import with_checkpoint
from gazekit.run.recipe import make, plain, resolve, targets_in

FACTS = {
    "dataset": "synthetic_search", "categories": ["red circle", "red square"], "crop_size": None,
    "free_viewing": False, "max_fixations": 5, "split_by": "image", "assigned": {"train": [], "val": []},
}  # fmt: skip
SMALL = {
    "appearance": "none",
    "width": 24,
    "hidden": 16,
    "relation_bias": 0,
    "encoder_layers": 1,
    "decoder_layers": 1,
}


def recipe(**changes):
    base = {
        "target": "gazekit.models.oat.OAT", "settings": dict(SMALL), "facts": dict(FACTS), "name": "oat",
        "baselines": {"uniform": {"target": "gazekit.scanpaths.baselines.Uniform", "settings": {}}},
        "data": {}, "metrics": {},
    }  # fmt: skip
    return base | changes


def checkpoint(path: Path, state=None, **changes) -> Path:
    state = build(recipe()).state_dict() if state is None else state
    torch.save({"gazekit": recipe(**changes), "state_dict": state, "global_step": 3}, path)
    return path


def test_a_recipe_makes_the_system_again(tmp_path):
    torch.manual_seed(0)
    system = build(recipe())
    loaded = load_checkpoint(checkpoint(tmp_path / "a.ckpt", system.state_dict()))
    assert type(loaded) is type(system)
    assert not loaded.training
    for key, value in system.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key])
    assert list(loaded.baselines) == ["uniform"]


def test_an_export_is_a_checkpoint_too(tmp_path):
    system = build(recipe())
    path = tmp_path / "a.safetensors"
    save_tensors(path, system.state_dict(), {"gazekit": json.dumps(recipe() | {"step": 7})})
    assert read_checkpoint(path)[2] == 7
    assert torch.equal(load_checkpoint(path).net.begin_looks, system.net.begin_looks)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", "not part of gazekit"),
        ("builtins.eval", "not part of gazekit"),
        ("subprocess.Popen", "not part of gazekit"),
        ("torch.nn.Linear", "not part of gazekit"),
        ("gazekitty.models.oat.OAT", "not part of gazekit"),
        ("gazekit.models.oat.net.OATNet", "named by its room"),
        ("gazekit.models.oat.system.OAT", "named by its room"),
        ("gazekit.models.oat.torch", "named by its room|not exported"),
        ("gazekit.models.oat.upgrade", "must be a class|not exported"),
        ("gazekit.models.oat.OATNet", "must be a class derived from System"),
        ("gazekit.models.impn.OAT", "no class|not exported"),
        ("gazekit.models.OAT", "named by its room"),
        ("gazekit.models.nothing.OAT", "does not exist|cannot be imported"),
        ("gazekit.datasets.scanpath_data.ScanpathData", "must be a class derived from System"),
        ("gazekit.metrics.NSS", "must be a class derived from System"),
        ("gazekit.run.recipe.resolve", "not part of gazekit"),
        ("gazekit.cli.main", "not part of gazekit"),
        ("gazekit.models.oat.__builtins__", "not exported"),
        ("gazekit.models..oat.OAT", "dotted path"),
        ("../../evil", "dotted path"),
        ("OAT", "not part of gazekit"),
        ("", "dotted path"),
        (None, "dotted path"),
        (["gazekit.models.oat.OAT"], "dotted path"),
    ],
)  # fmt: skip
def test_targets_that_are_no_systems_are_refused(target, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        resolve(target, System)
    with pytest.raises(ValueError):
        load_checkpoint(checkpoint(tmp_path / "a.ckpt", target=target))


def test_an_alias_in_another_module_is_refused(monkeypatch):
    import gazekit.models.impn as room
    from gazekit.models.oat import OAT

    monkeypatch.setattr(room, "OAT", OAT, raising=False)
    monkeypatch.setattr(room, "__all__", [*room.__all__, "OAT"])
    with pytest.raises(ValueError, match="defined elsewhere"):
        resolve("gazekit.models.impn.OAT", System)


def test_baselines_must_be_predictors(tmp_path):
    bad = {"x": {"target": "os.system", "settings": {"command": "true"}}}
    with pytest.raises(ValueError, match="not part of gazekit"):
        load_checkpoint(checkpoint(tmp_path / "a.ckpt", baselines=bad))
    bad = {"x": {"target": "gazekit.metrics.NSS", "settings": {}}}
    with pytest.raises(ValueError, match="derived from Predictor"):
        load_checkpoint(checkpoint(tmp_path / "a.ckpt", baselines=bad))


@pytest.mark.parametrize(
    "settings",
    [
        {"appearance": {"_target_": "os.system", "command": "touch here"}},
        {"appearance": [{"_target_": "os.system", "_partial_": True}]},
        {"width": {"_args_": [1]}},
    ],
)
def test_nested_targets_are_refused(settings, tmp_path):
    with pytest.raises(ValueError, match="without nested targets"):
        load_checkpoint(checkpoint(tmp_path / "a.ckpt", settings=SMALL | settings))
    assert not (tmp_path / "here").exists()


def test_nested_targets_in_facts_are_refused(tmp_path):
    facts = FACTS | {"categories": [{"_target_": "os.system"}]}
    with pytest.raises(ValueError, match="without nested targets"):
        load_checkpoint(checkpoint(tmp_path / "a.ckpt", facts=facts))


def test_tampered_sizes_take_no_memory(tmp_path):
    huge = SMALL | {"width": 12 * 200_000, "hidden": 10_000_000}
    with pytest.raises(ValueError, match="has shape"):
        load_checkpoint(checkpoint(tmp_path / "a.ckpt", settings=huge))


def test_tampered_weights_are_refused(tmp_path):
    state = dict(build(recipe()).state_dict())
    name = next(key for key, x in state.items() if x.dim() == 2)
    with pytest.raises(ValueError, match=f"{name} has shape"):
        load_checkpoint(checkpoint(tmp_path / "a.ckpt", state | {name: torch.zeros(1, 1)}))
    with pytest.raises(ValueError, match="surplus has shape"):
        load_checkpoint(checkpoint(tmp_path / "a.ckpt", state | {"surplus": torch.zeros(1)}))
    del state[name]
    with pytest.raises(ValueError, match=name):
        load_checkpoint(checkpoint(tmp_path / "a.ckpt", state))


def test_pickled_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'here'}",)

    torch.save({"gazekit": Evil(), "state_dict": {}}, tmp_path / "evil.ckpt")
    with pytest.raises(ValueError, match="is not a checkpoint of gazekit"):
        load_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "here").exists()


def test_an_old_recipe_of_no_room_is_refused(tmp_path):
    torch.save({"gazekit": {"net": {"_target_": "os.path.join"}}, "state_dict": {}}, tmp_path / "old.ckpt")
    with pytest.raises(ValueError, match="is not a checkpoint of gazekit"):
        load_checkpoint(tmp_path / "old.ckpt")


def test_data_and_metrics_are_checked_alike():
    assert isinstance(make({"_target_": "gazekit.metrics.NSS"}, object, "metrics.scores.nss"), NSS)
    with pytest.raises(ValueError, match="derived from Data"):
        make({"_target_": "gazekit.metrics.NSS"}, Data, "data")
    with pytest.raises(ValueError, match=r"data\.nowhere is unknown"):
        make(
            {"_target_": "gazekit.datasets.scanpath_data.ScanpathData", "name": "osie", "nowhere": 1},
            Data,
            "data",
        )
    with pytest.raises(ValueError, match=r"data\.name is missing"):
        make({"_target_": "gazekit.datasets.scanpath_data.ScanpathData"}, Data, "data")
    with pytest.raises(ValueError, match="has no _target_"):
        make({"name": "osie"}, Data, "data")


def test_trust_names_one_class(tmp_path, monkeypatch):
    (tmp_path / "lab_model.py").write_text(
        "from gazekit.base import System\nclass Mine(System):\n    pass\nclass Other(System):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve("lab_model.Mine", System, ["lab_model.Mine"]).__name__ == "Mine"
    with pytest.raises(ValueError, match=r"add trust=lab_model\.Other"):
        resolve("lab_model.Other", System, ["lab_model.Mine"])
    with pytest.raises(ValueError, match="derived from System"):
        resolve("os.system", System, ["os.system"])
    assert resolve("gazekit.scanpaths.baselines.Uniform", Predictor)


def test_plain_values_only():
    config = OmegaConf.create({"a": [1, 2.5, None, "x", True], "b": {"c": 1}})
    assert plain(config) == {"a": [1, 2.5, None, "x", True], "b": {"c": 1}}
    with pytest.raises(ValueError, match=r"settings\.b must be a plain value"):
        plain({"b": Path("x")})
    assert targets_in({"_target_": "a.B", "x": {"_target_": "c.D"}}) == ["a.B", "c.D"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "${oc.env:HOME}"}, "interpolation"),
        ({"options": [{"x": "${hydra:runtime.cwd}"}]}, "interpolation"),
        ({"defaults": [{"override /hydra/launcher": "basic"}]}, "chooses other options"),
    ],
)
def test_the_configuration_of_a_checkpoint_is_inert(data, message, tmp_path):
    path = checkpoint(tmp_path / "a.ckpt", data=data)
    with pytest.raises(ValueError, match=message):
        with_checkpoint([f"ckpt={path}"])
    done = run_here("evaluate", f"ckpt={path}", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
