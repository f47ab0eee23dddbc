"""Triton kernels for attention rows: one pass over the keys for the normalisers, one for the rows or their sums.

Notation for one batch entry b and head h: q_i the M selected queries, k_j the N keys, s the scale, G [P, M].
Forward: lse_i = log sum_j exp(s q_i k_j); a_ij = exp(s q_i k_j - lse_i); R = a, or R[p, j] = sum_i G[p, i] a_ij.
Backward of dR: t_ij = dR[i, j], or sum_p G[p, i] dR[p, j]; U[p, i] = sum_j a_ij dR[p, j]; dG = sum_h U;
delta_i = sum_j a_ij t_ij = sum_p G[p, i] U[p, i], the contribution of lse; dS = a (t - delta);
dq_i = s sum_j dS_ij k_j; dk_j = s sum_i dS_ij q_i.
Every a is recomputed; between forward and backward only the inputs and lse are kept (and R without G).
Kernels with one result per query are split over the keys, because M is often too small to fill a GPU; the
parts are summed (or log-summed) by torch. All sums are in float32.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from gazekit.kernels.attention_rows import reference

__all__ = ["attention_rows"]

BLOCK_P = 16  # the minimum size for tl.dot
WANTED_PROGRAMS = 512  # enough for the largest GPUs


@triton.jit
def _rows_tile(base, rows, count, stride, WIDEN: tl.constexpr, DEPTH: tl.constexpr, BLOCK_D: tl.constexpr):
    """[BLOCK, BLOCK_D] rows of a matrix whose last dimension is dense; 0 outside."""
    depth = tl.arange(0, BLOCK_D)
    mask = (rows < count)[:, None] & (depth < DEPTH)[None, :]
    tile = tl.load(base + rows[:, None].to(tl.int64) * stride + depth[None, :], mask=mask, other=0.0)
    return tile.to(tl.float32) if WIDEN else tile


@triton.jit
def _tile(base, rows, columns, n_rows, n_columns):
    """[BLOCK, BLOCK] of a dense [n_rows, n_columns] matrix in float32; 0 outside."""
    mask = (rows < n_rows)[:, None] & (columns < n_columns)[None, :]
    at = rows[:, None].to(tl.int64) * n_columns + columns[None, :]
    return tl.load(base + at, mask=mask, other=0.0).to(tl.float32)


@triton.jit
def _attention_tile(q, k, lse, i, j, m, n, scale):
    """a_ij, 0 outside; lse is 0 there, so that nothing infinite appears."""
    logits = scale * tl.dot(q, tl.trans(k), input_precision="ieee")
    inside = (i < m)[:, None] & (j < n)[None, :]
    return tl.where(inside, tl.exp(tl.where(inside, logits - lse[:, None], 0.0)), 0.0)


@triton.jit
def _upstream_tile(d_out, weight, i, j, m, n, p, WEIGHTED: tl.constexpr, BLOCK_P: tl.constexpr):
    """t_ij: the gradient that arrives at a_ij."""
    if WEIGHTED:
        t = tl.zeros([i.shape[0], j.shape[0]], tl.float32)
        for start in range(0, p, BLOCK_P):
            region = start + tl.arange(0, BLOCK_P)
            g = _tile(weight, region, i, p, m)
            t += tl.dot(tl.trans(g), _tile(d_out, region, j, p, n), input_precision="ieee")
        return t
    else:
        return _tile(d_out, i, j, m, n)


@triton.jit
def _lse_kernel(
    query, key, out, key_b, key_h, key_n, heads, m, n, keys_each, scale,
    WIDEN: tl.constexpr, DEPTH: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """out[part, bh, i] = log sum_j exp(s q_i k_j) over the keys of one part."""
    bh, part = tl.program_id(0).to(tl.int64), tl.program_id(2)
    i = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    key += (bh // heads) * key_b + (bh % heads) * key_h
    q = _rows_tile(query + bh * m * DEPTH, i, m, DEPTH, WIDEN, DEPTH, BLOCK_D)
    top = tl.full([BLOCK_M], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    for start in range(part * keys_each, min((part + 1) * keys_each, n), BLOCK_N):
        j = start + tl.arange(0, BLOCK_N)
        k = _rows_tile(key, j, n, key_n, WIDEN, DEPTH, BLOCK_D)
        logits = scale * tl.dot(q, tl.trans(k), input_precision="ieee")
        logits = tl.where((j < n)[None, :], logits, float("-inf"))
        new_top = tl.maximum(top, tl.max(logits, 1))
        total = total * tl.exp(top - new_top) + tl.sum(tl.exp(logits - new_top[:, None]), 1)
        top = new_top
    at = (part * tl.num_programs(0) + bh) * m + i
    tl.store(out + at, top + tl.log(total), mask=i < m)


@triton.jit
def _forward_kernel(
    query, key, weight, lse, out, key_b, key_h, key_n, heads, m, n, p, scale,
    WEIGHTED: tl.constexpr, WIDEN: tl.constexpr, DEPTH: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    """R of BLOCK_N keys and of BLOCK_P regions over all queries, or of BLOCK_M queries."""
    bh, block = tl.program_id(0).to(tl.int64), tl.program_id(2)
    j = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    b = bh // heads
    query, lse = query + bh * m * DEPTH, lse + bh * m
    k = _rows_tile(key + b * key_b + (bh % heads) * key_h, j, n, key_n, WIDEN, DEPTH, BLOCK_D)
    if WEIGHTED:
        region = block * BLOCK_P + tl.arange(0, BLOCK_P)
        pooled = tl.zeros([BLOCK_P, BLOCK_N], tl.float32)
        for start in range(0, m, BLOCK_M):
            i = start + tl.arange(0, BLOCK_M)
            q = _rows_tile(query, i, m, DEPTH, WIDEN, DEPTH, BLOCK_D)
            norm = tl.load(lse + i, mask=i < m, other=0.0)
            a = _attention_tile(q, k, norm, i, j, m, n, scale)
            pooled += tl.dot(_tile(weight + b * p * m, region, i, p, m), a, input_precision="ieee")
        mask = (region < p)[:, None] & (j < n)[None, :]
        tl.store(out + (bh * p + region[:, None]) * n + j[None, :], pooled, mask=mask)
    else:
        i = block * BLOCK_M + tl.arange(0, BLOCK_M)
        q = _rows_tile(query, i, m, DEPTH, WIDEN, DEPTH, BLOCK_D)
        norm = tl.load(lse + i, mask=i < m, other=0.0)
        a = _attention_tile(q, k, norm, i, j, m, n, scale)
        mask = (i < m)[:, None] & (j < n)[None, :]
        tl.store(out + (bh * m + i[:, None]) * n + j[None, :], a, mask=mask)


@triton.jit
def _moments_kernel(
    query, key, lse, d_out, out, key_b, key_h, key_n, heads, m, n, p, keys_each, region_start, scale,
    WIDEN: tl.constexpr, DEPTH: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    """out[part, bh, p, i] = sum over the keys of one part of dR[p, j] a_ij: U, for BLOCK_P regions."""
    bh, part = tl.program_id(0).to(tl.int64), tl.program_id(2)
    i = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    key += (bh // heads) * key_b + (bh % heads) * key_h
    region = region_start + tl.arange(0, BLOCK_P)
    q = _rows_tile(query + bh * m * DEPTH, i, m, DEPTH, WIDEN, DEPTH, BLOCK_D)
    norm = tl.load(lse + bh * m + i, mask=i < m, other=0.0)
    moments = tl.zeros([BLOCK_P, BLOCK_M], tl.float32)
    for start in range(part * keys_each, min((part + 1) * keys_each, n), BLOCK_N):
        j = start + tl.arange(0, BLOCK_N)
        k = _rows_tile(key, j, n, key_n, WIDEN, DEPTH, BLOCK_D)
        a = _attention_tile(q, k, norm, i, j, m, n, scale)
        d = _tile(d_out + bh * p * n, region, j, p, n)
        moments += tl.dot(d, tl.trans(a), input_precision="ieee")
    row = (part * tl.num_programs(0) + bh) * p + region
    mask = (region < p)[:, None] & (i < m)[None, :]
    tl.store(out + row[:, None] * m + i[None, :], moments, mask=mask)


@triton.jit
def _query_kernel(
    query, key, weight, lse, delta, d_out, out, key_b, key_h, key_n, heads, m, n, p, keys_each, scale,
    WEIGHTED: tl.constexpr, WIDEN: tl.constexpr, DEPTH: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    """out[part, bh, i] = s sum over the keys of one part of dS_ij k_j."""
    bh, part = tl.program_id(0).to(tl.int64), tl.program_id(2)
    i = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    b = bh // heads
    key += b * key_b + (bh % heads) * key_h
    q = _rows_tile(query + bh * m * DEPTH, i, m, DEPTH, WIDEN, DEPTH, BLOCK_D)
    norm = tl.load(lse + bh * m + i, mask=i < m, other=0.0)
    mean = tl.load(delta + bh * m + i, mask=i < m, other=0.0)
    gradient = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    for start in range(part * keys_each, min((part + 1) * keys_each, n), BLOCK_N):
        j = start + tl.arange(0, BLOCK_N)
        k = _rows_tile(key, j, n, key_n, WIDEN, DEPTH, BLOCK_D)
        a = _attention_tile(q, k, norm, i, j, m, n, scale)
        t = _upstream_tile(d_out + bh * p * n, weight + b * p * m, i, j, m, n, p, WEIGHTED, BLOCK_P)
        ds = a * (t - mean[:, None])
        gradient += tl.dot(ds.to(k.dtype), k, input_precision="ieee")
    depth = tl.arange(0, BLOCK_D)
    row = (part * tl.num_programs(0) + bh) * m + i
    mask = (i < m)[:, None] & (depth < DEPTH)[None, :]
    tl.store(out + row[:, None] * DEPTH + depth[None, :], scale * gradient, mask=mask)


@triton.jit
def _key_kernel(
    query, key, weight, lse, delta, d_out, out, key_b, key_h, key_n, heads, m, n, p, scale,
    WEIGHTED: tl.constexpr, WIDEN: tl.constexpr, DEPTH: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    """out[bh, j] = s sum_i dS_ij q_i of BLOCK_N keys."""
    bh = tl.program_id(0).to(tl.int64)
    j = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    b = bh // heads
    query, lse, delta = query + bh * m * DEPTH, lse + bh * m, delta + bh * m
    k = _rows_tile(key + b * key_b + (bh % heads) * key_h, j, n, key_n, WIDEN, DEPTH, BLOCK_D)
    gradient = tl.zeros([BLOCK_N, BLOCK_D], tl.float32)
    for start in range(0, m, BLOCK_M):
        i = start + tl.arange(0, BLOCK_M)
        q = _rows_tile(query, i, m, DEPTH, WIDEN, DEPTH, BLOCK_D)
        norm = tl.load(lse + i, mask=i < m, other=0.0)
        mean = tl.load(delta + i, mask=i < m, other=0.0)
        a = _attention_tile(q, k, norm, i, j, m, n, scale)
        t = _upstream_tile(d_out + bh * p * n, weight + b * p * m, i, j, m, n, p, WEIGHTED, BLOCK_P)
        ds = a * (t - mean[:, None])
        gradient += tl.dot(tl.trans(ds.to(q.dtype)), q, input_precision="ieee")
    depth = tl.arange(0, BLOCK_D)
    mask = (j < n)[:, None] & (depth < DEPTH)[None, :]
    tl.store(out + (bh * n + j[:, None]) * DEPTH + depth[None, :], scale * gradient, mask=mask)


def _block_sizes(m: int, depth: int, dtype: torch.dtype) -> dict[str, int]:
    """Fits in registers and 80 KB of shared memory, by the compiler's report for capability 9.0."""
    block_d = max(16, triton.next_power_of_2(depth))
    single, wide = dtype == torch.float32, block_d > 64  # no tensor cores: tiles are in registers
    block_m = 16 if m <= 16 or (single and wide) else 32
    more = {"num_warps": 8 if wide else 4, "num_stages": 1} if single else {}
    return {"BLOCK_M": block_m, "BLOCK_N": 32 if single else 64, "BLOCK_D": block_d, **more}


