"""2D spatial guidance: how much each patch of a head counts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.models.gaze_following.boxes import touched_patches

__all__ = ["SpatialGuidance"]

CHANNELS = 8


class SpatialGuidance(nn.Module):
    """A score per patch by an own convolution over the picture, made a distribution over the patches of each head.

    Args:
        patch_px: side of a patch.
    """

    def __init__(self, patch_px: int) -> None:
        super().__init__()
        self.patch_px = patch_px
        self.patch_embed = nn.Conv2d(3, CHANNELS, patch_px, patch_px)
        self.embed = nn.Conv2d(CHANNELS, 1, 1)
        self.aux_embed = nn.Conv2d(CHANNELS, 1, 1)
        for conv in (self.patch_embed, self.embed, self.aux_embed):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(conv.bias)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Of normalised pictures [B, 3, H, W]: a score per patch and the logit that any head is there, [B, h, w]."""
        embedded = self.patch_embed(image).relu()
        return self.embed(embedded)[:, 0], self.aux_embed(embedded)[:, 0]

    def of_heads(self, score: Tensor, picture: Tensor, head_norm: Tensor) -> Tensor:
        """The guidance [P, h w] of P heads: softmax of the score over the patches that a head touches.

        Args:
            score: [B, h, w].
            picture, head_norm: see `GazeNet.look`.
        """
        size_px = score.shape[1] * self.patch_px, score.shape[2] * self.patch_px
        outside = ~touched_patches(head_norm, size_px, self.patch_px)
        return score[picture].masked_fill(outside, -torch.inf).flatten(1).softmax(-1)
