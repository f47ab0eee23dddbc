"""Scores of objects and STOP, and their softmax over the allowed ones, by definition."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["log_prob", "nll", "scores"]


def scores(query: Tensor, key: Tensor, mix: Tensor, bias: Tensor | None) -> Tensor:
    """[B, R, N + 1] heads of dot products, mixed linearly, plus the bias."""
    heads = torch.einsum("brhd,bnhd->brnh", query, key) / max(1, query.shape[-1]) ** 0.5
    return heads @ mix if bias is None else heads @ mix + bias


def log_prob(scores: Tensor, object_mask: Tensor, at_start: Tensor) -> Tensor:
    """[B, R, N + 1] log-softmax over present objects and, once the scanpath has begun, STOP; a score of -inf
    (from a bias) also excludes.

    Args:
        scores: [B, R, N + 1].
        object_mask: [B, N] bool.
        at_start: [B, R] bool.
    """
    objects = object_mask[:, None].expand(-1, scores.shape[1], -1)
    allowed = torch.cat([objects, ~at_start[..., None]], -1) & (scores.detach() != -torch.inf)
    return scores.masked_fill(~allowed, -torch.inf).log_softmax(-1)


def nll(log_prob: Tensor, target: Tensor) -> Tensor:
    """[B, R] minus the log-probability of the targets [B, R]; 0 where there is none (-1)."""
    happened = log_prob.gather(-1, target.clamp(min=0)[..., None])[..., 0]
    return torch.where(target < 0, 0.0, -happened)
