"""Runs of several seeds, settings or models in one table."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from scipy import stats

from gazekit.base.scores import Scores
from gazekit.errors import DataError
from gazekit.metrics.score import Score
from gazekit.report.files import read_table, write_files
from gazekit.report.merge import merge, over_runs, runs_in

NAN = math.nan


def value(x: float) -> Score:
    return Score(x, x - 1, x + 1, 9, 0)


def write_run(
    folder: Path, values: dict[str, float], seed: int = 0, data: str = "toy", fingerprint: str = "f", **config
) -> Path:
    folder.mkdir(parents=True)
    scores = Scores({row: {"score": value(x)} for row, x in values.items()}, higher_is_better={"score": True})
    facts = {"data": {"name": data, "split": "test", "fingerprint": fingerprint}, "seed": seed}
    write_files(folder, f"{next(iter(values))} on {data}", scores, ["score"], facts, ["its note"], {})
    OmegaConf.save({"seed": seed, "run_dir": str(folder), **config}, folder / "config.yaml")
    return folder


def merged(folders: list[Path], out: Path) -> tuple[dict, dict]:
    merge(folders, out)
    record = json.loads((out / "metrics.json").read_text())
    return record, read_table(record)


# ------------------------------------------------------------------ over runs


@pytest.mark.parametrize("values", [[1.0, 2.0], [0.5, 0.25, 0.75], [3.0, 1.0, 4.0, 1.5, 9.0]])
def test_runs_are_averaged_with_students_t(values):
    (score,) = over_runs([{"x": value(v)} for v in values]).values()
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert score.value == pytest.approx(np.mean(values))
    assert (score.low, score.high) == (pytest.approx(low), pytest.approx(high))
    assert (score.n, score.undefined) == (len(values), 0)


def test_three_runs_by_hand():
    """Mean 2, standard deviation 1, t of two degrees of freedom 4.3027."""
    (score,) = over_runs([{"x": value(v)} for v in (1.0, 2.0, 3.0)]).values()
    assert score.high - score.value == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)


def test_a_single_run_keeps_its_interval():
    assert over_runs([{"x": value(3.0), "y": value(1.0)}]) == {"x": value(3.0), "y": value(1.0)}


def test_runs_without_a_value_are_counted():
    runs = [{"x": value(1.0)}, {"x": Score(NAN, NAN, NAN, 0, 9)}, {"x": value(2.0)}, {"y": value(5.0)}]
    found = over_runs(runs)
    assert found["x"].value == 1.5
    assert (found["x"].n, found["x"].undefined) == (2, 1)
    assert found["y"].value == 5
    assert math.isnan(found["y"].low)  # one value has no spread
    assert (found["y"].n, found["y"].undefined) == (1, 0)


def test_no_run_has_a_value():
    found = over_runs([{"x": Score(NAN, NAN, NAN, 0, 9)}, {"x": Score(math.inf, NAN, NAN, 9, 0)}])["x"]
    assert all(math.isnan(x) for x in found[:3])
    assert (found.n, found.undefined) == (0, 2)


def test_equal_runs_have_no_spread():
    assert over_runs([{"x": value(2.0)}] * 3)["x"] == Score(2.0, 2.0, 2.0, 3, 0)


# ------------------------------------------------------------------ folders


def test_seeds_share_a_row(tmp_path):
    for k, x in enumerate((1.0, 2.0, 3.0)):
        write_run(tmp_path / "sweep" / str(k), {"oat": x, "people": 0.5}, seed=k, model={"width": 8})
    record, table = merged([tmp_path / "sweep"], tmp_path / "out")
    assert list(table) == ["oat", "people"]
    assert table["oat"]["score"].value == pytest.approx(2)
    assert table["oat"]["score"].n == 3
    assert record["seeds"] == [0, 1, 2]
    assert record["runs"] == ["0", "1", "2"]
    assert record["higher_is_better"] == {"score": True}
    assert record["headline"] == ["score"]
    assert record["notes"] == ["3 runs: 0, 1, 2"]
    assert (tmp_path / "out" / "figures" / "scores.png").is_file()
    assert "Runs of oat on toy" in (tmp_path / "out" / "report.md").read_text()


def test_a_baseline_beside_several_models_was_measured_once(tmp_path):
    for name, x in (("a", 1.0), ("b", 2.0)):
        write_run(tmp_path / name, {name: x, "centre": 0.5}, seed=3, model={"_target_": name})
    _, table = merged([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert table["centre"]["score"] == value(0.5)


def test_settings_that_differ_name_the_row(tmp_path):
    model = "gazekit.models.oat.OAT"
    for k, (width, seed) in enumerate([(8, 0), (8, 1), (16, 0)]):
        config = {"model": {"_target_": model, "width": width, "heads": 2}, "trainer": {"max_steps": 3}}
        write_run(tmp_path / str(k), {"oat": float(k)}, seed=seed, **config)
    record, table = merged([tmp_path], tmp_path / "out")
    assert list(table) == ["oat (model.width=8)", "oat (model.width=16)"]
    assert table["oat (model.width=8)"]["score"].n == 2
    assert table["oat (model.width=16)"]["score"] == value(2.0)
    assert "oat (model.width=16): one run, interval over its items" in record["notes"]


def test_where_a_run_was_written_and_its_metrics_do_not_name_the_row(tmp_path):
    for k in range(2):
        more = {
            "name": f"n{k}",
            "device": k,
            "metrics": {"resamples": k},
            "callbacks": k,
            "logger": k,
            "trust": k,
        }
        write_run(tmp_path / str(k), {"oat": float(k)}, seed=k, ckpt=str(k), **more)
    assert list(merged([tmp_path], tmp_path / "out")[1]) == ["oat"]


def test_models_have_rows_of_their_own(tmp_path):
    """Their settings differ anyway, so that names of rows would become long for nothing."""
    write_run(tmp_path / "a", {"oat": 1.0, "people": 3.0}, model={"_target_": "a.A", "width": 8})
    write_run(tmp_path / "b", {"nearest": 2.0, "people": 5.0}, model={"_target_": "b.B", "depth": 2})
    record, table = merged([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert list(table) == ["oat", "people", "nearest"]
    assert table["nearest"]["score"] == value(2.0)
    assert table["people"]["score"].value == 4
    assert record["title"] == "Runs of oat on toy, nearest on toy"
    assert not any("not comparable" in note for note in record["notes"])


@pytest.mark.parametrize("change", [{"data": "other"}, {"fingerprint": "g"}])
def test_different_data_are_told(tmp_path, change):
    write_run(tmp_path / "a", {"oat": 1.0})
    write_run(tmp_path / "b", {"oat": 2.0}, **change)
    record, _ = merged([tmp_path], tmp_path / "out")
    assert "the runs were scored on different data: their rows are not comparable" in record["notes"]


def test_undefined_numbers_survive(tmp_path):
    write_run(tmp_path / "a", {"oat": NAN, "marginal": -math.inf})
    _, table = merged([tmp_path / "a"], tmp_path / "out")
    assert math.isnan(table["oat"]["score"].value)
    assert table["marginal"]["score"].value == -math.inf


def test_runs_are_found_in_natural_order(tmp_path):
    for name in ("sweep/10", "sweep/2", "sweep/1", "nearest/1", "b"):
        write_run(tmp_path / name, {"oat": 1.0})
    found = [path.relative_to(tmp_path).as_posix() for path in runs_in(tmp_path)]
    assert found == ["b", "nearest/1", "sweep/1", "sweep/2", "sweep/10"]
    assert list(runs_in(tmp_path / "b")) == [tmp_path / "b"]


def test_a_folder_without_runs(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"empty holds no run: expected metrics\.json in it or in a folder below"
    ):
        merge([tmp_path / "empty"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", ['{"rows": {"oat": {"score": {"value": 1, "low": 0}}}}', "[]", "{", '{"rows": {}}']
)
def test_a_run_of_another_version(tmp_path, content):
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(DataError, match=r"was not written by this version of gazekit .*: run evaluate ckpt="):
        merge([tmp_path], tmp_path / "out")


def test_a_run_of_version_0_1(tmp_path, repo_root):
    with pytest.raises(DataError, match="was not written by this version of gazekit"):
        merge([repo_root / "tests" / "golden" / "oat_short_run"], tmp_path / "out")
