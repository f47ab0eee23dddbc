"""How far a net sees: measured, not derived, so that any net of `gazekit.backbones` will do.

One place of a map is made NaN; what depends on it becomes NaN too, whatever the weights are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.backbones import Net

__all__ = ["Reach", "maps_of", "reach_of"]

SIDE = 65  # places of a map in which a spoilt one spreads


@dataclass(frozen=True)
class Reach:
    """What the places of a net's maps depend on.

    Attributes:
        first: first and last pixel that place 0 of the maps at the first halving depends on; place i adds i strides.
        halving: stride of each later halving to how many places away its maps depend on those after the one before.
        layer: each layer after the first halving to the same.
    """

    first: tuple[int, int]
    halving: dict[int, int]
    layer: dict[str, int]


def maps_of(
    net: Net, images: Tensor, layers: Sequence[str], halve: dict[int, Callable[[Tensor], Tensor]]
) -> Iterator[tuple[str, Tensor]]:
    """The layers that are asked for, in the order of the walk, which goes no further than the last of them."""
    left = set(layers)
    for name, x in net.walk(images, halve):
        if name in left:
            left.remove(name)
            yield name, x
            if not left:
                return


@torch.no_grad()
def reach_of(net: Net, layers: Sequence[str], strides: Sequence[int]) -> Reach:
    """Measure a net.

    Args:
        layers: whose maps are wanted.
        strides: of the halvings that are taken over, ascending.
    """
    halving: dict[int, int] = {}
    layer: dict[str, int] = {}
    for stride, after in zip(strides, (*strides[1:], None), strict=True):

        def spoil(x: Tensor) -> Tensor:
            spoilt = x.new_zeros(1, x.shape[1], SIDE, SIDE)
            spoilt[..., SIDE // 2, SIDE // 2] = torch.nan
            return spoilt

        def note(x: Tensor, after: int | None = after) -> Tensor:
            halving[after] = max(halving.get(after, 0), _spread(x))
            return x.nan_to_num()[..., ::2, ::2]

        halve = {stride: spoil} | ({} if after is None else {after: note})
        for name, x in maps_of(net, torch.zeros(1, 3, 64, 64), layers, halve):
            if net.layers[name].stride == 2 * stride:
                layer[name] = _spread(x)
    return Reach(_first_reach(net, layers, strides[0]), halving, layer)


def _spread(x: Tensor) -> int:
    """Places from the spoilt one to the furthest that depends on it."""
    spoilt = x.isnan().any(1).nonzero()[:, 1:]
    return int((spoilt - SIDE // 2).abs().max()) if len(spoilt) else 0


def _first_reach(net: Net, layers: Sequence[str], stride: int) -> tuple[int, int]:
    found: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        found.append(x)
        return F.avg_pool2d(x, 2)

    middle = 32 * stride
    images = torch.zeros(stride, 3, 8 * stride, 64 * stride)
    for k in range(stride):
        images[k, :, :, middle + k] = torch.nan
    for _ in maps_of(net, images, layers, {stride: keep}):
        pass
    low, high = middle, -middle
    for x in found:
        for k, columns in enumerate(x.isnan().any(1).any(1)):
            places = columns.nonzero()[:, 0] * stride
            low, high = min(low, middle + k - int(places.max())), max(high, middle + k - int(places.min()))
    return low, high
