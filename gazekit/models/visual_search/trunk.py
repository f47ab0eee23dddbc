"""Maps of a net as seen from a fixation: what lies below the first eccentric pooling is computed once per picture, the
rest at each fixation, and only where the picture makes a difference (see `plan`).

A fixation is the centre of a square canvas, on which eccentricity is defined. The canvas has no border: beyond it the
background goes on. The picture lies on it at multiples of the first halving's stride.
"""

from __future__ import annotations

from functools import partial
from itertools import count

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.kernels.foveate import eccentric_avg_pool2d, eccentric_windows
from gazekit.models.visual_search.lower import SLOPES, Early, Lower, filled
from gazekit.models.visual_search.plan import plan_of
from gazekit.models.visual_search.probe import maps_of

__all__ = ["MARGIN_PX", "SLOPES", "Early", "Trunk"]

MARGIN_PX = 64
"""Of the canvas around the picture when a corner is fixated."""


class Trunk(Lower):
    """One stream of eccNET over a backbone; arguments are those of `Lower`."""

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
        calls = {s: count() for s in self.strides}  # a block with a shortcut halves two maps
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
        region = filled(constant, len(rows), [(side + 2 * margin) // s for side in extent])
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
            for name, x in maps_of(self.net, filled(background, 1, (768, 768)), self.layers, halve):
                found[name] = [_middle(x)]
            self._constants[key] = found
        return self._constants[key]


def _middle(x: Tensor) -> Tensor:
    return x[0, :, x.shape[2] // 2, x.shape[3] // 2].clone()


def _resized(x: Tensor, constant: Tensor, grow: int, spoilt: int = 0) -> Tensor:
    """Add `grow` places on each side, or take them away; `spoilt` outer ones are replaced by the background too."""
    cut = max(spoilt, -grow)
    x = x[..., cut : x.shape[2] - cut, cut : x.shape[3] - cut]
    grow += cut
    if grow == 0:
        return x
    region = filled(constant, len(x), [side + 2 * grow for side in x.shape[-2:]])
    region[..., grow : grow + x.shape[2], grow : grow + x.shape[3]] = x
    return region
