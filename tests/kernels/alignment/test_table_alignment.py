"""Strings whose symbols score by a table: against a plain loop, and what bounds the free end."""

import numpy as np
import pytest
import torch
from torch import Tensor

from gazekit.kernels.alignment import global_alignment, table_alignment

K = 6


def random_strings(n: int, m: int, pairs: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(100 * n + m)
    a_length = torch.randint(n + 1, (pairs,), generator=draw)
    b_length = torch.randint(m + 1, (pairs,), generator=draw)
    a_length[0], b_length[0] = n, m
    symbols = (torch.randint(K, (pairs, length), generator=draw) for length in (n, m))
    return *symbols, a_length, b_length


def random_table() -> Tensor:
    return torch.randn(K, K, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def aligned(
    a: Tensor, b: Tensor, a_length: Tensor, b_length: Tensor, scores: Tensor, *rest, **options
) -> Tensor:
    """By any table [K, K] of scores."""
    return table_alignment(K * a, b, a_length, b_length, scores.reshape(-1), *rest, **options)


def loop_table(a: list[int], b: list[int], scores: Tensor, gap: float) -> np.ndarray:
    """All of F, as the textbook writes it."""
    table = np.zeros((len(a) + 1, len(b) + 1))
    table[:, 0], table[0] = gap * np.arange(len(a) + 1), gap * np.arange(len(b) + 1)
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            paired = table[i - 1, j - 1] + scores[x, y].item()
            table[i, j] = max(paired, table[i - 1, j] + gap, table[i, j - 1] + gap)
    return table


@pytest.mark.parametrize("n", [0, 1, 15, 40])
@pytest.mark.parametrize("m", [0, 1, 15, 40])
@pytest.mark.parametrize("gap", [0.0, -0.7, 0.2])
@pytest.mark.parametrize("free_end", [False, True])
def test_it_equals_the_loop(n: int, m: int, gap: float, free_end: bool) -> None:
    strings, scores = random_strings(n, m), random_table()
    tables = [
        loop_table(x[:i].tolist(), y[:j].tolist(), scores, gap) for x, y, i, j in zip(*strings, strict=True)
    ]
    expected = [table.max() if free_end else table[-1, -1] for table in tables]
    found = aligned(*strings, scores, gap, free_end)
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_it_equals_the_alignment_of_the_expanded_table() -> None:
    a, b, a_length, b_length = random_strings(30, 20, pairs=50)
    scores = random_table()
    expected = global_alignment(scores[a[:, :, None], b[:, None]], a_length, b_length, -0.3)
    for chunk in (None, 1, 7, 50):
        found = aligned(a, b, a_length, b_length, scores, -0.3, chunk=chunk)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_what_stands_behind_the_end_never_matters() -> None:
    a, b, a_length, b_length = random_strings(12, 9, pairs=20)
    scores = random_table()
    noise = torch.where(torch.arange(12) < a_length[:, None], a, -99)
    for free_end in (False, True):
        before = aligned(a, b, a_length, b_length, scores, -0.3, free_end)
        assert torch.equal(aligned(noise, b, a_length, b_length, scores, -0.3, free_end), before)


def test_no_pairs() -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert aligned(none.view(0, 4), none.view(0, 3), none, none, random_table()).shape == (0,)


def test_a_table_of_differences() -> None:
    """Symbols of 10,000 kinds, whose difference alone says how they score."""
    a, b, a_length, b_length = random_strings(30, 20, pairs=20)
    a, b = 1000 * a + 7, 1000 * b
    differences = torch.arange(-9999, 10_000).double().abs().mul(-1e-3).add(2)
    scores = 2 - (a[:, :, None] - b[:, None]).abs().double() / 1e3
    expected = global_alignment(scores, a_length, b_length, -0.3)
    found = table_alignment(a + 9999, -b, a_length, b_length, differences, -0.3)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_wrong_input_is_named() -> None:
    one = torch.ones(1, dtype=torch.long)
    with pytest.raises(ValueError, match=r"table must have shape \[S\]"):
        table_alignment(one[None], one[None], one, one, torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"sums of symbols of a and b must lie in 0..2, the table, got 3..3"):
        table_alignment(one[None], 2 * one[None], one, one, torch.zeros(3))
    with pytest.raises(ValueError, match=r"must lie in 0..2, the table, got -1..-1"):
        table_alignment(one[None], -2 * one[None], one, one, torch.zeros(3))
    with pytest.raises(ValueError, match=r"a_length must have shape \[1\]"):
        table_alignment(one[None], one[None], one[:0], one, torch.zeros(3))
    with pytest.raises(TypeError, match="a must hold integer symbols"):
        table_alignment(torch.zeros(1, 1), one[None], one, one, torch.zeros(3))


@pytest.mark.gpu
def test_the_device_changes_nothing() -> None:
    inputs = *random_strings(64, 31, pairs=200), random_table()
    there = aligned(*(tensor.cuda() for tensor in inputs))
    assert torch.equal(there.cpu(), aligned(*inputs))
