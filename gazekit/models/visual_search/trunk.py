"""Maps of a net as seen from a fixation: what lies below the first eccentric pooling is computed once per picture, the
rest at each fixation, and only where the picture makes a difference (see `plan`).

A fixation is the centre of a square canvas, on which eccentricity is defined. The canvas has no border: beyond it the
background goes on. The picture lies on it at multiples of the first halving's stride.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.backbones import Backbone
from gazekit.backbones.backbone import Halvings
from gazekit.kernels.foveate import eccentric_avg_pool2d, eccentric_windows
from gazekit.models.visual_search.plan import plan_of
from gazekit.models.visual_search.probe import maps_of, reach_of

__all__ = ["MARGIN_PX", "SLOPES", "Early", "Trunk"]

SLOPES = {4: 0.07, 8: 0.16, 16: 0.32}
"""Stride of a halving to the growth of its windows with eccentricity; those below are not eccentric (Gupta et al.)."""
MARGIN_PX = 64
"""Of the canvas around the picture when a corner is fixated."""

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


class Trunk:
    """One stream of eccNET over a backbone.

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

    # what does not depend on the fixation

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
        patch = _filled(background, len(picture), [b - a for a, b in cut])
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

    # what does

    def canvas_px(self, height: int, width: int) -> int:
        """Side of the canvas: 2 (R + 64) as published, rounded up so that maps of all strides fit on it."""
        side = 2 * (max(height, width) + MARGIN_PX)
        return -(-side // self.align) * self.align

    def at(self, early: Early, rows: Tensor, fixation_xy_px: Tensor) -> tuple[list[Tensor], Tensor]:
        """The layers of some pictures, each as seen from one fixation.

        Args:
            rows: [R] which pictures.
            fixation_xy_px: [R, 2] pixels of the pictures.
        Returns:
            Maps [R, C, h, w] at `stride`, and [R, 2] the picture's pixel (x, y) at the corner of their place 0.
        """
        height, width = early.picture.shape[-2:]
        canvas = self.canvas_px(height, width)
        offset = ((canvas / 2 - fixation_xy_px) / self.first).round().long() * self.first  # of the picture
        windows = {}
        for s in self.strides:
            if self.eccentric:
                side = canvas // s
                windows[s] = eccentric_windows(side, side, round(self.px_per_dva / s), SLOPES[s])[0]
        return self._late(early, rows, offset, windows)

    def plain(self, early: Early) -> tuple[list[Tensor], Tensor]:
        """The layers of pictures that are not looked at from anywhere, such as targets: no window grows."""
        offset = torch.zeros(len(early.picture), 2, dtype=torch.long)
        windows = {s: torch.full((1, 1), 2) for s in self.strides} if self.eccentric else {}
        return self._late(early, torch.arange(len(offset)), offset, windows)

    def _late(
        self, early: Early, rows: Tensor, offset: Tensor, windows: dict[int, Tensor]
    ) -> tuple[list[Tensor], Tensor]:
        size = {s: int(windows[s].max()) if s in windows else 3 for s in self.strides}
        plan = plan_of(self.reach, self.strides, self.layer_strides, size, self.align)
        base = offset // self.align * self.align  # of the regions, before their margins
        extent = [
            -(-(side + self.align - self.first) // self.align) * self.align
            for side in early.picture.shape[-2:]
        ]
        constants = self._background_maps(early.background)
        placed = partial(
            self._placed,
            rows=rows.tolist(),
            start=early.start,
            shift=(offset - base) // self.first,
            extent=extent,
        )
        found = {}
        calls = {s: iter(range(9)) for s in self.strides}
        valid: dict[int, int] = {}  # stride of the maps to the margin in which they are exact

        def halve(x: Tensor, s: int) -> Tensor:
            call = next(calls[s])
            constant = constants[s][call]
            # what is pooled: where the picture matters, if that is less than what is wanted, and a window around it
            margin = min(plan.differs[s], plan.pooled[s]) + (size[s] + 2) * s
            margin = -(-margin // self.align) * self.align
            if s == self.first:
                x = placed(early.maps[call], margin=margin, constant=constant)
            else:
                x = _resized(x, constant, (margin - valid[s]) // s, self.reach.halving[s])
            if s in windows:
                x = eccentric_avg_pool2d(x, self._cut_windows(windows[s], base - margin, x, s))
            else:
                x = self.net.halved(x, s)
            valid[2 * s] = plan.pooled[s]
            x = _resized(x, constant, (plan.pooled[s] - margin) // (2 * s))
            return x.contiguous(memory_format=torch.channels_last)

        take = {s: partial(halve, s=s) for s in self.strides}
        for name in (n for n, s in self.layer_strides.items() if s == self.first):
            found[name] = placed(early.maps[name], margin=plan.layer, constant=constants[name][0])
        dummy = early.picture.new_zeros(1, 3, 64, 64)
        for name, x in maps_of(self.net, dummy, self.layers, take):
            s = self.layer_strides[name]
            if s > self.first:
                found[name] = _resized(
                    x, constants[name][0], (plan.layer - valid[s]) // s, self.reach.layer[name]
                )
        return [self.pooled(found[n], self.layer_strides[n]) for n in self.layers], base - plan.layer - offset

    def pooled(self, x: Tensor, stride: int) -> Tensor:
        """A map at `stride` of its own, brought to that of the trunk by plain poolings."""
        factor = self.stride // stride
        pool = F.max_pool2d if self.net.max_pools and not self.eccentric else F.avg_pool2d
        return pool(x, factor) if factor > 1 else x

    def _placed(
        self,
        x: Tensor,
        rows: list[int],
        start: int,
        shift: Tensor,
        extent: list[int],
        margin: int,
        constant: Tensor,
    ) -> Tensor:
        """Early maps in their regions, the background around them."""
        s = self.first
        region = _filled(constant, len(rows), [(side + 2 * margin) // s for side in extent])
        corners = (shift + margin // s + start).tolist()
        for k, (at, (column, row)) in enumerate(zip(rows, corners, strict=True)):  # copies of whole blocks
            top, left = max(0, -row), max(0, -column)
            own = x[at, :, top:, left:]
            room = region[
                k, :, row + top : row + top + own.shape[1], column + left : column + left + own.shape[2]
            ]
            room.copy_(own[:, : room.shape[1], : room.shape[2]])
        return region

    def _cut_windows(self, windows: Tensor, corner: Tensor, x: Tensor, stride: int) -> Tensor:
        """[B or 1, h, w] windows of regions on the canvas; beyond it those at its border go on."""
        if (corner == corner[:1]).all():
            corner = corner[:1]
        first = corner // (2 * stride)
        column, row = (
            (first[:, k, None] + torch.arange(x.shape[3 - k] // 2)).clamp(0, windows.shape[1 - k] - 1)
            for k in (0, 1)
        )
        return windows[row[:, :, None], column[:, None, :]]

    def _background_maps(self, background: Tensor) -> dict[str | int, list[Tensor]]:
        """[C] of each layer, and of the maps at each halving in their order, on an endless background."""
        key = tuple(background.tolist())
        if key not in self._constants:
            found: dict[str | int, list[Tensor]] = {}

            def keep(x: Tensor, s: int) -> Tensor:
                found.setdefault(s, []).append(_middle(x))
                return F.avg_pool2d(x, 2)  # of equal values

            halve = self.plain_below() | {s: partial(keep, s=s) for s in self.strides}
            for name, x in maps_of(self.net, _filled(background, 1, (768, 768)), self.layers, halve):
                found[name] = [_middle(x)]
            self._constants[key] = found
        return self._constants[key]


def _middle(x: Tensor) -> Tensor:
    return x[0, :, x.shape[2] // 2, x.shape[3] // 2].clone()


def _filled(values: Tensor, count: int, size: Sequence[int]) -> Tensor:
    """[count, C, *size] of one value per channel."""
    x = torch.empty(count, len(values), *size, dtype=values.dtype, memory_format=torch.channels_last)
    return x.copy_(values[:, None, None])


def _resized(x: Tensor, constant: Tensor | None, grow: int, spoilt: int = 0) -> Tensor:
    """Add `grow` places on each side, or take them away; `spoilt` outer ones are replaced by the background too."""
    cut = max(spoilt, -grow)
    x = x[..., cut : x.shape[2] - cut, cut : x.shape[3] - cut]
    grow += cut
    if grow == 0:
        return x
    region = _filled(constant, len(x), [side + 2 * grow for side in x.shape[-2:]])
    region[..., grow : grow + x.shape[2], grow : grow + x.shape[3]] = x
    return region
