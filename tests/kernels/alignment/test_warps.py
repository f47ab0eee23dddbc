"""Warps of padded pairs against plain loops, and the properties that warps have."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gazekit.kernels.alignment import Path, bottleneck_cost, cheapest_path, warping_cost

SIZES = (0, 1, 2, 15, 40)
COSTS = [warping_cost, bottleneck_cost]


def loop_warp(cost: np.ndarray, join) -> float:
    """Least total by recursion on cells, the first cell included."""
    n, m = cost.shape
    if not n or not m:
        return math.nan
    total = np.full((n + 1, m + 1), np.inf)
    for i in range(n):
        for j in range(m):
            before = min(total[i, j], total[i, j + 1], total[i + 1, j]) if i or j else None
            total[i + 1, j + 1] = cost[i, j] if before is None else join(before, cost[i, j])
    return total[n, m]


def random_costs(pairs: int, n: int, m: int, levels: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Costs from 0 to 1 (of `levels` values: many ties); the first pair of full length, others shorter."""
    draw = torch.Generator().manual_seed(1000 * n + m)
    cost = torch.rand(pairs, n, m, dtype=torch.float64, generator=draw)
    cost = cost if levels is None else (cost * levels).floor()
    a_length = torch.randint(n + 1, (pairs,), generator=draw)
    b_length = torch.randint(m + 1, (pairs,), generator=draw)
    a_length[0], b_length[0] = n, m
    return cost, a_length, b_length


def each(cost: Tensor, a_length: Tensor, b_length: Tensor) -> list[np.ndarray]:
    ends = zip(cost.detach().numpy(), a_length.tolist(), b_length.tolist(), strict=True)
    return [table[:i, :j] for table, i, j in ends]


def cells(path: Path, pair: int) -> list[tuple[int, int]]:
    valid = path.mask[pair]
    return list(zip(path.a_index[pair][valid].tolist(), path.b_index[pair][valid].tolist(), strict=True))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize(("function", "join"), [(warping_cost, lambda x, y: x + y), (bottleneck_cost, max)])
def test_costs_equal_the_loop(n: int, m: int, function, join) -> None:
    inputs = random_costs(4, n, m)
    expected = [loop_warp(table, join) for table in each(*inputs)]
    found = function(*inputs)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize("levels", [None, 2])
def test_the_path_is_a_warp_of_least_cost(n: int, m: int, levels: int | None) -> None:
    inputs = random_costs(4, n, m, levels)
    path = cheapest_path(*inputs)
    assert path.mask.shape == path.a_index.shape == path.b_index.shape == (4, max(n + m - 1, 0))
    assert not path.a_index[~path.mask].any() and not path.b_index[~path.mask].any()
    for pair, table in enumerate(each(*inputs)):
        steps = cells(path, pair)
        if not table.size:
            assert not steps and path.cost[pair].isnan()
            continue
        assert steps[0] == (0, 0) and steps[-1] == (len(table) - 1, table.shape[1] - 1)
        moves = {(k - i, l - j) for (i, j), (k, l) in itertools.pairwise(steps)}
        assert moves <= {(0, 1), (1, 0), (1, 1)}
        entered = sum(table[cell] for cell in steps[1:])
        assert path.cost[pair].item() == pytest.approx(entered, abs=1e-12)
        least = loop_warp(table, lambda x, y: x + y) - table[0, 0]
        assert entered == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "m", "expected"),
    [
        (3, 3, [(0, 0), (1, 1), (2, 2)]),
        (2, 4, [(0, 0), (0, 1), (0, 2), (1, 3)]),
        (4, 2, [(0, 0), (1, 0), (2, 0), (3, 1)]),
    ],
)
def test_ties_without_any_cost_go_back_in_both_first(n: int, m: int, expected: list) -> None:
    path = cheapest_path(torch.zeros(1, n, m), torch.tensor([n]), torch.tensor([m]))
    assert cells(path, 0) == expected


def test_ties_of_single_steps_go_back_in_the_first_sequence() -> None:
    """Wide and high tables are computed differently; the rule is the same."""
    around = torch.tensor([[0.0, 1.0, 9.0], [1.0, 9.0, 1.0], [9.0, 1.0, 0.0]])
    for wide, high in ((0, 0), (2, 0), (0, 2)):
        cost = torch.nn.functional.pad(around[None], (0, wide, 0, high), value=9.0)
        cost[0, -1, :] = cost[0, :, -1] = cost[0, -1, -1] = 0.0 if wide + high else 1.0
        cost[0, :3, :3] = around
        path = cheapest_path(cost, torch.tensor([3]), torch.tensor([3]))
        assert cells(path, 0) == [(0, 0), (0, 1), (1, 2), (2, 2)]


@pytest.mark.parametrize("function", COSTS)
@pytest.mark.parametrize("chunk", [1, 2, 7, 30, 1000])
def test_chunks_change_nothing(function, chunk: int) -> None:
    inputs = random_costs(30, 12, 9, levels=3)
    torch.testing.assert_close(function(*inputs, chunk), function(*inputs), rtol=0, atol=0, equal_nan=True)
    assert_equal_paths(cheapest_path(*inputs, chunk), cheapest_path(*inputs))


def test_many_pairs_by_the_default_chunks() -> None:
    inputs = random_costs(4000, 9, 12)
    assert_equal_paths(cheapest_path(*inputs), cheapest_path(*inputs, chunk=4000))


def assert_equal_paths(found: Path, expected: Path) -> None:
    """Cells exactly; padding may group the sum of their costs otherwise."""
    torch.testing.assert_close(found.cost, expected.cost, rtol=0, atol=1e-12, equal_nan=True)
    for x, y in zip(found[1:], expected[1:], strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf, -7.0])
