"""Triton kernels for the likelihood of pointing: scores are kept in registers only.

Notation for one batch entry: x_r the flat queries (mixed and scaled), k_n the flat keys, n = N is STOP.
Forward: s_rn = x_r k_n + bias_rn, -inf where forbidden; lse_r = log sum_n exp(s_rn) by blocks of keys with a running
maximum; loss_r = lse_r - s_r,target.
Backward of g: ds_rn = g_r (exp(s_rn - lse_r) - [n = target_r and allowed]); dx_r = sum_n ds_rn k_n;
dk_n = sum_r ds_rn x_r; dbias = ds. Scores are recomputed; lse and the target's score are kept, in float32.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from gazekit.kernels.pointer import blocks

__all__ = ["nll"]

BLOCK_R = 16  # the minimum size for tl.dot: scanpaths are short


@triton.jit
def _flat_tile(base, rows, count, WIDEN: tl.constexpr, WIDTH: tl.constexpr, BLOCK_E: tl.constexpr):
    """[BLOCK, BLOCK_E] rows of a dense [count, WIDTH] matrix; 0 outside."""
    e = tl.arange(0, BLOCK_E)
    mask = (rows < count)[:, None] & (e < WIDTH)[None, :]
    tile = tl.load(base + rows[:, None].to(tl.int64) * WIDTH + e[None, :], mask=mask, other=0.0)
    return tile.to(tl.float32) if WIDEN else tile


@triton.jit
def _scores_tile(x, k, bias, present, start, r, n, n_rows, n_keys, BIASED: tl.constexpr):
    """s_rn, -inf where forbidden or outside."""
    scores = tl.dot(x, tl.trans(k), input_precision="ieee")
    if BIASED:
        inside = (r < n_rows)[:, None] & (n < n_keys)[None, :]
        at = r[:, None].to(tl.int64) * n_keys + n[None, :]
        scores += tl.load(bias + at, mask=inside, other=0.0).to(tl.float32)
    stop = n_keys - 1
    object_allowed = tl.load(present + n, mask=n < stop, other=0) != 0
    begun = tl.load(start + r, mask=r < n_rows, other=1) == 0
    allowed = object_allowed[None, :] | ((n == stop)[None, :] & begun[:, None])
    return tl.where(allowed, scores, float("-inf"))


@triton.jit
def _forward_kernel(
    query, key, bias, present, start, target, lse, happened, n_rows, n_keys,
    BIASED: tl.constexpr, WIDEN: tl.constexpr, WIDTH: tl.constexpr, BLOCK_E: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """lse and the target's score of BLOCK_R rows."""
    r = tl.program_id(1) * BLOCK_R + tl.arange(0, BLOCK_R)
    b = tl.program_id(0).to(tl.int64)
    x = _flat_tile(query + b * n_rows * WIDTH, r, n_rows, WIDEN, WIDTH, BLOCK_E)
    chosen = tl.load(target + b * n_rows + r, mask=r < n_rows, other=-1)
    top = tl.full([BLOCK_R], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_R], tl.float32)
    score = tl.full([BLOCK_R], float("-inf"), tl.float32)
    for first in range(0, n_keys, BLOCK_N):
        n = first + tl.arange(0, BLOCK_N)
        k = _flat_tile(key + b * n_keys * WIDTH, n, n_keys, WIDEN, WIDTH, BLOCK_E)
        s = _scores_tile(
            x, k, bias + b * n_rows * n_keys, present + b * (n_keys - 1), start + b * n_rows,
            r, n, n_rows, n_keys, BIASED,
        )  # fmt: skip
        new_top = tl.maximum(top, tl.max(s, 1))
        safe = tl.where(
            new_top == float("-inf"), 0.0, new_top
        )  # nothing allowed so far: exp(-inf) = 0, no NaN
        total = total * tl.exp(top - safe) + tl.sum(tl.exp(s - safe[:, None]), 1)
        top = new_top
        hit = n[None, :] == chosen[:, None]
        score = tl.maximum(score, tl.max(tl.where(hit, s, float("-inf")), 1))
    safe_total = tl.where(total > 0, total, 1.0)  # top is -inf with it, and so is lse
    tl.store(lse + b * n_rows + r, top + tl.log(safe_total), mask=r < n_rows)
    tl.store(happened + b * n_rows + r, score, mask=r < n_rows)


@triton.jit
def _slope_tile(s, lse, upstream, target, r, n, n_rows):
    """ds_rn; the upstream gradient of padding is 0, lse of rows with nothing allowed is 0."""
    norm = tl.load(lse + r, mask=r < n_rows, other=0.0)
    g = tl.load(upstream + r, mask=r < n_rows, other=0.0)
    chosen = tl.load(target + r, mask=r < n_rows, other=-1)
    hit = (n[None, :] == chosen[:, None]) & (s > float("-inf"))
    return g[:, None] * (tl.exp(s - norm[:, None]) - tl.where(hit, 1.0, 0.0))


