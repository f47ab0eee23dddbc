"""DTW and discrete Fréchet distance against stored values, recursion on prefixes, and their properties."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scanpath_pairs import P, Q, random_walks, stored_pairs

from gazekit.metrics.functional import dtw_px, frechet_px, hausdorff_px
from gazekit.scanpath import Scanpaths

BOTH = [dtw_px, frechet_px]


def by_recursion(a: np.ndarray, b: np.ndarray, join) -> float:
    """The definition, prefix by prefix."""

    @cache
    def least(i: int, j: int) -> float:
        here = math.dist(a[i, :2], b[j, :2])
        before = [least(k, l) for k, l in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if k >= 0 and l >= 0]
        return join(min(before), here) if before else here

    return least(len(a) - 1, len(b) - 1)


@pytest.mark.parametrize(
    ("function", "key"), [(dtw_px, "dtw_euclid_px"), (frechet_px, "frechet_discrete_px")]
)
def test_golden_values(shared_data: Path, function, key: str) -> None:
    pairs = stored_pairs(shared_data)
    found = function([pair["a"] for pair in pairs], [pair["b"] for pair in pairs])
    expected = [pair["expected"][key] for pair in pairs]
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


def test_tiny_golden_table() -> None:
    assert dtw_px(P, Q).item() == pytest.approx(409.2069741165, abs=1e-9)
    assert frechet_px(P, Q).item() == pytest.approx(202.4845673132, abs=1e-9)


@pytest.mark.parametrize(("function", "join"), [(dtw_px, lambda x, y: x + y), (frechet_px, max)])
def test_random_pairs_equal_the_recursion(function, join) -> None:
    a, b = random_walks(1, 60, 150, shortest=1), random_walks(2, 60, 150, shortest=1)
    expected = [by_recursion(x, y, join) for x, y in zip(a, b, strict=True)]
    assert function(a, b).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("function", BOTH)
def test_empty_scanpaths_are_undefined(function) -> None:
    assert function(P, P[:0]).isnan() and function(P[:0], P[:0]).isnan()
    mixed = function([P, P[:0], P], [Q, Q, Q[:0]])
    assert mixed.isnan().tolist() == [False, True, True]
    assert mixed[0] == function(P, Q)
    assert function([], []).shape == (0,)


@pytest.mark.parametrize("function", BOTH)
def test_shapes_chunks_and_padding(function) -> None:
    a, b = Scanpaths.of(random_walks(3, 7, 150)), Scanpaths.of(random_walks(4, 5, 150))
    table = function(a[:, None], b[None])
    assert table.shape == (7, 5)
    single = torch.stack([torch.stack([function(x, y) for y in b]) for x in a])
    torch.testing.assert_close(table, single, rtol=0, atol=1e-12)
    for chunk in (1, 4, 100):
        assert torch.equal(function(a[:, None], b[None], chunk=chunk), table)
    dirty = Scanpaths(b.xy_px.masked_fill(~b.mask[..., None], torch.nan), b.mask)
    assert torch.equal(function(a[:, None], dirty[None]), table)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31))
def test_properties(seed: int) -> None:
    a, b = random_walks(seed, 5, 150, shortest=1), random_walks(seed + 1, 5, 150, shortest=1)
    moved = np.array([-35.5, 80.25, 0])
    for function in BOTH:
        value = function(a, b)
        torch.testing.assert_close(function(b, a), value, rtol=0, atol=1e-9)
        torch.testing.assert_close(
            function([x + moved for x in a], [y + moved for y in b]), value, rtol=0, atol=1e-8
        )
        assert not function(a, a).any()
    assert (frechet_px(a, b) >= hausdorff_px(a, b) - 1e-9).all()
    assert (dtw_px(a, b) >= frechet_px(a, b) - 1e-9).all()
    steps = torch.tensor([max(len(x), len(y)) for x, y in zip(a, b, strict=True)])
    farthest_px = torch.tensor([farthest(*p) for p in zip(a, b, strict=True)], dtype=torch.float64)
    longest_way = (2 * steps - 1) * farthest_px
    assert (dtw_px(a, b) <= longest_way * (1 + 1e-12)).all()  # equal for two fixations, but for rounding


def farthest(a: np.ndarray, b: np.ndarray) -> float:
    return max(math.dist(x, y) for x in a[:, :2] for y in b[:, :2])


@pytest.mark.parametrize("function", BOTH)
def test_gradients(function) -> None:
    a, b = Scanpaths.of(random_walks(5, 3, 150, 6)), Scanpaths.of(random_walks(6, 3, 150, 5))
    assert torch.autograd.gradcheck(
        lambda xy: function(Scanpaths(xy, a.mask), b), (a.xy_px.clone().requires_grad_(),), eps=1e-4
    )
    xy = torch.tensor(P[:, :2], requires_grad=True)
    function(xy, P[:, :2]).backward()  # all distances on the way are 0
    assert xy.grad.isfinite().all()


@pytest.mark.parametrize("function", BOTH)
def test_wrong_input_is_named(function) -> None:
    with pytest.raises(ValueError, match="b must have columns x_px, y_px"):
        function(P, np.zeros((3, 5)))
    with pytest.raises(ValueError, match="leading dimensions must broadcast"):
        function([P, P, P], [Q, Q])
