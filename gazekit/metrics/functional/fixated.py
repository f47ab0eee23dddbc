"""Maps read at fixations: which pixels are fixated, and what the map holds there."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.functional.map_settings import check_choice
from gazekit.metrics.functional.maps import precise
from gazekit.metrics.functional.threads import one_thread
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["Fixated", "OnOutside", "distinct", "fixated_pixels", "masked_mean", "read"]

OnOutside = Literal["raise", "drop", "clip"]


class Fixated(NamedTuple):
    """Row-major pixel numbers [..., T], 0 where invalid, and [..., T] bool, True = valid."""

    pixels: Tensor
    mask: Tensor


@one_thread()
def fixated_pixels(
    fixations: ScanpathsLike | Fixated, maps: Tensor, on_outside: OnOutside = "raise", name: str = "fixations"
) -> Fixated:
    """The pixels that fixations fall on: (x, y) falls on row floor(y), column floor(x).

    Args:
        fixations: [..., T] in any form that `Scanpaths.of` takes; those that have been read are returned.
        maps: [..., H, W], with the leading shape of the fixations.
        on_outside: what becomes of fixations that lie off the map: an error, left out, or moved to the nearest
            pixel.
        name: what errors call the fixations.
    Returns:
        Pixels and mask; with "drop", invalid ones may stand between valid ones.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; a map in the place of fixations; leading shapes that differ;
            a fixation off the map.
    """
    check_choice("on_outside", on_outside, "raise", "drop", "clip")
    if isinstance(fixations, Fixated):
        return fixations
    _refuse_map(fixations, maps, name)
    points = Scanpaths.of(fixations, name)
    if points.shape != maps.shape[:-2]:
        raise ValueError(
            f"{name} must have the leading shape of the maps {list(maps.shape[:-2])}, got {list(points.shape)}"
        )
    points = points.to(maps.device)
    height, width = maps.shape[-2:]
    column, row = torch.where(points.mask[..., None], points.xy_px, 0).floor().unbind(-1)
    mask = points.mask
    outside = mask & ((column < 0) | (column >= width) | (row < 0) | (row >= height))
    if outside.any():
        if on_outside == "raise":
            _refuse_outside(points, outside, width, height, name)
        if on_outside == "drop":
            mask = mask & ~outside
        column, row = column.clamp(0, width - 1), row.clamp(0, height - 1)
    return Fixated(torch.where(mask, row.long() * width + column.long(), 0), mask)


def read(rows: Tensor, pixels: Tensor) -> Tensor:
    """[R, T] float64 values of maps [R, P] at pixel numbers [R, T]."""
    return precise(rows.gather(1, pixels))


def distinct(pixels: Tensor, mask: Tensor) -> Tensor:
    """[R, T] bool: the first valid fixation on each pixel, as where fixations are given as a binary map."""
    ordered, order = torch.where(mask, pixels, -1).sort(dim=1, stable=True)
    first = torch.ones_like(mask)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return torch.zeros_like(mask).scatter(1, order, first) & mask


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """[R] mean of the valid among [R, T]; NaN if there is none."""
    count = mask.sum(1)
    # dividing by 0 would make derivatives NaN
    mean = torch.where(mask, values, 0).sum(1) / count.clamp(min=1)
    return torch.where(count > 0, mean, torch.nan)


def _refuse_map(fixations: ScanpathsLike, maps: Tensor, name: str) -> None:
    is_array = isinstance(fixations, Tensor | np.ndarray)
    if is_array and tuple(fixations.shape[-2:]) == tuple(maps.shape[-2:]) and maps.shape[-1] > 3:
        raise ValueError(
            f"{name} must be points (x, y), of shape [..., T, 2], got {list(fixations.shape)}, the shape of the "
            "map: a density is no substitute for fixations, and a binary map F of them becomes points by "
            "torch.nonzero(F).flip(1)"
        )


def _refuse_outside(points: Scanpaths, outside: Tensor, width: int, height: int, name: str) -> None:
    *image, fixation = outside.nonzero()[0].tolist()
    where = f" of image {tuple(image)}" if image else ""
    x, y = points.xy_px[(*image, fixation)].tolist()
    raise ValueError(
        f"{name}: fixation {fixation}{where} at ({x:g}, {y:g}) px lies off the map of {width} x {height} px; "
        "on_outside='drop' leaves such fixations out, 'clip' moves them to the nearest pixel"
    )
