"""Nets that can grow up on a diet: a small one in the manner of eccNET's VGG16, and VGG16."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Halvings, Layer, Net
from gazekit.backbones.preprocessing import IMAGENET, Preprocessing
from gazekit.backbones.vgg import VGG16

__all__ = ["NETS", "SMALL_WIDTHS", "DietNet", "Kind", "grown"]

PLACES = 4  # a side that the logits look at
SMALL_WIDTHS = (24, 48, 96, 128)


class DietNet(Net):
    """Layers "conv1", "pool1", "conv2", ... (after ReLU), and "logits".

    A stage is a 3 x 3 convolution with batch normalisation and ReLU, then average pooling. The picture itself is
    halved first, which spares most of the arithmetic: "conv1" has stride 2, "conv4" 16, "pool4" 32, so "conv2", "conv3"
    and "conv4" are at the strides of blocks 3, 4 and 5 of VGG16. Maps take any size; "logits" pools the last one to
    4 x 4 first.

    Args:
        classes: number of logits.
        widths: channels of each stage.
    """

    def __init__(self, classes: int, widths: Sequence[int] = SMALL_WIDTHS):
        super().__init__()
        self.stages, self.layers, channels = nn.ModuleList(), {}, 3
        for i, width in enumerate(widths, 1):
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            self.stages.append(nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU()))
            self.layers |= {f"conv{i}": Layer(width, 2**i), f"pool{i}": Layer(width, 2 ** (i + 1))}
            channels = width
        self.classifier = nn.Linear(channels * PLACES**2, classes)
        self.layers["logits"] = Layer(classes, None)
        self.halvings = tuple(2**i for i in range(len(widths) + 1))

    def halved(self, x: Tensor, stride: int) -> Tensor:
        """Means of 2 x 2 places; at odd borders of those that there are."""
        return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)

    def walk(self, images: Tensor, halve: Halvings | None = None) -> Iterator[tuple[str, Tensor]]:
        own = {stride: partial(self.halved, stride=stride) for stride in self.halvings} | dict(halve or {})
        x = own[1](images)
        for i, stage in enumerate(self.stages, 1):
            x = stage(x)
            yield f"conv{i}", x
            last, x = x, own[2**i](x)
            yield f"pool{i}", x
        if last.shape[-2:] != (PLACES, PLACES):
            last = F.adaptive_avg_pool2d(last, PLACES)
        yield "logits", self.classifier(last.flatten(1))


class Kind(NamedTuple):
    """A net that can be chosen.

    Args:
        preprocessing: of its pictures.
        layers: that search, from fine to coarse.
    """

    preprocessing: Preprocessing
    layers: tuple[str, str, str]


NETS = {
    "small": Kind(
        Preprocessing((64, 64), "stretch", mean=(0.5,) * 3, std=(0.25,) * 3), ("conv2", "conv3", "conv4")
    ),
    "vgg16": Kind(Preprocessing((224, 224), "crop", 256, **IMAGENET), ("conv3_3", "conv4_3", "conv5_3")),
}


def grown(kind: str, classes: int, seed: int, widths: Sequence[int] = SMALL_WIDTHS) -> Net:
    """A net with random weights and logits of so many classes; the global generator is left alone.

    Args:
        kind: one of `NETS`. VGG16 starts from He's initialisation: it has no normalisation, and does not learn from
            smaller weights.
        widths: of the small net.
    Raises:
        ValueError: an unknown net.
    """
    if kind not in NETS:
        raise ValueError(f"model.net must be one of {', '.join(NETS)}, got {kind!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "small":
            return DietNet(classes, widths)
        net = VGG16()
        net.classifier[6] = nn.Linear(4096, classes)
        net.layers["logits"] = Layer(classes, None)
        for module in net.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)
        return net
