"""Frozen nets in two parts: a stem that is shared by all that is seen of a picture, and a tail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.backbones import Backbone, load_backbone
from gazekit.backbones.squeezenet import FIRES, POOLS

__all__ = ["CUTS", "TaskNet"]

CUTS = {
    "mobilenet_v2": ("block6", "block13"),
    "squeezenet1_0": ("fire4", "fire8"),
    "vit_tiny": ("block3", "block8"),
}
"""Where each net is cut: after its early layers, and late, where the tail costs a tenth of the net."""

Maps = tuple[Tensor, ...]


class TaskNet:
    """A frozen net, `net(images)`, that is `net.tail(net.stem(images))` where it can be cut.

    Args:
        name: of `gazekit.backbones`.
        weights: see `load_backbone`.
        layer: what the net says: "logits" of a classifier, "embedding" of CLIP.
        size_px: side of the square to which pictures are stretched; CLIP takes 224 only.
    Attributes:
        backbone: the net, with its `preprocess`.
        cut: whether it has a stem and a tail.
    """

    def __init__(
        self, name: str, weights: str | Path | None = None, layer: str = "logits", size_px: int = 224
    ) -> None:
        self.backbone: Backbone = load_backbone(name, weights, [layer], (size_px, size_px))
        self.backbone.net.to(memory_format=torch.channels_last)  # convolutions are a third faster on a CPU
        self.name, self.layer = name, layer
        self.cut = name in CUTS and layer == "logits"

    def __call__(self, images: Tensor) -> Tensor:
        return self.backbone(_channels_last(images))[self.layer]

    def stem(self, images: Tensor) -> list[Maps]:
        """Maps [B, C, h, w] at each cut; the class token of a transformer is a map of one place.

        Raises:
            ValueError: a net that is not cut.
        """
        if not self.cut:
            raise ValueError(f"{self.name} has no shared stem; nets that have one: {', '.join(CUTS)}")
        found: dict[str, Tensor] = {}
        last = CUTS[self.name][-1]
        last = f"{last}.class" if f"{last}.class" in self.backbone.net.layers else last
        for name, value in self.backbone.net.walk(_channels_last(images)):
            if name.removesuffix(".class") in CUTS[self.name]:
                found[name] = value if value.dim() == 4 else value[..., None, None]
            if name == last:
                break
        return [
            tuple(found[name] for name in (cut, f"{cut}.class") if name in found) for cut in CUTS[self.name]
        ]

    def tail(self, maps: Maps, cut: int) -> Tensor:
        """What the net says, from the maps of `stem` at one cut."""
        number = int(CUTS[self.name][cut].strip("blockfire"))
        return _TAILS[self.name](self.backbone.net, number, *maps)


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _mobilenet(net: torch.nn.Module, number: int, x: Tensor) -> Tensor:
    for block in net.features[number + 1 : 18]:
        x = block.project(x, block.expand(x))
    return net.classifier["1"](F.relu6(net.features[18](x)).mean((2, 3)))


def _squeezenet(net: torch.nn.Module, number: int, x: Tensor) -> Tensor:
    for i, (fire, *_) in FIRES.items():
        if fire > number:
            x = net.features[str(i)](net.halved(x, 0) if i - 1 in POOLS else x)
    return F.relu(net.classifier["1"](x)).mean((2, 3))


def _vit(net: torch.nn.Module, number: int, patches: Tensor, first: Tensor) -> Tensor:
    x = torch.cat([first.flatten(2), patches.flatten(2)], 2).transpose(1, 2)
    for block in net.blocks[number + 1 :]:
        x = block(x)
    return net.head(net.norm(x)[:, 0])


_TAILS: dict[str, Callable[..., Tensor]] = {
    "mobilenet_v2": _mobilenet,
    "squeezenet1_0": _squeezenet,
    "vit_tiny": _vit,
}
