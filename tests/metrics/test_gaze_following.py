"""Gaze following: goldens, scikit-learn as oracle, what is undefined."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score

from gazekit.metrics import AttentionTargetAUC, AveragePrecision
from gazekit.metrics.functional import (
    attention_target_auc,
    average_precision,
    distance_to_mean_norm,
    gaze_angle_deg,
    gazefollow_auc,
    heatmap_point_norm,
    mean_distance_norm,
    min_distance_norm,
)
from gazekit.metrics.functional import gaze_following as module
from gazekit.scanpath import Scanpaths

NAN, INF = math.nan, math.inf
DISTANCES = (distance_to_mean_norm, min_distance_norm, mean_distance_norm)
POINTS = arrays(float, st.tuples(st.integers(1, 6), st.just(2)), elements=st.floats(0, 1))
MAPS = arrays(float, (7, 5), elements=st.integers(0, 9).map(float))


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> dict:
    folder = shared_data / "golden_metrics"
    data = json.loads((folder / "misc_expected.json").read_text())["gaze_following"]
    maps = np.load(folder / "misc_inputs.npz")
    data["heatmaps"] = np.stack([maps[item["heatmap_key"]] for item in data["items"]])
    data["points"] = [np.array(item["points"]) for item in data["items"]]
    return data


def test_golden(golden: dict) -> None:
    heatmaps, points = golden["heatmaps"], golden["points"]
    predicted = heatmap_point_norm(heatmaps)
    found = {
        "argmax_xy_norm": predicted,
        "auc_multihot_native64": gazefollow_auc(heatmaps, points),
        "auc_vat_box": attention_target_auc(heatmaps, np.stack([p[0] for p in points])),
        "l2_to_mean_point": distance_to_mean_norm(predicted, points),
        "l2_min": min_distance_norm(predicted, points),
        "l2_mean_over_points": mean_distance_norm(predicted, points),
    }
    for key, values in found.items():
        expected = [item["expected"][key] for item in golden["items"]]
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9, err_msg=key)


def test_golden_average_precision(golden: dict) -> None:
    inout = golden["inout"]
    expected = inout["expected"]["average_precision"]
    assert average_precision(inout["scores"], inout["labels"]).item() == pytest.approx(expected, abs=1e-9)


def auc_by_sklearn(heatmap: np.ndarray, points: np.ndarray) -> float:
    height, width = heatmap.shape
    target = np.zeros((height, width))
    for x, y in points:
        target[min(int(y * height), height - 1), min(int(x * width), width - 1)] = 1
    return roc_auc_score(target.ravel(), heatmap.ravel())


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(MAPS, POINTS), min_size=1, max_size=4))
def test_ties_and_shared_pixels(items: list[tuple[np.ndarray, np.ndarray]]) -> None:
    maps, points = np.stack([m for m, _ in items]), [p for _, p in items]
    found = gazefollow_auc(maps, points, chunk=2)
    expected = [auc_by_sklearn(heatmap, p) for heatmap, p in items]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(gazefollow_auc(-maps, points), 1 - found, rtol=0, atol=1e-12)
    np.testing.assert_allclose(gazefollow_auc(np.exp(maps), points), found, rtol=0, atol=1e-12)


def bilinear_by_loop(heatmap: np.ndarray, width: int, height: int) -> np.ndarray:
    """Centres of pixels on centres of cells, the border repeated."""

    def weights(size: int, cells: int) -> np.ndarray:
        table = np.zeros((size, cells))
        for pixel in range(size):
            place = max((pixel + 0.5) * cells / size - 0.5, 0)
            low = int(place)
            table[pixel, low] += 1 - (place - low)
            table[pixel, min(low + 1, cells - 1)] += place - low
        return table

    return weights(height, heatmap.shape[0]) @ heatmap @ weights(width, heatmap.shape[1]).T


def test_resizing_to_pictures_of_different_sizes() -> None:
    rng = np.random.default_rng(0)
    maps, sizes = rng.random((4, 8, 6)), [(23, 31), (6, 8), (23, 31), (50, 9)]
    points = [rng.random((n, 2)) for n in (3, 1, 5, 2)]
    found = gazefollow_auc(maps, points, torch.tensor(sizes))
    expected = [
        auc_by_sklearn(bilinear_by_loop(m, *size), p) for m, size, p in zip(maps, sizes, points, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    alone = [gazefollow_auc(m, p, size) for m, p, size in zip(maps, points, sizes, strict=True)]
    torch.testing.assert_close(torch.stack(alone), found, rtol=0, atol=0)


@pytest.mark.parametrize("edge", ["open", "closed"])
@pytest.mark.parametrize("point", [(0.31, 0.72), (0.0, 0.0), (0.99, 0.98), (1.0, 0.5), (0.1, 0.999)])
def test_square_round_the_target(point: tuple[float, float], edge: str) -> None:
    heatmap = np.random.default_rng(3).integers(0, 20, (64, 64)).astype(float)
    x, y = int(point[0] * 64), int(point[1] * 64)
    last = 63 if edge == "open" else 64
    target = np.zeros((64, 64))
    target[max(0, y - 9) : min(y + 10, last), max(0, x - 9) : min(x + 10, last)] = 1
    expected = roc_auc_score(target.ravel(), heatmap.ravel())
    found = attention_target_auc(heatmap, point, edge=edge)
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_out_of_frame_is_undefined() -> None:
    heatmap = torch.rand(4, 64, 64, generator=torch.Generator().manual_seed(0))
    points = torch.tensor([[0.5, 0.5], [-1.0, -1.0], [NAN, NAN], [0.5, 1.2]])
    found = attention_target_auc(heatmap, points)
    assert found.isnan().tolist() == [False, True, True, True]
    assert found[0] == attention_target_auc(heatmap[0], points[0])
    heatmap[0, 3, 3] = NAN
    assert attention_target_auc(heatmap[0], points[0]).isnan()
    assert attention_target_auc(heatmap[:0], points[:0]).shape == (0,)


def test_predicted_point() -> None:
    wide = torch.zeros(2, 3, 4)
    wide[0, 2, 1] = wide[1, 0, 3] = wide[1, 2, 0] = 5
    assert heatmap_point_norm(wide).tolist() == [[1 / 4, 2 / 3], [3 / 4, 0]]  # the first of equal ones
    assert heatmap_point_norm(torch.ones(2, 3)).isnan().all()
    wide[0, 0, 0] = NAN
    assert heatmap_point_norm(wide[0]).isnan().all()
    assert heatmap_point_norm(torch.zeros(2, 0, 3)).isnan().all()


@settings(deadline=None, max_examples=50)
@given(st.tuples(st.floats(0, 1), st.floats(0, 1)), POINTS)
def test_distances(predicted: tuple[float, float], points: np.ndarray) -> None:
    distances = [math.dist(predicted, point) for point in points]
    expected = [math.dist(predicted, points.mean(0)), min(distances), np.mean(distances)]
    found = [function(predicted, points).item() for function in DISTANCES]
    assert found == pytest.approx(expected, abs=1e-12)
    assert found[0] <= found[2] + 1e-12 and found[1] <= found[2] + 1e-12


@pytest.mark.parametrize("function", DISTANCES)
def test_distances_of_batches(function) -> None:
    xy = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    mask = torch.tensor([[True] * 4, [True, True, False, False], [False] * 4])
    padded = torch.where(mask[..., None], xy, NAN)
    predicted = torch.tensor([[0.2, 0.3], [0.4, 0.1], [0.5, 0.5]]).double().requires_grad_()
    found = function(predicted, Scanpaths(padded, mask))
    assert found.isnan().tolist() == [False, False, True]
    for i in range(2):
        torch.testing.assert_close(function(predicted[i], xy[i][mask[i]]), found[i], rtol=0, atol=1e-12)
    found[:2].sum().backward()
    assert predicted.grad.isfinite().all()
    assert torch.autograd.gradcheck(lambda p: function(p, Scanpaths(xy[:2], mask[:2])), predicted[:2])
    assert function(torch.zeros(0, 2), []).shape == (0,)
    assert function([NAN, NAN], xy[0]).isnan()


def test_angle_at_the_eye() -> None:
    eye = torch.tensor([10.0, 20.0]).double()
    turn = torch.tensor([0.0, 30.0, 90.0, 179.0, -120.0]).double()
    true = eye + 50 * torch.stack([turn.deg2rad().cos(), turn.deg2rad().sin()], -1)
    found = gaze_angle_deg(eye, eye + torch.tensor([7.0, 0.0]), true)
    np.testing.assert_allclose(found, turn.abs(), rtol=0, atol=1e-12)
    assert gaze_angle_deg(eye, eye, true).isnan().all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=20))
def test_average_precision_is_that_of_sklearn(instances: list[tuple[int, bool]]) -> None:
    scores, labels = np.array([s for s, _ in instances], float), np.array([y for _, y in instances])
    found = average_precision(scores, labels)
    if labels.any():
        assert found.item() == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    else:
        assert found.isnan()
    twice = average_precision(np.stack([scores, -scores]), np.stack([labels, labels]))
    torch.testing.assert_close(twice[0], found, rtol=0, atol=0, equal_nan=True)


def test_undefined() -> None:
    heatmap = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))
    assert gazefollow_auc(heatmap, torch.zeros(0, 2)).isnan()
    assert gazefollow_auc(heatmap[:1, :1], [[0.5, 0.5]]).isnan()  # no negative is left
    assert gazefollow_auc(torch.ones(2, 3), [[0.5, 0.5]]) == 0.5
    heatmap[0, 0] = NAN
    assert gazefollow_auc(heatmap, [[0.9, 0.9]]).isnan()
    assert average_precision(torch.zeros(2, 0), torch.zeros(2, 0, dtype=torch.bool)).isnan().all()
    assert average_precision([0.5, NAN], [1, 0]).isnan()
    metric = AveragePrecision()
    metric.update([0.5, NAN, 0.4], [1, 1, 0])
    assert metric.compute() == 1 and metric.undefined == 1


def test_heatmaps_are_compared_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    heatmap, point = torch.rand(7, 16, 16, generator=draw), 1.2 * torch.rand(7, 2, generator=draw)
    whole = attention_target_auc(heatmap, point, size=16)
    assert 0 < whole.isnan().sum() < 7
    rows, area = [], module._roc_auc
    monkeypatch.setattr(module, "_roc_auc", lambda *x: rows.append(len(x[0])) or area(*x))
    for settings_ in ({"chunk": 2}, {}):
        monkeypatch.setattr(module, "_CHUNK_BYTES", 2 * 24 * 2 * 16 * 16)
        torch.testing.assert_close(
            attention_target_auc(heatmap, point, size=16, **settings_), whole, rtol=0, atol=0, equal_nan=True
        )
        assert max(rows) == 2
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        attention_target_auc(heatmap, point, size=16, chunk=0)


def test_settings_of_the_square_are_checked_before_the_data() -> None:
    for setting in ({"sigma_cells": -1}, {"size": 0}, {"edge": "half"}):
        with pytest.raises(ValueError, match=f"{next(iter(setting))} must be"):
            AttentionTargetAUC(**setting)
    with pytest.raises(TypeError, match=r"size must be an integer, got 64\.0"):
        AttentionTargetAUC(size=64.0)


def test_wrong_input_is_named() -> None:
    heatmap = torch.zeros(2, 5, 4)
    with pytest.raises(
        ValueError, match=r"\(leave padding out\), got \[-1\.0, -1\.0\] from annotator 1 of item \(0,\)"
    ):
        gazefollow_auc(heatmap, [[[0.5, 0.5], [-1, -1]], [[0.5, 0.5]]])
    with pytest.raises(ValueError, match=r"leading dimensions of the predictions, \[2\], got \[\]"):
        distance_to_mean_norm(torch.zeros(2, 2), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"size_px must hold widths and heights, positive integers"):
        gazefollow_auc(heatmap, torch.zeros(2, 1, 2), (0, 5))
    with pytest.raises(ValueError, match=r"size_px must be one size or \[2, 2\], got \[3, 2\]"):
        gazefollow_auc(heatmap, torch.zeros(2, 1, 2), torch.ones(3, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        gazefollow_auc(heatmap, torch.zeros(2, 1, 2), chunk=0)
    with pytest.raises(ValueError, match=r"heatmap must have shape \[\.\.\., 64, 64\], got \[2, 5, 4\]"):
        attention_target_auc(heatmap, torch.zeros(2, 2))
    with pytest.raises(ValueError, match="edge must be open or closed, got 'both'"):
        attention_target_auc(torch.zeros(64, 64), [0.5, 0.5], edge="both")
    with pytest.raises(ValueError, match="labels must hold 0 and 1 only, got -1 to 1"):
        average_precision([0.1, 0.2], [-1, 1])
    with pytest.raises(TypeError, match=r"heatmap must hold real numbers, got torch\.bool"):
        heatmap_point_norm(torch.ones(2, 2, dtype=torch.bool))
