"""eccNET as it is usually written: one fixation of one display at a time, the whole canvas through the net, and for
each ring a pooling of the whole map. For tests and benches; `released` is the published geometry to the letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.kernels.foveate import eccentric_avg_pool2d, eccentric_windows
from gazekit.models.visual_search.eccnet import EccNetRow
from gazekit.models.visual_search.modulation import combined, correlated, sharpened, target_kernels, to_pixels
from gazekit.models.visual_search.probe import maps_of
from gazekit.models.visual_search.search import Found, search_cells
from gazekit.models.visual_search.trunk import MARGIN_PX, SLOPES, Trunk

__all__ = ["search_one", "whole_canvas"]

FURTHER_PX = 192
"""Of background around the canvas, so that its border is too far away to matter: receptive fields are smaller."""


def whole_canvas(
    trunk: Trunk, picture: Tensor, background: Tensor, fixation_xy_px: Tensor, released: bool = False
) -> tuple[list[Tensor], Tensor]:
    """All layers of one picture on its whole canvas.

    Args:
        picture: uint8 [1, H, W, 3]. background: uint8 [3].
        fixation_xy_px: [2].
        released: the canvas has 2 (R + 64) pixels per side and ends in zeros, and the crop may lie at any pixel; else
            it is that of `Trunk`, surrounded by background.
    Returns:
        The maps pooled to `stride`, and [2] the (x, y) of the picture's corner on them, in pixels.
    """
    height, width = picture.shape[1:3]
    side = 2 * (max(height, width) + MARGIN_PX) if released else trunk.canvas_px(height, width)
    further, step = (0, 1) if released else (FURTHER_PX, trunk.first)
    colour = trunk.prepared(background.view(1, 1, 1, 3))[0, :, 0, 0]
    canvas = colour[None, :, None, None].repeat(1, 1, side + 2 * further, side + 2 * further)
    corner = ((side / 2 - fixation_xy_px) / step).round().long() * step + further
    x, y = corner.tolist()
    canvas[:, :, y : y + height, x : x + width] = trunk.prepared(picture)
    halve = dict(trunk.plain_below())
    for s in (s for s in trunk.net.halvings if trunk.eccentric and s in SLOPES):
        halve[s] = _ringed(side, s, trunk.px_per_dva, further)
    found = dict(maps_of(trunk.net, canvas, trunk.layers, halve))
    return [trunk.pooled(found[name], s) for name, s in trunk.layer_strides.items()], corner


def _ringed(side: int, stride: int, px_per_dva: float, further: int):
    def halve(x: Tensor) -> Tensor:
        at = -(-side // stride)
        windows = eccentric_windows(at, at, round(px_per_dva / stride), SLOPES[stride])
        windows = F.pad(windows[None].float(), [further // (2 * stride)] * 4, mode="replicate")[0].long()
        lacking = [2 * windows.shape[k] - x.shape[k + 1] for k in (2, 1)]  # of nets that do not pad borders
        if max(lacking) > 1:
            x = F.pad(x, (0, lacking[0], 0, lacking[1]), mode="replicate")
        return eccentric_avg_pool2d(x, windows, "reference")

    return halve


@torch.no_grad()
def search_one(row: EccNetRow, batch: Mapping[str, Any]) -> Found:
    """The search of a batch of one display."""
    picture, background = batch["picture"].clone(), batch["background"][0]
    size, target = tuple(picture.shape[1:3]), tuple(batch["target_picture"].shape[1:3])
    sharpening, first = row.sharpening_of(batch), torch.tensor([0])

    def priority(rows: Tensor, xy_px: Tensor, painted: tuple[Tensor, Tensor]) -> Tensor:
        for x0, y0, x1, y1 in painted[1].tolist():
            picture[0, y0:y1, x0:x1] = background
        kernels = target_kernels(row.trunk, batch["target_picture"], background)
        maps, corner = whole_canvas(row.trunk, picture, background, xy_px[0])
        stride = row.stride
        start = (
            corner // stride - 1
        ) * stride  # the places that Trunk computes: the picture and one more around it
        count = [-(-(side + row.trunk.align - row.trunk.first) // stride) + 2 for side in size]
        x, y = (start // stride).tolist()
        maps = [m[..., y : y + count[0], x : x + count[1]] for m in maps]
        evidence = [correlated(m, k, first) for m, k in zip(maps, kernels, strict=True)]
        value = combined(evidence, row.weighting)
        value = sharpened(value, sharpening) if sharpening else value
        return to_pixels(value, (start - corner)[None], stride, target, size)

    return search_cells(priority, size, batch["cell_boxes_px"], batch["target_cell"], batch["set_size"])
