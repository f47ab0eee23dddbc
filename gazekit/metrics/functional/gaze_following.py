"""Gaze following: a heatmap of where a person in the picture looks, against the places that annotators marked.

Positions are `norm`: (x, y) as fractions of the picture's width and height, without correction for its shape.
Source: Recasens et al. 2015 (NeurIPS, GazeFollow), Chong et al. 2020 (CVPR, VideoAttentionTarget), and the
released code of Gaze-LLE for the details. `heatmap_point` has the predicted point, `gaze_distance` the distances.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, as_tensor, reals, whole_number
from gazekit.metrics.functional.auc import ordered, rank_area
from gazekit.metrics.functional.gaze_distance import annotations
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["Positives", "attention_target_auc", "gazefollow_auc"]

Positives = Literal["square", "disc"]
_CHUNK_BYTES = 64 * 2**20


def gazefollow_auc(
    heatmap: ArrayLike,
    points_norm: ScanpathsLike,
    size_px: ArrayLike | tuple[int, int] | None = None,
    chunk: int | None = None,
) -> Tensor:
    """GazeFollow's AUC: how surely the heatmap ranks the pixels that annotators marked above all others.

    The heatmap is resized bilinearly to the size of the picture; the pixel of each annotator's point is a
    positive (two points in one pixel are one), every other pixel a negative. The value is the exact area
    under the ROC curve: the probability that a positive is higher than a negative, ties counting one half.

    Deviation: the resizing is torch's (as in Gaze-LLE); ViTGaze uses PIL's, older code one of 8 bits.

    Args:
        heatmap: [..., h, w].
        points_norm: [..., P] points of the annotators, in any form that `Scanpaths.of` takes: a list of
            [P_i, 2] arrays, or an array [..., P, 2]. Leading dimensions as the heatmap's.
        size_px: (width, height) of the picture, or [..., 2] of them; None = the heatmap as it is.
        chunk: heatmaps of one size computed at once; None = as many as keep the memory below 64 MiB.
    Returns:
        [...] from 0 to 1; NaN without points, where all pixels are positive, and for a map with a NaN.
        A constant map has 0.5.
    Raises:
        TypeError, ValueError: not real numbers; leading dimensions that differ; a point outside [0, 1] (leave
            out rows of -1, which are padding); a size that is not a positive integer; chunk below 1.

    Example:
        >>> heatmap = [[0.1, 0.2, 0.1], [0.1, 0.9, 0.3]]
        >>> gazefollow_auc(heatmap, [[0.5, 0.6], [0.4, 0.2]])
        tensor(0.8750, dtype=torch.float64)
    """
    heatmap = reals("heatmap", heatmap, None, None).detach()
    points = annotations(points_norm, heatmap.shape[:-2])
    lead, (h, w) = heatmap.shape[:-2], heatmap.shape[-2:]
    sizes = _sizes(size_px, lead) if size_px is not None else torch.tensor([w, h]).expand(*lead, 2)
    maps, points, sizes = heatmap.reshape(-1, h, w), points.flatten(), sizes.reshape(-1, 2)
    result = heatmap.new_full((len(maps),), torch.nan)
    for width, height in sizes.unique(dim=0).tolist():
        rows = ((sizes[:, 0] == width) & (sizes[:, 1] == height)).nonzero()[:, 0].to(maps.device)
        for part in rows.split(_chunk(chunk, width * height)):
            result[part] = _auc_at_points(maps[part], points[part], width, height)
    return result.reshape(lead)


def _auc_at_points(maps: Tensor, points: Scanpaths, width: int, height: int) -> Tensor:
    if not len(maps) or not width * height or not points.mask.shape[1]:
        return maps.new_full((len(maps),), torch.nan)
    if maps.shape[1:] != (height, width):
        maps = torch.nn.functional.interpolate(maps[:, None], (height, width), mode="bilinear")[:, 0]
    flat = maps.flatten(1)
    pixels = flat.shape[1]
    limit = torch.tensor([width, height], device=maps.device)
    column, row = torch.minimum((points.xy_px * limit).long(), limit - 1).unbind(-1)
    index = torch.where(points.mask, row * width + column, pixels).sort(1).values
    first = index < pixels
    first[:, 1:] &= index[:, 1:] != index[:, :-1]
    return _roc_auc(flat, flat.gather(1, index.clamp(max=pixels - 1)), first)


def _roc_auc(values: Tensor, positive: Tensor, mask: Tensor) -> Tensor:
    """[n] area under the curve of [n, N], of which those [n, P] are positive where `mask` is True."""
    ranked, count = ordered(values), mask.sum(1)
    # among themselves the positives win half of their pairs
    won = torch.where(mask, rank_area(positive, ranked), 0).sum(1) - count**2
    pairs = count * (values.shape[1] - count)
    return torch.where((pairs > 0) & ~ranked[:, -1].isnan(), won.to(values) / (2 * pairs), torch.nan)


def attention_target_auc(
    heatmap: ArrayLike,
    point_norm: ArrayLike,
    sigma_cells: int = 3,
    size: int = 64,
    edge: Literal["open", "closed"] = "open",
    chunk: int | None = None,
    positives: Positives = "square",
) -> Tensor:
    """VideoAttentionTarget's AUC: positives are the cells of a square round the target.

    The square reaches 3 sigma to each side of the target's cell, 19 x 19 cells for sigma = 3, cut at the
    border of the heatmap. Value: exact area under the ROC curve over all cells, ties counting one half. A
    Gaussian exactly at the target has about 0.998, not 1.

    `positives="disc"` is the measure of ViTGaze's released code, which departs from the benchmark: positives are
    the cells at most sqrt(10) sigma from the target itself, which is not moved to a cell. It gives 0.002 to 0.003
    more, so the two must not stand in one column.

    Args:
        heatmap: [..., size, size].
        point_norm: [..., 2] the target. Outside [0, 1] or NaN: it is out of frame.
        sigma_cells: sigma in cells.
        size: cells a side. The measure depends on it, so a heatmap of another size is an error.
        edge: "open" leaves the last row and column out of the square, as Gaze-LLE does; "closed" lets it
            reach them, as the benchmark's own code does. They differ near the right and the lower border. A disc
            always reaches them.
        chunk: heatmaps computed at once; None = as many as keep the memory below 64 MiB.
        positives: "square" or "disc".
    Returns:
        [...] from 0 to 1; NaN where the target is out of frame, and for a map with a NaN.
    Raises:
        TypeError, ValueError: not real numbers; shapes or leading dimensions that don't fit; sigma_cells below
            0; another edge or kind of positives; chunk below 1.

    Example:
        >>> import torch
        >>> x = torch.arange(64)
        >>> heatmap = torch.exp(-((x[:, None] - 20) ** 2 + (x - 30) ** 2) / 18.0)
        >>> attention_target_auc(heatmap, [30.5 / 64, 20.5 / 64]).round(decimals=4)
        tensor(0.9979, dtype=torch.float64)
    """
    check_square(sigma_cells, size, edge, positives)
    heatmap, point = reals("heatmap", heatmap, size, size).detach(), reals("point_norm", point_norm, 2)
    if heatmap.shape[:-2] != point.shape[:-1]:
        raise ValueError(
            "heatmap and point_norm must have the same leading dimensions, "
            f"got {list(heatmap.shape)} and {list(point.shape)}"
        )
    rows = _chunk(chunk, 2 * size * size)  # the positives are looked up in as large a table
    lead, flat = point.shape[:-1], heatmap.reshape(-1, size * size)
    point = point.reshape(-1, 2).to(heatmap.device)
    in_frame = ((point >= 0) & (point <= 1)).all(1)
    target = torch.where(in_frame[:, None], point, 0) * size
    cell = torch.arange(size, device=flat.device)
    area = flat.new_full((len(flat),), torch.nan)
    for part in in_frame.nonzero()[:, 0].split(rows):
        if positives == "square":
            near = (cell - target[part].long()[..., None]).abs() <= 3 * sigma_cells  # [n, 2, size]
            near = near & (cell < (size - 1 if edge == "open" else size))
            positive = near[:, 1, :, None] & near[:, 0, None]
        else:
            squared = (cell - target[part][..., None]) ** 2
            positive = squared[:, 1, :, None] + squared[:, 0, None] <= 10 * sigma_cells**2
        area[part] = _roc_auc(flat[part], flat[part], positive.flatten(1))
    return area.reshape(lead)


def check_square(sigma_cells: int, size: int, edge: str, positives: str) -> None:
    """Settings of `attention_target_auc`.

    Raises:
        TypeError: numbers of cells that are no integers.
        ValueError: out of range, another edge, another kind of positives.
    """
    whole_number("sigma_cells", sigma_cells, 0)
    whole_number("size", size, 1)
    if edge not in ("open", "closed"):
        raise ValueError(f"edge must be open or closed, got {edge!r}")
    if positives not in ("square", "disc"):
        raise ValueError(f"positives must be square or disc, got {positives!r}")


def _sizes(size_px: ArrayLike | tuple[int, int], lead: torch.Size) -> Tensor:
    sizes = as_tensor("size_px", size_px).cpu()
    if (
        sizes.is_floating_point()
        or sizes.dtype == torch.bool
        or sizes.shape[-1:] != (2,)
        or (sizes < 1).any()
    ):
        raise ValueError(
            f"size_px must hold widths and heights, positive integers [..., 2], got {sizes.tolist()}"
        )
    try:
        return sizes.expand(*lead, 2)
    except RuntimeError as error:
        raise ValueError(f"size_px must be one size or {[*lead, 2]}, got {list(sizes.shape)}") from error


def _chunk(chunk: int | None, pixels: int) -> int:
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    return chunk or max(1, _CHUNK_BYTES // (24 * max(pixels, 1)))  # the map, it again in order, and a copy
