"""Plain torch forms of the two operators: documentation, fallback and oracle in one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["blend", "masked_pools", "pool_border"]


def blend(stack: Tensor, level: Tensor) -> Tensor:
    """Linear interpolation between the two nearest levels: (1 - f) G_k + f G_(k+1), k = floor(level), f = level - k.

    Args:
        stack: [B, L, C, H, W], L >= 2.
        level: [B, T, H, W] in [0, L - 1] or NaN.
    """
    below = level.detach().nan_to_num().floor().clamp(max=stack.shape[1] - 2)
    rest = level - below
    total = stack.new_zeros(())
    for k, own in enumerate(stack[:, None].unbind(2)):  # [B, 1, C, H, W]
        weight = torch.where(below == k, 1 - rest, 0.0) + torch.where(below == k - 1, rest, 0.0)
        total = total + weight[:, :, None].to(stack.dtype) * own
    return total


def masked_pools(image: Tensor, window: Tensor) -> Tensor:
    """y = sum_r (window == r) AvgPool(x; r, stride 2, "same"), a full pooling per window size.

    Args:
        image: [B, C, H, W].
        window: [B or 1, ceil(H / 2), ceil(W / 2)] integers of at least 1.
    """
    out = image.new_zeros(*image.shape[:2], *window.shape[-2:])
    for size in window.unique().tolist() or [1]:  # an empty batch is pooled too, for its gradient
        border = [*pool_border(image.shape[-1], size), *pool_border(image.shape[-2], size)]
        held = F.avg_pool2d(
            F.pad(torch.ones_like(image[:1, :1]), border), size, 2
        )  # share of cells in the image
        mean = F.avg_pool2d(F.pad(image, border), size, 2) / held
        out = torch.where((window == size)[:, None], mean, out)
    return out


def pool_border(length: int, size: int) -> tuple[int, int]:
    """Cells outside the image before and after a line: (ceil(length / 2) - 1) 2 + size - length, the odd one after."""
    total = max(2 * ((length + 1) // 2 - 1) + size - length, 0)
    return total // 2, total - total // 2
