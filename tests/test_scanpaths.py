"""`Scanpaths.of`: every form people hold scanpaths in, and what is said about wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gazekit.scanpath import Scanpath, Scanpaths

ROWS = [[10.0, 20.0, 200.0], [30.0, 40.0, 150.0], [50.0, 60.0, 90.0]]


@pytest.mark.parametrize(
    "form",
    [
        ROWS,
        np.array(ROWS),
        torch.tensor(ROWS),
        torch.tensor(ROWS, dtype=torch.float64),
        Scanpath(np.array(ROWS)[:, :2], np.array(ROWS)[:, 2]),
        [tuple(row) for row in ROWS],
    ],
)
def test_one_scanpath(form) -> None:
    paths = Scanpaths.of(form)
    assert paths.shape == ()
    assert paths.xy_px.dtype == torch.float64
    assert torch.equal(paths.xy_px, torch.tensor(ROWS, dtype=torch.float64)[:, :2])
    assert paths.duration_ms.tolist() == [200, 150, 90]
    assert paths.lengths == 3
    with pytest.raises(TypeError, match="no len"):
        len(paths)


@pytest.mark.parametrize("wrap", [list, np.array, torch.tensor])
def test_a_list_of_scanpaths(wrap) -> None:
    paths = Scanpaths.of([wrap(ROWS), wrap(ROWS[:1]), wrap(ROWS[:2])])
    assert paths.lengths.tolist() == [3, 1, 2]
    assert paths.duration_ms[1].tolist() == [200, 0, 0]
    assert Scanpaths.of([Scanpath(np.zeros((0, 2))), Scanpath(np.array([[1.0, 2.0]]))]).lengths.tolist() == [
        0,
        1,
    ]
    assert len(Scanpaths.of([])) == 0


def test_a_dense_array_and_indexing() -> None:
    paths = Scanpaths.of(np.zeros((4, 5, 6, 2)))
    assert paths.shape == (4, 5)
    assert paths.duration_ms is None
    assert paths[:, None].shape == (4, 1, 5)
    assert paths[1, 2].shape == ()
    assert paths.flatten().shape == (20,)
    assert Scanpaths.of(paths) is paths


def test_durations_are_known_only_if_all_have_them() -> None:
    assert Scanpaths.of([np.zeros((2, 3)), np.zeros((2, 2))]).duration_ms is None
    assert Scanpaths.of([np.zeros((2, 3)), np.zeros((0, 2))]).duration_ms is not None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Scanpaths.of(np.zeros((3, 4)), "a"), ValueError, r"a must have columns x_px, y_px .* got \[3, 4\]"),
        (lambda: Scanpaths.of([np.zeros((2, 2)), np.zeros((2, 5))], "a"), ValueError, r"a\[1\] must have columns"),
        (lambda: Scanpaths.of([ROWS, [[np.nan, 1.0, 5.0]]], "b"), ValueError, r"b: fixation 0 of scanpath \(1,\)"),
        (lambda: Scanpaths.of([[1.0, 2.0, -5.0]]), ValueError, "fixation 0 has a duration_ms that is negative"),
        (lambda: Scanpaths.of(np.zeros((2, 2), bool)), TypeError, "must hold real numbers"),
        (
            lambda: Scanpaths.of(Scanpaths(torch.zeros(1, 2, 2), torch.tensor([[False, True]]))),
            ValueError,
            "padding of scanpaths must lie at the end",
        ),
        (
            lambda: Scanpaths.of(Scanpaths(torch.zeros(1, 2, 2), torch.ones(1, 3, dtype=torch.bool))),
            ValueError,
            r"got \[1, 2, 2\] and \[1, 3\]",
        ),
        (lambda: Scanpaths.of(Scanpaths(torch.zeros(1, 2, 2), torch.ones(1, 2))), TypeError, "must be bool"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_gradients_reach_the_positions() -> None:
    xy = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    Scanpaths.of([xy]).xy_px.sum().backward()
    assert torch.equal(xy.grad, torch.ones(3, 2))
