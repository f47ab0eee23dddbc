"""A small net in the manner of eccNET's VGG16: stages of convolutions, each followed by an average pooling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Halvings, Layer, Net

__all__ = ["DietNet", "halved"]

PLACES = 4  # a side that the logits look at


class DietNet(Net):
    """Layers "conv1", "pool1", "conv2", ... (after ReLU), and "logits".

    The picture itself is halved first, which spares most of the arithmetic: "conv1" has stride 2, "conv4" 16, "pool4" 32,
    so "conv2", "conv3", "conv4" lie where blocks 3, 4 and 5 of VGG16 do. Maps take any size from 2 to the number of
    stages + 1 on.

    Args:
        classes: number of logits.
        widths: channels of each stage.
        depth: convolutions of each stage, with batch normalisation.
    """

    def __init__(self, classes: int, widths: Sequence[int] = (24, 48, 96, 128), depth: int = 1):
        super().__init__()
        self.stages = nn.ModuleList()
        self.layers, channels = {}, 3
        for i, width in enumerate(widths, 1):
            modules: list[nn.Module] = []
            for _ in range(depth):
                modules += [
                    nn.Conv2d(channels, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                channels = width
            self.stages.append(nn.Sequential(*modules))
            self.layers |= {f"conv{i}": Layer(width, 2**i), f"pool{i}": Layer(width, 2 ** (i + 1))}
        self.classifier = nn.Linear(channels * PLACES**2, classes)
        self.layers["logits"] = Layer(classes, None)
        self.halvings = tuple(2**i for i in range(len(widths) + 1))

    def walk(self, images: Tensor, halve: Halvings | None = None) -> Iterator[tuple[str, Tensor]]:
        own = halve or {}
        x = own.get(1, halved)(images)
        for i, stage in enumerate(self.stages, 1):
            x = stage(x)
            yield f"conv{i}", x
            last, x = x, own.get(2**i, halved)(x)
            yield f"pool{i}", x
        yield "logits", self.classifier(F.adaptive_avg_pool2d(last, PLACES).flatten(1))


def halved(x: Tensor) -> Tensor:
    """Means of 2 x 2 places; at odd borders of those that there are."""
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
