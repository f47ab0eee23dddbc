"""What of a net's maps does not depend on where one looks: everything below the first eccentric pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.backbones import Backbone
from gazekit.backbones.backbone import Halvings
from gazekit.models.visual_search.probe import reach_of

__all__ = ["SLOPES", "Early", "Lower", "filled"]

SLOPES = {4: 0.07, 8: 0.16, 16: 0.32}
"""Stride of a halving to the growth of its windows with eccentricity; those below are not eccentric (Gupta et al.)."""
AT_ONCE = 2
"""Pictures whose first maps are computed together: those of VGG16 take 0.4 GB for one of 615 px."""


@dataclass
class Early:
    """What does not depend on the fixation.

    Attributes:
        maps: of the layers at the first halving by name, and by number those that the halving takes, each
            [B, C, h, w].
        start: place of the picture's left and upper edge to the first place of the maps; not above 0.
        picture: [B, 3, H, W] prepared, for `Trunk.erase`.
        background: [3] prepared.
    """

    maps: dict[str | int, Tensor]
    start: int
    picture: Tensor
    background: Tensor


class Lower:
    """A backbone as a stream of eccNET, up to the maps that its first eccentric pooling takes. `Trunk` goes on.

    Args:
        backbone: a net with `halvings`.
        layers: maps that are asked for, from stride 4 on, ascending.
        stride: to which all of them are pooled.
        eccentric: average pooling with windows that grow with eccentricity in place of the net's halvings; False
            leaves the net as it is.
        px_per_dva: of the pictures.
    Raises:
        ValueError: the net has no halvings that can be replaced, or a layer no such stride.
    """

    def __init__(
        self, backbone: Backbone, layers: Sequence[str], stride: int, eccentric: bool, px_per_dva: float = 30
    ) -> None:
        self.net, self.layers, self.stride, self.px_per_dva = backbone.net, tuple(layers), stride, px_per_dva
        self.eccentric = eccentric
        how = backbone.preprocessing
        self._mean, self._std, self._bgr = (
            torch.tensor(how.mean),
            torch.tensor(how.std),
            how.channels == "bgr",
        )
        self.layer_strides = self._checked(backbone.name)
        self.first = min(SLOPES)
        last = max(self.layer_strides.values())
        self.strides = tuple(s for s in self.net.halvings if self.first <= s < last) or (self.first,)
        self.reach = reach_of(self.net, self.layers, self.strides)
        self.align = max(stride, last, 2 * self.first)
        self._constants: dict[tuple[float, ...], dict[str | int, list[Tensor]]] = {}

    def _checked(self, name: str) -> dict[str, int]:
        if not self.net.halvings:
            raise ValueError(f"{name} has no poolings or strides that eccentric pooling could replace; expected a "
                             "convolutional net such as mobilenet_v2, squeezenet1_0, vgg16, resnet50")  # fmt: skip
        strides = {}
        for layer in self.layers:
            found = self.net.layers.get(layer)
            if found is None or found.stride is None or not min(SLOPES) <= found.stride <= self.stride:
                known = ", ".join(
                    n
                    for n, l in self.net.layers.items()
                    if l.stride and min(SLOPES) <= l.stride <= self.stride
                )
                raise ValueError(
                    f"{name} has no layer {layer!r} of stride 4 to {self.stride}, expected some of: {known}"
                )
            strides[layer] = found.stride
        if list(strides.values()) != sorted(strides.values()):
            raise ValueError(f"layers must be given from fine to coarse, got {', '.join(self.layers)}")
        return strides

    def prepared(self, pictures: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] to [B, 3, H, W] as the net takes it, at its size."""
        x = pictures.permute(0, 3, 1, 2).float()
        x = x.flip(1) if self._bgr else x
        return (x - self._mean[:, None, None] * 255) / (self._std[:, None, None] * 255)

    def early(self, pictures: Tensor, background: Tensor) -> Early:
        """The maps below the first eccentric pooling.

        Args:
            pictures: uint8 [B, H, W, 3] of one size.
            background: uint8 [3], around all of them.
        """
        picture = self.prepared(pictures)
        colour = self.prepared(background.view(1, 1, 1, 3))[0, :, 0, 0]
        low, high = self.reach.first
        start = -(high // self.first)
        stop = [(side - 1 - low) // self.first + 1 for side in picture.shape[-2:]]
        count = stop[0] - start, stop[1] - start
        parts = [self._early_maps(p, colour, (start, start), count) for p in picture.split(AT_ONCE)]
        maps = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return Early(maps, start, picture, colour)

    def erase(self, early: Early, rows: Tensor, boxes_px: Tensor) -> None:
        """Paint one box of some pictures with the background, and compute anew what depends on it.

        Args:
            rows: [R] which pictures.
            boxes_px: [R, 4] x_min, y_min, x_max, y_max of equal sizes.
        """
        low, high = self.reach.first
        s = self.first  # at most a batch's boxes, each a small patch of its own alignment
        for row, (x0, y0, x1, y1) in zip(rows.tolist(), boxes_px.tolist(), strict=True):
            early.picture[row, :, y0:y1, x0:x1] = early.background[:, None, None]
            top, left = (max(early.start, -(-(at - high) // s)) for at in (y0, x0))
            size = next(iter(early.maps.values())).shape[-2:]
            below, right = (
                min(n + early.start, (at - 1 - low) // s + 1) for n, at in zip(size, (y1, x1), strict=True)
            )
            fresh = self._early_maps(
                early.picture[row : row + 1], early.background, (top, left), (below - top, right - left)
            )
            at = (
                slice(top - early.start, below - early.start),
                slice(left - early.start, right - early.start),
            )
            for name, x in fresh.items():
                early.maps[name][row, :, *at] = x[0]

    def _early_maps(
        self, picture: Tensor, background: Tensor, start: tuple[int, int], count: tuple[int, int]
    ) -> dict[str | int, Tensor]:
        """Places `start` to `start + count` (rows, columns), 0 being the picture's corner."""
        s, (low, high) = self.first, self.reach.first
        before, after = max(0, -(low // s)), max(0, -(-(high - s + 1) // s))
        cut = [((at - before) * s, (at + n + after) * s) for at, n in zip(start, count, strict=True)]
        patch = filled(background, len(picture), [b - a for a, b in cut])
        inside = [(max(a, 0), min(b, side)) for (a, b), side in zip(cut, picture.shape[-2:], strict=True)]
        (top, below), (left, right) = inside
        if top < below and left < right:
            patch[:, :, top - cut[0][0] : below - cut[0][0], left - cut[1][0] : right - cut[1][0]] = picture[
                :, :, top:below, left:right
            ]
        found = self._until_first(patch)
        rows, columns = (slice(before, before + n) for n in count)
        return {name: x[..., rows, columns] for name, x in found.items()}

    def _until_first(self, images: Tensor) -> dict[str | int, Tensor]:
        found: dict[str | int, Tensor] = {}

        def keep(x: Tensor) -> Tensor:
            found[sum(isinstance(k, int) for k in found)] = x
            return x[..., :4, :4]

        halve = self.plain_below() | {self.first: keep}
        wanted = [n for n, s in self.layer_strides.items() if s == self.first]
        for name, x in self.net.walk(images, halve):
            if name in wanted:
                found[name] = x
            if any(isinstance(k, int) for k in found) and self.net.layers[name].stride != self.first:
                break
        return found

    def plain_below(self) -> Halvings:
        """What takes the place of the halvings below the first eccentric one: average pooling where they pool."""
        pools = self.eccentric and self.net.max_pools  # strides of convolutions are left alone
        return {
            s: partial(F.avg_pool2d, kernel_size=2) for s in self.net.halvings if s < self.first and pools
        }


def filled(values: Tensor, count: int, size: Sequence[int]) -> Tensor:
    """[count, C, *size] of one value per channel."""
    x = torch.empty(count, len(values), *size, dtype=values.dtype, memory_format=torch.channels_last)
    return x.copy_(values[:, None, None])
