"""Rows of an attention map by definition, in plain torch; any device, including float64 and second derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["attention_rows"]


def attention_rows(query: Tensor, key: Tensor, weight: Tensor | None, scale: float) -> Tensor:
    """softmax(scale Q K^T), or G softmax(scale Q K^T), of the selected queries.

    Args:
        query: [B, H, M, D].
        key: [B, H, N, D].
        weight: [B, P, M] is G, the same for all heads; None is the identity.
    Returns:
        [B, H, M, N], or [B, H, P, N] with a weight.
    """
    rows = torch.softmax(scale * query @ key.transpose(-1, -2), -1)
    return rows if weight is None else weight[:, None] @ rows
