"""The Triton kernels beside plain torch: values, paths and gradients, in the interpreter or on a GPU."""

import math

import pytest
import torch
from torch import Tensor

from gazekit.kernels.alignment import (
    bottleneck_cost,
    cheapest_path,
    edit_distance,
    global_alignment,
    symbol_alignment,
    table_alignment,
    warping_cost,
)

pytest.importorskip("triton")

DEVICES = [
    pytest.param(
        "cpu",
        marks=pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are compiled on this machine"),
    ),
    pytest.param("cuda", marks=pytest.mark.gpu),
]
LARGE = [pytest.param(*shape, marks=pytest.mark.gpu) for shape in ((0, 40), (40, 1), (15, 40), (40, 40))]
SHAPES = [(0, 0), (1, 0), (1, 1), (1, 15), (15, 15), (40, 15), *LARGE]
PAIRS = 3

for_devices = pytest.mark.parametrize("device", DEVICES)
for_shapes = pytest.mark.parametrize(("n", "m"), SHAPES)


def random_lengths(n: int, m: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """The first pair of full length, the second shorter, the last with an empty sequence."""
    a_length, b_length = (torch.randint(size + 1, (PAIRS,), generator=draw) for size in (n, m))
    a_length[0], b_length[0], a_length[-1] = n, m, 0
    return a_length, b_length


def random_table(device: str, n: int, m: int, levels: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Entries [P, n, m] (of few `levels`: many ties), NaN behind the ends, and lengths."""
    draw = torch.Generator().manual_seed(100 * n + m)
    lengths = random_lengths(n, m, draw)
    entries = torch.randn(PAIRS, n, m, generator=draw)
    entries = entries if levels is None else (entries * levels).round()
    outside = (torch.arange(n)[:, None] >= lengths[0][:, None, None]) | (
        torch.arange(m) >= lengths[1][:, None, None]
    )
    entries = entries.masked_fill(outside, math.nan)
    return entries.to(device), *(length.to(device) for length in lengths)


def random_strings(device: str, n: int, m: int, kinds: int = 4) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(100 * n + m)
    lengths = random_lengths(n, m, draw)
    symbols = (torch.randint(kinds, (PAIRS, size), generator=draw) for size in (n, m))
    return tuple(tensor.to(device) for tensor in (*symbols, *lengths))


def both(function, *inputs, **options) -> tuple[Tensor, Tensor]:
    return tuple(function(*inputs, **options, impl=impl) for impl in ("triton", "reference"))


def assert_equal(found: Tensor, expected: Tensor, tolerance: float = 0) -> None:
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


TABLE_FUNCTIONS = {
    "alignment": lambda *inputs, **options: global_alignment(*inputs, gap=-0.3, **options),
    "alignment without gaps": lambda *inputs, **options: global_alignment(*inputs, gap=0.0, **options),
    "sum": warping_cost,
    "bottleneck": bottleneck_cost,
}
for_functions = pytest.mark.parametrize("function", TABLE_FUNCTIONS.values(), ids=TABLE_FUNCTIONS)


@for_devices
@for_shapes
@for_functions
def test_values_equal_the_reference(device: str, n: int, m: int, function) -> None:
    assert_equal(*both(function, *random_table(device, n, m)))


@for_devices
@pytest.mark.parametrize(("n", "m"), [(1, 1), (15, 15), (17, 9)])
@pytest.mark.parametrize("levels", [None, 1])
@for_functions
def test_gradients_equal_the_reference(device: str, n: int, m: int, levels: int | None, function) -> None:
    """Where several alignments are best (few levels), each choice is shared among equals as torch shares it."""
    entries, *lengths = random_table(device, n, m, levels)
    weight = torch.arange(1.0, PAIRS + 1, device=device)
    found = []
    for impl in ("triton", "reference"):
        leaf = entries.nan_to_num().requires_grad_()
        (function(leaf, *lengths, impl=impl).nan_to_num() * weight).sum().backward()
        found.append(leaf.grad)
    assert found[0].abs().sum() > 0
    assert_equal(*found, tolerance=1e-6)


@for_devices
@for_functions
def test_non_contiguous_input(device: str, function) -> None:
    entries, *lengths = random_table(device, 15, 7)
    other = entries.permute(2, 0, 1).contiguous().permute(1, 2, 0).requires_grad_()
    found = function(other, *lengths, impl="triton")
    assert_equal(found.detach(), function(entries, *lengths, impl="reference"))
    (grad,) = torch.autograd.grad(found.nan_to_num().sum(), other)
    leaf = entries.nan_to_num().requires_grad_()
    expected = function(leaf, *lengths, impl="reference").nan_to_num().sum()
    assert_equal(grad, *torch.autograd.grad(expected, leaf), tolerance=1e-6)


@for_devices
def test_forbidden_cells_are_walked_round(device: str) -> None:
    cost = torch.tensor([[[0.0, 1.0, 1.0], [math.inf, math.inf, 1.0], [0.0, 0.0, 1.0]]], device=device)
    blocked, length = torch.full_like(cost, math.inf), torch.tensor([3], device=device)
    for function in (warping_cost, bottleneck_cost, lambda *i, impl: cheapest_path(*i, impl=impl).a_index):
        for table in (cost, blocked, cost.masked_fill(cost == 1, math.nan)):
            assert_equal(*both(function, table, length, length))


@for_devices
@for_shapes
def test_strings_equal_the_reference(device: str, n: int, m: int) -> None:
    strings = random_strings(device, n, m)
    assert_equal(*both(symbol_alignment, *strings, match=1.5, mismatch=-0.25, gap=-0.7))
    table = torch.randn(8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for free_end in (False, True):
        assert_equal(*both(table_alignment, *strings, table, -0.7, free_end))


@for_devices
@for_shapes
def test_edit_distances_equal_the_reference(device: str, n: int, m: int) -> None:
    assert_equal(*both(edit_distance, *random_strings(device, n, m), 0.3), tolerance=1e-12)


@for_devices
def test_symbols_of_any_integers(device: str) -> None:
    a, b, *lengths = random_strings(device, 15, 9)
    expected = edit_distance(a, b, *lengths, impl="reference")
    for x, y in ((a.short(), b), (a.int(), b.T.contiguous().T.int()), (a + 2**40, b + 2**40)):
        assert_equal(edit_distance(x, y, *(length.int() for length in lengths), impl="triton"), expected)


@for_devices
@for_shapes
@pytest.mark.parametrize("levels", [None, 1])
def test_paths_equal_the_reference(device: str, n: int, m: int, levels: int | None) -> None:
    for found, expected in zip(*both(cheapest_path, *random_table(device, n, m, levels)), strict=True):
        assert_equal(found, expected, tolerance=1e-5 if found.is_floating_point() else 0)


@for_devices
def test_the_cost_of_a_path_has_a_gradient(device: str) -> None:
    entries, *lengths = random_table(device, 7, 9)
    leaf = entries.nan_to_num().requires_grad_()
    path = cheapest_path(leaf, *lengths, impl="triton")
    (grad,) = torch.autograd.grad(path.cost.nan_to_num().sum(), leaf)
    assert grad.sum() == path.mask.any(1).float() @ (path.mask.sum(1) - 1).float()


@for_devices
def test_no_pairs(device: str) -> None:
    none = torch.zeros(0, dtype=torch.long, device=device)
    entries = torch.zeros(0, 4, 3, device=device, requires_grad=True)
    for function in TABLE_FUNCTIONS.values():
        function(entries, none, none, impl="triton").sum().backward()
    assert entries.grad.shape == (0, 4, 3)
    assert cheapest_path(entries, none, none, impl="triton").mask.shape == (0, 6)
    assert edit_distance(none.view(0, 4), none.view(0, 3), none, none, impl="triton").shape == (0,)


@for_devices
def test_who_asks_for_triton_gets_it_or_an_error(device: str) -> None:
    one = torch.ones(1, dtype=torch.long, device=device)
    entries = torch.zeros(1, 1024, 1024, device=device)
    for function in (*TABLE_FUNCTIONS.values(), cheapest_path):
        with pytest.raises(
            ValueError, match="cannot run here: the shorter sequences may have 1023 entries, got 1024"
        ):
            function(entries, one, one, impl="triton")
        with pytest.raises(ValueError, match=r"float32, got torch\.float64"):
            function(entries[:, :1, :1].double(), one, one, impl="triton")
        with pytest.raises(ValueError, match="impl must be"):
            function(entries[:, :0], one - 1, one, impl="numba")
    string = torch.zeros(1, 1024, dtype=torch.long, device=device)
    with pytest.raises(ValueError, match="1023 entries"):
        edit_distance(string, string, one, one, impl="triton")
    with pytest.raises(ValueError, match="1023 entries"):
        table_alignment(string, string, one, one, torch.zeros(1), impl="triton")


@pytest.mark.gpu
@for_functions
@pytest.mark.parametrize("n", [123, 500, 1023])
def test_many_lanes(function, n: int) -> None:
    """Rows of several warps, which exchange through shared memory."""
    entries, *lengths = random_table("cuda", n, n)
    grads = []
    for impl in ("auto", "reference"):
        leaf = entries.nan_to_num().requires_grad_()
        value = function(leaf, *lengths, impl=impl)
        grads.append((value.detach(), *torch.autograd.grad(value.nan_to_num().sum(), leaf)))
    for found, expected in zip(*grads, strict=True):
        assert_equal(found, expected, tolerance=1e-5)
