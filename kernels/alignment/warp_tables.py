"""Totals of warps of many pairs at once, in plain torch.

The table W[i, j] of minimum totals is filled along its anti-diagonals i + j = d, each of which depends only
on the previous two. Costs are stored *skewed*: [d, i, P], with infinity where d - i is not a column, so that
all diagonals have one shape and the borders need no special case. Pairs are the last dimension, which makes
every diagonal contiguous.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Join", "least_total", "path_cells", "skewed"]

Join = Callable[[Tensor, Tensor], Tensor]


def skewed(table: Tensor) -> Tensor:
    """[n, m, P] (n and m at least 1) as [n + m - 1, n, P]."""
    n, m, pairs = table.shape
    wide = table.new_empty(n, m + n, pairs)
    wide[:, :m], wide[:, m:] = table, torch.inf
    # Read with rows one entry shorter, the wide table shifts each row by its index.
    return wide.flatten(0, 1)[: n * (n + m - 1)].view(n, n + m - 1, pairs).transpose(0, 1)


def least_total(cost: Tensor, a_length: Tensor, b_length: Tensor, join: Join) -> Tensor:
    """The minimum total of a warp: W at the last cell of each pair. Differentiable by autograd.

    W[0, 0] = cost(0, 0), W[i, j] = join(min(W[i-1, j-1], W[i-1, j], W[i, j-1]), cost(i, j)).

    Args:
        cost: [n + m - 1, n, P], skewed.
        a_length: [P] from 1 to n; `b_length` [P] likewise.
        join: torch.add for the sum over the warp, torch.maximum for its largest cell.
    Returns:
        [P].
    """
    last, row = a_length + b_length - 2, a_length[None]
    edge = torch.full_like(cost[0, :1], torch.inf)  # a row before the first
    before = edge.expand(cost.shape[1] + 1, -1)
    latest = torch.cat([edge, cost[0]])
    result, ends = latest[1], set(last.tolist())
    for d, entered in enumerate(cost[1:].unbind(0), 1):
        least = torch.minimum(before[:-1], torch.minimum(latest[:-1], latest[1:]))
        before, latest = latest, torch.cat([edge, join(least, entered)])
        if d in ends:
            result = torch.where(last == d, latest.gather(0, row)[0], result)
    return result


def path_cells(cost: Tensor, a_length: Tensor, b_length: Tensor, prefer_row: bool) -> tuple[Tensor, Tensor]:
    """The cells of the warp with the minimum sum, first to last.

    Args:
        cost: [n + m - 1, n, P], skewed.
        a_length: [P] from 1 to n; `b_length` [P] likewise.
        prefer_row: on ties, tracing back, prefer (i-1, j-1), then (i-1, j), otherwise (i, j-1).
    Returns:
        cells [n + m - 1, P] as indices into the flattened skewed table, d n + i, with 0 after the end, and
        their number [P].
    """
    diagonals, n = cost.shape[:2]
    step = _steps(cost.detach(), prefer_row).flatten(0, 1)
    back = torch.tensor([n, n + 1, 2 * n + 1, 2 * n + 1, 0], device=cost.device)
    trace = [((a_length + b_length - 2) * n + a_length - 1)[None]]
    for _ in range(diagonals - 1):
        trace.append(trace[-1] - back[step.gather(0, trace[-1]).long()])
    backward = torch.cat(trace)
    count = (backward > 0).sum(0) + 1
    from_end = count - 1 - torch.arange(diagonals, device=cost.device)[:, None]
    return torch.where(from_end >= 0, backward.gather(0, from_end.clamp(0)), 0), count


def _steps(cost: Tensor, prefer_row: bool) -> Tensor:
    """[n + m - 1, n, P] int8 predecessor of each total: 0 (i, j-1), 1 (i-1, j), 2 and 3 (i-1, j-1), 4 none."""
    diagonals, n, pairs = cost.shape
    row, both = torch.zeros(2, diagonals, n, pairs, dtype=torch.bool, device=cost.device)
    from_row = torch.le if prefer_row else torch.lt
    # Three diagonals are reused in turn, each after one row of infinity, without further allocation.
    buffers = cost.new_full((3, n + 1, pairs), torch.inf)
    buffers[1, 1:] = cost[0]
    before, latest, new = ((buffer[:-1], buffer[1:]) for buffer in buffers)
    tables = (table[1:].unbind(0) for table in (cost, row, both))
    for entered, is_row, is_both in zip(*tables, strict=True):
        above, left, (paired, _), (_, cells) = *latest, before, new
        from_row(above, left, out=is_row)
        torch.minimum(above, left, out=cells)
        torch.le(paired, cells, out=is_both)
        torch.minimum(paired, cells, out=cells).add_(entered)
        before, latest, new = latest, new, before
    step = row.char().add_(both.char(), alpha=2)
    # There is only one path along the borders, at any cost.
    index = torch.arange(n, device=cost.device)
    step[:, 0], step[index, index], step[0] = 0, 1, 4
    return step
