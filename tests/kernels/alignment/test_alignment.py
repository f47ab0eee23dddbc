"""The batched dynamic programmes against plain loops, and the properties that alignments have."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gazekit.kernels.alignment import (
    cheapest_path,
    edit_distance,
    global_alignment,
    symbol_alignment,
    warping_cost,
)
from gazekit.scanpath import Ragged

SIZES = (0, 1, 15, 64, 123)
strings = st.lists(st.integers(0, 3), max_size=9)


def loop_alignment(score: np.ndarray, gap: float) -> float:
    """Needleman-Wunsch as the textbook writes it."""
    n, m = score.shape
    table = np.zeros((n + 1, m + 1))
    table[:, 0], table[0] = gap * np.arange(n + 1), gap * np.arange(m + 1)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            paired = table[i - 1, j - 1] + score[i - 1, j - 1]
            table[i, j] = max(paired, table[i - 1, j] + gap, table[i, j - 1] + gap)
    return table[n, m]


def loop_edit_distance(a: list[int], b: list[int], cost: float = 1.0) -> float:
    """Levenshtein by recursion on rows, minimising."""
    row = [float(j) for j in range(len(b) + 1)]
    for i, x in enumerate(a, 1):
        previous, row = row, [float(i)]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j - 1] + cost * (x != y), previous[j] + 1, row[-1] + 1))
    return row[-1]


def padded(sequences: list[list[int]]) -> tuple[Tensor, Tensor]:
    ragged = Ragged.from_list(sequences, torch.long)
    return ragged.values, ragged.lengths


def distance(a: list[list[int]], b: list[list[int]], cost: float = 1.0) -> list[float]:
    (a_padded, a_length), (b_padded, b_length) = padded(a), padded(b)
    return edit_distance(a_padded, b_padded, a_length, b_length, cost).tolist()


def random_pairs(n: int, m: int, pairs: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The first pair of full length, the others shorter."""
    draw = torch.Generator().manual_seed(1000 * n + m)
    a = torch.randint(4, (pairs, n), generator=draw)
    b = torch.randint(4, (pairs, m), generator=draw)
    a_length = torch.randint(n + 1, (pairs,), generator=draw)
    b_length = torch.randint(m + 1, (pairs,), generator=draw)
    a_length[0], b_length[0] = n, m
    return a, b, a_length, b_length


