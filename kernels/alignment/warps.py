"""Warps of padded pairs of sequences: minimum sum, minimum of the maximum, and the cheapest path itself.

Source: Sakoe and Chiba 1978 (IEEE TASSP 26, 43); Eiter and Mannila 1994 (TU Wien CD-TR 94/64).
A warp is a path of cells (i, j) from (0, 0) to (a_length - 1, b_length - 1) in which every step advances by
one in the first sequence, in the second, or in both.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.kernels.alignment.pairs import check_table, chunks, pairs_last, too_long
from gazekit.kernels.alignment.warp_tables import least_total, path_cells, skewed
from gazekit.kernels.dispatch import Impl, use_triton

__all__ = ["Path", "bottleneck_cost", "cheapest_path", "warping_cost"]


def warping_cost(
    cost: Tensor, a_length: Tensor, b_length: Tensor, chunk: int | None = None, impl: Impl = "auto"
) -> Tensor:
    """Dynamic time warping: the minimum sum of costs over all warps.

    A warp is a path of cells from (0, 0) to (a_length - 1, b_length - 1) in which every step advances by one in the
    first sequence, in the second, or in both; all its cells count.

    Args:
        cost: [P, n, m] cost of pairing entry i of the first sequence with entry j of the second; float32 or
            float64, differentiable.
        a_length: [P] integers from 0 to n.
        b_length: [P] integers from 0 to m.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB (more under
            autograd, which keeps every diagonal).
        impl: "auto", "reference" or "triton".
    Returns:
        [P] in the dtype of `cost`; NaN with an empty sequence, which no warp connects.
    Raises:
        TypeError: cost is not floating, lengths are not integers.
        ValueError: shapes differ, a length outside its range, chunk below 1, "triton" where that cannot run.

    Example:
        >>> length = torch.tensor([2])
        >>> warping_cost(torch.tensor([[[1.0, 5.0], [0.0, 2.0]]]), length, length)
        tensor([3.])
    """
    return _least_warp(cost, a_length, b_length, chunk, impl, "sum")


def bottleneck_cost(
    cost: Tensor, a_length: Tensor, b_length: Tensor, chunk: int | None = None, impl: Impl = "auto"
) -> Tensor:
    """The minimum over warps of their largest cost.

    With distances as costs it is the discrete Fréchet distance (Eiter and Mannila 1994, TU Wien CD-TR 94/64).

    Args, Returns, Raises:
        As `warping_cost`.

    Example:
        >>> length = torch.tensor([2])
        >>> bottleneck_cost(torch.tensor([[[1.0, 5.0], [0.0, 2.0]]]), length, length)
        tensor([2.])
    """
    return _least_warp(cost, a_length, b_length, chunk, impl, "bottleneck")


class Path(NamedTuple):
    """Paths through [P, n, m] tables, of at most L = n + m - 1 cells.

    `cost` [P]; `a_index`, `b_index` [P, L] the cells in order, 0 after the end; `mask` [P, L] True = a cell.
    """

    cost: Tensor
    a_index: Tensor
    b_index: Tensor
    mask: Tensor


def cheapest_path(
    cost: Tensor, a_length: Tensor, b_length: Tensor, chunk: int | None = None, impl: Impl = "auto"
) -> Path:
    """The warp with the lowest cost of *entered* cells: all cells but the first, which every warp has.

    Ties are broken by a fixed rule: tracing back from the last cell, the step in both
    sequences is preferred, then the one in the first, then the one in the second. Only exactly equal sums
    are ties.

    Args:
        cost: [P, n, m] cost of entering cell (i, j); float32 or float64. `Path.cost` is differentiable.
        a_length: [P] integers from 0 to n.
        b_length: [P] integers from 0 to m.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
        impl: "auto", "reference" or "triton".
    Returns:
        `Path`; with an empty sequence no cells, and NaN as cost.
    Raises:
        As `warping_cost`.

    Example:
        >>> length = torch.tensor([2])
        >>> path = cheapest_path(torch.tensor([[[1.0, 5.0], [0.0, 2.0]]]), length, length)
        >>> path.cost, path.a_index[path.mask], path.b_index[path.mask]
        (tensor([2.]), tensor([0, 1]), tensor([0, 1]))
    """
    a_length, b_length = check_table("cost", cost, a_length, b_length, chunk)
    pairs, n, m = cost.shape
    if use_triton(impl, cost, unfit=too_long(n, m)) and cost.numel():
        from gazekit.kernels.alignment.triton_trace import path_cells as traced

        return _path(cost, *traced(cost.detach(), a_length, b_length))
    path = Path(
        cost.new_full((pairs,), torch.nan),
        *torch.zeros(2, pairs, max(n + m - 1, 0), dtype=torch.long, device=cost.device),
        torch.zeros(pairs, max(n + m - 1, 0), dtype=torch.bool, device=cost.device),
    )
    totals = [path.cost[:0]]
    for rows in _chunks(cost, chunk):
        part = _chunk_path(*pairs_last(cost, a_length, b_length, rows))
        totals.append(part.cost)
        for whole, found in zip(path[1:], part[1:], strict=True):
            whole[rows, : found.shape[1]] = found
    return path._replace(cost=torch.cat(totals))


def _chunk_path(table: Tensor, a_length: Tensor, b_length: Tensor) -> Path:
    """The paths through [n, m, P]."""
    n, m, pairs = table.shape
    if not n or not m:
        none = a_length.new_zeros(pairs, 0)
        return Path(table.new_full((pairs,), torch.nan), none, none, none.bool())
    exists = (a_length > 0) & (b_length > 0)
    a_length, b_length = a_length.clamp(1), b_length.clamp(1)
    if n <= m:
        cells, count = path_cells(skewed(table), a_length, b_length, prefer_row=True)
    else:  # the fewer rows a skewed table has, the smaller it is
        cells, count = path_cells(skewed(table.transpose(0, 1)), b_length, a_length, prefer_row=False)
    diagonal = cells // min(n, m)
    row = cells - diagonal * min(n, m)
    a, b = (row, diagonal - row) if n <= m else (diagonal - row, row)
    mask = (torch.arange(len(cells), device=cells.device)[:, None] < count) & exists
    return _path(table.permute(2, 0, 1), (a * mask).T, (b * mask).T, mask.T)


def _path(cost: Tensor, a_index: Tensor, b_index: Tensor, mask: Tensor) -> Path:
    """The path of these cells [P, L] in [P, n, m], with what entering them costs."""
    costs = cost.flatten(1).gather(1, a_index * cost.shape[2] + b_index)
    entered = torch.where(mask, costs, 0.0)[:, 1:].sum(1)
    return Path(torch.where(mask.any(1), entered, torch.nan), a_index, b_index, mask)


def _least_warp(
    cost: Tensor, a_length: Tensor, b_length: Tensor, chunk: int | None, impl: Impl, rule: str
) -> Tensor:
    a_length, b_length = check_table("cost", cost, a_length, b_length, chunk)
    if use_triton(impl, cost, unfit=too_long(*cost.shape[1:])):
        from gazekit.kernels.alignment.triton import totals as least_totals

        exists = (a_length > 0) & (b_length > 0)
        return torch.where(exists, least_totals(cost, a_length, b_length, rule), torch.nan)
    join = torch.add if rule == "sum" else torch.maximum
    totals = [cost.new_zeros(0)]
    for rows in _chunks(cost, chunk):
        table, a, b = pairs_last(cost, a_length, b_length, rows)
        n, m, pairs = table.shape
        if not n or not m:
            totals.append(cost.new_full((pairs,), torch.nan))
            continue
        exists = (a > 0) & (b > 0)
        a, b = a.clamp(1), b.clamp(1)
        if n > m:  # the fewer rows a skewed table has, the smaller it is
            table, a, b = table.transpose(0, 1), b, a
        totals.append(torch.where(exists, least_total(skewed(table), a, b, join), torch.nan))
    return torch.cat(totals)


def _chunks(cost: Tensor, chunk: int | None) -> list[slice]:
    """Of each pair four skewed tables are held."""
    _, n, m = cost.shape
    rows = min(n, m) + 1
    return chunks(cost, rows, 4 * rows * (n + m), chunk)
