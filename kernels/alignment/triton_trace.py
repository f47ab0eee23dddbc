"""The cells of the cheapest path as Triton kernels: the table of totals is filled, kept and traced back."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from gazekit.kernels.alignment.triton import filled

__all__ = ["path_cells"]

_PAIRS = 32  # one warp


@triton.jit
def _trace(
    table_ptr,  # [P, n + 1, m + 1] with the strides that follow
    table_pair,
    table_row: tl.int64,
    table_column: tl.int64,
    a_length_ptr,  # [P]; `b_length_ptr` likewise
    b_length_ptr,
    a_index_ptr,  # [P, longest], contiguous; `b_index_ptr` likewise
    b_index_ptr,
    pairs,
    longest,
    PAIRS: tl.constexpr,
):
    """One lane per pair. Tracing back, ties prefer (i-1, j-1), then (i-1, j), then (i, j-1)."""
    pair = tl.program_id(0).to(tl.int64) * PAIRS + tl.arange(0, PAIRS)
    row = tl.load(a_length_ptr + pair, mask=pair < pairs, other=0)
    column = tl.load(b_length_ptr + pair, mask=pair < pairs, other=0)
    going = (row > 0) & (column > 0)
    for step in range(longest):
        tl.store(a_index_ptr + pair * longest + step, row - 1, mask=going)
        tl.store(b_index_ptr + pair * longest + step, column - 1, mask=going)
        here = table_ptr + pair * table_pair + row * table_row + column * table_column
        left = tl.load(here - table_column, mask=going, other=0.0)
        above = tl.load(here - table_row, mask=going, other=0.0)
        paired = tl.load(here - table_row - table_column, mask=going, other=0.0)
        # There is only one path along the borders, at any cost.
        both = (row > 1) & (column > 1) & (paired <= above) & (paired <= left)
        up = both | (column == 1) | ((row > 1) & (above <= left))
        going = going & ((row > 1) | (column > 1))
        row, column = row - up.to(row.dtype), column - (both | ~up).to(column.dtype)


def path_cells(cost: Tensor, a_length: Tensor, b_length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cells of the warp with the minimum sum.

    Args:
        cost: [P, n, m] float32, none of P, n and m 0.
        a_length: [P] integers from 0 to n; `b_length` [P] from 0 to m.
    Returns:
        a_index and b_index [P, n + m - 1], first to last and 0 after the end, and mask, True = a cell.
    """
    pairs, n, m = cost.shape
    longest = n + m - 1
    a_length, b_length = a_length.contiguous(), b_length.contiguous()
    scores = torch.zeros(3, dtype=torch.float64, device=cost.device)
    if n <= m:
        table = filled(cost, a_length, b_length, scores, "sum", keep=True)[1]
    else:  # lanes are rows
        table = filled(cost.mT, b_length, a_length, scores, "sum", keep=True)[1].mT
    backward = torch.full((2, pairs, longest), -1, dtype=torch.long, device=cost.device)
    tensors = table, *table.stride(), a_length, b_length, *backward
    with torch.cuda.device_of(cost):
        _trace[(triton.cdiv(pairs, _PAIRS),)](*tensors, pairs, longest, PAIRS=_PAIRS, num_warps=1)
    from_end = (backward[0] >= 0).sum(1, keepdim=True) - 1 - torch.arange(longest, device=cost.device)
    mask = from_end >= 0
    a_index, b_index = (torch.where(mask, x.gather(1, from_end.clamp(0)), 0) for x in backward)
    return a_index, b_index, mask
