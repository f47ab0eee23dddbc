"""Weighted sums of attention rows in blocks: working memory does not grow with their number.

Forward: R = sum over blocks of rows of G_block softmax(s Q_block K^T). Only the inputs are kept.
Backward of dR, with A recomputed for each block:
    U = dR A^T (per head),  dG = sum over heads of U,  delta_i = sum_p G[p, i] U[p, i],
    dS = A * (G^T dR - delta),  dQ = s dS K,  dK = s dS^T Q.
Sums over blocks are in single precision at least.
delta_i is the sum over keys of a_ij times its upstream gradient, the contribution of softmax's normaliser.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["pooled_rows"]

BLOCK_ELEMENTS = 2**20  # of the rows computed together: 4 MiB in single precision


def pooled_rows(query: Tensor, key: Tensor, weight: Tensor, scale: float) -> Tensor:
    """As `reference.attention_rows` with a weight; first derivatives only."""
    return _PooledRows.apply(query, key, weight, scale)


def _blocks(query: Tensor, key: Tensor) -> list[slice]:
    per_row = max(1, query.shape[0] * query.shape[1] * key.shape[2])
    size = max(16, BLOCK_ELEMENTS // per_row)  # thinner products would waste the processor
    return [slice(start, start + size) for start in range(0, query.shape[2], size)]


def _softmax_rows(query: Tensor, key: Tensor, scale: float) -> Tensor:
    return torch.softmax((scale * query) @ key.transpose(-1, -2), -1)


class _PooledRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, weight: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(query, key, weight)
        ctx.scale = scale
        sums = torch.promote_types(query.dtype, torch.float32)
        pooled = query.new_zeros(*query.shape[:2], weight.shape[1], key.shape[2], dtype=sums)
        for rows in _blocks(query, key):
            pooled += weight[:, None, :, rows] @ _softmax_rows(query[:, :, rows], key, scale)
        return pooled.to(query.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor | None, ...]:
        query, key, weight = ctx.saved_tensors
        query_gradient, weight_gradient = torch.empty_like(query), torch.empty_like(weight)
        key_gradient = torch.zeros_like(key, dtype=torch.promote_types(key.dtype, torch.float32))
        for rows in _blocks(query, key):
            part, share = query[:, :, rows], weight[:, None, :, rows]
            attention = _softmax_rows(part, key, ctx.scale)
            moments = upstream @ attention.transpose(-1, -2)  # [B, H, P, rows]
            weight_gradient[:, :, rows] = moments.sum(1)
            scores = share.transpose(-1, -2) @ upstream
            scores.sub_((share * moments).sum(2)[..., None]).mul_(attention).mul_(ctx.scale)
            query_gradient[:, :, rows] = scores @ key
            key_gradient += scores.transpose(-1, -2) @ part
        return query_gradient, key_gradient.to(key.dtype), weight_gradient, None
