"""Negative log-likelihood of pointing, some rows at a time: neither scores nor probabilities are kept.

With x = mix_h q_h / sqrt(D) laid out flat [E = H D] and keys k [E]: s_rn = x_r k_n + bias_rn, over what is allowed;
loss_r = lse_r - s_r,target. Backward of g: ds = g (exp(s - lse) - onehot), 0 where nothing is allowed,
dx = ds k, dk = ds^T x, dbias = ds; the scores are computed again.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["flat", "nll"]

BLOCK_ELEMENTS = 2**20  # of the scores computed together: 4 MiB in single precision


def flat(query: Tensor, key: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
    """[B, R, E] and [B, N + 1, E] whose dot products are the mixed scores: mixing is linear, heads need no axis."""
    return (query * (mix / query.shape[-1] ** 0.5)[:, None]).flatten(2), key.flatten(2)


def nll(
    query: Tensor, key: Tensor, bias: Tensor | None, object_mask: Tensor, at_start: Tensor, target: Tensor
) -> Tensor:
    """[B, R] losses of flat queries and keys; 0 where the target is -1. First derivatives only."""
    return _NLL.apply(query, key, bias, object_mask, at_start, target)


def _blocks(query: Tensor, key: Tensor) -> list[slice]:
    size = max(16, BLOCK_ELEMENTS // max(1, query.shape[0] * key.shape[1]))
    return [slice(start, start + size) for start in range(0, query.shape[1], size)]


def _allowed_scores(query, key, bias, absent: Tensor, at_start: Tensor) -> Tensor:
    """[B, rows, N + 1] scores, -inf where forbidden."""
    scores = query @ key.transpose(1, 2)
    if bias is not None:
        scores += bias
    scores[..., :-1].masked_fill_(absent[:, None], -torch.inf)
    scores[..., -1].masked_fill_(at_start, -torch.inf)
    return scores


class _NLL(torch.autograd.Function):
    """Keeps its inputs and two numbers a row."""

    @staticmethod
    def forward(ctx, query, key, bias, object_mask, at_start, target) -> Tensor:
        lse, happened = query.new_empty(target.shape), query.new_empty(target.shape)
        chosen, absent = target.clamp(min=0)[..., None], ~object_mask
        for rows in _blocks(query, key):
            part = None if bias is None else bias[:, rows]
            scores = _allowed_scores(query[:, rows], key, part, absent, at_start[:, rows])
            happened[:, rows] = scores.gather(-1, chosen[:, rows])[..., 0]
            lse[:, rows] = scores.logsumexp(-1)
        ctx.save_for_backward(query, key, bias, absent, at_start, target, lse, happened)
        return torch.where(target < 0, 0.0, lse - happened)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor | None, ...]:
        query, key, bias, absent, at_start, target, lse, happened = ctx.saved_tensors
        upstream = torch.where(target < 0, 0.0, upstream)
        hit = torch.where(happened == -torch.inf, 0.0, -upstream)  # a forbidden target has no score to raise
        lse = lse.masked_fill(
            lse == -torch.inf, 0.0
        )  # exp(-inf - 0) = 0: a row with nothing allowed moves nothing
        query_gradient, key_gradient = torch.empty_like(query), torch.zeros_like(key)
        bias_gradient = torch.empty_like(bias) if bias is not None else None
        for rows in _blocks(query, key):
            part = None if bias is None else bias[:, rows]
            scores = _allowed_scores(query[:, rows], key, part, absent, at_start[:, rows])
            scores.sub_(lse[:, rows, None]).exp_().mul_(upstream[:, rows, None])
            scores.scatter_add_(-1, target[:, rows, None].clamp(min=0), hit[:, rows, None])
            query_gradient[:, rows] = scores @ key
            key_gradient += scores.transpose(1, 2) @ query[:, rows]
            if bias_gradient is not None:
                bias_gradient[:, rows] = scores
        return query_gradient, key_gradient, bias_gradient, None, None, None
