"""Negative log-likelihood of pointing in blocks of scanpaths: at most one block of scores is stored.

With x = mix_h q_h / sqrt(D) flattened to [E = H D] and keys k [E]: s_rn = x_r k_n + bias_rn over allowed entries;
loss_r = lse_r - s_r,target. Backward of g: ds = g (exp(s - lse) - onehot), 0 in rows without allowed entries,
dx = ds k, dk = ds^T x, dbias = ds; the scores are recomputed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gazekit.kernels.pointer import reference

__all__ = ["flat", "nll"]

BLOCK_ELEMENTS = 2**20  # of the scores computed together: 4 MiB in single precision


def flat(query: Tensor, key: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
    """[B, R, E] and [B, N + 1, E] whose dot products are the mixed scores: mixing is linear, heads need no axis."""
    return (query * (mix / max(1, query.shape[-1]) ** 0.5)[:, None]).flatten(2), key.flatten(2)


def nll(
    query: Tensor, key: Tensor, bias: Tensor | None, object_mask: Tensor, at_start: Tensor, target: Tensor
) -> Tensor:
    """[B, R] losses of flat queries and keys; 0 where the target is -1. First derivatives only.

    Scores that fit in one block are kept by autograd: memory is bounded, and computing them twice takes longer.
    """
    if target.numel() * key.shape[1] <= BLOCK_ELEMENTS:
        scores = query @ key.transpose(1, 2)
        scores = scores if bias is None else scores + bias
        return reference.nll(reference.log_prob(scores, object_mask, at_start), target)
    return _NLL.apply(query, key, bias, object_mask, at_start, target)


def _blocks(query: Tensor, key: Tensor) -> list[slice]:
    """Blocks of batch entries: the gradient of a key, which is larger than its scores, is then written once."""
    size = max(1, BLOCK_ELEMENTS // max(1, query.shape[1] * key.shape[1]))
    return [slice(start, start + size) for start in range(0, query.shape[0], size)]


def _allowed_scores(query, key, bias, absent: Tensor, at_start: Tensor, part: slice) -> Tensor:
    """[entries, R, N + 1] scores, -inf where excluded."""
    scores = query[part] @ key[part].transpose(1, 2)
    if bias is not None:
        scores += bias[part]
    scores[..., :-1].masked_fill_(absent[part, None], -torch.inf)
    scores[..., -1].masked_fill_(at_start[part], -torch.inf)
    return scores


class _NLL(torch.autograd.Function):
    """Keeps its inputs and two numbers per row."""

    @staticmethod
    def forward(ctx, query, key, bias, object_mask, at_start, target) -> Tensor:
        lse, happened = query.new_empty(target.shape), query.new_empty(target.shape)
        chosen, absent = target.clamp(min=0)[..., None], ~object_mask
        for part in _blocks(query, key):
            scores = _allowed_scores(query, key, bias, absent, at_start, part)
            happened[part] = scores.gather(-1, chosen[part])[..., 0]
            torch.logsumexp(scores, -1, out=lse[part])
        ctx.save_for_backward(query, key, bias, absent, at_start, target, lse, happened)
        return torch.where(target < 0, 0.0, lse - happened)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor | None, ...]:
        query, key, bias, absent, at_start, target, lse, happened = ctx.saved_tensors
        chosen, upstream = target.clamp(min=0)[..., None], torch.where(target < 0, 0.0, upstream)
        hit = torch.where(
            happened == -torch.inf, 0.0, -upstream
        )  # an excluded target has no score to increase
        lse = lse.masked_fill(
            lse == -torch.inf, 0.0
        )  # exp(-inf - 0) = 0: no gradient in a row without allowed entries
        gradients = [None if x is None else torch.empty_like(x) for x in (query, key, bias)]
        for part in _blocks(query, key):
            with torch.autocast(query.device.type, enabled=False):  # dtypes are those of the arguments
                scores = _allowed_scores(query, key, bias, absent, at_start, part)
            scores.sub_(lse[part, :, None]).exp_().mul_(upstream[part, :, None])
            scores.scatter_add_(-1, chosen[part], hit[part, :, None])
            torch.bmm(scores, key[part], out=gradients[0][part])
            torch.bmm(scores.transpose(1, 2), query[part], out=gradients[1][part])
            if bias is not None:
                gradients[2][part] = scores
        return *gradients, None, None, None
