"""Rows of masks: known prompts and a known segmenter give known scores; who is left out, and how many are scored."""

import math

import numpy as np
import pytest
import torch

from gazekit.base import Predictor
from gazekit.base.scores import Comparison, Settings
from gazekit.datasets.synthetic_gaze import SyntheticGaze
from gazekit.models.gaze_following import TargetMasks
from gazekit.models.gaze_following.target_masks import COLUMNS
from gazekit.report.score import score

SETTINGS = Settings(resamples=30)


def made(**settings) -> SyntheticGaze:
    data = SyntheticGaze(pictures=1, scored=10, clips=1, size_px=(64, 96), batch_size=4, **settings)
    data.setup()
    return data


@pytest.fixture(scope="module")
def data() -> SyntheticGaze:
    return made()


class Knows(Predictor):
    """A bump at the target, moved, on a map of 32 by 48 cells."""

    def __init__(self, moved: float = 0.0, facts=None) -> None:
        super().__init__(facts)
        self.moved = moved

    def predict(self, batch, generator, samples=1):
        place = (torch.nan_to_num(batch["point_norm"], 0.5) + self.moved) * torch.tensor([48, 32])
        row, column = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(48) + 0.5, indexing="ij")
        squared = (column - place[:, 0, None, None]) ** 2 + (row - place[:, 1, None, None]) ** 2
        return {"heatmap": torch.exp(-squared / 8)}


class SaysNothing(Predictor):
    """Has no heat map."""

    def predict(self, batch, generator, samples=1):
        return {"predicted_norm": batch["point_norm"]}


class Flat(Predictor):
    """Says everywhere."""

    def predict(self, batch, generator, samples=1):
        return {"heatmap": torch.ones(len(batch["labels"]), 4, 4)}


