"""How much of an endless canvas has to be computed around a picture, at each depth of a net.

Around the picture lies its background, without an end. There a map has one constant value per channel, so that only
places that depend on the picture, and of these only those that are asked for, are computed. Margins are in pixels
beyond the picture on each side and multiples of `align`, the coarsest stride.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gazekit.models.visual_search.probe import Reach

__all__ = ["Plan", "plan_of"]


@dataclass(frozen=True)
class Plan:
    """Margins of a net's maps.

    Attributes:
        align: pixels; regions start at multiples of it on the canvas.
        pooled: stride of a halving to the margin of its result, from which the next layers are computed.
        layer: margin of the layers that are asked for.
    """

    align: int
    pooled: dict[int, int]
    layer: int


def plan_of(
    reach: Reach,
    strides: Sequence[int],
    layer_strides: Mapping[str, int],
    windows: Mapping[int, int],
    align: int,
) -> Plan:
    """The smallest margins that give exact maps on the picture and `align` pixels around it.

    Args:
        strides: of the halvings that are taken over, ascending.
        windows: stride of a halving to its largest window, places.
    """
    needed = {}
    beyond = 0  # that the later halving asks for
    for k in reversed(range(len(strides))):
        stride = 2 * strides[k]
        own = [align + reach.layer.get(n, 0) * stride for n, s in layer_strides.items() if s == stride]
        needed[strides[k]] = max([*own, beyond])
        later = reach.halving.get(strides[k], 0) * strides[k]
        beyond = needed[strides[k]] + (windows[strides[k]] + 2) * strides[k] + later
    pooled = {}
    differs = max(-reach.first[0], reach.first[1]) + strides[0]  # where the picture has an influence
    for k, halving in enumerate(strides):
        stride = 2 * halving
        differs += (windows[halving] + 2) * halving
        following = strides[k + 1] if k + 1 < len(strides) else None
        radius = max(
            [
                reach.halving.get(following, 0),
                *(reach.layer.get(n, 0) for n, s in layer_strides.items() if s == stride),
            ]
        )
        pooled[halving] = _up(min(needed[halving], differs + 2 * radius * stride), align)
        differs += radius * stride
    return Plan(align, pooled, align)


def _up(value: int, align: int) -> int:
    return -(-value // align) * align
