"""Attention with a bias by definition: one line of torch per step, differentiable any number of times."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.object_attention.bias import Bias

__all__ = ["materialised", "object_attention_reference"]


def materialised(
    bias: Tensor | Bias | None, mask: Tensor | None, causal: bool, like: Tensor, keys: int
) -> Tensor:
    """The bias broadcastable to [B, H, M, N], -inf where a key is masked; on the device of `like` [B, H, M,
    D], and in its dtype without a bias.
    """
    made = like.new_zeros(1, 1, 1, 1) if bias is None else bias
    if not isinstance(made, Tensor):
        made = made.rows(0, like.shape[2])
    if mask is not None:
        made = made.masked_fill(~mask[:, None, None], -torch.inf)
    if causal:
        future = torch.ones(like.shape[2], keys, dtype=torch.bool, device=like.device).triu(1)
        made = made.masked_fill(future, -torch.inf)
    return made


def object_attention_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | Bias | None,
    mask: Tensor | None,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Output [B, H, M, Dv] and log-sum-exp [B, H, M] (in at least single precision).

    Rows without a key give 0 and -inf, and no gradient: their scores are set to 0 before the logarithm, whose
    gradient would be NaN there, and their weights to 0 after it.
    """
    dtype = torch.promote_types(query.dtype, torch.float32)
    q, k, v = query.to(dtype), key.to(dtype), value.to(dtype)
    scores = scale * q @ k.mT + materialised(bias, mask, causal, query, key.shape[2]).to(dtype)
    empty = (scores == -torch.inf).all(-1, keepdim=True)  # also if there are no keys at all
    scores = scores.masked_fill(empty, 0.0)
    lse = scores.logsumexp(-1, keepdim=True)
    weights = (scores - lse).exp().masked_fill(empty, 0.0)
    return (weights @ v).to(query.dtype), lse.masked_fill(empty, -torch.inf)[..., 0]