class Elsewhere(Predictor):
    """Has its weights on another device, where it wants the whole batch."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(1, device=device))

    def predict(self, batch, generator, samples=1):
        tensors = [*batch.pop("points_norm"), *batch.values()]
        assert {value.device.type for value in tensors} == {self.weights.device.type}
        heatmap = torch.ones(len(batch["labels"]), 4, 4)
        return {"heatmap": heatmap if self.weights.is_meta else heatmap.to(self.weights)}


class Squares:
    """A segmenter whose masks are squares round the point, larger with a heat map."""

    def __init__(self) -> None:
        self.seen = []

    def masks(self, image, points_xy_px, heatmaps=None, heads_px=None):
        assert image.dtype == np.uint8 and image.shape[2] == 3
        self.seen.append((len(points_xy_px), heatmaps is not None, len(heads_px)))
        half = 3 if heatmaps is None else 5
        row, column = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
        return np.stack([(abs(column - x) < half) & (abs(row - y) < half) for x, y in points_xy_px])


def with_squares(**settings) -> TargetMasks:
    comparison = TargetMasks(**settings)
    comparison.segmenter = Squares()
    return comparison


def expected(data, half: float, index=None) -> list[list[float]]:
    """Dice, IoU and point in mask of squares round the centre of the cell that the target is in, person by person."""
    values = []
    for i in data.parts["test"].tolist() if index is None else index:
        batch = data.batch([i])
        for (x, y), true in zip(batch["point_norm"].tolist(), batch["true_mask"].numpy(), strict=True):
            if not true.any():
                continue
            x, y = 2 * math.floor(48 * x) + 1, 2 * math.floor(32 * y) + 1
            row, column = np.mgrid[:64, :96] + 0.5
            square = (abs(column - x) < half) & (abs(row - y) < half)
            both = (square & true).sum()
            values.append([2 * both / (square.sum() + true.sum()), both / (square | true).sum(), true[y, x]])
    return values


def test_scores_are_those_of_single_people(data) -> None:
    comparison = with_squares(most=None)
    assert isinstance(comparison, Comparison)
    heard = []
    found = comparison.scores(
        {"knows": Knows()}, data, SETTINGS, lambda row, share: heard.append((row, share))
    )
    assert list(found.table) == ["knows + grabcut", "knows point + grabcut", "true point + grabcut"]
    assert set(found.higher_is_better) == set(COLUMNS) == set(found.table["knows + grabcut"])
    values = expected(data, 3)
    for column, value in zip(COLUMNS, np.mean(values, 0), strict=True):
        single = found.table["knows point + grabcut"][column]
        assert single.value == pytest.approx(value, abs=1e-9)
        assert single.n == len(values) and single.low <= single.value <= single.high
        people = sum(len(data.batch([i])["labels"]) for i in data.parts["test"].tolist())
        assert single.undefined == people - len(values) > 0
        assert "out of frame" in found.reasons["knows point + grabcut", column]
    assert found.table["knows + grabcut"]["target_iou"].value != pytest.approx(
        np.mean(values, 0)[1], abs=1e-3
    )
    assert found.table["true point + grabcut"]["point_in_mask"].value > 0.9
    assert heard[-1] == ("true point", 1.0) and {row for row, _ in heard} == {"knows", "true point"}
    assert all(found.about[row] for row in found.table)
    prompted = [heatmaps for _, heatmaps, _ in comparison.segmenter.seen]
    assert prompted.count(True) == len(prompted) / 3
    assert max(heads for *_, heads in comparison.segmenter.seen) > 1


def test_wrong_points_score_less(data) -> None:
    comparison = TargetMasks(most=None)
    found = comparison.scores({"knows": Knows(), "off": Knows(0.15)}, data, SETTINGS, lambda *_: None).table
    for way in ("", " point"):
        right, wrong = found[f"knows{way} + grabcut"], found[f"off{way} + grabcut"]
        assert right["target_dice"].value > 0.6 > 0.35 > wrong["target_dice"].value
        assert right["point_in_mask"].value > 0.8 > 0.3 > wrong["point_in_mask"].value
    again = comparison.scores({"knows": Knows()}, data, SETTINGS, lambda *_: None).table
    assert again["knows + grabcut"] == found["knows + grabcut"]


def test_rows_without_heat_maps_and_maps_without_peaks(data) -> None:
    rows = {"nothing": SaysNothing(), "flat": Flat()}
    found = with_squares(most=None).scores(rows, data, SETTINGS, lambda *_: None)
    assert "nothing + grabcut" not in found.table
    assert found.reasons["nothing", "target_dice"] == "not measured: nothing gives no heatmap"
    empty = TargetMasks(most=None).scores({"flat": Flat()}, data, SETTINGS, lambda *_: None).table
    for way in ("", " point"):
        scores = empty[f"flat{way} + grabcut"]
        assert scores["target_dice"].value == 0 and scores["target_dice"].n > 0
        assert math.isnan(scores["point_in_mask"].value)


@pytest.mark.parametrize(
    "device",
    [
        "meta",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")),
    ],
)
def test_a_row_on_another_device(data, device) -> None:
    found = with_squares(most=2).scores({"there": Elsewhere(device)}, data, SETTINGS, lambda *_: None)
    assert found.table["there + grabcut"]["target_dice"].n > 0


def test_some_people_are_scored_by_the_seed(data) -> None:
    def chosen(seed: int) -> tuple[int, str]:
        found = with_squares(most=5).scores({}, data, Settings(resamples=5, seed=seed), lambda *_: None)
        return found.table["true point + grabcut"]["target_dice"], found.notes[0]

    score_of, note = chosen(0)
    assert 5 <= score_of.n <= 5 + 5 and f"{score_of.n} people in" in note and "of 10 pictures" in note
    assert chosen(0) == (score_of, note)
    assert any(chosen(seed)[0] != score_of for seed in (1, 2))


def test_rows_read_batches_of_their_own_size(data) -> None:
    small = Knows(facts={"size_px": [32, 48]})
    found = with_squares(most=None).scores(
        {"small": small, "large": Knows()}, data, SETTINGS, lambda *_: None
    )
    one, other = (found.table[f"{row} point + grabcut"]["target_iou"] for row in ("small", "large"))
    assert one.value != other.value


def test_a_report_shows_them(data) -> None:
    found = score({"knows": Knows()}, data, {"target_masks": with_squares(most=4)}, SETTINGS)
    assert "knows + grabcut" in found.table and found.notes


def test_what_cannot_be_scored_is_said() -> None:
    with pytest.raises(ValueError, match="most must be at least 1, or null for all, got 0"):
        TargetMasks(most=0)
    with pytest.raises(ValueError, match="segmenter must be one of"):
        TargetMasks("sam3")
    bare = made()
    whole = bare.batch
    bare.batch = lambda index, generator=None: {k: v for k, v in whole(index).items() if k != "true_mask"}
    with pytest.raises(ValueError, match="masks of targets need batches with true_mask"):
        TargetMasks().scores({}, bare, SETTINGS, lambda *_: None)
