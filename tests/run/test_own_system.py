"""A system, its data and its baseline outside the package: every verb works, no file of ours is touched."""

import json

import numpy as np
import pandas as pd
import pytest
from own_project import write_example
from shell import run_here as gazekit

from gazekit.datasets import load
from gazekit.datasets.scenes_json import save

OWN = "trust=[mine.Model,mine.Pictures,mine.MostFrequent]"


@pytest.fixture(scope="module")
def project(tmp_path_factory, repo_root):
    folder = tmp_path_factory.mktemp("project")
    write_example(repo_root / "docs" / "adding_a_model.md", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def run(project):
    args = (
        "fit",
        "--config-dir",
        "conf",
        "+experiment=mine",
        "trust=mine.Model",
        "run_dir=run",
        "metrics.resamples=100",
    )
    return gazekit(*args, "trainer.val_check_interval=10", cwd=project)


def test_it_trains_and_ends_in_a_table(run, project):
    record = json.loads((project / "run" / "metrics.json").read_text())
    assert set(record["rows"]) == {"mine", "most frequent"}
    own, baseline = (record["rows"][row]["accuracy"] for row in ("mine", "most frequent"))
    assert set(own) == {"value", "low", "high", "n", "undefined"}
    assert own["n"] == 60
    assert own["low"] > baseline["value"]
    assert "| mine " in run.stdout
    assert (project / "run" / "figures" / "scores.png").stat().st_size > 5000
    assert "A linear layer over the pixels." in (project / "run" / "report.md").read_text()


def test_evaluate_gives_the_same_numbers(run, project):
    gazekit("evaluate", "ckpt=run/best.ckpt", OWN, "run_dir=again", cwd=project)
    first, second = (json.loads((project / d / "metrics.json").read_text())["rows"] for d in ("run", "again"))
    assert first == second


def test_evaluate_without_training(project):
    args = (
        "--config-dir",
        "conf",
        "+experiment=mine",
        "trust=mine.Model",
        "run_dir=untrained",
        "metrics.resamples=50",
    )
    gazekit("evaluate", *args, cwd=project)
    rows = json.loads((project / "untrained" / "metrics.json").read_text())["rows"]
    assert rows["mine"]["accuracy"]["value"] < 0.8
    assert rows["most frequent"]["accuracy"]["n"] == 60


def test_predict_writes_a_line_per_item(run, project):
    gazekit("predict", "ckpt=run/best.ckpt", OWN, "run_dir=said", cwd=project)
    table = pd.read_csv(project / "said" / "predictions.csv")
    assert len(table) == 60
    assert np.allclose(table[["predicted_0", "predicted_1"]].sum(axis=1), 1)


def test_export_is_read_back(run, project):
    gazekit("export", "ckpt=run/best.ckpt", OWN, "out=mine.safetensors", cwd=project)
    gazekit("evaluate", "ckpt=mine.safetensors", OWN, "run_dir=exported", cwd=project)
    first, second = (
        json.loads((project / d / "metrics.json").read_text())["rows"] for d in ("run", "exported")
    )
    assert first == second


@pytest.mark.parametrize("trust", ["trust=[]", "trust=mine.Pictures"])
def test_nothing_runs_without_trust(run, project, trust):
    done = gazekit("evaluate", "ckpt=run/best.ckpt", trust, "run_dir=no", cwd=project, check=False)
    assert done.returncode == 2
    assert "add trust=mine.Model" in done.stderr
    assert "Traceback" not in done.stderr


def test_seeds_are_merged(project):
    args = ("fit", "--config-dir", "conf", "+experiment=mine", "trust=mine.Model", "metrics.resamples=50",
            "trainer.val_check_interval=10", "-m", "seed=1,2,3", "hydra.sweep.dir=sweep")  # fmt: skip
    gazekit(*args, cwd=project)
    done = gazekit("report", "sweep", "--out", "merged", cwd=project)
    runs = [json.loads((project / "sweep" / str(k) / "metrics.json").read_text()) for k in range(3)]
    values = [run["rows"]["mine"]["accuracy"]["value"] for run in runs]
    merged = json.loads((project / "merged" / "metrics.json").read_text())["rows"]["mine"]["accuracy"]
    assert merged["value"] == pytest.approx(np.mean(values))
    assert merged["n"] == 3
    half = 4.302653 * np.std(values, ddof=1) / np.sqrt(3)  # Student's t with two degrees of freedom
    assert merged["high"] - merged["value"] == pytest.approx(half, abs=1e-6)
    assert "| mine " in done.stdout
    assert (project / "merged" / "figures" / "scores.png").exists()


def test_own_scanpath_model_beside_ours(project):
    data = load("synthetic_search", n_scenes=40, n_observers=2)
    people = type(data)(data.name, data.scenes, data.trials)
    save(people, project / "my_scenes.json")
    short = ("data.root=my_scenes.json", "trainer.max_steps=20", "trainer.val_check_interval=10", "metrics.samples=2",
             "metrics.resamples=50", "metrics.baselines.pairwise.steps=5")  # fmt: skip
    own = ("--config-dir", "conf", "+experiment=nearest", "trust=mine_scanpaths.Nearest", "run_dir=nearest")
    gazekit("fit", *own, *short, cwd=project)
    gazekit(
        "fit", "+experiment=oat", "data=scenes_json", "run_dir=oat", *short, "model.width=24", cwd=project
    )
    done = gazekit("report", "nearest", "oat", "--out", "both", cwd=project)
    rows = json.loads((project / "both" / "metrics.json").read_text())["rows"]
    assert {"nearest", "oat", "uniform", "people, leave one out", "chance"} <= set(rows)
    assert rows["nearest"]["information_gain_bits"]["value"] > 0.05
    assert "multimatch.position" in rows["nearest"]
    assert "| nearest " in done.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.dropout=high", "model: Model cannot be made with these settings"),
        ("data.split=dev", "no items in the part 'dev'"),
        (
            "+metrics.scores.plain={_target_: no_interval.Plain}",
            "metrics.scores.plain: Plain has no interval()",
        ),
        ("+model.width=3", "model.width is unknown: Model has dropout"),
        ("name=most frequent", "is the name of another row"),
    ],
)
def test_mistakes_are_told_before_training(project, change, message):
    (project / "no_interval.py").write_text(
        "from torchmetrics import MeanMetric\n\n\nclass Plain(MeanMetric):\n    pass\n"
    )
    args = ("fit", "--config-dir", "conf", "+experiment=mine", "trust=mine.Model", "run_dir=wrong", change)
    done = gazekit(*args, cwd=project, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
