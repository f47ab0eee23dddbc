"""A frozen net whose inner maps have names.

A `Net` is a plain module that walks through its layers in the order in which it computes them and yields each with
its name; a `Backbone` is such a net with weights and preprocessing, and stops the walk after the last layer that it
is asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gazekit.backbones.preprocessing import Preprocessing, prepare

__all__ = ["Backbone", "Halvings", "Layer", "Net"]

Halvings = Mapping[int, Callable[[Tensor], Tensor]]
"""Stride of a map to what halves it in place of the net: [B, C, H, W] to [B, C, ceil(H / 2), ceil(W / 2)]."""


class Layer(NamedTuple):
    """What a net says under one name.

    Args:
        channels: C.
        stride: pixels of the prepared image between neighbours of a map [B, C, H, W]; None: a vector [B, C] of
            the whole image.
    """

    channels: int
    stride: int | None


class Net(nn.Module, ABC):
    """What every net of this room can do.

    Attributes:
        layers: name to `Layer`, in the order of the walk.
        halvings: strides of the maps that a pooling or a strided convolution halves, where `walk` lets another
            operation do that; empty for nets whose halvings are fixed.
        max_pools: whether these halvings are max poolings; else they are strides.
    """

    layers: dict[str, Layer]
    halvings: tuple[int, ...] = ()
    max_pools: bool = False

    def halved(self, x: Tensor, stride: int) -> Tensor:
        """What the net itself does at one of its `halvings`, as an operation that `walk` takes; of even sides.

        Args:
            x: [B, C, H, W] map at this stride.
        """
        raise ValueError(f"{type(self).__name__} has no halvings that can be replaced")

    @abstractmethod
    def walk(self, images: Tensor, halve: Halvings | None = None) -> Iterator[tuple[str, Tensor]]:
        """Layer after layer of prepared images [B, 3, H, W]; what is not asked for is not computed.

        Args:
            halve: for nets with `halvings`, operations that replace some of them. A pooling is exchanged as it is; a
                strided convolution is computed at every place, with its nonlinearity, and the operation halves that.
        """

    @staticmethod
    def translate(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of published files under the names of this net; as they are where the names are the same."""
        return state


class Backbone:
    """A frozen net: `backbone(backbone.preprocess(images))` gives maps by name.

    It is no module on purpose: a system that holds one does not save its weights again, and names them by their
    checksum (`recipe`). A system that wants to train the net takes `backbone.net`.

    Args:
        name: see `gazekit.backbones.NAMES`.
        net: with its weights; it is frozen here.
        preprocessing: what the net expects.
        layers: names of the layers to return; None for all.
        weights_sha256: what the recipe calls the weights.
    Attributes:
        layers: the chosen layers, name to `Layer`.
        recipe: plain values that tell these maps from all others: name, layers, weights, preprocessing.
    Raises:
        ValueError: a layer that the net does not have.
    """

    def __init__(
        self,
        name: str,
        net: Net,
        preprocessing: Preprocessing,
        layers: Sequence[str] | None = None,
        weights_sha256: str = "random",
    ):
        unknown = sorted(set(layers or ()) - set(net.layers))
        if unknown:
            raise ValueError(
                f"{name} has no layer {', '.join(unknown)}, expected some of: {', '.join(net.layers)}"
            )
        self.name, self.net, self.preprocessing = name, net.eval().requires_grad_(False), preprocessing
        wanted = net.layers if layers is None else layers
        self.layers = {layer: net.layers[layer] for layer in wanted}
        self.recipe: dict[str, Any] = {
            "name": name,
            "layers": list(self.layers),
            "weights": weights_sha256,
            "preprocessing": preprocessing.plain(),
        }

    @property
    def device(self) -> torch.device:
        """Where the net is."""
        return next(self.net.parameters()).device

    def to(self, device: str | torch.device) -> Backbone:
        """The same backbone, moved."""
        self.net.to(device)
        return self

    def preprocess(self, images: Any) -> Tensor:
        """Pictures as the net expects them, on its device.

        Args:
            images: uint8 RGB [B, H, W, 3], array or tensor, or a sequence of [H, W, 3] that may differ in size.
        Returns:
            [B, 3, H, W] float32.
        Raises:
            ValueError: no pictures, or not of this shape. TypeError: not uint8.
        """
        return prepare(images, self.preprocessing, self.device)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """The chosen layers of prepared images [B, 3, H, W]; sizes may differ from those of `preprocess` where the
        net allows. Gradients reach the images, never the weights."""
        found: dict[str, Tensor] = {}
        for layer, value in self.net.walk(images):
            if layer in self.layers:
                found[layer] = value
                if len(found) == len(self.layers):
                    break
        return {layer: found[layer] for layer in self.layers}

    def __repr__(self) -> str:
        return f"Backbone({self.name!r}, layers={list(self.layers)}, weights={self.recipe['weights'][:12]!r})"