def random_scores(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize("cost", [1.0, 2.0, 0.3])
def test_edit_distance_equals_the_loop(n: int, m: int, cost: float) -> None:
    a, b, a_length, b_length = random_pairs(n, m)
    ends = zip(a.tolist(), b.tolist(), a_length.tolist(), b_length.tolist(), strict=True)
    expected = [loop_edit_distance(x[:i], y[:j], cost) for x, y, i, j in ends]
    assert edit_distance(a, b, a_length, b_length, cost).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize("gap", [0.0, -0.7, 0.2])
def test_global_alignment_equals_the_loop(n: int, m: int, gap: float) -> None:
    _, _, a_length, b_length = random_pairs(n, m)
    score = random_scores(3, n, m)
    ends = zip(score.numpy(), a_length.tolist(), b_length.tolist(), strict=True)
    expected = [loop_alignment(table[:i, :j], gap) for table, i, j in ends]
    found = global_alignment(score, a_length, b_length, gap)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_symbols_score_as_their_substitution_matrix() -> None:
    a, b, a_length, b_length = random_pairs(15, 23, pairs=40)
    score = torch.where(a[:, :, None] == b[:, None], 1.5, -0.25).double()
    by_matrix = global_alignment(score, a_length, b_length, -0.5)
    by_symbol = symbol_alignment(a, b, a_length, b_length, match=1.5, mismatch=-0.25, gap=-0.5)
    torch.testing.assert_close(by_symbol, by_matrix, rtol=0, atol=0)


def test_float32_stays() -> None:
    _, _, a_length, b_length = random_pairs(15, 8)
    score = random_scores(3, 15, 8).float()
    found = global_alignment(score, a_length, b_length, -0.1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found.double(), global_alignment(score.double(), a_length, b_length, -0.1), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("chunk", [1, 2, 7, 40, 1000])
def test_chunks_change_nothing(chunk: int) -> None:
    a, b, a_length, b_length = random_pairs(12, 9, pairs=40)
    score = random_scores(40, 12, 9)
    lengths = a_length, b_length
    assert torch.equal(edit_distance(a, b, *lengths, chunk=chunk), edit_distance(a, b, *lengths))
    assert torch.equal(symbol_alignment(a, b, *lengths, chunk=chunk), symbol_alignment(a, b, *lengths))
    assert torch.equal(global_alignment(score, *lengths, 0.1, chunk), global_alignment(score, *lengths, 0.1))


def test_many_pairs_by_the_default_chunks() -> None:
    a, b, a_length, b_length = random_pairs(15, 20, pairs=5000)
    at_once = edit_distance(a, b, a_length, b_length, chunk=5000)
    assert torch.equal(edit_distance(a, b, a_length, b_length), at_once)


def test_a_replacement_that_is_forbidden() -> None:
    inputs = random_pairs(15, 23, pairs=40)
    assert torch.equal(edit_distance(*inputs, torch.inf), edit_distance(*inputs, 2.0))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_lengths_of_any_integers(dtype) -> None:
    """The sum of two lengths of 120 is beyond int8, and no places can be made of it."""
    a, b, *lengths = random_pairs(120, 123)
    small = [length.to(dtype) for length in lengths]
    score = random_scores(3, 120, 123)
    assert torch.equal(edit_distance(a, b, *small), edit_distance(a, b, *lengths))
    assert torch.equal(global_alignment(score, *small, -0.1), global_alignment(score, *lengths, -0.1))
    assert torch.equal(warping_cost(score, *small), warping_cost(score, *lengths))
    for found, expected in zip(cheapest_path(score, *small), cheapest_path(score, *lengths), strict=True):
        torch.testing.assert_close(found, expected, equal_nan=True)


def test_what_stands_behind_the_end_never_matters() -> None:
    a, b, a_length, b_length = random_pairs(12, 9, pairs=20)
    score = random_scores(20, 12, 9)
    outside = (torch.arange(12)[:, None] >= a_length[:, None, None]) | (
        torch.arange(9) >= b_length[:, None, None]
    )
    before = global_alignment(score, a_length, b_length, -0.3)
    after = global_alignment(score.masked_fill(outside, torch.nan), a_length, b_length, -0.3)
    assert torch.equal(before, after)
    noise = torch.where(torch.arange(12) < a_length[:, None], a, 99)
    assert torch.equal(edit_distance(noise, b, a_length, b_length), edit_distance(a, b, a_length, b_length))


@pytest.mark.parametrize("gap", [0.0, -0.4])
def test_gradients(gap: float) -> None:
    score = random_scores(3, 4, 5).requires_grad_()
    lengths = torch.tensor([4, 2, 0]), torch.tensor([5, 5, 3])
    assert torch.autograd.gradcheck(lambda s: global_alignment(s, *lengths, gap), (score,))


def test_non_contiguous_input() -> None:
    a, b, a_length, b_length = random_pairs(12, 9, pairs=20)
    score = random_scores(9, 20, 12).permute(1, 2, 0)
    found = global_alignment(score, a_length, b_length, -0.1)
    assert torch.equal(found, global_alignment(score.contiguous(), a_length, b_length, -0.1))
    assert torch.equal(
        edit_distance(a.T.contiguous().T, b, a_length, b_length), edit_distance(a, b, a_length, b_length)
    )


def test_no_pairs() -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert edit_distance(none.view(0, 4), none.view(0, 3), none, none).shape == (0,)
    assert global_alignment(torch.zeros(0, 4, 3), none, none, 0.0).shape == (0,)


@settings(deadline=None)
@given(st.lists(st.tuples(strings, strings), min_size=1, max_size=6))
def test_a_batch_equals_single_calls_and_the_loop(pairs: list[tuple[list[int], list[int]]]) -> None:
    together = distance([a for a, _ in pairs], [b for _, b in pairs])
    assert together == [distance([a], [b])[0] for a, b in pairs]
    assert together == [loop_edit_distance(a, b) for a, b in pairs]


@settings(deadline=None)
@given(strings, strings, strings)
def test_edit_distance_is_a_metric(a: list[int], b: list[int], c: list[int]) -> None:
    ab, ba, bc, ac, aa = distance([a, b, b, a, a], [b, a, c, c, a])
    assert ab == ba
    assert aa == 0
    assert (ab == 0) == (a == b)
    assert ac <= ab + bc
    assert abs(len(a) - len(b)) <= ab <= max(len(a), len(b))


@settings(deadline=None)
@given(strings, strings)
def test_a_replacement_of_cost_two_counts_what_is_not_common(a: list[int], b: list[int]) -> None:
    (a_padded, a_length), (b_padded, b_length) = padded([a]), padded([b])
    common = symbol_alignment(a_padded, b_padded, a_length, b_length).item()
    assert distance([a], [b], cost=2.0) == [len(a) + len(b) - 2 * common]


@settings(deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**31), st.floats(-2, 2))
def test_swapping_the_sequences_transposes(n: int, m: int, seed: int, gap: float) -> None:
    score = random_scores(2, n, m, seed=seed)
    lengths = torch.tensor([n, n // 2]), torch.tensor([m, m // 2])
    there = global_alignment(score, *lengths, gap)
    torch.testing.assert_close(there, global_alignment(score.mT, *lengths[::-1], gap), rtol=0, atol=1e-12)


ONE = torch.ones(1, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: global_alignment(torch.zeros(1, 2, 2, dtype=torch.long), ONE, ONE, 0),
            TypeError,
            "float32 or float64",
        ),
        (lambda: global_alignment(torch.zeros(2, 2), ONE, ONE, 0), ValueError, r"\[P, n, m\]"),
        (
            lambda: global_alignment(torch.zeros(1, 2, 2), 3 * ONE, ONE, 0),
            ValueError,
            r"a_length must lie in 0..2",
        ),
        (
            lambda: global_alignment(torch.zeros(1, 2, 2), ONE, -ONE, 0),
            ValueError,
            r"b_length must lie in 0..2",
        ),
        (
            lambda: global_alignment(torch.zeros(1, 2, 2), ONE.float(), ONE, 0),
            TypeError,
            "a_length must be integers",
        ),
        (
            lambda: global_alignment(torch.zeros(2, 2, 2), ONE, ONE, 0),
            ValueError,
            r"a_length must have shape \[2\]",
        ),
        (lambda: global_alignment(torch.zeros(1, 2, 2), ONE, ONE, 0, chunk=0), ValueError, "chunk"),
        (
            lambda: edit_distance(torch.zeros(1, 2), ONE[None], ONE, ONE),
            TypeError,
            "a must hold integer symbols",
        ),
        (
            lambda: edit_distance(ONE[None], ONE[None] > 0, ONE, ONE),
            TypeError,
            r"b must hold integer symbols, got torch\.bool",
        ),
        (
            lambda: global_alignment(torch.zeros(1, 2, 2), ONE.to("meta"), ONE, 0),
            ValueError,
            r"a_length must have shape \[1\] on cpu, got \[1\] on meta",
        ),
        (lambda: edit_distance(ONE[None], ONE[None].to("meta"), ONE, ONE), ValueError, "on one device"),
        (lambda: edit_distance(ONE[None], ONE, ONE, ONE), ValueError, r"b must have shape"),
        (
            lambda: edit_distance(ONE[None], ONE[None].repeat(2, 1), ONE, ONE),
            ValueError,
            "same number of sequences",
        ),
        (lambda: edit_distance(ONE[None], ONE[None], ONE, ONE, -1.0), ValueError, "substitution_cost"),
    ],
)
def test_wrong_input_is_named(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.gpu
def test_the_device_changes_nothing() -> None:
    inputs = random_pairs(64, 31, pairs=200)
    there = edit_distance(*(tensor.cuda() for tensor in inputs))
    assert there.is_cuda
    assert torch.equal(there.cpu(), edit_distance(*inputs))
