"""Every configuration composes, and every experiment runs."""

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from shell import run_here

from gazekit.base import Data, Predictor, System
from gazekit.base.scores import Comparison
from gazekit.datasets import NAMES
from gazekit.run.checkpoint import read_checkpoint
from gazekit.run.fit import prepared
from gazekit.run.recipe import make

SMALL = {
    "data/synthetic_search": ["data.options.n_scenes=24", "data.options.n_observers=2"],
    "data/egocentric": [
        "data.difficulty=easy",
        "data.duration_s=9",
        "data.labelled_s=6",
        "data.detector_frames=2",
        "data.detector_s=4",
    ],
    "data/synthetic_gaze": ["data.pictures=20", "data.scored=6", "data.clips=1", "data.batch_size=2"],
    "data/gazefollow": [  # the real pictures are not at hand
        "data=synthetic_gaze",
        "data.pictures=20",
        "data.scored=6",
        "data.batch_size=2",
        "data.size_px=[28,28]",
    ],
    "model/eccnet": ["model.backbone=squeezenet1_0", "model.weights=random"],
    "data/search_asymmetry": ["data.tasks=[lighting]", "data.displays=1", "data.batch_size=6"],
    "data/search_pictures": [
        "data=search_asymmetry",
        "data.tasks=[lighting]",
        "data.displays=1",
    ],  # not at hand
    "metrics/search_asymmetry": [
        "metrics.resamples=20",
        "~metrics.baselines.squeezenet",
    ],
    "metrics/search_pictures": [
        "metrics=search_asymmetry",
        "metrics.resamples=20",
        "~metrics.baselines.no_eccentricity",
        "~metrics.baselines.squeezenet",
    ],
    "data/search_diet": ["data.pictures=40", "data.scored=8", "data.batch_size=8"],
    "data/search_diet_folders": [  # nor are these
        "data=search_diet",
        "data.pictures=40",
        "data.scored=8",
        "data.batch_size=8",
    ],
    "experiment/search_diet_imagenet": ["model.net=small"],
    "metrics/search_diet": ["metrics.resamples=20", "metrics.on.displays=1", "metrics.on.tasks=[lighting]"],
    "data/perceived_scenes": [
        "data.classes=4",
        "data.pictures=24",
        "data.scored=8",
        "data.matched=4",
        "data.batch_size=8",
    ],
    "data/perceived_folders": [  # the photographs are not at hand
        "data=perceived_scenes",
        "data.classes=4",
        "data.pictures=24",
        "data.scored=8",
        "data.matched=4",
        "data.batch_size=8",
    ],
    "model/perceptual_systems": ["model.runs=2", "model.watched_pictures=4"],
    "experiment/foveation_paper": ["model.net=small"],
    "experiment/gazelle_paper": ["~data.expand_heads"],
    "model/gazelle": ["model.weights=random"],
    "model/vitgaze": ["model.weights=random"],
    "metrics/gaze": ["metrics.resamples=20"],
    "metrics/human_motion": ["metrics.resamples=20"],
    "data/human_motion": ["data.set=sintel_slow"],
    "data/motion_stimuli": ["data.clips=8", "data.scored=4", "data.size_px=[24,32]", "data.batch_size=4"],
    "model/motion_energy": ["model.levels=2", "model.units=4", "model.iterations=2"],
    "metrics/motion_energy": ["metrics.resamples=20"],
    "data/motion_responses": ["data.clips=30", "data.scored=6", "data.voxels=12", "data.grid=3"],
    "metrics/flow_decoding": [
        "metrics.resamples=20",
        "metrics.baselines.net.steps=2",
        "metrics.baselines.net_frame_only.steps=2",
    ],
    "metrics/search_scenes": [
        "metrics.samples=1",
        "metrics.resamples=20",
        "~metrics.baselines.nnIBS",
        "+metrics.baselines.elm_final.steps=2",
        "+metrics.baselines.elm_base.steps=2",
        "+metrics.baselines.greedy.steps=2",
    ],
    "model/searcher": ["model.steps=2"],
    "model/receptive_fields": ["model.steps=1"],
    "model/brain_similarity": ["model.weights=random", "model.layers=[block1.class,block3.class]"],
    "metrics/brain_similarity": [
        "metrics.resamples=20",
        *(
            f"~metrics.baselines.{name}"
            for name in ("squeezenet1_0", "mobilenet_v2", "attention_center", "yolox_nano", "yunet")
        ),
    ],
    "experiment/brain_retrieval": [
        "data.pictures=40",
        "data.scored=12",
        "data.voxels=4",
        "data.batch_size=16",
        "model.components=4",
        "model.hidden=8",
        "metrics.resamples=20",
        "metrics.scores.top1.among=10",
        "metrics.scores.top5.among=10",
    ],
    "metrics/receptive_fields": [
        "metrics.resamples=20",
        *(
            f"~metrics.baselines.{name}"
            for name in ("point", "difference", "compressive", "gaussian_canonical_hrf")
        ),
        "+metrics.baselines.gaussian.steps=1",
    ],
    "data/v4_cowley": [  # not at hand; one fold of generated voxels
        "data=synthetic_brain",
        "data.pictures=30",
        "data.scored=20",
        "data.voxels=2",
        "data.noise_sd=[0.5]",
    ],
    "model/brain_v4": ["model.members=2", "model.steps=2"],
    "metrics/brain_v4": ["metrics.resamples=20"]
    + [f"metrics.baselines.{row}.members=2" for row in ("control", "factorised", "gaussian")]
    + [f"metrics.baselines.{row}.steps=2" for row in ("control", "factorised", "gaussian")],
    "data/synthetic_brain": ["data.pictures=40", "data.scored=12", "data.voxels=2"],
    "metrics/brain": [
        "metrics.resamples=20",
        "metrics.baselines.factorised.steps=2",
        "metrics.baselines.gaussian.steps=2",
        "metrics.baselines.banded_ridge.draws=2",
    ],
    "metrics/brain_gaze": ["metrics.resamples=20", "metrics.baselines.transformer_without_gaze.steps=2"],
    "model/impn": ["model.detector_steps=1"],
    "data/synthetic_glimpses": [
        "data.pictures=40",
        "data.scored=12",
        "data.scanpaths=2",
        "data.batch_size=16",
    ],
    "model/glimpse_paper": ["model.hidden=24", "model.layers=1"],
    "metrics/glimpse": ["metrics.resamples=20"],
    "metrics/annotation": ["metrics.resamples=20"],
    "metrics/objects": ["metrics.samples=2", "metrics.resamples=20", "metrics.baselines.pairwise.steps=2"],
}
"""Settings that make a choice of a group small; a group without an entry is small as it is."""


