"""MobileNetV2 (Sandler et al. 2018) as TensorFlow runs it, and DeepLabV3 (Chen et al. 2017) on top of it. Batch norms
are folded into the convolutions; names of tensors as in torchvision, without the batch norms."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Halvings, Layer, Net

__all__ = ["DeepLab", "MobileNetV2", "SameConv"]

# expansion, channels, blocks, stride of the first
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: an odd pixel goes right and below."""

    def __init__(
        self, channels: int, width: int, size: int = 1, stride: int = 1, groups: int = 1, dilation: int = 1
    ):
        super().__init__(channels, width, size, stride, groups=groups, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self._padded(x, self.stride)

    def everywhere(self, x: Tensor) -> Tensor:
        """Without the stride."""
        return self._padded(x, (1, 1))

    def _padded(self, x: Tensor, stride: tuple[int, ...]) -> Tensor:
        reach = (self.kernel_size[0] - 1) * self.dilation[0] + 1
        down, right = (
            max(0, (-(-side // stride[0]) - 1) * stride[0] + reach - side) for side in x.shape[-2:]
        )
        border = (right // 2, right - right // 2, down // 2, down - down // 2)
        if border[0] == border[1] == border[2] == border[3]:
            return F.conv2d(x, self.weight, self.bias, stride, border[0], self.dilation, self.groups)
        return F.conv2d(F.pad(x, border), self.weight, self.bias, stride, 0, self.dilation, self.groups)


class Inverted(nn.Module):
    """Expand, filter each channel, project; ReLU6 after the first two."""

    def __init__(self, channels: int, width: int, expansion: int, stride: int, dilation: int):
        super().__init__()
        hidden = channels * expansion
        expand = [] if expansion == 1 else [nn.Sequential(SameConv(channels, hidden))]
        filtered = nn.Sequential(SameConv(hidden, hidden, 3, stride, hidden, dilation))
        self.conv = nn.ModuleList([*expand, filtered, SameConv(hidden, width)])
        self.residual = stride == 1 and channels == width

    def expand(self, x: Tensor) -> Tensor:
        return F.relu6(self.conv[0](x)) if len(self.conv) == 3 else x

    def project(self, x: Tensor, expanded: Tensor, halve: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        conv = self.conv[-2][0]
        y = F.relu6(conv(expanded)) if halve is None else halve(F.relu6(conv.everywhere(expanded)))
        y = self.conv[-1](y)
        return x + y if self.residual else y


class MobileNetV2(Net):
    """Layers "stem", "block1" .. "block17" (linear), before each but the first its "expand2" .. "expand17" (ReLU6),
    then "head" (ReLU6), "pool" and "logits" of the 1000 classes of ImageNet.

    Source: arXiv 1801.04381, table 2, width 1.0. Sizes are multiples of 32 pixels.

    Args:
        stride: 32, or 16 for dense prediction: the last stages keep the size and dilate instead.
        classes: 0 stops at "block17".
    """

    def __init__(self, stride: int = 32, classes: int = 1000):
        super().__init__()
        features: list[nn.Module] = [nn.Sequential(SameConv(3, 32, 3, 2))]
        self.layers = {"stem": Layer(32, 2)}
        channels, now, dilation = 32, 2, 1
        for expansion, width, count, first in STAGES:
            for i in range(count):
                if expansion > 1:
                    self.layers[f"expand{len(features)}"] = Layer(channels * expansion, now)
                step = first if i == 0 else 1
                filtered = dilation
                if now * step > stride:
                    step, dilation = 1, 2 * dilation
                now *= step
                features.append(Inverted(channels, width, expansion, step, filtered))
                channels = width
                self.layers[f"block{len(features) - 1}"] = Layer(width, now)
        if classes:
            features.append(nn.Sequential(SameConv(channels, 1280)))
            self.classifier = nn.ModuleDict({"1": nn.Linear(1280, classes)})
            self.layers |= {
                "head": Layer(1280, now),
                "pool": Layer(1280, None),
                "logits": Layer(classes, None),
            }
        self.features = nn.ModuleList(features)
        self.classes = classes
        self.halvings = tuple(2**k for k in range(now.bit_length() - 1))

    def halved(self, x: Tensor, stride: int) -> Tensor:
        return x[..., 1::2, 1::2]  # "SAME" pads right and below only

    def _stride_before(self, block: int) -> int:
        return self.layers["stem" if block == 1 else f"block{block - 1}"].stride

    def walk(self, images: Tensor, halve: Halvings | None = None) -> Iterator[tuple[str, Tensor]]:
        own = halve or {}
        stem = self.features[0][0]
        x = own[1](F.relu6(stem.everywhere(images))) if 1 in own else F.relu6(stem(images))
        yield "stem", x
        for i, block in enumerate(self.features[1:18], 1):
            expanded = block.expand(x)
            if i > 1:
                yield f"expand{i}", expanded
            strided = self.layers[f"block{i}"].stride > self._stride_before(i)
            x = block.project(x, expanded, own.get(self._stride_before(i)) if strided else None)
            yield f"block{i}", x
        if self.classes:
            x = F.relu6(self.features[18](x))
            yield "head", x
            x = x.mean((2, 3))
            yield "pool", x
            yield "logits", self.classifier["1"](x)


class DeepLab(MobileNetV2):
    """The layers of MobileNetV2 at stride 16 up to "block17", then "logits" of background and 20 classes of Pascal VOC.

    Source: arXiv 1706.05587 with picture-level pooling and one 1x1 branch. "logits" are at stride 16; enlarge
    them bilinearly with aligned corners to the size of the input.
    """

    def __init__(self):
        super().__init__(stride=16, classes=0)
        self.image_pooling, self.aspp0 = nn.Conv2d(320, 256, 1), nn.Conv2d(320, 256, 1)
        self.concat_projection, self.logits = nn.Conv2d(512, 256, 1), nn.Conv2d(256, 21, 1)
        self.layers["logits"] = Layer(21, 16)

    def walk(self, images: Tensor, halve: Halvings | None = None) -> Iterator[tuple[str, Tensor]]:
        for name, x in super().walk(images, halve):
            yield name, x
        whole = F.relu(self.image_pooling(x.mean((2, 3), keepdim=True))).expand(-1, -1, *x.shape[-2:])
        x = F.relu(self.concat_projection(torch.cat([whole, F.relu(self.aspp0(x))], 1)))
        yield "logits", self.logits(x)
