"""Triton kernels of attention with a bias from positions; imported only by `triton.py`.

A program handles a block of queries (or of keys) of one head and loops over the keys (queries) in blocks.
    S = scale q k' + bias,    bias = c_h f(d): f = d^2 (Gaussian) or log(1 + d), or a tensor that is read
Forward keeps a running maximum and sum per row:   L = logsumexp S,   out = exp(S - L) v.
Backward, with P = exp(S - L), gradients g of out and l of L, and t = l - rowsum(g * out), one number per row:
    dv = P' g,   dS = P * (g v' + t),   dq = scale dS k,   dk = scale dS' q,   dbias = dS,
    dc_h = sum dS f(d),   dx_query = sum_n dS c f'(d)/d (x_query - x_key),   dx_key = the opposite, over queries,
with f'(d)/d = 2 (Gaussian) or 1 / (d (1 + d)), taken as 0 at d = 0. Sums are in single precision, without atomics.
"""

from __future__ import annotations

import os

import triton
import triton.language as tl

__all__ = ["LOG", "NO_BIAS", "SQUARE", "TENSOR", "forward_kernel", "keys_kernel", "queries_kernel"]

NO_BIAS, TENSOR, SQUARE, LOG = 0, 1, 2, 3
INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")


@triton.jit
def _dot(a, b):
    """Product of matrices, summed in single precision."""
    if INTERPRETED:  # its dot treats the bits of a bfloat16 as an integer
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, input_precision="ieee")


@triton.jit
def _tile(start, rows, width, WIDTH: tl.constexpr, at):
    """[len(at), WIDTH] of a matrix of `rows` rows and `width` columns, zeros beyond."""
    columns = tl.arange(0, WIDTH)
    there = (at < rows)[:, None] & (columns < width)[None, :]
    return tl.load(start + at[:, None].to(tl.int64) * width + columns[None, :], mask=there, other=0.0)


@triton.jit
def _store_tile(start, rows, width, WIDTH: tl.constexpr, at, values):
    columns = tl.arange(0, WIDTH)
    there = (at < rows)[:, None] & (columns < width)[None, :]
    place = start + at[:, None].to(tl.int64) * width + columns[None, :]
    tl.store(place, values.to(start.dtype.element_ty), mask=there)


@triton.jit
def _of_distance(squared, KIND: tl.constexpr):
    """f(d) of the squared distance; 2 is SQUARE."""
    if KIND == 2:
        found = squared
    else:
        found = tl.log(1.0 + tl.sqrt(squared))
    return found


@triton.jit
def _slope(squared, KIND: tl.constexpr):
    """f'(d) / d of the squared distance."""
    if KIND == 2:
        found = 2.0 + 0.0 * squared
    else:
        d = tl.sqrt(squared)
        found = tl.where(d > 0, 1.0 / ((1.0 + d) * tl.where(d > 0, d, 1.0)), 0.0)
    return found


@triton.jit
def _scores(q, k, m, n, M, N, scale, squared, c, bias, stride_m, stride_n, mask, CAUSAL: tl.constexpr,
            KIND: tl.constexpr, MASKED: tl.constexpr):  # fmt: skip
    """S of a block of queries m and keys n, -inf where a key is masked."""
    s = _dot(q, tl.trans(k)) * scale
    seen = (m < M)[:, None] & (n < N)[None, :]
    if KIND == 1:
        place = bias + m[:, None].to(tl.int64) * stride_m + n[None, :].to(tl.int64) * stride_n
        s += tl.load(place, mask=seen, other=0.0).to(tl.float32)
    if KIND >= 2:
        s += c * _of_distance(squared, KIND)
    if MASKED:
        seen = seen & (tl.load(mask + n, mask=n < N, other=0) != 0)[None, :]
    if CAUSAL:
        seen = seen & (n[None, :] <= m[:, None])
    return tl.where(seen, s, -float("inf"))


@triton.jit
def _weights(s, lse):
    """exp(S - L), 0 in rows without a key."""
    return tl.exp(s - tl.where(lse == -float("inf"), float("inf"), lse)[:, None])