PICTURES = {
    "free_viewing": ["model.members=1", "model.steps=2", "model.longest_px=64"],
    "neva": ["metrics.baselines.amortised_neva.crops=1", "metrics.baselines.amortised_neva.steps=2",
             "metrics.baselines.amortised_neva.fixations=1"],
    "glimpse_scanpaths": ["data.fixations=2", "data.size_px=[32,32]", "data.features_root=null", "model.fit_steps=2",
                          "model.hidden=16", "metrics.scores.glimpses.differences=null",
                          "~metrics.baselines.model_swapped", "~metrics.baselines.model_uniform",
                          "~metrics.baselines.ridge_permuted", "~metrics.baselines.ridge_swapped",
                          "~metrics.baselines.ridge_uniform"],
}  # fmt: skip
"""Experiments on real pictures with real nets, and what makes them small."""
FILES = {
    "brain_szinte_prf": "szinte2024_v1_prf",
    "gpn_nsd_rsa": "gpn_nsd_rsa",
    "human_motion": "human_motion",
    "rsa_92images": "rdm_92images",
}
"""Experiments on other real files, and the folder of these."""
FOLDERS = {
    "attention_center": "attention_center_saliency",
    "mobilenet_v2": "mobilenet_v2_imagenet",
    "vit_tiny": "vit_tiny_imagenet",
    "yolox_nano": "yolox_nano_coco",
    "yunet": "yunet_face",
}


