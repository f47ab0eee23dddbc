"""Plain torch forms of the two operators: documentation, fallback and oracle in one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["blend", "masked_pools", "pool_border"]


def blend(stack: Tensor, level: Tensor) -> Tensor:
    """Between the two levels next to each pixel's own, linearly: (1 - f) G_k + f G_(k+1), k = floor(level), f the rest.

    Args:
        stack: [B, L, C, H, W], L >= 2.
        level: [B, T, H, W] in [0, L - 1] or NaN.
    """
    _, levels, channels, *_ = stack.shape
    below = level.detach().nan_to_num().floor().clamp(max=levels - 2)
    index = below.long()[:, :, None, None].expand(-1, -1, -1, channels, -1, -1)  # [B, T, 1, C, H, W]
    each = stack[:, None].expand(-1, level.shape[1], -1, -1, -1, -1)
    low, high = each.gather(2, index).squeeze(2), each.gather(2, index + 1).squeeze(2)
    return torch.lerp(low, high, (level - below)[:, :, None].to(stack.dtype))


def masked_pools(image: Tensor, window: Tensor) -> Tensor:
    """y = sum_r (window == r) AvgPool(x; r, stride 2, "same"), a full pooling for every size that occurs.

    Args:
        image: [B, C, H, W].
        window: [B or 1, ceil(H / 2), ceil(W / 2)] integers of at least 1.
    """
    out = image.new_zeros(*image.shape[:2], *window.shape[-2:])
    for size in window.unique().tolist():
        border = [*pool_border(image.shape[-1], size), *pool_border(image.shape[-2], size)]
        held = F.avg_pool2d(F.pad(torch.ones_like(image[:1, :1]), border), size, 2)  # share of cells in the image
        mean = F.avg_pool2d(F.pad(image, border), size, 2) / held
        out = torch.where((window == size)[:, None], mean, out)
    return out


def pool_border(length: int, size: int) -> tuple[int, int]:
    """Cells outside the image before and after a line: (ceil(length / 2) - 1) 2 + size - length, the odd one after."""
    total = max(2 * ((length + 1) // 2 - 1) + size - length, 0)
    return total // 2, total - total // 2
