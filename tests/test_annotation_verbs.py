"""`fit` and `evaluate` of the experiment impn, from the command line, on videos of a few seconds."""

import pandas as pd
import pytest
import yaml

from gazekit.cli import main
from gazekit.models.impn.detector import TinyDetector
from gazekit.models.impn.learner import Learner

pytestmark = pytest.mark.slow

SMALL = {
    "difficulties": "[easy]",
    "duration_s": 9,
    "labelled_s": 6,
    "start_frames": 2,
    "start_s": 4,
    "detector_steps": 1,
    "head_steps": 2,
    "update_steps": 2,
    "detector_update_steps": 1,
    "n_labelled": 4,
    "every": 2,
}


def run(folder, *more, **changed):
    settings = [f"annotation.{key}={value}" for key, value in ({**SMALL, "seeds": "[0]"} | changed).items()]
    return main(["fit", "+experiment=impn", *settings, f"run_dir={folder}", *more])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("impn") / "run"
    run(folder)
    return folder


def test_fit_writes_models_and_a_table(fitted):
    assert TinyDetector.load(fitted / "easy_0" / "detector.safetensors").labels[0] == "tablet-left"
    assert Learner.load(fitted / "easy_0" / "learner.safetensors").n_labels == 5
    rows = pd.read_csv(fitted / "scores.csv")
    assert set(rows["model"]) == {"graph", "detector", "per box", "detector alone"}
    assert rows["AP50"].between(0, 1).all()
    text = (fitted / "report.md").read_text()
    assert "| detector alone |" in text and "2 frames of the first 4 s" in text
    kept = yaml.safe_load((fitted / "config.yaml").read_text())
    assert kept["task"] == "annotation" and "trainer" not in kept and "model" not in kept


def test_evaluate_draws_the_curves_of_a_run_and_goes_on_where_it_stopped(fitted, tmp_path, monkeypatch):
    folder = tmp_path / "curves"
    models = ["graph", "detector", "whole detector", "graph on whole detector"]
    main(["evaluate", f"ckpt={fitted}", f"+annotation.models=[{','.join(models)}]", f"run_dir={folder}"])
    curves = pd.read_csv(folder / "curves.csv")
    assert sorted(curves["frames"].unique()) == [0, 2, 4] and list(curves["model"].unique()) == models
    at_start = curves[curves["frames"] == 0].drop(columns="model")
    assert len(at_start.drop_duplicates()) == 1  # untrained heads are the detector
    assert (folder / "curves_easy.png").stat().st_size > 10_000
    assert "| detector |" in (folder / "report.md").read_text()
    before = (folder / "curves.csv").read_bytes()
    monkeypatch.setattr("gazekit.verbs.annotation._curves", None)  # what is there is not made again
    main(["evaluate", f"ckpt={fitted}", f"+annotation.models=[{','.join(models)}]", f"run_dir={folder}"])
    assert (folder / "curves.csv").read_bytes() == before


def test_what_is_wrong_is_said(fitted, tmp_path, capsys):
    for command, text in (
        (
            ["fit", "+experiment=impn", "task=detection"],
            "task must be scanpaths or annotation, got 'detection'",
        ),
        (["evaluate", f"ckpt={fitted}", "+annotation.models=[forest]"], "annotation.models has forest"),
        (["evaluate", f"ckpt={fitted}", "+annotation.seeds=[7]"], "no file"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main([*command, f"run_dir={tmp_path / 'x'}"])
        assert stopped.value.code == 2 and text in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text("name: oat\n")
    with pytest.raises(SystemExit):
        main(["evaluate", f"ckpt={tmp_path}", f"run_dir={tmp_path / 'x'}"])
    assert "no run of fit +experiment=impn" in capsys.readouterr().err