def test_what_stands_behind_the_end_never_matters(garbage: float) -> None:
    cost, a_length, b_length = random_costs(30, 12, 9)
    outside = (torch.arange(12)[:, None] >= a_length[:, None, None]) | (
        torch.arange(9) >= b_length[:, None, None]
    )
    dirty = cost.masked_fill(outside, garbage)
    for function in COSTS:
        before, after = (function(c, a_length, b_length) for c in (cost, dirty))
        torch.testing.assert_close(after, before, rtol=0, atol=0, equal_nan=True)
    assert_equal_paths(*(cheapest_path(c, a_length, b_length) for c in (dirty, cost)))


def test_forbidden_cells_are_walked_round() -> None:
    cost = torch.tensor([[[0.0, 1.0, 1.0], [math.inf, math.inf, 1.0], [0.0, 0.0, 1.0]]])
    length = torch.tensor([3])
    assert warping_cost(cost, length, length) == 3
    assert cells(cheapest_path(cost, length, length), 0) == [(0, 0), (0, 1), (1, 2), (2, 2)]
    blocked = torch.full((1, 3, 3), math.inf)
    assert warping_cost(blocked, length, length) == math.inf
    assert len(cells(cheapest_path(blocked, length, length), 0)) == 3


@pytest.mark.parametrize("function", [*COSTS, lambda *inputs: cheapest_path(*inputs).cost])
def test_gradients(function) -> None:
    cost, _, _ = random_costs(3, 4, 5)
    lengths = torch.tensor([4, 2, 1]), torch.tensor([5, 5, 3])
    assert torch.autograd.gradcheck(lambda c: function(c, *lengths), (cost.requires_grad_(),))


@pytest.mark.parametrize("function", COSTS)
def test_an_empty_sequence_has_no_gradient(function) -> None:
    cost = random_costs(2, 3, 3)[0].requires_grad_()
    value = function(cost, torch.tensor([3, 0]), torch.tensor([3, 2]))
    assert value.isnan().tolist() == [False, True]
    value[0].backward()
    assert cost.grad.isfinite().all() and cost.grad[0].any() and not cost.grad[1].any()


def test_float32_stays() -> None:
    cost, a_length, b_length = random_costs(5, 7, 8)
    for function in (*COSTS, lambda *inputs: cheapest_path(*inputs).cost):
        found = function(cost.float(), a_length, b_length)
        assert found.dtype == torch.float32
        torch.testing.assert_close(
            found.double(), function(cost, a_length, b_length), rtol=1e-5, atol=1e-5, equal_nan=True
        )


def test_non_contiguous_input() -> None:
    cost, a_length, b_length = random_costs(20, 12, 9)
    other = cost.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert not other.is_contiguous()
    for function in (*COSTS, lambda *inputs: cheapest_path(*inputs).a_index):
        found, expected = function(other, a_length, b_length), function(cost, a_length, b_length)
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_no_pairs() -> None:
    none = torch.zeros(0, dtype=torch.long)
    for function in COSTS:
        assert function(torch.zeros(0, 4, 3), none, none).shape == (0,)
    path = cheapest_path(torch.zeros(0, 4, 3), none, none)
    assert path.cost.shape == (0,)
    assert path.a_index.shape == path.mask.shape == (0, 6)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_swapping_the_sequences_transposes(n: int, m: int, seed: int) -> None:
    cost = torch.rand(2, n, m, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    lengths = torch.tensor([n, (n + 1) // 2]), torch.tensor([m, (m + 1) // 2])
    for function in COSTS:
        there, back = function(cost, *lengths), function(cost.mT, *lengths[::-1])
        torch.testing.assert_close(there, back, rtol=0, atol=1e-12)
    there, back = cheapest_path(cost, *lengths), cheapest_path(cost.mT, *lengths[::-1])
    assert torch.equal(there.a_index, back.b_index) and torch.equal(there.b_index, back.a_index)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**31))
def test_a_sum_is_at_least_its_largest_cell(n: int, m: int, seed: int) -> None:
    cost = torch.rand(1, n, m, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    inputs = cost, torch.tensor([n]), torch.tensor([m])
    assert cost[0, 0, 0] <= bottleneck_cost(*inputs) <= warping_cost(*inputs)
    assert warping_cost(*inputs) <= bottleneck_cost(*inputs) * (n + m - 1) + 1e-12


ONE = torch.ones(1, dtype=torch.long)


@pytest.mark.parametrize("function", [*COSTS, cheapest_path])
@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ((torch.zeros(1, 2, 2, dtype=torch.long), ONE, ONE), TypeError, "cost must be float32 or float64"),
        ((torch.zeros(2, 2), ONE, ONE), ValueError, r"cost must have shape \[P, n, m\]"),
        ((torch.zeros(1, 2, 2), 3 * ONE, ONE), ValueError, r"a_length must lie in 0..2"),
        ((torch.zeros(1, 2, 2), ONE, ONE.float()), TypeError, "b_length must be integers"),
        ((torch.zeros(1, 2, 2), ONE, ONE, 0), ValueError, "chunk"),
    ],
)
def test_wrong_input_is_named(function, inputs, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        function(*inputs)


@pytest.mark.gpu
def test_the_device_changes_nothing() -> None:
    inputs = random_costs(200, 31, 20, levels=3)
    for function in (*COSTS, lambda *i: cheapest_path(*i).a_index, lambda *i: cheapest_path(*i).b_index):
        there = function(*(tensor.cuda() for tensor in inputs))
        assert there.is_cuda
        torch.testing.assert_close(there.cpu(), function(*inputs), rtol=0, atol=0, equal_nan=True)
