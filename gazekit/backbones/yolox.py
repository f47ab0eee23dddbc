"""YOLOX-Nano (Ge et al. 2021): the 80 classes of COCO. Batch norms are folded; names of tensors as in Megvii's code."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Layer, Net

__all__ = ["YOLOX"]

STRIDES = (8, 16, 32)
WIDTHS = (64, 128, 256)  # of the maps at these strides
CLASSES = 80


class Conv(nn.Conv2d):
    """A convolution that keeps the size, then SiLU."""

    def __init__(self, channels: int, width: int, size: int = 1, stride: int = 1, groups: int = 1):
        super().__init__(channels, width, size, stride, size // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(super().forward(x))


class Separable(nn.Module):
    """Filter each channel, then mix them."""

    def __init__(self, channels: int, width: int, stride: int = 1):
        super().__init__()
        self.dconv = Conv(channels, channels, 3, stride, channels)
        self.pconv = Conv(channels, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.pconv(self.dconv(x))


class Bottleneck(nn.Module):
    """Mix, then filter; with or without a shortcut."""

    def __init__(self, width: int, shortcut: bool):
        super().__init__()
        self.conv1, self.conv2, self.shortcut = Conv(width, width), Separable(width, width), shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


class CSP(nn.Module):
    """Half of the channels go through bottlenecks."""

    def __init__(self, channels: int, width: int, count: int = 1, shortcut: bool = False):
        super().__init__()
        half = width // 2
        self.conv1, self.conv2, self.conv3 = Conv(channels, half), Conv(channels, half), Conv(width, width)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(torch.cat([self.m(self.conv1(x)), self.conv2(x)], 1))


class Pyramid(nn.Module):
    """Maxima over three neighbourhoods beside each other."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1, self.conv2 = Conv(width, width // 2), Conv(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *(F.max_pool2d(x, size, 1, size // 2) for size in (5, 9, 13))], 1))


class YOLOX(Net):
    """Layers "stride8", "stride16", "stride32" (after the neck) and "head8" .. "head32": at each cell the box, whether
    there is an object and of which class, which `boxes` reads.

    Source: arXiv 2107.08430. Sizes are multiples of 32 pixels.
    """

    def __init__(self):
        super().__init__()
        dark = {"stem": nn.ModuleDict({"conv": Conv(12, 16, 3)})}
        dark["dark2"] = nn.Sequential(Separable(16, 32, 2), CSP(32, 32, 1, True))
        dark["dark3"] = nn.Sequential(Separable(32, 64, 2), CSP(64, 64, 3, True))
        dark["dark4"] = nn.Sequential(Separable(64, 128, 2), CSP(128, 128, 3, True))
        dark["dark5"] = nn.Sequential(Separable(128, 256, 2), Pyramid(256), CSP(256, 256))
        neck = {"lateral_conv0": Conv(256, 128), "reduce_conv1": Conv(128, 64)}
        neck |= {
            "C3_p4": CSP(256, 128),
            "C3_p3": CSP(128, 64),
            "C3_n3": CSP(128, 128),
            "C3_n4": CSP(256, 256),
        }
        neck |= {"bu_conv2": Separable(64, 64, 2), "bu_conv1": Separable(128, 128, 2)}
        self.backbone = nn.ModuleDict({"backbone": nn.ModuleDict(dark), **neck})
        head = {f"{kind}_convs": nn.ModuleList(self._two() for _ in STRIDES) for kind in ("cls", "reg")}
        for kind, width in (("cls", CLASSES), ("reg", 4), ("obj", 1)):
            head[f"{kind}_preds"] = nn.ModuleList(nn.Conv2d(64, width, 1) for _ in STRIDES)
        self.head = nn.ModuleDict({"stems": nn.ModuleList(Conv(width, 64) for width in WIDTHS), **head})
        self.layers = {
            f"stride{stride}": Layer(width, stride) for stride, width in zip(STRIDES, WIDTHS, strict=True)
        }
        self.layers |= {f"head{stride}": Layer(5 + CLASSES, stride) for stride in STRIDES}

    @staticmethod
    def _two() -> nn.Sequential:
        return nn.Sequential(Separable(64, 64), Separable(64, 64))

    def walk(self, images: Tensor, halve: None = None) -> Iterator[tuple[str, Tensor]]:
        dark, neck = self.backbone["backbone"], self.backbone
        corners = [images[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = dark["dark2"](dark["stem"]["conv"](torch.cat(corners, 1)))
        c3 = dark["dark3"](x)
        c4 = dark["dark4"](c3)
        p5 = neck["lateral_conv0"](dark["dark5"](c4))
        p4 = neck["reduce_conv1"](neck["C3_p4"](torch.cat([_twice(p5), c4], 1)))
        n3 = neck["C3_p3"](torch.cat([_twice(p4), c3], 1))
        n4 = neck["C3_n3"](torch.cat([neck["bu_conv2"](n3), p4], 1))
        n5 = neck["C3_n4"](torch.cat([neck["bu_conv1"](n4), p5], 1))
        maps = dict(zip(STRIDES, (n3, n4, n5), strict=True))
        for stride, x in maps.items():
            yield f"stride{stride}", x
        for i, (stride, x) in enumerate(maps.items()):
            x = self.head["stems"][i](x)
            where, what = self.head["reg_convs"][i](x), self.head["cls_convs"][i](x)
            said = [
                self.head["reg_preds"][i](where),
                self.head["obj_preds"][i](where),
                self.head["cls_preds"][i](what),
            ]
            yield f"head{stride}", torch.cat(said, 1)

    @staticmethod
    def boxes(head: Tensor, cells: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes [B, M, 4] in pixels, scores [B, M, 80] and no landmarks [B, M, 0, 2] of a head [B, M, 85]."""
        box, thing, classes = head.split([4, 1, CLASSES], -1)
        centre, size = (box[..., :2] + cells) * stride, box[..., 2:].exp() * stride
        corners = torch.cat([centre - size / 2, centre + size / 2], -1)
        return corners, thing.sigmoid() * classes.sigmoid(), head.new_zeros(*head.shape[:2], 0, 2)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0)
