"""Attention in memory linear in N: the bias is computed in blocks of queries, and again in the backward pass.

Forward, for rows m of a block (torch's fused kernel):  S = scale q k' + bias,  L = logsumexp S,  out = exp(S - L) v.
Backward, block by block, with P = exp(S - L) and the gradients g of out and l of L:
    dv += P' g,   dS = P * (g v' - rowsum(g * out) + l),   dq = scale dS k,   dk += scale dS' q,
and dS is passed to autograd through `bias.rows`, in slices that fit in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gazekit.kernels.object_attention.bias import Bias

__all__ = ["attention_in_blocks"]

BLOCK_ROWS = 64  # measured: fewer slow down the matrix products, more exceed the cache
FUSED_ROWS = 256  # the same if torch's fused kernel does all the work, including backward
BLOCK_NUMBERS = 1 << 19  # of a bias; more rows if there are few keys
SLICE_NUMBERS = 1 << 19  # hidden units of a bias's network stored at once
FUSED = "_scaled_dot_product_flash_attention_for_cpu"  # not public: other torch versions may lack it
HAS_FUSED = all(hasattr(torch.ops.aten, FUSED + way) for way in ("", "_backward"))


def attention_in_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Bias,
    mask: Tensor | None,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Arguments and result as in `reference.object_attention_reference`; differentiable once."""
    dtype = torch.promote_types(query.dtype, torch.float32)
    q, k, v = (x.to(dtype).flatten(0, 1) for x in (query.to(dtype) * scale, key, value))
    named = bias.tensors()
    learned = torch.is_grad_enabled() and any(x.requires_grad for x in named.values())
    rows = _block_rows(bias, learned)
    out, lse = _Blocks.apply(bias, tuple(named), mask, causal, rows, q, k, v, *named.values())
    return out.view(*query.shape[:-1], -1).to(query.dtype), lse.view(query.shape[:-1])