@triton.jit
def forward_kernel(
    q_ptr, k_ptr, v_ptr, bias, query_xy, key_xy, coefficient, mask, out_ptr, lse_ptr,
    stride_b, stride_h, stride_m, stride_n, H, M, N, D, DV, scale,
    CAUSAL: tl.constexpr, KIND: tl.constexpr, MASKED: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr,
    WIDTH: tl.constexpr, VALUE_WIDTH: tl.constexpr,
):  # fmt: skip
    """out [B H, M, DV] and lse [B H, M]; a row without a key gets 0 and -inf."""
    z = tl.program_id(0).to(tl.int64)
    b, h = z // H, z % H
    m = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    q = _tile(q_ptr + z * M * D, M, D, WIDTH, m)
    bias += b * stride_b + h * stride_h
    squared, c = tl.zeros([ROWS, KEYS], tl.float32), 0.0
    if KIND >= 2:
        c = tl.load(coefficient + h)
        x = tl.load(query_xy + (b * M + m) * 2, mask=m < M, other=0.0)
        y = tl.load(query_xy + (b * M + m) * 2 + 1, mask=m < M, other=0.0)
    top = tl.full([ROWS], -float("inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    out = tl.zeros([ROWS, VALUE_WIDTH], tl.float32)
    stop = N
    if CAUSAL:
        stop = tl.minimum(N, (tl.program_id(1) + 1) * ROWS)
    for start in range(0, stop, KEYS):
        n = start + tl.arange(0, KEYS)
        k = _tile(k_ptr + z * N * D, N, D, WIDTH, n)
        v = _tile(v_ptr + z * N * DV, N, DV, VALUE_WIDTH, n)
        if KIND >= 2:
            dx = x[:, None] - tl.load(key_xy + (b * N + n) * 2, mask=n < N, other=0.0)[None, :]
            dy = y[:, None] - tl.load(key_xy + (b * N + n) * 2 + 1, mask=n < N, other=0.0)[None, :]
            squared = dx * dx + dy * dy
        s = _scores(q, k, m, n, M, N, scale, squared, c, bias, stride_m, stride_n, mask + b * N, CAUSAL,
                    KIND, MASKED)  # fmt: skip
        higher = tl.maximum(top, tl.max(s, 1))
        shift = tl.where(higher == -float("inf"), 0.0, higher)  # no key so far: -inf - -inf would be NaN
        p = tl.exp(s - shift[:, None])
        keep = tl.exp(top - shift)
        total = total * keep + tl.sum(p, 1)
        out = out * keep[:, None] + _dot(p.to(v.dtype), v)
        top = higher
    some = total > 0
    out = out / tl.where(some, total, 1.0)[:, None]
    _store_tile(out_ptr + z * M * DV, M, DV, VALUE_WIDTH, m, out)
    lse = tl.where(some, top + tl.log(tl.where(some, total, 1.0)), -float("inf"))
    tl.store(lse_ptr + z * M + m, lse, mask=m < M)


@triton.jit
def queries_kernel(
    q_ptr, k_ptr, v_ptr, bias, query_xy, key_xy, coefficient, mask, lse_ptr, d_out, taken,
    dq_ptr, d_bias, d_query_xy, d_coefficient,
    stride_b, stride_h, stride_m, stride_n, H, M, N, D, DV, scale,
    CAUSAL: tl.constexpr, KIND: tl.constexpr, MASKED: tl.constexpr, BIAS_GRADIENT: tl.constexpr,
    ROWS: tl.constexpr, KEYS: tl.constexpr, WIDTH: tl.constexpr, VALUE_WIDTH: tl.constexpr,
):  # fmt: skip
    """dq [B H, M, D]; dS [B H, M, N] of a tensor; d_query_xy [B H, M, 2] and d_coefficient [B H, blocks] of places."""
    z = tl.program_id(0).to(tl.int64)
    b, h = z // H, z % H
    m = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    q = _tile(q_ptr + z * M * D, M, D, WIDTH, m)
    g = _tile(d_out + z * M * DV, M, DV, VALUE_WIDTH, m)
    lse = tl.load(lse_ptr + z * M + m, mask=m < M, other=0.0)
    t = tl.load(taken + z * M + m, mask=m < M, other=0.0)
    bias += b * stride_b + h * stride_h
    squared, c = tl.zeros([ROWS, KEYS], tl.float32), 0.0
    if KIND >= 2:
        c = tl.load(coefficient + h)
        x = tl.load(query_xy + (b * M + m) * 2, mask=m < M, other=0.0)
        y = tl.load(query_xy + (b * M + m) * 2 + 1, mask=m < M, other=0.0)
    gx, gy, gc = tl.zeros([ROWS], tl.float32), tl.zeros([ROWS], tl.float32), tl.zeros([ROWS], tl.float32)
    dq = tl.zeros([ROWS, WIDTH], tl.float32)
    stop = N
    if CAUSAL:
        stop = tl.minimum(N, (tl.program_id(1) + 1) * ROWS)
    for start in range(0, stop, KEYS):
        n = start + tl.arange(0, KEYS)
        k = _tile(k_ptr + z * N * D, N, D, WIDTH, n)
        v = _tile(v_ptr + z * N * DV, N, DV, VALUE_WIDTH, n)
        if KIND >= 2:
            dx = x[:, None] - tl.load(key_xy + (b * N + n) * 2, mask=n < N, other=0.0)[None, :]
            dy = y[:, None] - tl.load(key_xy + (b * N + n) * 2 + 1, mask=n < N, other=0.0)[None, :]
            squared = dx * dx + dy * dy
        s = _scores(q, k, m, n, M, N, scale, squared, c, bias, stride_m, stride_n, mask + b * N, CAUSAL,
                    KIND, MASKED)  # fmt: skip
        dp = _dot(g, tl.trans(v))
        ds = _weights(s, lse) * (dp + t[:, None])
        dq += _dot(ds.to(k.dtype), k)
        if BIAS_GRADIENT and KIND == 1:
            place = d_bias + (z * M + m)[:, None] * N + n[None, :]
            tl.store(place, ds, mask=(m < M)[:, None] & (n < N)[None, :])
        if BIAS_GRADIENT and KIND >= 2:
            gc += tl.sum(ds * _of_distance(squared, KIND), 1)
            pull = ds * c * _slope(squared, KIND)
            gx += tl.sum(pull * dx, 1)
            gy += tl.sum(pull * dy, 1)
    _store_tile(dq_ptr + z * M * D, M, D, WIDTH, m, dq * scale)
    if BIAS_GRADIENT and KIND >= 2:
        tl.store(d_query_xy + (z * M + m) * 2, gx, mask=m < M)
        tl.store(d_query_xy + (z * M + m) * 2 + 1, gy, mask=m < M)
        tl.store(d_coefficient + z * tl.num_programs(1) + tl.program_id(1), tl.sum(gc, 0))


@triton.jit
def keys_kernel(
    q_ptr, k_ptr, v_ptr, bias, query_xy, key_xy, coefficient, mask, lse_ptr, d_out, taken,
    dk_ptr, dv_ptr, d_key_xy,
    stride_b, stride_h, stride_m, stride_n, H, M, N, D, DV, scale,
    CAUSAL: tl.constexpr, KIND: tl.constexpr, MASKED: tl.constexpr, BIAS_GRADIENT: tl.constexpr,
    ROWS: tl.constexpr, KEYS: tl.constexpr, WIDTH: tl.constexpr, VALUE_WIDTH: tl.constexpr,
):  # fmt: skip
    """dk [B H, N, D], dv [B H, N, DV] and d_key_xy [B H, N, 2] of a block of keys."""
    z = tl.program_id(0).to(tl.int64)
    b, h = z // H, z % H
    n = tl.program_id(1) * KEYS + tl.arange(0, KEYS)
    k = _tile(k_ptr + z * N * D, N, D, WIDTH, n)
    v = _tile(v_ptr + z * N * DV, N, DV, VALUE_WIDTH, n)
    bias += b * stride_b + h * stride_h
    squared, c = tl.zeros([ROWS, KEYS], tl.float32), 0.0
    if KIND >= 2:
        c = tl.load(coefficient + h)
        x = tl.load(key_xy + (b * N + n) * 2, mask=n < N, other=0.0)
        y = tl.load(key_xy + (b * N + n) * 2 + 1, mask=n < N, other=0.0)
    gx, gy = tl.zeros([KEYS], tl.float32), tl.zeros([KEYS], tl.float32)
    dk = tl.zeros([KEYS, WIDTH], tl.float32)
    dv = tl.zeros([KEYS, VALUE_WIDTH], tl.float32)
    first = 0
    if CAUSAL:
        first = tl.program_id(1) * KEYS // ROWS * ROWS
    for start in range(first, M, ROWS):
        m = start + tl.arange(0, ROWS)
        q = _tile(q_ptr + z * M * D, M, D, WIDTH, m)
        g = _tile(d_out + z * M * DV, M, DV, VALUE_WIDTH, m)
        lse = tl.load(lse_ptr + z * M + m, mask=m < M, other=0.0)
        t = tl.load(taken + z * M + m, mask=m < M, other=0.0)
        if KIND >= 2:
            dx = tl.load(query_xy + (b * M + m) * 2, mask=m < M, other=0.0)[:, None] - x[None, :]
            dy = tl.load(query_xy + (b * M + m) * 2 + 1, mask=m < M, other=0.0)[:, None] - y[None, :]
            squared = dx * dx + dy * dy
        s = _scores(q, k, m, n, M, N, scale, squared, c, bias, stride_m, stride_n, mask + b * N, CAUSAL,
                    KIND, MASKED)  # fmt: skip
        p = _weights(s, lse)
        dv += _dot(tl.trans(p.to(g.dtype)), g)
        ds = p * (_dot(g, tl.trans(v)) + t[:, None])
        dk += _dot(tl.trans(ds.to(q.dtype)), q)
        if BIAS_GRADIENT and KIND >= 2:
            pull = ds * c * _slope(squared, KIND)
            gx -= tl.sum(pull * dx, 0)
            gy -= tl.sum(pull * dy, 0)
    _store_tile(dk_ptr + z * N * D, N, D, WIDTH, n, dk * scale)
    _store_tile(dv_ptr + z * N * DV, N, DV, VALUE_WIDTH, n, dv)
    if BIAS_GRADIENT and KIND >= 2:
        tl.store(d_key_xy + (z * N + n) * 2, gx, mask=n < N)
        tl.store(d_key_xy + (z * N + n) * 2 + 1, gy, mask=n < N)
