"""Decoded points, directions, points in masks and on heads: slow oracles, known answers, what is undefined."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score, roc_auc_score

from gazekit.metrics import AttentionTargetAUC, DirectionError, PHead, PointInMask
from gazekit.metrics.functional import (
    attention_target_auc,
    direction_error_deg,
    gaze_angle_deg,
    heatmap_point_norm,
    looking_at_head_precision,
    point_in_mask,
)
from gazekit.metrics.functional import heatmap_point as module

NAN = math.nan


def dark_by_cv2(heatmap: np.ndarray) -> tuple[float, float]:
    """One map: OpenCV's blur with its own sigma, and Newton's step solved by numpy."""
    h, w = heatmap.shape
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    if not (2 <= x < w - 2 and 2 <= y < h - 2):
        return x / w, y / h
    framed = cv2.copyMakeBorder(heatmap, 19, 19, 19, 19, cv2.BORDER_CONSTANT, value=0)
    blurred = cv2.GaussianBlur(framed, (39, 39), 0)[19:-19, 19:-19]
    f = np.log(np.maximum(blurred * heatmap.max() / blurred.max(), 1e-10))
    gradient = [(f[y, x + 1] - f[y, x - 1]) / 2, (f[y + 1, x] - f[y - 1, x]) / 2]
    dxy = (f[y + 1, x + 1] - f[y - 1, x + 1] - f[y + 1, x - 1] + f[y - 1, x - 1]) / 4
    hessian = [
        [(f[y, x + 2] - 2 * f[y, x] + f[y, x - 2]) / 4, dxy],
        [dxy, (f[y + 2, x] - 2 * f[y, x] + f[y - 2, x]) / 4],
    ]
    dx, dy = np.linalg.solve(hessian, gradient)
    return (x - dx) / w, (y - dy) / h


def bump(x: float, y: float, width: int = 64, height: int = 64, sigma: float = 3) -> np.ndarray:
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    return np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))


def test_dark_equals_the_slow_form() -> None:
    rng = np.random.default_rng(0)
    bumps = [
        bump(*rng.uniform([0, 0], [72, 40]), 72, 40, rng.uniform(1, 6))
        + rng.uniform(0, 0.9) * bump(*rng.uniform([0, 0], [72, 40]), 72, 40, 5)
        for _ in range(40)
    ]
    maps = np.stack([*bumps, *np.clip(rng.normal(0.2, 1, (5, 40, 72)), 0, None)])
    expected = np.array([dark_by_cv2(one) for one in maps])
    found = heatmap_point_norm(maps, "dark")
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
    refined = (found != heatmap_point_norm(maps)).any(1)
    assert 30 < refined.sum() < 45  # some are at the border


def test_dark_is_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = torch.rand(2, 3, 30, 20, generator=torch.Generator().manual_seed(0))
    whole = heatmap_point_norm(maps, "dark")
    monkeypatch.setattr(module, "_CHUNK_BYTES", 1)
    torch.testing.assert_close(heatmap_point_norm(maps, "dark"), whole, rtol=0, atol=0)
    assert whole.shape == (2, 3, 2)


@settings(deadline=None, max_examples=30)
@given(st.floats(28, 36), st.floats(28, 36), st.floats(1.5, 3))
def test_dark_finds_the_centre_of_a_gaussian(x: float, y: float, sigma: float) -> None:
    found = 64 * heatmap_point_norm(bump(x, y, sigma=sigma), "dark")
    np.testing.assert_allclose(found, [x, y], rtol=0, atol=0.01)
    coarse = 64 * heatmap_point_norm(bump(x, y, sigma=sigma))
    np.testing.assert_allclose(coarse, [x, y], rtol=0, atol=0.501)


def test_dark_of_what_has_no_step() -> None:
    assert heatmap_point_norm(torch.ones(9, 9), "dark").isnan().all()
    broken = torch.zeros(9, 9)
    broken[4, 4] = NAN
    assert heatmap_point_norm(broken, "dark").isnan().all()
    for x, y in ((1, 4), (7, 4), (4, 0), (8, 8)):
        one = torch.zeros(9, 9)
        one[y, x] = 1
        assert (9 * heatmap_point_norm(one, "dark")).tolist() == pytest.approx([x, y])
    below = -torch.ones(9, 9)
    below[4, 5] = -0.5
    assert (9 * heatmap_point_norm(below, "dark")).tolist() == pytest.approx([5, 4])
    small = torch.eye(4)
    assert heatmap_point_norm(small, "dark").tolist() == heatmap_point_norm(small).tolist()
    assert heatmap_point_norm(torch.zeros(0, 9, 9), "dark").shape == (0, 2)
    assert heatmap_point_norm(torch.zeros(3, 0, 9), "dark").isnan().all()
    with pytest.raises(ValueError, match="method must be argmax or dark, got 'Dark'"):
        heatmap_point_norm(small, "Dark")


@pytest.mark.parametrize("point", [(0.31, 0.72), (0.0, 0.0), (0.99, 0.98), (1.0, 0.5), (0.105, 0.999)])
def test_disc_round_the_target(point: tuple[float, float]) -> None:
    heatmap = np.random.default_rng(3).integers(0, 20, (64, 64)).astype(float)
    target = [
        [(x - 64 * point[0]) ** 2 + (y - 64 * point[1]) ** 2 <= 90 for x in range(64)] for y in range(64)
    ]
    expected = roc_auc_score(np.ravel(target), heatmap.ravel())
    assert attention_target_auc(heatmap, point, positives="disc").item() == pytest.approx(expected, abs=1e-12)
    metric = AttentionTargetAUC(positives="disc")
    metric.update(heatmap[None], np.array([point]))
    assert metric.compute().item() == pytest.approx(expected, abs=1e-12)
    assert attention_target_auc(heatmap, point).item() != pytest.approx(expected, abs=1e-4)


def test_a_disc_is_kinder_than_a_square() -> None:
    """What the page says: by 0.001 to 0.003 for predictions that are up to 0.2 of the picture off."""
    rng = np.random.default_rng(0)
    turns, points = rng.uniform(0, 2 * np.pi, 400), rng.uniform(0.2, 0.8, (400, 2))
    for off, square_has, disc_has in ((0, 0.9973, 1.0), (0.1, 0.9643, 0.9669), (0.2, 0.8801, 0.8815)):
        places = 64 * (points + off * np.stack([np.cos(turns), np.sin(turns)], 1))
        maps = np.stack([bump(*place, sigma=8) for place in places])
        found = [
            attention_target_auc(maps, points, positives=kind).mean().item() for kind in ("square", "disc")
        ]
        assert found == pytest.approx([square_has, disc_has], abs=1e-4)
    with pytest.raises(ValueError, match="positives must be square or disc, got 'circle'"):
        AttentionTargetAUC(positives="circle")


def test_direction_in_the_plane() -> None:
    turn = torch.tensor([0.0, 30.0, 90.0, 179.0, -120.0, 180.0]).double()
    true = 7 * torch.stack([turn.deg2rad().cos(), turn.deg2rad().sin()], -1)
    np.testing.assert_allclose(direction_error_deg([0.2, 0.0], true), turn.abs(), rtol=0, atol=1e-12)
    eye = torch.tensor([3.0, 4.0])
    torch.testing.assert_close(
        direction_error_deg([1.0, 2.0], true), gaze_angle_deg(eye, [4.0, 6.0], eye + true), rtol=0, atol=1e-9
    )
    assert direction_error_deg([[0.0, 0.0], [NAN, 1.0]], [1.0, 0.0]).isnan().all()


def test_directions_inside_and_outside() -> None:
    metric = DirectionError()
    right = [[1.0, 0.0]] * 5
    true = [[1.0, 0.0], [0.0, 1.0], [NAN, NAN], [-1.0, 0.0], [NAN, NAN]]
    metric.update(right, true, [1, 1, 1, 0, 0], group=[0, 0, 1, 1, 2])
    assert metric.compute().tolist() == [90, 45, 180]
    assert metric.undefined.tolist() == [2, 1, 1]
    found = metric.interval(200)
    assert [(part, s.n, s.undefined) for part, s in found.items()] == [
        ("", 3, 2), ("inside", 2, 1), ("outside", 1, 1)]  # fmt: skip
    assert found[""].low < 90 < found[""].high
    everyone_inside = DirectionError()
    everyone_inside.update(right[:2], true[:2], [True, True])
    assert math.isnan(everyone_inside.interval(10)["outside"].value)
    with pytest.raises(ValueError, match=r"directions must have shape \[B, 2\] and labels \[B\]"):
        metric.update(right, true, [1, 0])


def test_directions_of_drawn_groups() -> None:
    draw = torch.Generator().manual_seed(0)
    said, true = torch.randn(2, 30, 2, generator=draw)
    labels, group = torch.rand(30, generator=draw) < 0.6, torch.arange(30) % 6
    metric = DirectionError()
    metric.update(said, true, labels, group)
    picks = torch.randint(6, (50, 6), generator=torch.Generator().manual_seed(2)).tolist()
    measured = []
    for drawn in picks:
        rows = torch.cat([(group == k).nonzero()[:, 0] for k in drawn])
        again = DirectionError()
        again.update(said[rows], true[rows], labels[rows])
        measured.append(again.compute().numpy())
    low, high = np.nanpercentile(measured, (2.5, 97.5), axis=0)
    for k, score in enumerate(metric.interval(50, seed=2).values()):
        assert (score.low, score.high) == pytest.approx((low[k], high[k]), abs=1e-9)


def test_points_in_masks() -> None:
    mask = np.zeros((4, 8), bool)
    mask[3, 7] = mask[0, 0] = True
    points = [[1.0, 1.0], [0.99, 0.8], [0.0, 0.0], [0.124, 0.24], [0.126, 0.0], [-0.01, 0.0], [1.01, 1.0]]
    masks = np.repeat(mask[None], 7, 0)
    assert point_in_mask(points, masks).tolist() == [1, 1, 1, 1, 0, 0, 0]
    assert point_in_mask([0.5, 0.5], mask) == 0
    assert point_in_mask([[NAN, 0.0], [0.0, 0.0]], np.stack([mask, ~mask & mask])).isnan().all()
    assert point_in_mask(np.zeros((2, 2)), np.zeros((2, 0, 3), bool)).isnan().all()
    metric = PointInMask()
    metric.update(points, masks, group=torch.arange(7))
    assert metric.compute() == pytest.approx(4 / 7)
    with pytest.raises(
        ValueError, match=r"leading dimensions of predicted_norm and two more, got \[4, 8\] and \[1, 2\]"
    ):
        point_in_mask([[0.5, 0.5]], mask)


def test_precision_of_looking_at_heads_is_that_of_sklearn() -> None:
    draw = np.random.default_rng(0)
    picture = np.repeat(np.arange(60), 3)
    low = draw.uniform(0, 0.6, (180, 2))
    head = np.concatenate([low, low + 0.3], 1)
    said, true = draw.random((2, 180, 2))
    true[::7] = NAN

    def on_head(xy: np.ndarray) -> np.ndarray:
        hit = [((head[picture == p][:, :2] <= point) & (point <= head[picture == p][:, 2:])).all(1).any()
               for p, point in zip(picture, xy, strict=True)]  # fmt: skip
        return np.array(hit)

    inside = ~np.isnan(true[:, 0])
    expected = precision_score(on_head(true)[inside], on_head(said)[inside])
    metric = PHead()
    for start in range(0, 180, 60):
        part = slice(start, start + 60)
        metric.update(said[part], true[part], head[part], picture[part], group=picture[part])
    assert metric.compute().item() == pytest.approx(expected, abs=1e-12)
    score = metric.interval(50)
    assert score.n == (on_head(said) & inside).sum() and score.n + score.undefined == 180


def test_heads_of_other_pictures_do_not_count() -> None:
    heads = [[0.0, 0.0, 0.2, 0.2], [0.8, 0.8, 1.0, 1.0]]
    points = [[0.9, 0.9], [0.9, 0.9]]
    assert looking_at_head_precision(points, points, heads, [0, 0]).tolist() == [1, 1]
    found = looking_at_head_precision(points, points, heads, [0, 1])
    assert found[0].isnan() and found[1] == 1
    with pytest.raises(ValueError, match=r"head_norm \[B, 4\] and picture \[B\], got"):
        looking_at_head_precision(points, points, heads[:1], [0, 1])
