"""From fixations to symbols: what the string comparisons of scanpaths compare.

Each function returns a `Ragged` of integer labels, one a fixation. Pictures' facts (size, cluster centres,
label map) broadcast with the leading dimensions of the scanpaths, so they may differ from picture to picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values
from gazekit.metrics.functional.pairs import broadcast_rows
from gazekit.scanpath import Ragged, Scanpaths, ScanpathsLike

__all__ = ["OffFrame", "class_labels", "frame_size", "grid_labels", "label_pair", "repeat_by_duration"]

OffFrame = Literal["raise", "clip"]


def grid_labels(
    paths: ScanpathsLike,
    size_px: ArrayLike | tuple[float, float],
    grid: tuple[int, int] = (5, 5),
    on_outside: OffFrame = "raise",
    name: str = "paths",
) -> Ragged:
    """The cell of a regular grid in which each fixation lies, numbered row by row from 0.

        floor(y ny / H) nx + floor(x nx / W)

    A frame is half-open, as pixels are: 0 <= x < W. Deviation: with cells of W // n pixels, as in some code,
    fixations in the remainder at the right and at the bottom would get labels of another row.

    Args:
        paths: [..., T] scanpaths in any form that `Scanpaths.of` takes.
        size_px: (width, height) of the picture, one for all or [..., 2].
        grid: (nx, ny) cells.
        on_outside: "raise" an error for fixations off the frame, or "clip" them to its border.
        name: what errors call the scanpaths.
    Returns:
        [..., T] labels from 0 to nx ny - 1.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; a size or grid that is not two positive numbers; a fixation
            off the frame.

    Example:
        >>> grid_labels([[0, 0], [799, 0], [400, 300]], (800, 600)).values
        tensor([ 0,  4, 12])
    """
    paths, size = Scanpaths.of(paths, name), frame_size(size_px)
    if len(grid) != 2 or not all(int(n) == n >= 1 for n in grid):
        raise ValueError(f"grid must be two whole numbers (nx, ny) >= 1, got {grid}")
    size = size.to(paths.xy_px)[..., None, :]  # [..., 1, 2]
    _check_inside(paths, size, on_outside, name)
    cells = (paths.xy_px * size.new_tensor(grid) / size).floor().long()
    x, y = (cells[..., axis].clamp(0, int(n) - 1) for axis, n in enumerate(grid))
    mask = paths.mask.expand(x.shape)
    return Ragged(torch.where(mask, y * int(grid[0]) + x, 0), mask)


def class_labels(
    paths: ScanpathsLike, label_map: ArrayLike, on_outside: OffFrame = "raise", name: str = "paths"
) -> Ragged:
    """The class of the pixel under each fixation, label_map[int(y), int(x)].

    Args:
        paths: [..., T] scanpaths in any form that `Scanpaths.of` takes, in pixels of the map.
        label_map: [H, W] integer classes for all, or [..., H, W]. Unlabelled pixels are a class like others.
        on_outside: "raise" an error for fixations off the map, or "clip" them to its border.
        name: what errors call the scanpaths.
    Returns:
        [..., T] labels.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; a map of another shape or not of integers; a fixation off
            the map.

    Example:
        >>> class_labels([[0.5, 0], [2.9, 1]], torch.tensor([[7, 7, 7], [7, 7, 3]])).values
        tensor([7, 3])
    """
    paths = Scanpaths.of(paths, name)
    label_map = torch.as_tensor(label_map).to(paths.mask.device)
    if label_map.is_floating_point() or label_map.is_complex() or label_map.dtype == torch.bool:
        raise TypeError(f"label_map must hold integer classes, got {label_map.dtype}")
    if label_map.dim() < 2 or not label_map.shape[-1] or not label_map.shape[-2]:
        raise ValueError(f"label_map must have shape [..., H, W], got {list(label_map.shape)}")
    *leading, height, width = label_map.shape
    try:
        shape = torch.broadcast_shapes(paths.shape, leading)
    except RuntimeError as error:
        raise ValueError(
            f"leading dimensions of {name} and label_map must broadcast, got {list(paths.shape)} and {leading}"
        ) from error
    _check_inside(paths, paths.xy_px.new_tensor([[width, height]]), on_outside, name)
    x, y = (
        paths.xy_px[..., axis].long().clamp(0, size - 1).expand(*shape, -1)
        for axis, size in enumerate((width, height))
    )
    which = broadcast_rows(torch.Size(leading), shape, label_map).view(*shape, 1)
    maps = label_map.reshape(-1, height, width)  # never one map a scanpath
    mask = paths.mask.expand(*shape, paths.mask.shape[-1])
    found = maps[which, y, x].long() if mask.numel() else torch.zeros_like(mask).long()
    return Ragged(torch.where(mask, found, 0), mask)


def repeat_by_duration(
    labels: Ragged,
    duration_ms: ArrayLike,
    bin_ms: float,
    rounding: Literal["round", "floor"] = "round",
) -> Ragged:
    """Each label once for every `bin_ms` that its fixation lasted: strings in which time counts.

    ScanMatch rounds the number of bins (half to even, so that 125 ms are two bins of 50 ms), the sequence
    scores take whole bins only ("floor"). A fixation that is too short for one bin vanishes either way.

    Args:
        labels: [..., T] labels.
        duration_ms: [..., T] or broadcasting to it.
        bin_ms: length of a bin.
        rounding: "round" or "floor".
    Returns:
        [..., T'] labels; an empty string where all fixations vanish.
    Raises:
        ValueError: shapes that don't broadcast, bin_ms not above 0, another rounding.

    Example:
        >>> labels = Ragged.from_list([[4, 7, 9]])
        >>> repeat_by_duration(labels, torch.tensor([[90., 20., 125.]]), bin_ms=50).values
        tensor([[4, 4, 9, 9]])
    """
    duration = values("duration_ms", duration_ms).to(labels.mask.device)
    if not bin_ms > 0:
        raise ValueError(f"bin_ms must be above 0, got {bin_ms}")
    if rounding not in ("round", "floor"):
        raise ValueError(f"rounding must be round or floor, got {rounding!r}")
    try:
        duration = duration.broadcast_to(labels.mask.shape)
    except RuntimeError as error:
        raise ValueError(
            f"duration_ms must broadcast to {list(labels.mask.shape)}, got {list(duration.shape)}"
        ) from error
    if not (duration[labels.mask] >= 0).all():
        raise ValueError("duration_ms must be at least 0 wherever there is a label")
    if not labels.mask.numel():
        return labels
    bins = duration / bin_ms
    bins = bins.round() if rounding == "round" else bins.floor()
    ends = torch.where(labels.mask, bins, 0).long().cumsum(-1)
    *leading, steps = ends.shape
    longest = int(ends[..., -1].max())
    time = torch.arange(longest, device=ends.device).expand(*leading, longest).contiguous()
    mask = time < ends[..., -1:]
    source = torch.searchsorted(ends, time, right=True).clamp(max=steps - 1)
    return Ragged(torch.where(mask, labels.values.gather(-1, source), 0), mask)


def label_pair(
    label: Callable[[Scanpaths, str], Ragged],
    a: ScanpathsLike,
    b: ScanpathsLike,
    bin_ms: float | None,
    rounding: Literal["round", "floor"],
) -> tuple[Ragged, Ragged]:
    """Both sides of a comparison labelled, by time where there is a `bin_ms`.

    Raises:
        TypeError, ValueError: as `Scanpaths.of` and `label`; bin_ms for scanpaths without durations.
    """
    labelled = []
    for name, side in (("a", a), ("b", b)):
        paths = Scanpaths.of(side, name)
        labels = label(paths, name)
        if bin_ms is not None:
            if paths.duration_ms is None:
                raise ValueError(f"bin_ms={bin_ms} needs durations, and {name} has none")
            labels = repeat_by_duration(labels, paths.duration_ms, bin_ms, rounding)
        labelled.append(labels)
    return labelled[0], labelled[1]


def frame_size(size_px: ArrayLike | tuple[float, float]) -> Tensor:
    """[..., 2] float64 width and height.

    Raises:
        ValueError: not two positive numbers.
    """
    size = values("size_px", size_px)
    if size.dim() == 0 or size.shape[-1] != 2 or not (size.isfinite() & (size > 0)).all():
        raise ValueError(f"size_px must be (width, height) > 0 or [..., 2] of them, got {size_px}")
    return size


def _check_inside(paths: Scanpaths, size_px: Tensor, on_outside: OffFrame, name: str) -> None:
    """`size_px` [..., 1, 2]. Positions off the frame are clipped where they become an index.

    Raises:
        ValueError: a fixation off the frame with on_outside="raise"; another word for it; shapes that don't
            broadcast.
    """
    if on_outside not in ("raise", "clip"):
        raise ValueError(f"on_outside must be raise or clip, got {on_outside!r}")
    try:
        outside = paths.mask & ((paths.xy_px < 0) | (paths.xy_px >= size_px)).any(-1)
    except RuntimeError as error:
        raise ValueError(
            f"leading dimensions of {name} and size_px must broadcast, "
            f"got {list(paths.shape)} and {list(size_px.shape[:-2])}"
        ) from error
    if on_outside == "clip" or not outside.any():
        return
    *path, step = first = tuple(outside.nonzero()[0].tolist())
    x, y = paths.xy_px.expand(*outside.shape, 2)[first].tolist()
    width, height = size_px.expand(*outside.shape, 2)[first].tolist()
    raise ValueError(
        f"{name}: fixation {step}{f' of scanpath {tuple(path)}' if path else ''} lies at ({x:g}, {y:g}), off "
        f"the frame of {width:g} x {height:g} px (0 <= x < width, 0 <= y < height); "
        "on_outside='clip' moves such fixations to the border"
    )
