"""Nets that learn behind a perceptual system: a small one, and the two of the paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gazekit.backbones.preprocessing import IMAGENET
from gazekit.backbones.resnet import ResNet

__all__ = ["NETS", "SMALL_WIDTHS", "SmallNet", "grown"]

SMALL_WIDTHS = (16, 32, 64, 96)
NETS = ("small", "alexnet", "resnet18")


class SmallNet(nn.Sequential):
    """Convolutions of stride 2 (5 x 5, then 3 x 3) with batch normalisation and ReLU, 4 x 4 places, a linear layer.

    The first layer sees every pixel, so that nothing is lost of high frequencies before the net begins.

    Args:
        classes: number of logits.
        widths: channels of each convolution.
    """

    def __init__(self, classes: int, widths: Sequence[int] = SMALL_WIDTHS):
        layers: list[nn.Module] = []
        channels = 3
        for k, width in enumerate(widths):
            size = 3 if k else 5
            layers += [
                nn.Conv2d(channels, width, size, stride=2, padding=size // 2, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            channels = width
        super().__init__(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, classes))


def alexnet(classes: int) -> nn.Sequential:
    """AlexNet in its one-tower form (Krizhevsky 2014, arXiv 1404.5997), with dropout."""
    convolutions: list[nn.Module] = []
    for inputs, width, size, stride, padding, pools in (
        (3, 64, 11, 4, 2, True),
        (64, 192, 5, 1, 2, True),
        (192, 384, 3, 1, 1, False),
        (384, 256, 3, 1, 1, False),
        (256, 256, 3, 1, 1, True),
    ):
        convolutions += [nn.Conv2d(inputs, width, size, stride, padding), nn.ReLU()]
        convolutions += [nn.MaxPool2d(3, 2)] if pools else []
    full = [
        nn.Dropout(),
        nn.Linear(256 * 36, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
    ]
    return nn.Sequential(
        *convolutions, nn.AdaptiveAvgPool2d(6), nn.Flatten(), *full, nn.Linear(4096, classes)
    )


class Normalised(nn.Module):
    """A net that takes pictures [B, 3, S, S] from 0 to 255."""

    def __init__(self, net: nn.Module, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.net = net
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None] * 255, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, classes]."""
        return self.net((pictures - self.mean) / self.std)


class ResNetLogits(nn.Module):
    """The logits of a residual net."""

    def __init__(self, classes: int):
        super().__init__()
        self.net = ResNet("basic", (2, 2, 2, 2))
        self.net.fc = nn.Linear(self.net.fc.in_features, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        *_, (_, logits) = self.net.walk(pictures)
        return logits


def grown(kind: str, classes: int, seed: Sequence[int], widths: Sequence[int] = SMALL_WIDTHS) -> Normalised:
    """A net with random weights; the global generator is left alone.

    Args:
        kind: one of `NETS`.
        seed: numbers; equal ones give equal weights.
        widths: of the small net.
    Raises:
        ValueError: an unknown net.
    """
    if kind not in NETS:
        raise ValueError(f"model.net must be one of {', '.join(NETS)}, got {kind!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        if kind == "small":
            return Normalised(SmallNet(classes, widths), (0.5,) * 3, (0.25,) * 3)
        net = alexnet(classes) if kind == "alexnet" else ResNetLogits(classes)
        return Normalised(net, **IMAGENET)