@pytest.fixture
def pictures(experiment, request, tmp_path):
    """Overrides for experiments on real files, and on pictures: two of them are tested, with real nets."""
    if experiment in FILES:
        return [f"data.root={request.getfixturevalue('shared_data') / FILES[experiment]}"]
    if experiment not in PICTURES:
        return []
    data, weights = request.getfixturevalue("shared_data"), tmp_path / "weights"
    weights.mkdir()
    for name, folder in FOLDERS.items():
        (weights / name).symlink_to(data / folder)
    few = ["data.split=test", "data.folds=30", "metrics.samples=1", "metrics.resamples=20"]
    return [f"data.root={data / 'osie'}", f"weights_root={weights}", *few, *PICTURES[experiment]]


@pytest.fixture
def config_module():
    with initialize_config_module("gazekit.conf", version_base="1.3"):
        yield


def options(root, group):
    return sorted(path.stem for path in (root / "conf" / group).glob("*.yaml") if path.stem[0] != "_")


def is_slow(experiment):
    """Those on real pictures, and variants of others that are tested by default."""
    alike = ("brain_gaze", "brain_szinte_prf", "search_diet_imagenet", "search_pictures", "oat_hidden")
    return experiment in PICTURES or experiment.endswith("_paper") or experiment in alike


def pytest_generate_tests(metafunc):
    from pathlib import Path

    root = Path(__file__).parent.parent
    for group in ("experiment", "model", "data", "trainer", "callbacks", "metrics", "optimizer"):
        if group in metafunc.fixturenames:
            names = [
                pytest.param(n, marks=pytest.mark.slow) if group == "experiment" and is_slow(n) else n
                for n in options(root, group)
            ]
            metafunc.parametrize(group, names)


def small(experiment):
    """Overrides that make an experiment small, from what it chooses."""
    with initialize_config_module("gazekit.conf", version_base="1.3"):
        cfg = compose("fit", [f"+experiment={experiment}"], return_hydra_config=True)
    chosen = cfg.hydra.runtime.choices
    names = {f"{group}/{chosen[group]}" for group in ("data", "model", "metrics")}
    names.add(f"experiment/{experiment}")
    names |= {"metrics/objects"} if "pairwise" in cfg.metrics.baselines else set()
    untrained = ["trainer=none"] if chosen.trainer == "none" else []
    return [setting for name in sorted(names) for setting in SMALL.get(name, [])] + untrained


def test_every_experiment_runs_through_every_verb(experiment, pictures, tmp_path, monkeypatch):
    settings = [*small(experiment), *pictures]
    short = [] if "trainer=none" in settings else ["trainer.fast_dev_run=true"]
    run_here(
        "fit",
        f"+experiment={experiment}",
        *settings,
        *short,
        "run_dir=run",
        cwd=tmp_path,
    )
    ckpt = f"ckpt={tmp_path / 'run' / 'last.ckpt'}"
    assert (tmp_path / "run" / "report.md").exists()
    draws = [setting for setting in settings if setting.startswith(("metrics.samples", "metrics.resamples"))]
    run_here("evaluate", ckpt, *draws, "run_dir=scores", cwd=tmp_path)
    assert (tmp_path / "scores" / "metrics.json").read_text().count('"value"') > 3
    run_here("predict", ckpt, "samples=2", "run_dir=said", cwd=tmp_path)
    assert [path for path in (tmp_path / "said").iterdir() if path.suffix in (".csv", ".json")]
    run_here("export", ckpt, f"out={tmp_path / 'x.safetensors'}", "run_dir=exported", cwd=tmp_path)
    name = OmegaConf.load(tmp_path / "run" / "config.yaml").name
    assert read_checkpoint(tmp_path / "x.safetensors")[0]["name"] == name


