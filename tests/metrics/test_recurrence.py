"""Cross-recurrence: stored values, plain loops, properties, what is undefined."""

import math

import numpy as np
import pytest
import torch
from golden_scanpaths import assert_equal, golden_pairs, paths
from hypothesis import given, settings
from hypothesis import strategies as st
from scanpath_pairs import P, Q

from gazekit.metrics import CrossRecurrence
from gazekit.metrics.functional import RECURRENCE_PARTS, cross_recurrence
from gazekit.scanpath import Scanpaths

NAN = math.nan


def loop_recurrence(a, b, radius: float, min_run: int, variant: str) -> list[float]:
    """Lines of the table one after the other, each cut into its runs."""
    n = min(len(a), len(b))
    near = np.array([[math.dist(p[:2], q[:2]) <= radius for q in b[:n]] for p in a[:n]]).reshape(n, n)
    points = int(near.sum())

    def counted(line: np.ndarray) -> int:
        if variant == "linesum":
            return int(line.sum()) if line.sum() >= min_run else 0
        runs = "".join("x" if point else " " for point in line).split()
        return sum(len(run) for run in runs if len(run) >= min_run)

    if not points:
        return [0.0 if n else NAN, NAN, NAN, NAN]
    diagonal = sum(counted(near.diagonal(offset)) for offset in range(1 - n, n))
    rows, columns = sum(map(counted, near)), sum(map(counted, near.T))
    lag = sum(j - i for i, j in zip(*near.nonzero(), strict=True))
    return [
        100 * points / n**2,
        100 * diagonal / points,
        100 * (rows + columns) / (2 * points),
        100 * lag / ((n - 1) * points) if n > 1 else NAN,
    ]


@pytest.mark.parametrize("variant", ["runs", "linesum"])
def test_golden_pairs(shared_data, variant: str) -> None:
    golden = golden_pairs(shared_data)
    found = cross_recurrence(golden.a, golden.b, golden.expected("crqa_radius_px"), variant=variant)
    for part, key in zip(found.unbind(-1), ("rec", "det", "lam", "corm"), strict=True):
        assert_equal(part, golden.expected(f"crqa_{variant}", key))


def test_small_pair() -> None:
    expected = torch.tensor([37.5, 83 + 1 / 3, 50, -5 - 5 / 9], dtype=torch.float64)
    assert_equal(cross_recurrence(P, Q, 150), expected)
    expected[2] = expected[1]
    assert_equal(cross_recurrence(P, Q, 150, variant="linesum"), expected)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(paths(), paths()), min_size=1, max_size=3),
    st.sampled_from([50.0, 150.0, 300.0, 600.0]),
    st.integers(1, 4),
    st.sampled_from(["runs", "linesum"]),
)
def test_it_equals_the_loop_in_batches(pairs, radius: float, min_run: int, variant: str) -> None:
    a, b = ([np.array(pair[side]).reshape(-1, 3) for pair in pairs] for side in (0, 1))
    expected = [loop_recurrence(x, y, radius, min_run, variant) for x, y in pairs]
    expected = torch.tensor(expected, dtype=torch.float64)
    assert_equal(cross_recurrence(a, b, radius, min_run, variant), expected)
    assert_equal(cross_recurrence(a, b, radius, min_run, variant, chunk=1), expected)
    backward = expected * torch.tensor([1, 1, 1, -1])
    assert_equal(cross_recurrence(b, a, radius, min_run, variant), backward)


@settings(deadline=None, max_examples=30)
@given(paths(2), st.integers(-300, 300))
def test_a_scanpath_recurs_with_itself(a, shift: int) -> None:
    recurrence, determinism, _, centre = cross_recurrence(a, a, 0).tolist()
    assert recurrence >= 100 / len(a) - 1e-9
    assert determinism > 0
    assert centre == 0
    moved = np.array(a) + np.array([shift, shift, 0])
    there = cross_recurrence(moved, moved[::-1], 150)
    assert_equal(there, cross_recurrence(a, a[::-1], 150))


def test_later_is_above_zero() -> None:
    a, b = [[0, 0], [500, 0], [900, 0]], [[700, 0], [700, 300], [0, 0]]
    assert cross_recurrence(a, b, 10)[3] == 100


def test_every_pair_has_its_own_radius() -> None:
    radius = torch.tensor([10.0, 150.0, 400.0])
    together = cross_recurrence([P] * 3, Q, radius)
    assert together.shape == (3, 4)
    for row, own in zip(together, radius.tolist(), strict=True):
        assert_equal(row, cross_recurrence(P, Q, own))
    metric = CrossRecurrence(aggregation="none")
    metric.update([P] * 3, [Q] * 3, radius)
    assert_equal(metric.compute(), together)
    assert metric.parts == RECURRENCE_PARTS


def test_what_is_undefined() -> None:
    empty, far = np.zeros((0, 2)), [[900.0, 900.0]] * 2
    found = cross_recurrence([empty, P[:, :2], P[:1, :2]], [Q[:, :2], far, P[:1, :2]], 10).tolist()
    for values, expected in zip(found, [[NAN] * 4, [0, NAN, NAN, NAN], [100, 0, 0, NAN]], strict=True):
        assert values == pytest.approx(expected, nan_ok=True)
    assert cross_recurrence(Scanpaths.of([]), Scanpaths.of([]), 10).shape == (0, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius_px": -1}, "radius_px must be finite and at least 0"),
        ({"radius_px": math.nan}, "radius_px must be finite"),
        ({"radius_px": 10, "min_run": 0}, "min_run must be a whole number of at least 1"),
        ({"radius_px": 10, "variant": "sum"}, "variant must be runs or linesum"),
        ({"radius_px": 10, "chunk": 0}, "chunk must be at least 1"),
        ({"radius_px": torch.ones(3)}, "must broadcast"),
    ],
)
def test_wrong_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cross_recurrence([P, P], [Q, Q], **options)
    with pytest.raises(ValueError, match=r"radius_px must be a number or have shape \[B\]"):
        CrossRecurrence().update([P], [Q], torch.ones(1, 1))
