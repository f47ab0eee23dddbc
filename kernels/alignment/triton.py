"""The dynamic programming of the other files as Triton kernels: one program per pair, one lane per row of the
table.

The table T [a_length + 1, b_length + 1] is filled along its anti-diagonals i + j = d. A program keeps the last two of
them in registers, and the only exchange between its lanes per diagonal is a shift by one row, which stays within
a warp up to 128 rows, without a barrier or scratch memory. With t the score or cost of the cell,

    align        T[i, j] = max(T[i-1, j-1] + t, max(T[i-1, j], T[i, j-1]) + gap),  T[i, 0] = i gap,  T[0, j] = j gap
    sum          T[i, j] = min(T[i-1, j-1], T[i-1, j], T[i, j-1]) + t              T[0, 0] = 0, else infinite borders
    bottleneck   T[i, j] = max(min(T[i-1, j-1], T[i-1, j], T[i, j-1]), t)          T[0, 0] = -inf, likewise

The backward pass, with G[i, j] = d total / d T[i, j], traverses the diagonals in reverse:

    G[i, j] = G[i+1, j+1] p[i+1, j+1] + G[i+1, j] u[i+1, j] + G[i, j+1] v[i, j+1]

where p, u and v are the shares of T[i-1, j-1], T[i-1, j] and T[i, j-1] in the minimum or maximum: 1 for a
unique one, halves for ties, as torch distributes them in `reference.py` and `warp_tables.py`. They are
recomputed from T, which the forward pass keeps if a gradient is needed. The gradient of t is G p (align), G
(sum) or the share of t in the outer maximum (bottleneck).

Arithmetic is float32 for float32 tables, and float64 for strings, whose scores are float64 in every
implementation: the few operations per cell are cheap in either, and results are then equal on all devices.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["filled", "string_scores", "totals"]


@triton.jit
def _least(x, y):
    return tl.minimum(x, y, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _largest(x, y):
    return tl.maximum(x, y, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _share(x, y):
    """The share of x in the gradient of max(x, y)."""
    return tl.where(x > y, 1.0, tl.where(x == y, 0.5, 0.0))


@triton.jit
def _fill(
    entry_ptr,  # READ "matrix": [P, n, m] with the following strides; "sum": [S] scores by a + b
    entry_pair: tl.int64,
    entry_row: tl.int64,
    entry_column: tl.int64,
    a_ptr,  # [P, n] symbols, contiguous; `b_ptr` [P, m]
    b_ptr,
    n: tl.int64,
    m: tl.int64,
    a_length_ptr,  # [P]; `b_length_ptr` likewise
    b_length_ptr,
    score_ptr,  # [3] float64 gap, match, mismatch: a scalar argument would be rounded to float32
    total_ptr,  # [P]
    table_ptr,  # KEEP: [P, n + 1, m + 1], contiguous
    READ: tl.constexpr,  # "matrix", "sum" or "equal"
    RULE: tl.constexpr,  # "align", "sum" or "bottleneck"
    FREE_END: tl.constexpr,
    KEEP: tl.constexpr,
    LANES: tl.constexpr,  # a power of two above n
):
    pair = tl.program_id(0).to(tl.int64)
    dtype = total_ptr.dtype.element_ty
    a_length, b_length = tl.load(a_length_ptr + pair), tl.load(b_length_ptr + pair)
    gap, match, mismatch = tl.load(score_ptr), tl.load(score_ptr + 1), tl.load(score_ptr + 2)
    row = tl.arange(0, LANES)
    table_ptr += pair * (n + 1) * (m + 1)
    latest = tl.zeros([LANES], dtype)
    if RULE == "sum":
        latest = tl.where(row == 0, latest, float("inf"))
    if RULE == "bottleneck":
        latest = tl.where(row == 0, latest - float("inf"), float("inf"))
    if KEEP:
        tl.store(table_ptr + row, latest, mask=row == 0)
    best = tl.zeros([LANES], dtype)
    above = latest
    for d in range(1, a_length + b_length + 1):
        column = d - row
        cell = (row >= 1) & (row <= a_length) & (column >= 1) & (column <= b_length)
        paired = above  # one row and one diagonal on: T[i-1, j-1]
        above = tl.gather(latest, tl.maximum(row - 1, 0), 0)
        if READ == "matrix":
            place = pair * entry_pair + (row - 1) * entry_row + (column - 1) * entry_column
            entry = tl.load(entry_ptr + place, mask=cell, other=0.0)
        else:
            a = tl.load(a_ptr + pair * n + row - 1, mask=cell, other=0)
            b = tl.load(b_ptr + pair * m + column - 1, mask=cell, other=0)
            if READ == "sum":
                entry = tl.load(entry_ptr + a + b, mask=cell, other=0.0)
            else:
                entry = tl.where(a == b, match, mismatch)
        if RULE == "align":
            new = _largest(paired + entry, _largest(above, latest) + gap.to(dtype))
            latest = tl.where(cell, new, (d * gap).to(dtype))
        else:
            new = _least(paired, _least(above, latest))
            new = new + entry if RULE == "sum" else _largest(new, entry)
            latest = tl.where(cell, new, float("inf"))
        valid = (row <= a_length) & (column >= 0) & (column <= b_length)
        if KEEP:
            tl.store(table_ptr + row * (m + 1) + column, latest, mask=valid)
        if FREE_END:
            best = _largest(best, tl.where(valid, latest, 0.0))
    total = tl.max(best, 0) if FREE_END else tl.sum(tl.where(row == a_length, latest, 0.0), 0)
    tl.store(total_ptr + pair, total)


@triton.jit
def _walk_back(
    entry_ptr,  # [P, n, m] with the strides that follow
    entry_pair: tl.int64,
    entry_row: tl.int64,
    entry_column: tl.int64,
    n: tl.int64,
    m: tl.int64,
    a_length_ptr,
    b_length_ptr,
    gap_ptr,
    table_ptr,  # [P, n + 1, m + 1]
    total_grad_ptr,  # [P]
    entry_grad_ptr,  # [P, n, m] zeros, contiguous
    RULE: tl.constexpr,
    LANES: tl.constexpr,
):
    pair = tl.program_id(0).to(tl.int64)
    dtype = table_ptr.dtype.element_ty
    a_length, b_length = tl.load(a_length_ptr + pair), tl.load(b_length_ptr + pair)
    gap = tl.load(gap_ptr).to(dtype)
    row = tl.arange(0, LANES)
    table_ptr += pair * (n + 1) * (m + 1)
    # What the previous diagonal will receive in the same row and, one row back, from this diagonal or the next.
    to_left = tl.where(row == a_length, tl.load(total_grad_ptr + pair), 0.0)
    to_above, to_paired = tl.zeros([LANES], dtype), tl.zeros([LANES], dtype)
    for back in range(0, a_length + b_length - 1):
        column = a_length + b_length - back - row
        cell = (row >= 1) & (row <= a_length) & (column >= 1) & (column <= b_length)
        below = tl.gather(to_above, tl.minimum(row + 1, LANES - 1), 0)
        grad = to_left + tl.where(row < LANES - 1, below, 0.0)
        grad = tl.where(cell, grad, 0.0)
        place = table_ptr + row * (m + 1) + column
        left = tl.load(place - 1, mask=cell, other=0.0)
        above = tl.load(place - (m + 1), mask=cell, other=0.0)
        paired = tl.load(place - (m + 1) - 1, mask=cell, other=0.0)
        entry_place = pair * entry_pair + (row - 1) * entry_row + (column - 1) * entry_column
        entry = tl.load(entry_ptr + entry_place, mask=cell, other=0.0)
        waiting = to_paired
        if RULE == "align":
            to_paired = grad * _share(paired + entry, _largest(above, left) + gap)
            entry_grad = to_paired
            rest = grad - to_paired
            to_above = rest * _share(above, left)
        else:
            nearest = _least(above, left)
            passed = grad * _share(_least(paired, nearest), entry) if RULE == "bottleneck" else grad
            entry_grad = grad - passed if RULE == "bottleneck" else grad
            to_paired = passed * _share(nearest, paired)
            rest = passed - to_paired
            to_above = rest * _share(left, above)
        to_left = rest - to_above
        to_above += waiting
        entry_grad_place = entry_grad_ptr + (pair * n + row - 1) * m + column - 1
        tl.store(entry_grad_place, entry_grad, mask=cell)


def _lanes(n: int) -> dict[str, int]:
    lanes = max(triton.next_power_of_2(n + 1), 16)
    return {"LANES": lanes, "num_warps": min(max(lanes // 128, 1), 8)}


def filled(
    entries: Tensor, a_length: Tensor, b_length: Tensor, scores: Tensor, rule: str, keep: bool
) -> tuple[Tensor, Tensor]:
    """T at the last cell of each pair [P] from entries [P, n, m]; and T [P, n + 1, m + 1] if it is kept."""
    pairs, n, m = entries.shape
    total, table = entries.new_empty(pairs), entries.new_empty((pairs, n + 1, m + 1) if keep else 0)
    with torch.cuda.device_of(entries):
        _fill[(pairs,)](
            *(entries, *entries.stride(), a_length, b_length, n, m),
            *(a_length, b_length, scores, total, table),
            **{"READ": "matrix", "RULE": rule, "FREE_END": False, "KEEP": keep},
            **_lanes(n),
        )
    return total, table


class _Totals(torch.autograd.Function):
    """Keeps T for the backward pass: (n + 1)(m + 1) numbers per pair, about as many as the entries."""

    @staticmethod
    def forward(
        ctx, entries: Tensor, a_length: Tensor, b_length: Tensor, scores: Tensor, rule: str
    ) -> Tensor:
        total, table = filled(entries, a_length, b_length, scores, rule, keep=ctx.needs_input_grad[0])
        ctx.save_for_backward(entries, a_length, b_length, scores, table)
        ctx.rule = rule
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, total_grad: Tensor) -> tuple[Tensor | None, ...]:
        entries, a_length, b_length, scores, table = ctx.saved_tensors
        pairs, n, m = entries.shape
        entry_grad = torch.zeros(entries.shape, dtype=entries.dtype, device=entries.device)
        with torch.cuda.device_of(entries):
            _walk_back[(pairs,)](
                *(entries, *entries.stride(), n, m, a_length, b_length, scores, table),
                *(total_grad.contiguous(), entry_grad),
                **{"RULE": ctx.rule},
                **_lanes(n),
            )
        return entry_grad, None, None, None, None


def totals(entries: Tensor, a_length: Tensor, b_length: Tensor, rule: str, gap: float = 0.0) -> Tensor:
    """T at the last cell of each pair: [P] from entries [P, n, m] float32, differentiable.

    rule: "align" (entries are scores), "sum" or "bottleneck" (entries are costs; an empty sequence gives inf).
    """
    if not len(entries):
        return entries.sum((1, 2))
    if entries.shape[1] > entries.shape[2]:  # the rule is the same for both sequences, and lanes are rows
        entries, a_length, b_length = entries.mT, b_length, a_length
    scores = torch.tensor([gap, 0.0, 0.0], dtype=torch.float64, device=entries.device)
    return _Totals.apply(entries, a_length.contiguous(), b_length.contiguous(), scores, rule)


def string_scores(
    a: Tensor,
    b: Tensor,
    a_length: Tensor,
    b_length: Tensor,
    gap: float,
    table: Tensor | None = None,
    match: float = 0.0,
    mismatch: float = 0.0,
    free_end: bool = False,
) -> Tensor:
    """The maximum score of an alignment [P] float64, by a table of sums [S], or by equality only."""
    total = torch.empty(len(a), dtype=torch.float64, device=a.device)
    if not len(a):
        return total
    if a.shape[1] > b.shape[1]:
        a, b, a_length, b_length = b, a, b_length, a_length
    scores = torch.tensor([gap, match, mismatch], dtype=torch.float64, device=a.device)
    entries = scores if table is None else table.contiguous()
    a, b, a_length, b_length = (x.contiguous() for x in (a, b, a_length, b_length))
    read = "equal" if table is None else "sum"
    with torch.cuda.device_of(a):
        _fill[(len(a),)](
            *(entries, 0, 0, 0, a, b, a.shape[1], b.shape[1]),
            *(a_length, b_length, scores, total, total),
            **{"READ": read, "RULE": "align", "FREE_END": free_end, "KEEP": False},
            **_lanes(a.shape[1]),
        )
    return total