class _Launch:
    """Grids and arguments shared by the kernels for inputs of one size."""

    def __init__(self, query: Tensor, key: Tensor, p: int, scale: float) -> None:
        self.b, self.heads, self.m, depth = query.shape
        self.n, self.p, self.scale, self.bh = key.shape[2], p, scale, self.b * self.heads
        self.strides = (*key.stride()[:3], self.heads)
        blocks = _block_sizes(self.m, depth, query.dtype)
        # Triton's interpreter multiplies the bits of bfloat16 as if they were integers
        self.blocks = {"WIDEN": not query.is_cuda, "DEPTH": depth} | blocks
        self.m_blocks = triton.cdiv(self.m, blocks["BLOCK_M"])
        self.n_blocks = triton.cdiv(self.n, blocks["BLOCK_N"])
        wanted = triton.cdiv(WANTED_PROGRAMS, self.m_blocks * self.bh)
        self.keys_each = blocks["BLOCK_N"] * triton.cdiv(self.n_blocks, min(wanted, self.n_blocks))
        self.parts = triton.cdiv(self.n, self.keys_each)

    def parts_of(self, *shape: int, like: Tensor) -> Tensor:
        return torch.empty(self.parts, self.b, self.heads, *shape, device=like.device, dtype=torch.float32)

    def lse(self, query: Tensor, key: Tensor) -> Tensor:
        parts = self.parts_of(self.m, like=query)
        sizes = (*self.strides, self.m, self.n, self.keys_each, self.scale)
        _lse_kernel[self.bh, self.m_blocks, self.parts](query, key, parts, *sizes, **self.blocks)
        return parts.logsumexp(0)

    def rows(self, query: Tensor, key: Tensor, weight: Tensor | None, lse: Tensor) -> Tensor:
        out = query.new_empty(self.b, self.heads, self.p, self.n)
        row_blocks = self.m_blocks if weight is None else triton.cdiv(self.p, BLOCK_P)
        inputs = (query, key, lse if weight is None else weight, lse, out)
        sizes = (*self.strides, self.m, self.n, self.p, self.scale)
        more = {"WEIGHTED": weight is not None, "BLOCK_P": BLOCK_P}
        _forward_kernel[self.bh, self.n_blocks, row_blocks](*inputs, *sizes, **more, **self.blocks)
        return out

    def moments(self, query: Tensor, key: Tensor, lse: Tensor, upstream: Tensor) -> Tensor:
        parts = self.parts_of(self.p, self.m, like=query)
        sizes = (*self.strides, self.m, self.n, self.p, self.keys_each)
        for region_start in range(0, self.p, BLOCK_P):
            _moments_kernel[self.bh, self.m_blocks, self.parts](
                query, key, lse, upstream, parts, *sizes, region_start, self.scale,
                BLOCK_P=BLOCK_P, **self.blocks,
            )  # fmt: skip
        return parts.sum(0)

    def gradients(self, query, key, weight, lse, delta, upstream) -> tuple[Tensor, Tensor]:
        inputs = (query, key, lse if weight is None else weight, lse, delta, upstream)
        sizes = (*self.strides, self.m, self.n, self.p)
        more = {"WEIGHTED": weight is not None, "BLOCK_P": BLOCK_P}
        parts = self.parts_of(self.m, query.shape[3], like=query)
        _query_kernel[self.bh, self.m_blocks, self.parts](
            *inputs, parts, *sizes, self.keys_each, self.scale, **more, **self.blocks
        )
        key_gradient = torch.empty(key.shape, device=key.device, dtype=key.dtype)
        _key_kernel[self.bh, self.n_blocks](*inputs, key_gradient, *sizes, self.scale, **more, **self.blocks)
        return parts.sum(0).to(query.dtype), key_gradient


