"""Fixations as symbols: cells, clusters, classes, time bins."""

import numpy as np
import pytest
import torch
from golden_scanpaths import SIZE_PX, golden_pairs, paths
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.metrics.functional import (
    class_labels,
    cluster_labels,
    fit_clusters,
    grid_labels,
    repeat_by_duration,
)
from gazekit.scanpath import Ragged, Scanpath, Scanpaths


def listed(labels: Ragged) -> list[list[int]]:
    return [string.tolist() for string in labels.to_list()]


def test_golden_cells(shared_data) -> None:
    golden = golden_pairs(shared_data)
    found = zip(
        listed(grid_labels(golden.a, golden.size_px)),
        listed(grid_labels(golden.b, golden.size_px)),
        strict=True,
    )
    assert [list(pair) for pair in found] == [r["expected"]["grid5x5_labels"] for r in golden.records]


@settings(deadline=None, max_examples=50)
@given(paths(), st.integers(1, 20), st.integers(1, 20))
def test_cells_equal_the_loop(path, nx: int, ny: int) -> None:
    width, height = SIZE_PX
    expected = [int(y * ny // height) * nx + int(x * nx // width) for x, y, _ in path]
    assert listed(grid_labels([path], SIZE_PX, (nx, ny))) == [expected]


def test_the_last_pixel_of_any_frame_is_in_the_last_cell() -> None:
    for width in (7, 333, 1023, 1920):
        edge = [[float(np.nextafter(width, 0)), float(np.nextafter(width, 0))]]
        assert listed(grid_labels([edge], (width, width), (49, 49))) == [[49 * 49 - 1]]


def test_off_the_frame() -> None:
    inside_and_out = [[[10, 10], [799.9, 599.9]], [[10, 10], [20, 20], [800, 5]]]
    with pytest.raises(
        ValueError, match=r"paths: fixation 2 of scanpath \(1,\) lies at \(800, 5\), off the frame"
    ):
        grid_labels(inside_and_out, SIZE_PX)
    assert listed(grid_labels(inside_and_out, SIZE_PX, on_outside="clip")) == [[0, 24], [0, 0, 4]]
    assert listed(grid_labels([[[-3, 900]]], SIZE_PX, on_outside="clip")) == [[20]]
    with pytest.raises(ValueError, match=r"paths: fixation 0 lies at \(-1, 3\)"):
        class_labels([[-1, 3]], torch.zeros(5, 5, dtype=torch.long))
    with pytest.raises(ValueError, match="on_outside must be raise or clip, got 'drop'"):
        grid_labels(inside_and_out, SIZE_PX, on_outside="drop")


def test_padding_may_hold_anything() -> None:
    xy = torch.tensor([[[10.0, 10.0], [torch.nan, 1e30]], [[700.0, 500.0], [-torch.inf, -1e30]]]).double()
    noisy = Scanpaths(xy, torch.tensor([[True, False], [True, False]]))
    assert listed(grid_labels(noisy, SIZE_PX)) == [[0], [24]]
    assert listed(cluster_labels(noisy, np.array([[0, 0], [800, 600]]))) == [[0], [1]]
    label_map = torch.arange(600 * 800).view(600, 800)
    assert listed(class_labels(noisy, label_map)) == [[8010], [500 * 800 + 700]]


def test_every_picture_has_its_own_size_map_and_centres() -> None:
    path = [[50.0, 50.0], [90.0, 10.0]]
    sizes = torch.tensor([[100.0, 100.0], [800.0, 600.0]])
    assert listed(grid_labels([path, path], sizes)) == [[12, 4], [0, 0]]
    maps = torch.stack([torch.zeros(60, 100), torch.ones(60, 100)]).long()
    assert listed(class_labels([path, path], maps)) == [[0, 0], [1, 1]]
    centres = [np.array([[50, 50], [90, 10]]), np.array([[0, 0]])]
    assert listed(cluster_labels([path, path], centres)) == [[0, 1], [0, 0]]
    many = Scanpaths.of(np.tile(path, (2, 3, 1, 1)))  # [B, n, T]: maps are not repeated n times
    assert class_labels(many, maps[:, None]).values[:, :, 0].tolist() == [[0, 0, 0], [1, 1, 1]]


def test_clusters_equal_the_loop() -> None:
    draw = np.random.default_rng(0)
    path, centres = draw.uniform(0, 100, (30, 2)), draw.uniform(0, 100, (5, 2))
    expected = [int(np.argmin([np.hypot(*(xy - centre)) for centre in centres])) for xy in path]
    assert cluster_labels(path, centres).values.tolist() == expected


def test_fitted_clusters_are_found_again_and_predict_as_sklearn() -> None:
    from sklearn.cluster import MeanShift

    draw = np.random.default_rng(1)
    true = np.array([[100, 100], [400, 120], [250, 400]])
    xy = np.concatenate([centre + draw.normal(0, 15, (40, 2)) for centre in true])
    centres = fit_clusters([xy[:50], xy[50:]], bandwidth_px=60)
    assert centres.shape == (3, 2)
    assert centres.dtype == torch.float64
    assert np.abs(np.sort(centres.numpy(), 0) - np.sort(true, 0)).max() < 10
    assert torch.equal(centres, fit_clusters(xy, bandwidth_px=60))
    new = draw.uniform(0, 500, (100, 2))
    assert (
        cluster_labels(new, centres).values.tolist() == MeanShift(bandwidth=60).fit(xy).predict(new).tolist()
    )


@settings(deadline=None, max_examples=50)
@given(paths(), st.sampled_from([20.0, 50.0, 33.3]))
def test_repeats_equal_the_loop(path, bin_ms: float) -> None:
    labels = Ragged.from_list([list(range(len(path))), []], torch.long)
    duration = torch.zeros(2, len(path), dtype=torch.float64)
    duration[0] = torch.tensor([d for *_, d in path], dtype=torch.float64)
    for rounding, whole in (("round", round), ("floor", int)):
        expected = [i for i, (*_, d) in enumerate(path) for _ in range(whole(d / bin_ms))]
        assert listed(repeat_by_duration(labels, duration, bin_ms, rounding)) == [expected, []]


def test_halves_round_to_even() -> None:
    labels = Ragged.from_list([[1, 2, 3, 4]])
    duration = torch.tensor([[25.0, 75.0, 125.0, 149.0]])
    assert listed(repeat_by_duration(labels, duration, 50)) == [[2, 2, 3, 3, 4, 4, 4]]
    assert listed(repeat_by_duration(labels, duration, 50, "floor")) == [[2, 3, 3, 4, 4]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: grid_labels([[1, 1]], (800, 0)), ValueError, r"size_px must be \(width, height\) > 0"),
        (lambda: grid_labels([[1, 1]], 800), ValueError, r"size_px must be \(width, height\) > 0"),
        (lambda: grid_labels([[1, 1]], SIZE_PX, (5, 0)), ValueError, "grid must be two whole numbers"),
        (
            lambda: grid_labels([[[1, 1]]] * 2, torch.full((3, 2), 9.0)),
            ValueError,
            "paths and size_px must broadcast",
        ),
        (lambda: class_labels([[1, 1]], torch.ones(3, 3)), TypeError, "label_map must hold integer classes"),
        (lambda: class_labels([[1, 1]], torch.ones(3).long()), ValueError, r"label_map must have shape"),
        (
            lambda: class_labels([[[1, 1]]] * 2, torch.ones(3, 4, 4).long()),
            ValueError,
            "paths and label_map must broadcast",
        ),
        (
            lambda: cluster_labels([[1, 1]], torch.ones(3)),
            ValueError,
            r"centres_px must have shape \[..., K, 2\]",
        ),
        (
            lambda: cluster_labels([[1, 1]], torch.ones(0, 2)),
            ValueError,
            "at least one centre for every picture",
        ),
        (
            lambda: cluster_labels([[[1, 1]]] * 2, torch.ones(3, 4, 2)),
            ValueError,
            "paths and centres_px must broadcast",
        ),
        (lambda: cluster_labels([[1, 1]], [torch.ones(3)]), ValueError, "centres_px must be a list"),
        (lambda: fit_clusters([[1, 1]], 0), ValueError, "bandwidth_px must be above 0"),
        (lambda: fit_clusters([Scanpath(np.zeros((0, 2)))], 9), ValueError, "at least one fixation"),
        (lambda: repeat_by_duration(Ragged.from_list([[1]]), torch.ones(1), 0), ValueError, "bin_ms"),
        (lambda: repeat_by_duration(Ragged.from_list([[1]]), torch.ones(1), 9, "up"), ValueError, "rounding"),
        (
            lambda: repeat_by_duration(Ragged.from_list([[1]]), torch.ones(2), 9),
            ValueError,
            "duration_ms must broad",
        ),
        (
            lambda: repeat_by_duration(Ragged.from_list([[1]]), -torch.ones(1), 9),
            ValueError,
            "duration_ms must be",
        ),
    ],
)
def test_wrong_input_is_named(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
