"""I-MPN as a system: what it says of batches, and the way through fit, evaluate, predict and learning curves."""

import json

import pandas as pd
import pytest
import torch

from gazekit.cli import main
from gazekit.datasets.egocentric_fixations import EgocentricFixations
from gazekit.models.impn import IMPN, DetectorAlone, DetectorLastLayer, PerBox
from gazekit.models.impn import frozen_detector as frozen

SMALL = {"difficulty": "easy", "duration_s": 9, "labelled_s": 6, "detector_frames": 2, "detector_s": 4}
SETTINGS = [f"data.{name}={value}" for name, value in SMALL.items()]


@pytest.fixture(scope="module")
def data():
    data = EgocentricFixations(**SMALL)
    data.setup()
    return data


@pytest.fixture(scope="module")
def system(data):
    system = IMPN(data.facts(), detector_steps=2)
    system.fit(data)
    return system.eval()


def said(predictor, data, part="test"):
    with torch.no_grad():
        return predictor.predict(data.batch(data.parts[part].tolist()), torch.Generator())


def test_untrained_it_is_the_detector(system, data):
    alone = DetectorAlone(data.facts(), detector_steps=2)
    alone.fit(data)
    mine, theirs = said(system, data), said(alone.eval(), data)
    assert torch.equal(mine["predicted"], theirs["predicted"])
    torch.testing.assert_close(mine["score"], theirs["score"], equal_nan=True)


def test_detectors_that_are_alike_share_training_and_what_they_found(system, data, monkeypatch):
    monkeypatch.setattr(frozen.TinyDetector, "fit", None)
    monkeypatch.setattr(frozen.TinyDetector, "detect", None)
    other = IMPN(data.facts(), detector_steps=2)
    other.fit(data)  # neither trains nor looks
    assert len(said(other.eval(), data, "train")["predicted"]) == len(data.parts["train"])


def test_a_prediction_is_a_box_that_holds_the_fixation(system, data):
    batch, found = data.batch(data.parts["test"].tolist()), said(system, data)
    background = found["predicted"] == len(data.facts()["labels"])
    assert torch.equal(background, found["score"].isnan())
    (x, y), box = batch["fixation_px"].T, found["box_px"]
    inside = (box[:, 0] <= x) & (x < box[:, 2]) & (box[:, 1] <= y) & (y < box[:, 3])
    assert torch.equal(inside, ~background)
    assert set(found["predictions"][0]) == {"boxes", "labels", "scores"}


def test_only_the_head_learns_and_its_loss_falls(data):
    system = IMPN(data.facts(), detector_steps=2)
    system.fit(data)
    assert not any(
        name.startswith("labeller.detector") for name, w in system.named_parameters() if w.requires_grad
    )
    before = [weights.clone() for weights in system.labeller.detector.parameters()]
    batch = data.batch(data.parts["train"].tolist())
    optimizer = torch.optim.AdamW([w for w in system.parameters() if w.requires_grad], 3e-3)
    first = float(system.eval().loss(batch)["loss"].detach())
    for _ in range(40):
        optimizer.zero_grad()
        system.train().loss(batch)["loss"].backward()
        optimizer.step()
    assert float(system.eval().loss(batch)["loss"].detach()) < 0.8 * first
    assert all(map(torch.equal, before, system.labeller.detector.parameters()))


def test_training_rolls_frames_and_validation_does_not(system, data):
    with torch.no_grad():
        system.labeller.net.head.weight.normal_(generator=torch.Generator().manual_seed(0))
        batch = data.batch(data.parts["train"].tolist())
        still = [float(system.eval().loss(batch)["loss"]) for _ in range(2)]
        rolled = [float(system.train().loss(batch)["loss"]) for _ in range(2)]
        system.labeller.net.head.weight.zero_()
    system.eval()
    assert still[0] == still[1] and rolled[0] != rolled[1]


@pytest.mark.parametrize("baseline", [PerBox, DetectorLastLayer])
def test_baselines_train_their_head(baseline, data):
    made = baseline(data.facts(), detector_steps=2, steps=3)
    made.fit(data)
    assert made.labeller.net.head.weight.abs().max() > 0 and not made.training
    kept = baseline(data.facts(), detector_steps=2, steps=3)
    kept.load_state_dict(made.state_dict())
    assert torch.equal(said(kept.eval(), data)["predicted"], said(made, data)["predicted"])


