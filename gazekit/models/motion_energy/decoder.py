"""Population codes to flow, and flow at places to flow at pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, unfold

__all__ = ["ConvexUpsampling", "FlowDecoder", "bilinear_flow"]


class FlowDecoder(nn.Module):
    """Linear 1 x 1 convolutions C -> C -> C/2 -> C/4 -> C/8, then 3 x 3 on the last two to (u, v); nothing non-linear.

    The same decoder reads stage I and all iterations of stage II, so that their codes must mean the same.

    Args:
        channels: C, of the code.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [max(2, channels // k) for k in (1, 2, 4, 8)]
        inputs = [channels, *widths[:-1]]
        self.steps = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(inputs, widths, strict=True))
        self.last = nn.Conv2d(widths[-1] + widths[-2], 2, 3, padding=1)

    def forward(self, code: Tensor) -> Tensor:
        """[B, 2, h, w] in places per frame."""
        for step in self.steps:
            before, code = code, step(code)
        return self.last(torch.cat([code, before], 1))


class ConvexUpsampling(nn.Module):
    """Each pixel's flow is a weighted mean of those of the 3 x 3 places around it, as in RAFT (Teed and Deng 2020).

    Args:
        channels: of the feature that chooses the weights.
        grid_px: side of a place.
    """

    def __init__(self, channels: int, grid_px: int = 8) -> None:
        super().__init__()
        self.grid_px = grid_px
        self.weights = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, 9 * grid_px**2, 1)
        )

    def forward(self, flow: Tensor, feature: Tensor) -> Tensor:
        """[B, 2, H, W] in px per frame of flow [B, 2, h, w] in places per frame."""
        b, _, h, w = flow.shape
        side = self.grid_px
        weights = self.weights(feature).view(b, 9, side, side, h, w).softmax(1)
        near = unfold(pad(side * flow, [1] * 4, mode="replicate"), 3).view(b, 2, 9, 1, 1, h, w)
        fine = (weights[:, None] * near).sum(2)  # [B, 2, side, side, h, w]
        return fine.permute(0, 1, 4, 2, 5, 3).reshape(b, 2, h * side, w * side)


def bilinear_flow(flow: Tensor, grid_px: int) -> Tensor:
    """[B, 2, H, W] in px per frame of flow [B, 2, h, w] in places per frame, interpolated between their middles."""
    return grid_px * interpolate(flow, scale_factor=grid_px, mode="bilinear", align_corners=False)
