"""YuNet (Wu et al. 2023): faces with five landmarks. Batch norms are folded; tensors are named as in its own code."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Layer, Net

__all__ = ["YuNet"]

STRIDES = (8, 16, 32)
HEADS = {"bbox": 4, "obj": 1, "cls": 1, "kps": 10}


class Unit(nn.Module):
    """A 1x1 convolution, then one that filters each channel."""

    def __init__(self, channels: int, width: int, relu: bool = True):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.conv1(x))
        return F.relu(x) if self.relu else x


class YuNet(Net):
    """Layers "stride8", "stride16", "stride32" (after the neck) and "head8" .. "head32": at each cell the box, two
    scores and landmarks that `boxes` reads.

    Sizes are multiples of 32 pixels. Landmarks: right and left eye of the person, nose, right and left mouth corner.
    """

    def __init__(self):
        super().__init__()
        first = {"conv1": nn.Conv2d(3, 16, 3, 2, 1), "conv2": Unit(16, 16)}
        self.backbone = nn.ModuleDict({"model0": nn.ModuleDict(first)})
        for i in range(1, 6):
            width = 16 if i == 1 else 64
            self.backbone[f"model{i}"] = nn.ModuleDict(
                {"conv1": Unit(width, width), "conv2": Unit(width, 64)}
            )
        self.neck = nn.ModuleDict({"lateral_convs": nn.ModuleList(Unit(64, 64) for _ in STRIDES)})
        heads = {f"multi_level_{name}": self._per_level(width) for name, width in HEADS.items()}
        shared = nn.ModuleList(nn.ModuleList([Unit(64, 64)]) for _ in STRIDES)
        self.bbox_head = nn.ModuleDict({"multi_level_share_convs": shared, **heads})
        self.layers = {f"stride{stride}": Layer(64, stride) for stride in STRIDES}
        self.layers |= {f"head{stride}": Layer(sum(HEADS.values()), stride) for stride in STRIDES}

    @staticmethod
    def _per_level(width: int) -> nn.ModuleList:
        return nn.ModuleList(Unit(64, width, relu=False) for _ in STRIDES)

    def walk(self, images: Tensor, halve: None = None) -> Iterator[tuple[str, Tensor]]:
        first = self.backbone["model0"]
        x = F.max_pool2d(first["conv2"](F.relu(first["conv1"](images))), 2)
        maps = []
        for i in range(1, 6):
            stage = self.backbone[f"model{i}"]
            x = stage["conv2"](stage["conv1"](x))
            if i >= 3:
                maps.append(x)
            if i in (2, 3, 4):
                x = F.max_pool2d(x, 2)
        lateral = self.neck["lateral_convs"]
        for i in (2, 1, 0):
            maps[i] = lateral[i](maps[i])
            if i:
                maps[i - 1] = maps[i - 1] + F.interpolate(maps[i], scale_factor=2.0)
        for stride, x in zip(STRIDES, maps, strict=True):
            yield f"stride{stride}", x
        for i, (stride, x) in enumerate(zip(STRIDES, maps, strict=True)):
            x = self.bbox_head["multi_level_share_convs"][i][0](x)
            yield (
                f"head{stride}",
                torch.cat([self.bbox_head[f"multi_level_{name}"][i](x) for name in HEADS], 1),
            )

    @staticmethod
    def translate(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The convolutions of the published ONNX file come in the order of the walk and have no names of their own."""
        if "conv0.weight" not in state:
            return state
        backbone = [f"model{i}.{unit}" for i in range(6) for unit in ("conv1", "conv2")]
        units = [f"backbone.{name}" for name in backbone[1:]]
        units += [f"neck.lateral_convs.{i}" for i in (2, 1, 0)]
        units += [f"bbox_head.multi_level_share_convs.{i}.0" for i in range(3)]
        units += [
            f"bbox_head.multi_level_{name}.{i}" for name in ("cls", "bbox", "obj", "kps") for i in range(3)
        ]
        names = [
            "backbone.model0.conv1",
            *(f"{unit}.{conv}" for unit in units for conv in ("conv1", "conv2")),
        ]
        parts = [(name, kind) for name in names for kind in ("weight", "bias")]
        return {f"{name}.{kind}": state[f"conv{k // 2}.{kind}"] for k, (name, kind) in enumerate(parts)}

    @staticmethod
    def boxes(head: Tensor, cells: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes [B, M, 4] in pixels, scores [B, M, 1], landmarks [B, M, 5, 2] of a head [B, M, 16] at cells [M, 2]."""
        box, scores, points = head.split([4, 2, 10], -1)
        centre, size = (box[..., :2] + cells) * stride, box[..., 2:].exp() * stride
        landmarks = (points.unflatten(-1, (5, 2)) + cells[:, None]) * stride
        corners = torch.cat([centre - size / 2, centre + size / 2], -1)
        return corners, scores.sigmoid().prod(-1, keepdim=True).sqrt(), landmarks
