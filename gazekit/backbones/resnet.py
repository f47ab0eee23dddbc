"""Residual networks (He et al. 2016), with torchvision's names of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Halvings, Layer, Net

__all__ = ["ResNet"]

Halve = Callable[[Tensor], Tensor]


class Basic(nn.Module):
    """Two 3x3 convolutions."""

    growth = 1

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(channels, width, stride)

    def forward(self, x: Tensor, halve: Halve | None = None) -> Tensor:
        y = _halved(self.conv1, self.bn1, x, halve)
        return F.relu(self.bn2(self.conv2(y)) + _shortened(self.downsample, x, halve))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions; the middle one has the stride ("version 1.5", as in torchvision)."""

    growth = 4

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(channels, 4 * width, stride)

    def forward(self, x: Tensor, halve: Halve | None = None) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = _halved(self.conv2, self.bn2, y, halve)
        return F.relu(self.bn3(self.conv3(y)) + _shortened(self.downsample, x, halve))


def _shortcut(channels: int, width: int, stride: int) -> nn.Module:
    if channels == width and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))


def _everywhere(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Without the stride."""
    return F.conv2d(x, conv.weight, conv.bias, 1, conv.padding)


def _halved(conv: nn.Conv2d, norm: nn.Module, x: Tensor, halve: Halve | None) -> Tensor:
    return F.relu(norm(conv(x))) if halve is None else halve(F.relu(norm(_everywhere(conv, x))))


def _shortened(downsample: nn.Module, x: Tensor, halve: Halve | None) -> Tensor:
    return downsample(x) if halve is None else halve(downsample[1](_everywhere(downsample[0], x)))


BLOCKS = {"basic": Basic, "bottleneck": Bottleneck}


class ResNet(Net):
    """Layers "stem" (after the pooling), "layer1" .. "layer4", "pool" (mean over the picture) and "logits".

    Source: arXiv 1512.03385, table 1. Any size from 32 pixels.

    Args:
        block: "basic" (ResNet-18, 34) or "bottleneck" (50 and deeper).
        depths: blocks of the four stages.
    """

    halvings = (1, 2, 4, 8, 16)

    def __init__(self, block: str, depths: Sequence[int]):
        super().__init__()
        kind = BLOCKS[block]
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layers = {"stem": Layer(64, 4)}
        channels = 64
        for i, depth in enumerate(depths, 1):
            width = 32 * 2**i
            strides = [1 if i == 1 else 2] + [1] * (depth - 1)
            stage = []
            for stride in strides:
                stage.append(kind(channels, width, stride))
                channels = width * kind.growth
            self.add_module(f"layer{i}", nn.Sequential(*stage))
            self.layers[f"layer{i}"] = Layer(channels, 2 ** (i + 1))
        self.fc = nn.Linear(channels, 1000)
        self.layers |= {"pool": Layer(channels, None), "logits": Layer(1000, None)}

    def halved(self, x: Tensor, stride: int) -> Tensor:
        return F.max_pool2d(x, 3, 2, 1) if stride == 2 else x[..., ::2, ::2]

    def walk(self, images: Tensor, halve: Halvings | None = None) -> Iterator[tuple[str, Tensor]]:
        own = halve or {}
        x = _halved(self.conv1, self.bn1, images, own.get(1))
        x = own[2](x) if 2 in own else self.halved(x, 2)
        yield "stem", x
        for i in range(1, 5):
            first, *others = self.get_submodule(f"layer{i}")
            x = first(x, own.get(2**i) if i > 1 else None)
            for block in others:
                x = block(x)
            yield f"layer{i}", x
        x = x.mean((2, 3))
        yield "pool", x
        yield "logits", self.fc(x)
