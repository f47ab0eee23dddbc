"""`Scanpaths.of`: every form people hold scanpaths in, and what is said about wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gazekit.metrics import functional
from gazekit.scanpath import Ragged, Scanpath, Scanpaths

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


def ready(xy, duration=None) -> Scanpaths:
    return Scanpaths(xy, torch.ones(xy.shape[:-1], dtype=torch.bool), duration)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.int64, torch.uint8, torch.bool])
def test_ready_made_scanpaths_become_float64(dtype) -> None:
    paths = Scanpaths.of(ready(torch.ones(2, 3, 2, dtype=dtype), torch.ones(2, 3, dtype=torch.float32)))
    assert paths.xy_px.dtype == paths.duration_ms.dtype == torch.float64
    mixed = Scanpaths.of(ready(torch.ones(2, 3, 2, dtype=torch.float64), torch.ones(2, 3, dtype=torch.int32)))
    assert mixed.duration_ms.dtype == torch.float64


def test_positions_and_durations_on_an_accelerator_have_one_dtype() -> None:
    xy = torch.zeros(2, 3, 2, dtype=torch.float32, device="meta")
    paths = ready(xy, torch.zeros(2, 3, dtype=torch.float64, device="meta"))._precise()
    assert paths.xy_px.dtype == paths.duration_ms.dtype == torch.float32


@pytest.mark.parametrize("index", [(0, 1), (0, slice(None)), (..., 0, 0), 3, (None, 0, 1)])
def test_only_leading_dimensions_are_indexed(index) -> None:
    with pytest.raises(IndexError, match=r"does not index the leading shape \[3\]"):
        Scanpaths.of(np.zeros((3, 2, 3)))[index]


def test_what_indexing_leaves() -> None:
    paths = Scanpaths.of(np.arange(18.0).reshape(3, 2, 3))
    assert torch.equal(paths[..., 1].xy_px, paths.xy_px[1])
    assert torch.equal(paths[[2, 0]].duration_ms, paths.duration_ms[[2, 0]])
    assert paths[torch.tensor([True, False, True])].shape == (2,)
    assert [path.shape for path in paths] == [()] * 3
    assert paths[0][None].shape == (1,)
    assert paths[0][()].shape == ()
    with pytest.raises(IndexError, match=r"does not index the leading shape \[\]"):
        paths[0][0]


@pytest.mark.filterwarnings("error")
def test_arrays_that_are_read_only_or_run_backwards() -> None:
    array = np.array(ROWS)
    array.setflags(write=False)
    for rows in (array, array[::-1], array[:, ::-1], np.broadcast_to(array, (4, 3, 3))):
        for found in (Scanpaths.of(rows), Scanpaths.of([*rows] if rows.ndim == 3 else [rows])):
            assert np.array_equal(found.xy_px.reshape(rows[..., :2].shape), rows[..., :2])
    assert Ragged.from_list([array[:, 0], array[::-1, 0]]).values.tolist() == [[10, 30, 50], [50, 30, 10]]


def test_an_empty_list_holds_no_scanpath() -> None:
    assert Scanpaths.of([]).shape == (0,)
    assert functional.hausdorff_px([], []).shape == functional.hausdorff_px(ROWS, []).shape == (0,)
    assert functional.multimatch([], [], (800, 600)).shape == (0, 5)
    assert functional.hausdorff_px(np.zeros((0, 2)), ROWS).shape == ()


def test_an_empty_list_is_one_empty_string_of_labels() -> None:
    for empty in ([], torch.zeros(0, dtype=torch.long)):
        assert functional.sequence_score(empty, [1, 2]) == 0
        assert functional.sequence_score(empty, []).isnan()
        assert functional.edit_distance(empty, [1, 2]) == 2
    assert functional.edit_distance([[]], [1, 2]).tolist() == [2]
    assert functional.edit_distance(torch.zeros(0, 3, dtype=torch.long), [1, 2]).shape == (0,)


@pytest.mark.parametrize(
    "text", ["abc", ["abc", "b"], ["a", "b"], np.array(["a", "b"]), [np.array(["a"])], [[1], "a"]]
)
def test_letters_are_no_labels(text) -> None:
    for metric in (functional.edit_distance, functional.sequence_score):
        with pytest.raises(TypeError, match="b must hold integer labels, got text"):
            metric([1, 2], text)