class _AttentionRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, weight: Tensor | None, scale: float) -> Tensor:
        query = query.contiguous()
        key = key if key.stride(-1) == 1 else key.contiguous()
        weight = None if weight is None else weight.contiguous()
        ctx.launch = _Launch(query, key, query.shape[2] if weight is None else weight.shape[1], scale)
        with torch.cuda.device_of(query):  # kernels launch on the current device, which may be another
            out = ctx.launch.rows(query, key, weight, lse := ctx.launch.lse(query, key))
        ctx.save_for_backward(query, key, weight, lse, out if weight is None else None)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor | None, ...]:
        query, key, weight, lse, out = ctx.saved_tensors
        upstream = upstream.contiguous()
        with torch.cuda.device_of(query):
            if weight is None:
                delta, d_weight = (out.float() * upstream).sum(-1), None
            else:
                moments = ctx.launch.moments(query, key, lse, upstream)
                delta, d_weight = (weight[:, None] * moments).sum(2), moments.sum(1).to(weight.dtype)
            return *ctx.launch.gradients(query, key, weight, lse, delta, upstream), d_weight, None


def attention_rows(query: Tensor, key: Tensor, weight: Tensor | None, scale: float) -> Tensor:
    """See `reference.attention_rows`; D at most 256, first derivatives only."""
    if 0 in (*query.shape, *key.shape, *(() if weight is None else weight.shape)):
        return reference.attention_rows(query, key, weight, scale)  # an empty grid cannot be launched
    return _AttentionRows.apply(query, key, weight, scale)
