"""Features as somebody saw them who looked at places of the picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["GAZE", "gazed", "maps_of"]

GAZE = ("weight", "recentre")


def maps_of(batch: Mapping[str, Any], layer: str, gaze: str | None) -> Tensor:
    """[B, C, H, W] features of a batch of `BrainData`, changed by gaze if asked for.

    Raises:
        ValueError: gaze is asked for, and the batch does not say where people looked.
    """
    maps = batch["features"][layer]
    if gaze is None:
        return maps
    if batch.get("fixation_map") is None:
        raise ValueError(f"gaze={gaze} needs data with fixation maps; these have none")
    return gazed(maps, batch["fixation_map"], gaze)


def gazed(maps: Tensor, fixation_map: Tensor, how: str) -> Tensor:
    """Maps of features [B, C, H, W], changed by where people looked.

    "weight" multiplies every place by the share of looking there, relative to uniform looking: a pool over the map
    then is what was looked at. "recentre" moves the centre of looking to the middle of the map (bilinear; 0 comes
    in from outside): places then are places on the retina. Maps of one place stay as they are.

    Args:
        fixation_map: [B, h, w] not negative, any size, need not sum to 1. Items with a sum of 0 (nobody looked, or
            unknown) keep their maps.
        how: "weight" or "recentre".
    Raises:
        ValueError: another word, negative values or NaN.
    """
    if how not in GAZE:
        raise ValueError(f"gaze must be one of {', '.join(GAZE)}, got {how!r}")
    if not (fixation_map >= 0).all():
        raise ValueError("fixation maps must not be negative or NaN")
    if maps.shape[-2:] == (1, 1):
        return maps
    density = F.adaptive_avg_pool2d(fixation_map[:, None].to(maps), maps.shape[-2:])
    total = density.sum((2, 3), keepdim=True)
    known = total > 0
    uniform = 1 / (maps.shape[2] * maps.shape[3])
    density = torch.where(known, density / total.clamp(min=torch.finfo(maps.dtype).tiny), uniform)
    if how == "weight":
        return maps * density / uniform
    rows, columns = maps.shape[-2:]
    y, x = ((torch.arange(n, device=maps.device) + 0.5) * 2 / n - 1 for n in (rows, columns))  # -1 to 1
    shift = torch.stack([(density.sum(2)[:, 0] * x).sum(1), (density.sum(3)[:, 0] * y).sum(1)], 1)  # [B, 2]
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2)  # [H, W, 2]
    return F.grid_sample(maps, grid + shift[:, None, None], align_corners=False, padding_mode="zeros")
