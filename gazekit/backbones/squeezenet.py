"""SqueezeNet 1.0 (Iandola et al. 2016), with torchvision's names of tensors."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Halvings, Layer, Net

__all__ = ["SqueezeNet"]

# index in `features` -> number of the fire module, input, squeezed, half of the output channels
FIRES = {
    3: (2, 96, 16, 64),
    4: (3, 128, 16, 64),
    5: (4, 128, 32, 128),
    7: (5, 256, 32, 128),
    8: (6, 256, 48, 192),
    9: (7, 384, 48, 192),
    10: (8, 384, 64, 256),
    12: (9, 512, 64, 256),
}
POOLS = (2, 6, 11)


class Fire(nn.Module):
    """A 1x1 bottleneck, then 1x1 and 3x3 convolutions side by side."""

    def __init__(self, channels: int, squeezed: int, half: int):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, half, 1)
        self.expand3x3 = nn.Conv2d(squeezed, half, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


class SqueezeNet(Net):
    """Layers "conv1", "fire2" .. "fire9" (after ReLU) and "logits" of the 1000 classes of ImageNet.

    Source: arXiv 1602.07360, table 1. Any size from 21 pixels; borders are not padded, so maps are a little smaller
    than size / stride.
    """

    halvings = (2, 4, 8)
    max_pools = True

    def __init__(self):
        super().__init__()
        self.features = nn.ModuleDict({"0": nn.Conv2d(3, 96, 7, stride=2)})
        self.features.update({str(i): Fire(*sizes) for i, (_, *sizes) in FIRES.items()})
        self.classifier = nn.ModuleDict({"1": nn.Conv2d(512, 1000, 1)})
        strides = {i: 4 * 2 ** sum(pool < i for pool in POOLS[1:]) for i in FIRES}
        fires = {f"fire{number}": Layer(2 * half, strides[i]) for i, (number, _, _, half) in FIRES.items()}
        self.layers = {"conv1": Layer(96, 2), **fires, "logits": Layer(1000, None)}

    def halved(self, x: Tensor, stride: int) -> Tensor:
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    def walk(self, images: Tensor, halve: Halvings | None = None) -> Iterator[tuple[str, Tensor]]:
        x, own, stride = F.relu(self.features["0"](images)), halve or {}, 2
        yield "conv1", x
        for i, (number, *_) in FIRES.items():
            if i - 1 in POOLS:
                x, stride = own[stride](x) if stride in own else self.halved(x, stride), 2 * stride
            x = self.features[str(i)](x)
            yield f"fire{number}", x
        yield "logits", F.relu(self.classifier["1"](x)).mean((2, 3))
