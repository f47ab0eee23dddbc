"""Alignment of many pairs of sequences at once, in plain torch.

The table F[i, j] is filled along its anti-diagonals i + j = d: each depends only on the previous two, so that
one step computes a whole diagonal of all pairs. Pairs are the *last* dimension here, which makes every slice
of cells contiguous. Nothing is written in place, so autograd works.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["best_score", "matrix_diagonal"]

Diagonal = Callable[[int, int, int], Tensor]


def matrix_diagonal(substitution: Tensor) -> Diagonal:
    """Reader of the scores [n, m, P] in the cells i = first..last (counted from 1) of diagonal i + j = d."""
    m = substitution.shape[1]
    flat = substitution.flatten(0, 1)

    def read(d: int, first: int, last: int) -> Tensor:
        # (i-1, d-i-1) is at index (i-1) m + (d-i-1): one row further along the diagonal is m - 1 entries further
        start, step = (first - 1) * m + d - first - 1, max(m - 1, 1)
        return flat[start : start + (last - first) * step + 1 : step]

    return read


def best_score(
    read: Diagonal, n: int, m: int, a_length: Tensor, b_length: Tensor, gap: float, dtype: torch.dtype
) -> Tensor:
    """The maximum score of a global alignment: F at (a_length, b_length) of each pair.

    F[i, 0] = i gap, F[0, j] = j gap,
    F[i, j] = max(F[i-1, j-1] + substitution(i, j), F[i-1, j] + gap, F[i, j-1] + gap).

    Args:
        read: substitution scores of one diagonal, [cells, P].
        n: length of the longest first sequence; `m` of the longest second one.
        a_length: [P]; `b_length` [P] likewise.
        gap: score of one unpaired symbol.
        dtype: of the scores.
    Returns:
        [P].
    """
    total = a_length + b_length
    before = latest = torch.zeros(1, len(total), dtype=dtype, device=total.device)  # diagonals d-2 and d-1
    before_low = latest_low = 0  # the row i at which each begins
    result, ends = latest[0], set(total.tolist())
    for d in range(1, n + m + 1):
        low, high = max(0, d - m), min(n, d)
        first, last = max(1, d - m), min(n, d - 1)  # cells that lie inside the table
        cells = []
        border = torch.full_like(result[None], d * gap)
        if low == 0:
            cells.append(border)
        if first <= last:
            above = latest[first - 1 - latest_low : last - latest_low]
            left = latest[first - latest_low : last + 1 - latest_low]
            paired = before[first - 1 - before_low : last - before_low] + read(d, first, last)
            cells.append(torch.maximum(paired, torch.maximum(above, left) + gap))
        if high == d:
            cells.append(border)
        before, before_low = latest, latest_low
        latest, latest_low = torch.cat(cells), low
        if d in ends:
            end = latest.gather(0, (a_length - low).clamp(0, high - low)[None])[0]
            result = torch.where(total == d, end, result)
    return result
