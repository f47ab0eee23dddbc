"""The attention-center net: where people look in a picture, in 0.3 million numbers.

Source: github.com/google/attention-center, whose released file returns only the centre of the map that is given here.
MobileNetV3-small up to its eighth block, with group norms; four heads whose maps are added at full size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Layer, Net
from gazekit.backbones.mobilenet import SameConv

__all__ = ["AttentionCenter"]

# kernel, hidden, output, squeezed (0: no squeeze-and-excite), activation, stride
BLOCKS = (
    (3, 16, 16, 8, F.relu, 2),
    (3, 72, 24, 0, F.relu, 2),
    (3, 88, 24, 0, F.relu, 1),
    (5, 96, 40, 24, F.hardswish, 2),
    (5, 240, 40, 64, F.hardswish, 1),
    (5, 240, 40, 64, F.hardswish, 1),
    (5, 120, 48, 32, F.hardswish, 1),
    (5, 144, 48, 40, F.hardswish, 1),
    (5, 288, 96, 72, F.hardswish, 2),
)
HEADS = {2: 24, 4: 40, 6: 48, 8: 96}
GROUPS, EPS = 8, 1.0133e-6


class Block(nn.Module):
    """Expand, filter each channel, squeeze and excite, project."""

    def __init__(
        self,
        channels: int,
        size: int,
        hidden: int,
        width: int,
        squeezed: int,
        activation: Callable,
        stride: int,
    ):
        super().__init__()
        self.expands, self.squeezes, self.activation = channels != hidden, bool(squeezed), activation
        if self.expands:
            self.expand, self.expand_norm = SameConv(channels, hidden), nn.GroupNorm(GROUPS, hidden, EPS)
        self.dw, self.dw_norm = (
            SameConv(hidden, hidden, size, stride, hidden),
            nn.GroupNorm(GROUPS, hidden, EPS),
        )
        if self.squeezes:
            self.se1, self.se2 = nn.Conv2d(hidden, squeezed, 1), nn.Conv2d(squeezed, hidden, 1)
        self.project, self.project_norm = SameConv(hidden, width), nn.GroupNorm(GROUPS, width, EPS)
        self.residual = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.expand_norm(self.expand(x))) if self.expands else x
        y = self.activation(self.dw_norm(self.dw(y)))
        if self.squeezes:
            gate = self.se2(F.relu(self.se1(y.mean((2, 3), keepdim=True))))
            y = y * (F.relu6(gate) * 0.16663)
        y = self.project_norm(self.project(y))
        return x + y if self.residual else y


class AttentionCenter(Net):
    """Layers "block0" .. "block8" (linear) and "saliency" [B, 1, H, W]: its maximum in each picture is 1.

    Sizes are multiples of 32 pixels; 480 x 640 is what it was trained on.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.ModuleDict({"conv": SameConv(3, 16, 3, 2), "norm": nn.GroupNorm(GROUPS, 16, EPS)})
        self.layers, channels, stride = {}, 16, 2
        for i, sizes in enumerate(BLOCKS):
            self.add_module(f"b{i}", Block(channels, *sizes))
            channels, stride = sizes[2], stride * sizes[5]
            self.layers[f"block{i}"] = Layer(channels, stride)
        for i, width in HEADS.items():
            self.add_module(
                f"head_b{i}", nn.ModuleDict({"conv": SameConv(width, 3, 3), "out": nn.Conv2d(3, 1, 1)})
            )
        self.layers["saliency"] = Layer(1, 1)

    def walk(self, images: Tensor, halve: None = None) -> Iterator[tuple[str, Tensor]]:
        x = F.hardswish(self.stem["norm"](self.stem["conv"](images)))
        total = 0.0
        for i in range(len(BLOCKS)):
            x = self.get_submodule(f"b{i}")(x)
            yield f"block{i}", x
            if i in HEADS:
                head = self.get_submodule(f"head_b{i}")
                said = head["out"](F.max_pool2d(head["conv"](F.relu(x)), 3, 1, 1))
                total = total + _enlarge(said, images.shape[-2:])
        saliency = total.sigmoid()
        yield "saliency", saliency / (saliency.amax((1, 2, 3), keepdim=True) + EPS)


def _enlarge(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, from source = target * in / out without a shift of half a pixel; the last row and column repeat."""
    for dim, target in zip((-2, -1), size, strict=True):
        count = x.shape[dim]
        at = torch.arange(target, device=x.device, dtype=x.dtype) * (count / target)
        low = at.long().clamp(max=count - 1)
        share = (at - low).view(-1, *[1] * (-1 - dim))
        after = (low + 1).clamp(max=count - 1)
        x = x.index_select(dim, low) * (1 - share) + x.index_select(dim, after) * share
    return x