def _spans(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    return ((i, min(i + step, stop)) for i in range(start, stop, step))


def _block_rows(bias: Bias, learned: bool) -> int:
    b, h, _, n = bias.shape
    return max(BLOCK_ROWS if learned else FUSED_ROWS, BLOCK_NUMBERS // (b * h * n))


def _slice_rows(bias: Bias) -> int:
    b, _, m, n = bias.shape
    return max(1, SLICE_NUMBERS // (b * n * bias.hidden)) if bias.hidden else m  # a block at once


def _scores_bias(bias: Bias, mask: Tensor | None, causal: bool, start: int, stop: int) -> Tensor:
    """[B H, m, N] bias of a block, -inf where a key is masked; no gradient."""
    slices = [bias.rows(i, j) for i, j in _spans(start, stop, _slice_rows(bias))]
    made = torch.cat(slices, 2) if len(slices) > 1 else slices[0]
    if mask is not None:
        made.masked_fill_(~mask[:, None, None], -torch.inf)
    if causal:
        row = torch.arange(start, stop, device=made.device)[:, None]
        made.masked_fill_(torch.arange(made.shape[3], device=made.device) > row, -torch.inf)
    return made.flatten(0, 1)


def _has_fused(q: Tensor, v: Tensor) -> bool:
    return HAS_FUSED and q.device.type == "cpu" and q.shape[2] == v.shape[2]


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """[Z, m, D], [Z, N, D], [Z, N, Dv], [Z, m, N] to [Z, m, Dv] and [Z, m]; lse is meaningless without a key."""
    if _has_fused(q, v):
        # scaled_dot_product_attention calls the same kernel on the CPU, but drops the log-sum-exp
        attend = getattr(torch.ops.aten, FUSED)
        out, lse = attend(q[None], k[None], v[None], attn_mask=bias[None], scale=1.0)
        return out[0], lse[0]
    scores = torch.baddbmm(bias, q, k.mT)
    lse = scores.logsumexp(-1)
    shift = lse.masked_fill(lse == -torch.inf, torch.inf)  # weights are 0, not NaN, without a key
    return scores.sub_(shift[..., None]).exp_() @ v, lse


def _no_key(lse: Tensor, mask: Tensor, causal: bool, heads: int) -> Tensor:
    """lse [B H, M], -inf in rows without visible keys, where fused attention gives 0."""
    seen = mask.cumsum(1) > 0 if causal else mask.any(1, keepdim=True)
    return lse.masked_fill(~seen.repeat_interleave(heads, 0), -torch.inf)


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, bias: Bias, names: tuple[str, ...], mask: Tensor | None, causal: bool, rows: int,
        *tensors: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        ctx.set_materialize_grads(False)
        q, k, v, *_ = tensors
        with torch.autocast(q.device.type, enabled=False):  # dtypes are chosen here
            parts = [
                _attend(q[:, i:j], k, v, _scores_bias(bias, mask, causal, i, j).to(q.dtype))
                for i, j in _spans(0, q.shape[1], rows)
            ]
        out, lse = torch.cat([p[0] for p in parts], 1), torch.cat([p[1] for p in parts], 1)
        if mask is not None:
            lse = _no_key(lse, mask, causal, bias.shape[1])
        ctx.save_for_backward(*tensors, out, lse, mask)
        ctx.bias, ctx.names, ctx.causal, ctx.rows = bias, names, causal, rows
        return out, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor | None, d_lse: Tensor | None) -> tuple[Tensor | None, ...]:
        q, k, v, *tensors, out, lse, mask = ctx.saved_tensors
        wanted = ctx.needs_input_grad[8:]
        leaves = [x.detach().requires_grad_(w) for x, w in zip(tensors, wanted, strict=True)]
        bias = replace(ctx.bias, **dict(zip(ctx.names, leaves, strict=True)))
        leaves = [x for x in leaves if x.requires_grad]
        d_leaves = [torch.zeros_like(x) for x in leaves]
        d_out = torch.zeros_like(out) if d_out is None else d_out
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        fused = _has_fused(q, v) and not leaves and d_lse is None
        backward = _fused_backward if fused else _block_backward
        keyless = lse == -torch.inf
        # a row without a key has weights 0, not NaN; the gradient of its lse may be infinite and is dropped
        lse = lse.masked_fill(keyless, torch.inf)
        with torch.autocast(q.device.type, enabled=False):
            taken = -torch.linalg.vecdot(d_out, out)
            taken = (taken if d_lse is None else taken + d_lse).masked_fill(keyless, 0.0)[..., None]
            for i, j in _spans(0, q.shape[1], ctx.rows):
                rows = (x[:, i:j] for x in (q, d_out, out, lse, taken))
                with torch.no_grad():
                    scores = _scores_bias(bias, mask, ctx.causal, i, j).to(q.dtype)
                ds, dq[:, i:j] = backward(*rows, k, v, dk, dv, scores)
                if leaves:
                    _add_gradients(bias, i, j, ds.unflatten(0, bias.shape[:2]), leaves, d_leaves)
        found = iter(d_leaves)
        return None, None, None, None, None, dq, dk, dv, *(next(found) if w else None for w in wanted)


def _block_backward(
    q: Tensor, d_out: Tensor, out: Tensor, lse: Tensor, taken: Tensor, k: Tensor, v: Tensor, dk: Tensor,
    dv: Tensor, bias: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """dS and dq of a block of queries; adds to dk and dv, and overwrites the bias."""
    p = bias.baddbmm_(q, k.mT).sub_(lse[..., None]).exp_()
    dv.baddbmm_(p.mT, d_out)
    ds = torch.baddbmm(taken, d_out, v.mT).mul_(p)
    dk.baddbmm_(ds.mT, q)
    return ds, ds @ k


def _fused_backward(
    q: Tensor, d_out: Tensor, out: Tensor, lse: Tensor, taken: Tensor, k: Tensor, v: Tensor, dk: Tensor,
    dv: Tensor, bias: Tensor,
) -> tuple[None, Tensor]:  # fmt: skip
    """The same without dS, if the bias needs no gradient: a third faster."""
    backward = getattr(torch.ops.aten, FUSED + "_backward")
    parts = (x[None] for x in (d_out, q, k, v, out, lse))
    dq, more_dk, more_dv = backward(*parts, 0.0, False, attn_mask=bias[None], scale=1.0)
    dk += more_dk[0]
    dv += more_dv[0]
    return None, dq[0]


def _add_gradients(
    bias: Bias, start: int, stop: int, ds: Tensor, leaves: list[Tensor], totals: list[Tensor]
) -> None:
    """Backpropagates the gradient [B, H, m, N] of a block's bias to each of the leaves."""
    for i, j in _spans(start, stop, _slice_rows(bias)):
        with torch.enable_grad():
            made = bias.rows(i, j)
        parts = torch.autograd.grad(made, leaves, ds[:, :, i - start : j - start].to(made.dtype))
        for total, part in zip(totals, parts, strict=True):
            total += part