@triton.jit
def _query_kernel(
    query, key, bias, present, start, target, lse, upstream, out, n_rows, n_keys,
    BIASED: tl.constexpr, WIDEN: tl.constexpr, WIDTH: tl.constexpr, BLOCK_E: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """dx of BLOCK_R rows."""
    r = tl.program_id(1) * BLOCK_R + tl.arange(0, BLOCK_R)
    b = tl.program_id(0).to(tl.int64)
    x = _flat_tile(query + b * n_rows * WIDTH, r, n_rows, WIDEN, WIDTH, BLOCK_E)
    gradient = tl.zeros([BLOCK_R, BLOCK_E], tl.float32)
    for first in range(0, n_keys, BLOCK_N):
        n = first + tl.arange(0, BLOCK_N)
        k = _flat_tile(key + b * n_keys * WIDTH, n, n_keys, WIDEN, WIDTH, BLOCK_E)
        s = _scores_tile(
            x, k, bias + b * n_rows * n_keys, present + b * (n_keys - 1), start + b * n_rows,
            r, n, n_rows, n_keys, BIASED,
        )  # fmt: skip
        row = b * n_rows
        ds = _slope_tile(s, lse + row, upstream + row, target + row, r, n, n_rows)
        gradient += tl.dot(ds.to(k.dtype), k, input_precision="ieee")
    e = tl.arange(0, BLOCK_E)
    mask = (r < n_rows)[:, None] & (e < WIDTH)[None, :]
    tl.store(out + (b * n_rows + r[:, None]) * WIDTH + e[None, :], gradient, mask=mask)


@triton.jit
def _key_kernel(
    query, key, bias, present, start, target, lse, upstream, out, bias_out, n_rows, n_keys,
    BIASED: tl.constexpr, WIDEN: tl.constexpr, WIDTH: tl.constexpr, BLOCK_E: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """dk of BLOCK_N keys, and their columns of dbias."""
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    b = tl.program_id(0).to(tl.int64)
    k = _flat_tile(key + b * n_keys * WIDTH, n, n_keys, WIDEN, WIDTH, BLOCK_E)
    gradient = tl.zeros([BLOCK_N, BLOCK_E], tl.float32)
    for first in range(0, n_rows, BLOCK_R):
        r = first + tl.arange(0, BLOCK_R)
        x = _flat_tile(query + b * n_rows * WIDTH, r, n_rows, WIDEN, WIDTH, BLOCK_E)
        s = _scores_tile(
            x, k, bias + b * n_rows * n_keys, present + b * (n_keys - 1), start + b * n_rows,
            r, n, n_rows, n_keys, BIASED,
        )  # fmt: skip
        row = b * n_rows
        ds = _slope_tile(s, lse + row, upstream + row, target + row, r, n, n_rows)
        gradient += tl.dot(tl.trans(ds.to(x.dtype)), x, input_precision="ieee")
        if BIASED:
            mask = (r < n_rows)[:, None] & (n < n_keys)[None, :]
            tl.store(bias_out + (b * n_rows + r[:, None]) * n_keys + n[None, :], ds, mask=mask)
    e = tl.arange(0, BLOCK_E)
    mask = (n < n_keys)[:, None] & (e < WIDTH)[None, :]
    tl.store(out + (b * n_keys + n[:, None]) * WIDTH + e[None, :], gradient, mask=mask)


def _sizes(query: Tensor, biased: bool) -> dict[str, int | bool]:
    width = query.shape[2]
    widths = {"WIDTH": width, "BLOCK_E": max(16, triton.next_power_of_2(width))}
    # Triton's interpreter multiplies the bits of bfloat16 as if they were integers
    flags = {"BIASED": biased, "WIDEN": not query.is_cuda}
    # fits in registers and 83 KB of shared memory, by the compiler's report for compute capability 9.0
    single = query.dtype == torch.float32
    blocks = {"BLOCK_N": 16, "num_stages": 1} if single else {"BLOCK_N": 32, "num_warps": 8}
    return {**flags, **widths, **blocks, "BLOCK_R": BLOCK_R}


class _NLL(torch.autograd.Function):
    """Keeps its inputs and lse."""

    @staticmethod
    def forward(ctx, query, key, bias, object_mask, at_start, target) -> Tensor:
        inputs = [query, key, query if bias is None else bias, object_mask, at_start, target]
        inputs = [x.contiguous() for x in inputs]
        (b, r, _), n_keys = query.shape, key.shape[1]
        lse, happened = (torch.empty(b, r, device=query.device) for _ in range(2))
        ctx.biased, sizes = bias is not None, _sizes(query, bias is not None)
        with torch.cuda.device_of(query):  # kernels launch on the current device, which may be another
            _forward_kernel[b, triton.cdiv(r, BLOCK_R)](*inputs, lse, happened, r, n_keys, **sizes)
        ctx.save_for_backward(*inputs, lse)
        return torch.where(target < 0, 0.0, lse - happened).to(query.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, lse = ctx.saved_tensors
        query, key, bias, _, _, target = inputs
        (b, r, _), n_keys = query.shape, key.shape[1]
        upstream = torch.where(target < 0, 0.0, upstream.float()).contiguous()
        lse = lse.masked_fill(lse == -torch.inf, 0.0)
        out = [torch.empty_like(x) for x in (query, key, bias)]
        sizes = _sizes(query, ctx.biased)
        rows, keys = triton.cdiv(r, BLOCK_R), triton.cdiv(n_keys, sizes["BLOCK_N"])
        with torch.cuda.device_of(query):
            _query_kernel[b, rows](*inputs, lse, upstream, out[0], r, n_keys, **sizes)
            _key_kernel[b, keys](*inputs, lse, upstream, out[1], out[2], r, n_keys, **sizes)
        return out[0], out[1], out[2] if ctx.biased else None, None, None, None


def nll(
    query: Tensor, key: Tensor, bias: Tensor | None, object_mask: Tensor, at_start: Tensor, target: Tensor
) -> Tensor:
    """See `blocks.nll`; E at most 512, first derivatives only."""
    if query.numel() == 0:  # an empty grid cannot be launched
        return blocks.nll(query, key, bias, object_mask, at_start, target)
    return _NLL.apply(query, key, bias, object_mask, at_start, target)