SHORT = [
    "+experiment=impn",
    *SETTINGS,
    "trainer.val_check_interval=2",
    "model.detector_steps=1",
    "metrics.resamples=20",
    "+metrics.baselines.per_box.steps=2",
    "+metrics.baselines.last_layer.steps=2",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("impn") / "run"
    main(["fit", *SHORT, "trainer.max_steps=4", f"run_dir={folder}"])
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The dirpath has changed")  # best.ckpt of another folder is left alone
def test_a_resumed_run_keeps_its_detector_and_baselines(run, tmp_path, monkeypatch):
    monkeypatch.setattr(frozen.TinyDetector, "fit", None)  # nothing is fitted again
    main(["fit", *SHORT, "trainer.max_steps=6", f"ckpt={run / 'last.ckpt'}", f"run_dir={tmp_path}"])
    first, resumed = (json.loads((folder / "metrics.json").read_text())["rows"] for folder in (run, tmp_path))
    for row in ("per_box", "last_layer", "detector"):
        assert resumed[row] == first[row]


@pytest.mark.slow
def test_fit_writes_the_files_of_every_system(run):
    report = json.loads((run / "metrics.json").read_text())
    assert (run / "best.ckpt").is_file() and (run / "report.md").is_file()
    assert set(report["rows"]) == {"impn", "per_box", "last_layer", "detector"}
    assert {"fixation_accuracy", "fixation_kappa", "boxes.AP50", "boxes.AP"} <= set(report["rows"]["impn"])


@pytest.mark.slow
def test_evaluate_finds_the_same_numbers(run, tmp_path):
    main(["evaluate", f"ckpt={run / 'best.ckpt'}", "metrics.resamples=20", f"run_dir={tmp_path}"])
    first, again = (json.loads((folder / "metrics.json").read_text()) for folder in (run, tmp_path))
    assert first["rows"] == again["rows"]


@pytest.mark.slow
def test_predict_labels_the_fixations_of_its_data_and_of_a_recording(run, data, tmp_path):
    main(["predict", f"ckpt={run / 'best.ckpt'}", f"run_dir={tmp_path / 'own'}"])
    own = pd.read_csv(tmp_path / "own" / "labels.csv")
    recording = data.video.write(tmp_path / "recording")
    main(["predict", f"ckpt={run / 'best.ckpt'}", f"input={recording}", f"run_dir={tmp_path / 'rec'}"])
    table = pd.read_csv(tmp_path / "rec" / "labels.csv")
    assert list(own["frame"]) == list(table["frame"][-len(own) :]) and len(table) == len(data.fixations)
    assert {"label", "score", "x_min_px", "onset_ms"} <= set(table.columns)
    assert (table["label"] == "background").equals(table["score"].isna())


@pytest.mark.slow
def test_a_simulated_annotator_starts_from_the_runs_in_a_folder(run, tmp_path):
    models = ["graph", "detector", "whole detector", "graph on whole detector"]
    given = [f"models={','.join(models)}", "n_labelled=4", "every=2", "steps=2", "detector_steps=1"]
    main(["annotate", f"simulate={run}", f"run_dir={tmp_path}", *given])
    curves = pd.read_csv(tmp_path / "curves.csv")
    assert sorted(curves["frames"].unique()) == [0, 2, 4] and list(curves["model"].unique()) == models
    at_start = curves[curves["frames"] == 0].drop(columns="model")
    assert len(at_start.drop_duplicates()) == 1  # untrained heads are the detector
    assert (tmp_path / "curves_easy.png").stat().st_size > 10_000
    assert "| detector |" in (tmp_path / "report.md").read_text()


@pytest.mark.slow
def test_a_simulated_annotator_says_what_is_wrong(run, tmp_path, capsys):
    for given, text in (
        ([f"simulate={run}"], "run_dir=DIR is missing"),
        ([f"simulate={run}", f"run_dir={tmp_path}", "models=forest"], "models has forest"),
        ([f"simulate={run}", f"run_dir={tmp_path}", "every=none"], "every=none: expected a number from 1 on"),
        ([f"simulate={tmp_path}", f"run_dir={tmp_path}"], "no best.ckpt in this folder"),
    ):
        assert main(["annotate", *given]) == 2
        assert text in capsys.readouterr().err
