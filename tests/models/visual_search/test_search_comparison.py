"""Searchers, people and published models in one table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.datasets.search_data import SearchData
from gazekit.datasets.search_tasks import ASYMMETRY
from gazekit.models.visual_search import Chance, EccNetRow, SearchComparison

PEOPLE = (0.809, 0.701, 0.362, 0.404, 0.611, 0.500)
ECCNET = (1.0, 1.0, 0.495, 0.789, -1.0, 0.791)


def scores_of(data: SearchData, rows: dict[str, Predictor] | None = None) -> Scores:
    data.setup()
    return SearchComparison().scores(rows or {}, data, Settings(resamples=60), lambda *_: None)


@pytest.fixture(scope="module")
def known() -> Scores:
    return scores_of(SearchData())


@pytest.mark.parametrize(("row", "expected"), (("people", PEOPLE), ("eccNET, published", ECCNET)))
def test_known_rows_have_the_published_indices(known: Scores, row: str, expected: tuple[float, ...]) -> None:
    found = known.table[row]
    for task, value in zip(ASYMMETRY, expected, strict=True):
        assert found[f"asymmetry.{task}"].value == pytest.approx(value, abs=5e-4), task
    assert found["asymmetry.mean"].value == pytest.approx({"people": 0.564}.get(row, 0.513), abs=5e-4)
    assert all(np.isnan(score.low) and np.isnan(score.high) for score in found.values())
    assert not any(column.startswith("p.") for column in found)  # which needs single trials


def test_the_slopes_of_published_fixations(known: Scores) -> None:
    found = known.table["eccNET, published"]
    expected = {"line_in_curves": 4.43, "lighting_horizontal": 8.09, "cross": 96.97, "l_in_ts": 99.31,
                "homogeneous_20": 100.39, "heterogeneous_20": 13.86, "t_in_ls": 11.68, "non_cross": 32.71}  # fmt: skip
    for condition, slope in expected.items():
        assert found[f"slope.{condition}"].value == pytest.approx(slope, abs=0.011), condition


def test_flat_tasks_are_undefined_behind_the_gate_and_say_why(known: Scores) -> None:
    assert np.isnan(known.table["eccNET, published"]["asymmetry_gated.curvature"].value)
    assert (
        known.reasons["eccNET, published", "asymmetry_gated.curvature"]
        == "neither slope reaches 20 ms per item"
    )
    assert np.isfinite(known.table["eccNET, published"]["asymmetry_gated.t_l"].value)


def test_models_have_intervals_and_some_tasks_will_do() -> None:
    data = SearchData(tasks=["lighting"], displays=3)
    found = scores_of(data, {"chance": Chance()}).table
    assert set(found) >= {"chance", "people", "IVSN, published"}
    assert found["chance"]["asymmetry.lighting"].low <= found["chance"]["asymmetry.lighting"].high
    assert found["chance"]["found.lighting_vertical"].value == 1
    assert found["chance"]["rt_ms.lighting_vertical at 6"].n == 3
    assert found["people"]["slope.lighting_vertical"].value == pytest.approx(4.21, abs=0.01)


def test_classical_tasks_have_slopes_and_no_asymmetry() -> None:
    data = SearchData(tasks=["feature", "conjunction", "spatial_configuration"], displays=1)
    found = scores_of(data, {"chance": Chance()}).table
    assert not any(column.startswith("asymmetry") for column in found["chance"])
    assert found["people"]["slope.spatial_configuration"].value == pytest.approx(43.1, abs=0.1)
    assert "eccNET, published" not in found


def test_without_targets_nothing_is_made_up() -> None:
    found = scores_of(SearchData(tasks=["lighting"], displays=1, target_present=False), {"chance": Chance()})
    assert np.isnan(found.table["chance"]["slope.lighting_vertical"].value)
    assert found.table["chance"]["found.lighting_vertical"].value == 0
    assert found.reasons["chance", "asymmetry_gated.lighting"].startswith("no display with a target")
    assert found.reasons["chance", "slope_correlation"].startswith("fewer than three conditions")
    assert "people" not in found.table
    assert any("no searcher stops by itself" in note for note in found.notes)


def test_intervals_of_own_people_draw_participants(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    path = tmp_path / "times.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["participant", "condition", "set_size", "rt_ms"])
        for who in range(6):
            own = draw.normal(0, 60)
            for condition, slope in (("lighting_vertical", 5), ("lighting_horizontal", 25)):
                for n in (1, 6, 12):
                    for _ in range(5):
                        writer.writerow(
                            [who, condition, n, round(450 + own + slope * n + draw.normal(0, 20), 1)]
                        )
    data = SearchData(displays=1, times=path)
    score = scores_of(data).table["people"]["asymmetry.lighting"]
    assert score.low < score.value < score.high
    assert score.value == pytest.approx(20 / 30, abs=0.1)


def test_slow_participants_with_other_numbers_of_trials_are_no_slope(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["participant", "condition", "set_size", "rt_ms"])
        for who, (start, trials) in enumerate(((500, {1: 2, 12: 2}), (1200, {1: 9, 12: 2}))):
            for n, many in trials.items():
                writer.writerows([who, "lighting_vertical", n, start + 5 * n + k] for k in range(many))
    data = SearchData(displays=1, times=path)
    score = scores_of(data).table["people"]["slope.lighting_vertical"]
    assert score.value == pytest.approx(data.facts()["condition_human_slope_ms"][0])
    assert score.value == pytest.approx(5, abs=1)
    assert score.n == 4  # participants at set sizes


def test_found_and_fixations_agree_with_what_the_searcher_said() -> None:
    data = SearchData(tasks=["t_l"], displays=2, batch_size=5)
    found = scores_of(data, {"chance": Chance()}).table["chance"]
    generator = torch.Generator().manual_seed(Settings().seed)
    said = [Chance().predict(batch, generator) | batch for batch in data.batches("test")]
    condition, n = (torch.cat([one[key] for one in said]) for key in ("condition", "fixations"))
    for k, name in enumerate(data.conditions):
        assert found[f"fixations.{name}"].value == pytest.approx(float(n[condition == k].mean()))


class Never(Chance):
    """A row that must not be asked to search."""

    def guide(self, batch, generator):
        raise AssertionError("searched before all rows were ready")


def test_weights_that_do_not_exist_are_told_before_any_search(tmp_path: Path) -> None:
    data = SearchData(tasks=["lighting"], displays=1)
    typo = EccNetRow({}, "squeezenet1_0", tmp_path / "typo.safetensors")
    with pytest.raises(FileNotFoundError, match=r"typo\.safetensors"):
        scores_of(data, {"first": Never(), "squeezenet": typo})


def test_a_further_row_without_weights_of_its_own_is_left_out_with_a_note(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no data/backbones
    data = SearchData(tasks=["lighting"], displays=1)
    found = scores_of(data, {"chance": Chance(), "squeezenet": EccNetRow({}, "squeezenet1_0")})
    assert "squeezenet" not in found.table
    note = next(note for note in found.notes if note.startswith("squeezenet is left out"))
    assert "gazekit data fetch squeezenet1_0" in note
    assert "\n" not in note
    with pytest.raises(FileNotFoundError):
        scores_of(data, {"eccnet": EccNetRow({}, "squeezenet1_0")})  # not what the report is about
