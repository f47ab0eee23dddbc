"""Alignment of strings, where the score depends only on the pair of symbols, so that no [n, m] table is
stored.

It fills the same table F along the same anti-diagonals as `reference.py`, pairs last. Symbols have no gradient, so
three buffers are reused in turn without further allocation: row i of a buffer is row i of F.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["best_string_score", "equality_scores", "table_scores"]

Scores = Callable[[Tensor, Tensor, Tensor], None]
"""Writes the scores of symbols a [cells, P] paired with b [cells, P] to the third argument [cells, P]."""


def equality_scores(match: float, mismatch: float) -> Scores:
    """`match` for equal symbols, `mismatch` for others."""

    def write(a: Tensor, b: Tensor, out: Tensor) -> None:
        torch.where(a == b, *(out.new_tensor(score) for score in (match, mismatch)), out=out)

    return write


def table_scores(table: Tensor) -> Scores:
    """table[a + b] of a table [S]."""

    def write(a: Tensor, b: Tensor, out: Tensor) -> None:
        torch.index_select(table, 0, (a + b).view(-1), out=out.view(-1))

    return write


def best_string_score(
    write: Scores, a: Tensor, b: Tensor, a_length: Tensor, b_length: Tensor, gap: float, free_end: bool
) -> Tensor:
    """The maximum score of an alignment that starts at the beginning of both sequences.

    Args:
        write: writer of the scores of pairs of symbols.
        a: [n, P] symbols; `b` [m, P] likewise.
        a_length: [P]; `b_length` [P] likewise.
        gap: score of one unpaired symbol.
        free_end: return the maximum of F over the table instead of its value at both ends.
    Returns:
        [P] float64.
    """
    n, m, total = len(a), len(b), a_length + b_length
    reverse = b.flip(0)
    before, latest, new = torch.zeros(3, n + 1, len(total), dtype=torch.float64, device=total.device)
    scratch = torch.empty_like(new)
    result = latest[0].clone()
    shortest = 0 if free_end else int(total.min())
    rows = torch.arange(n + 1, device=total.device)[:, None]
    for d in range(1, n + m + 1):
        first, last = max(1, d - m), min(n, d - 1)  # cells that lie inside the table
        if first <= last:
            cells, gapped = new[first : last + 1], scratch[first : last + 1]
            write(a[first - 1 : last], reverse[m - d + first : m - d + last + 1], cells)
            cells += before[first - 1 : last]
            torch.maximum(latest[first - 1 : last], latest[first : last + 1], out=gapped)
            if gap:
                gapped += gap
            torch.maximum(cells, gapped, out=cells)
        if d <= m:
            new[0] = d * gap
        if d <= n:
            new[d] = d * gap
        before, latest, new = latest, new, before
        if free_end:
            inside = (rows >= d - b_length) & (rows <= a_length.clamp(max=d))
            result = torch.maximum(result, latest.masked_fill(~inside, -torch.inf).amax(0))
        elif d >= shortest:
            result = torch.where(total == d, latest.gather(0, a_length[None])[0], result)
    return result
