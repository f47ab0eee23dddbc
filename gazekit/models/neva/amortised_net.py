"""A small net that says in one pass where NeVA looks next.

Maps of a frozen classifier of the sharp picture, once per picture, and what is still seen of it -> a 28 x 28 map of
log-probabilities of the next fixation.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.models.neva.nets import TaskNet

__all__ = ["CELLS", "AmortisedNet", "Picture", "describe"]

CELLS = 28
"""Places along a side of the map, of 8 px of a square of 224."""
_SIDE = 14  # of the maps inside


class Picture(NamedTuple):
    """What the net knows of pictures: maps [P, C, 14, 14] of a late layer, and `local` [P, 2, 14, 14]: what each place
    says for the picture's own class, and how much of it the blur takes away."""

    maps: Tensor
    local: Tensor


@torch.no_grad()
def describe(net: TaskNet, images: Tensor, residual: Tensor) -> Picture:
    """What `AmortisedNet` is told of pictures [P, 3, S, S] and their blur residual: one pass of MobileNetV2."""
    found = {}
    for name, value in net.backbone.net.walk(images.contiguous(memory_format=torch.channels_last)):
        if name in ("block13", "block17", "head", "logits"):
            found[name] = value
    weight = net.backbone.net.classifier["1"].weight
    own = weight[found["logits"].argmax(1)] - weight.mean(0)
    evidence = torch.einsum("pchw,pc->phw", found["head"], own)[:, None]
    lost = F.adaptive_avg_pool2d(residual.abs().mean(1, keepdim=True), _SIDE)
    maps = torch.cat([_larger(found["block13"]), _larger(found["block17"])], 1)
    # torch 2.13 crashes in the backward pass of a group norm over maps that are channels last
    return Picture(maps.contiguous(), torch.cat([_larger(evidence), 10 * lost], 1).contiguous())


class AmortisedNet(nn.Module):
    """Two convolutions over the picture, and three over the result and what has been seen.

    Args:
        channels: of `Picture.maps`.
        width: of the layers.
    """

    def __init__(self, channels: int = 96 + 320, width: int = 48) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.picture = nn.Conv2d(channels, width, 1)
        self.mixed = nn.Conv2d(width + 5, width, 3, padding=1)
        self.wide = nn.Conv2d(width, width, 5, padding=2)
        self.out = nn.Conv2d(width, 1, 1)
        line = torch.linspace(-1, 1, _SIDE)
        x, y = torch.meshgrid(line, line, indexing="xy")
        self.register_buffer("place", torch.stack([x.square(), y.square()])[None])

    def encode(self, picture: Picture) -> Tensor:
        """[P, width + 2, 14, 14], once per picture."""
        return torch.cat([F.relu(self.picture(self.norm(picture.maps))), picture.local], 1)

    def forward(self, encoded: Tensor, memory: Tensor) -> Tensor:
        """[B, 784] log-probabilities of the cells, row by row.

        Args:
            encoded: [B, ...] of `encode`. memory: [B, S, S] or [B, 14, 14] what is still seen, R_t.
        """
        seen = F.adaptive_avg_pool2d(memory[:, None], _SIDE)
        x = torch.cat([encoded, seen, self.place.expand(len(encoded), -1, -1, -1)], 1)
        x = F.relu(self.mixed(x))
        x = x + F.relu(self.wide(x))
        x = F.interpolate(self.out(x), (CELLS, CELLS), mode="bilinear", align_corners=False)
        return x.flatten(1).log_softmax(1)


def _larger(x: Tensor) -> Tensor:
    return F.interpolate(x, (_SIDE, _SIDE), mode="bilinear", align_corners=False)