def test_metrics_can_be_made(metrics, config_module):
    cfg = compose("fit", [f"metrics={metrics}", "run_dir=unused"]).metrics
    assert cfg.samples > 0
    for name, metric in cfg.scores.items():
        made = make(metric, object, f"metrics.scores.{name}")
        assert isinstance(made, Comparison) or made.interval is not None
    for name, baseline in cfg.baselines.items():
        facts = {
            "max_fixations": 5,
            "categories": [],
            "labels": ["book"],
            "exclusive": [],
            "classes": ["dog"],
            "layers": {"tokens": [64, 7, 7]},
            "voxels": 1,
            "subjects": ["person"],
            "subject_of": [0],
            "regions": {},
            "tr_s": 1.3,
            "x_dva": [-1.0, 1.0],
            "y_dva": [1.0, -1.0],
            "listed": {"x": [0.0], "y": [0.0], "sd": [1.0]},
        }
        assert isinstance(make(baseline, Predictor, name, facts=facts), Predictor)


def test_models_name_a_system(model, config_module):
    cfg = compose("fit", [f"model={model}", "run_dir=unused"]).model
    assert cfg._target_.startswith("gazekit.models.")


def test_data_can_be_made(data, config_module):
    cfg = compose("fit", [f"data={data}", "run_dir=unused"]).data
    assert isinstance(make(cfg, Data, "data"), Data)


def test_every_scanpath_set_has_a_configuration(repo_root):
    assert set(NAMES) <= set(options(repo_root, "data"))


def test_trainers_compose(trainer, config_module):
    cfg = compose("fit", [f"trainer={trainer}", "run_dir=unused"]).trainer
    assert not cfg if trainer == "none" else cfg.max_steps > 0


def test_trainers_hold_no_numbers_of_a_model(repo_root):
    steps = {OmegaConf.load(p).get("max_steps") for p in (repo_root / "conf" / "trainer").glob("*.yaml")}
    assert steps == {None, 1000}


def test_callbacks_compose(callbacks, config_module):
    cfg = compose("fit", [f"callbacks={callbacks}", "run_dir=unused"])
    assert cfg.callbacks.checkpoint.monitor.startswith("val/")


def test_optimizers_compose(optimizer, config_module):
    cfg = compose("fit", [f"optimizer={optimizer}", "run_dir=unused"])
    assert cfg.optimizer._target_.startswith("torch.optim.")
    assert "scheduler" in cfg


def test_experiments_build_what_they_name(experiment, pictures):
    settings = [*small(experiment), *pictures]
    with initialize_config_module("gazekit.conf", version_base="1.3"):
        cfg = compose("fit", [f"+experiment={experiment}", "run_dir=unused", *settings])
    data, system = prepared(cfg)
    assert isinstance(data, Data)
    assert isinstance(system, System)
    assert "trainer=none" in settings or sum(p.numel() for p in system.parameters()) > 100
    assert not cfg.get("optimizer") or system.optimizer(system.parameters()).param_groups


def test_searchers_that_learn_ask_for_what_they_learn_from(config_module):
    untrained = ["trainer=none", "data.split=all", *SMALL["data/synthetic_search"]]
    cfg = compose("fit", ["+experiment=search_scenes", "run_dir=unused", *untrained])
    with pytest.raises(ValueError, match="no items in the part 'train'"):
        prepared(cfg)


def test_without_an_experiment_the_choice_is_asked_for(tmp_path, monkeypatch):
    done = run_here("fit", "run_dir=run", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "model is not chosen: name an experiment with +experiment=NAME" in done.stderr


def test_misspelt_key_is_refused(config_module):
    with pytest.raises(Exception, match=r"Could not override 'model\.widht'"):
        compose("fit", ["model=oat", "model.widht=3"])


def test_appearance_that_the_data_lack_is_refused(config_module):
    cfg = compose("fit", ["+experiment=oat", "model.appearance=colour", *SMALL["data/synthetic_search"]])
    with pytest.raises(ValueError, match="must be one of auto, crop, category, none, got 'colour'"):
        prepared(cfg)
