"""From fixations to symbols: what the string comparisons of scanpaths compare.

Each function returns a `Ragged` of integer labels, one per fixation. Pictures' facts (size, cluster centres,
label map) broadcast with the leading dimensions of the scanpaths, so they may differ from picture to picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values
from gazekit.metrics.functional.pairs import broadcast_rows
from gazekit.scanpath import Ragged, Scanpaths, ScanpathsLike

__all__ = [
    "Labelling",
    "OffFrame",
    "class_labelling",
    "class_labels",
    "finite_number",
    "frame_size",
    "grid_cells",
    "grid_labelling",
    "grid_labels",
    "labelled",
    "repeat_by_duration",
]

OffFrame = Literal["raise", "clip"]


@dataclass(frozen=True)
class Labelling:
    """How fixations become symbols, from properties of the pictures that they lie on.

    Args:
        name: what errors call the facts.
        shape: [...] leading dimensions of the pictures.
        facts: [F, ...] the facts, leading dimensions flattened.
        label: from positions [R, T, 2], the facts and [R] whose facts to take, labels [R, T]; whatever for
            padding.
        frame_px: [..., 2] sizes of the frames that fixations have to lie in; None = anywhere.
    """

    name: str
    shape: torch.Size
    facts: Tensor
    label: Callable[[Tensor, Tensor, Tensor], Tensor]
    frame_px: Tensor | None = None

    def check(self, paths: Scanpaths, name: str) -> torch.Size:
        """The leading dimensions of the scanpaths on the pictures.

        Raises:
            ValueError: dimensions that don't broadcast; a fixation off its frame.
        """
        try:
            shape = torch.broadcast_shapes(paths.shape, self.shape)
        except RuntimeError as error:
            raise ValueError(
                f"leading dimensions of {name} and {self.name} must broadcast, "
                f"got {list(paths.shape)} and {list(self.shape)}"
            ) from error
        if self.frame_px is not None:
            _check_inside(paths, self.frame_px.to(paths.xy_px), name)
        return shape


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
    return labelled(grid_labelling(size_px, grid, on_outside), paths, name)


def grid_labelling(
    size_px: ArrayLike | tuple[float, float],
    grid: tuple[int, int],
    on_outside: OffFrame,
    row: int | None = None,
) -> Labelling:
    """`grid_labels` as a `Labelling`; the cell below has a label higher by `row`, nx if None.

    Raises:
        TypeError, ValueError: as `grid_labels`.
    """
    size, (nx, ny) = frame_size(size_px), grid_cells(grid)

    def label(xy_px: Tensor, sizes: Tensor, picture: Tensor) -> Tensor:
        size = sizes[picture, None].to(xy_px)  # [R, 1, 2]
        # clipped here, as padding may lie anywhere too
        x, y = (xy_px * size.new_tensor((nx, ny)) / size).floor().long().unbind(-1)
        return y.clamp(0, ny - 1) * (nx if row is None else row) + x.clamp(0, nx - 1)

    frame = size if _is_strict(on_outside) else None
    return Labelling("size_px", size.shape[:-1], size.reshape(-1, 2), label, frame)


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
    return labelled(class_labelling(label_map, on_outside), paths, name)


def class_labelling(label_map: ArrayLike, on_outside: OffFrame) -> Labelling:
    """`class_labels` as a `Labelling`.

    Raises:
        TypeError, ValueError: as `class_labels`.
    """
    label_map = torch.as_tensor(label_map)
    if label_map.is_floating_point() or label_map.is_complex() or label_map.dtype == torch.bool:
        raise TypeError(f"label_map must hold integer classes, got {label_map.dtype}")
    if label_map.dim() < 2 or not label_map.shape[-1] or not label_map.shape[-2]:
        raise ValueError(f"label_map must have shape [..., H, W], got {list(label_map.shape)}")
    height, width = label_map.shape[-2:]

    def label(xy_px: Tensor, maps: Tensor, picture: Tensor) -> Tensor:
        x, y = xy_px.long().unbind(-1)
        return maps[picture[:, None], y.clamp(0, height - 1), x.clamp(0, width - 1)].long()

    maps = label_map.reshape(-1, height, width)  # never one map per scanpath
    frame = torch.tensor([width, height]) if _is_strict(on_outside) else None
    return Labelling("label_map", label_map.shape[:-2], maps, label, frame)


def labelled(labelling: Labelling, paths: ScanpathsLike, name: str) -> Ragged:
    """Every scanpath labelled.

    Returns:
        [..., T] labels, 0 behind the ends.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; as `Labelling.check`.
    """
    paths = Scanpaths.of(paths, name)
    shape = labelling.check(paths, name)
    mask = paths.mask.expand(*shape, paths.mask.shape[-1])
    if not mask.numel():
        return Ragged(torch.zeros_like(mask, dtype=torch.long), mask)
    path = broadcast_rows(paths.shape, shape, mask)
    picture = broadcast_rows(labelling.shape, shape, mask)
    labels = labelling.label(paths.flatten().xy_px[path], labelling.facts.to(mask.device), picture)
    return Ragged(torch.where(mask, labels.view(mask.shape), 0), mask)


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
        TypeError: bin_ms is not a number.
        ValueError: shapes that don't broadcast, bin_ms not above 0, another rounding.

    Example:
        >>> labels = Ragged.from_list([[4, 7, 9]])
        >>> repeat_by_duration(labels, torch.tensor([[90., 20., 125.]]), bin_ms=50).values
        tensor([[4, 4, 9, 9]])
    """
    duration = values("duration_ms", duration_ms).to(labels.mask.device)
    if not finite_number("bin_ms", bin_ms) > 0:
        raise ValueError(f"bin_ms must be above 0, got {bin_ms}")
    if rounding not in ("round", "floor"):
        raise ValueError(f"rounding must be round or floor, got {rounding!r}")
    try:
        duration = duration.broadcast_to(labels.mask.shape)
    except RuntimeError as error:
        raise ValueError(
            f"duration_ms must broadcast to {list(labels.mask.shape)}, got {list(duration.shape)}"
        ) from error
    if not ((duration >= 0) | ~labels.mask).all():
        raise ValueError("duration_ms must be at least 0 wherever there is a label")
    if not labels.mask.numel():
        return labels
    bins = duration / bin_ms
    bins = bins.round() if rounding == "round" else bins.floor()
    ends = torch.where(labels.mask, bins, 0).long().cumsum(-1)
    *leading, steps = ends.shape
    longest = int(ends[..., -1].max())
    mask = torch.arange(longest, device=ends.device) < ends[..., -1:]
    ended = torch.zeros(*leading, longest + 1, dtype=torch.long, device=ends.device)
    ended.scatter_add_(-1, ends, torch.ones_like(ends))
    source = ended[..., :longest].cumsum(-1).clamp(max=steps - 1)
    return Ragged(torch.where(mask, labels.values.gather(-1, source), 0), mask)


def frame_size(size_px: ArrayLike | tuple[float, float]) -> Tensor:
    """[..., 2] float64 width and height.

    Raises:
        ValueError: not two positive numbers.
    """
    size = values("size_px", size_px)
    if size.dim() == 0 or size.shape[-1] != 2 or not (size.isfinite() & (size > 0)).all():
        raise ValueError(f"size_px must be (width, height) > 0 or [..., 2] of them, got {size_px}")
    return size


def finite_number(name: str, value: float) -> float:
    """A setting that must be a number.

    Raises:
        TypeError: it is not one. ValueError: it is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    return float(value)


def grid_cells(grid: tuple[int, int]) -> tuple[int, int]:
    """(nx, ny) of a grid.

    Raises:
        TypeError: they are not numbers. ValueError: not two whole ones from 1.
    """
    if not isinstance(grid, tuple | list | torch.Size) or not all(isinstance(n, Real) for n in grid):
        raise TypeError(f"grid must be two whole numbers (nx, ny) >= 1, got {grid!r}")
    if len(grid) != 2 or not all(math.isfinite(n) and int(n) == n >= 1 for n in grid):
        raise ValueError(f"grid must be two whole numbers (nx, ny) >= 1, got {grid}")
    return int(grid[0]), int(grid[1])


def _is_strict(on_outside: OffFrame) -> bool:
    if on_outside not in ("raise", "clip"):
        raise ValueError(f"on_outside must be raise or clip, got {on_outside!r}")
    return on_outside == "raise"


def _check_inside(paths: Scanpaths, size_px: Tensor, name: str) -> None:
    """Scanpaths against frames [..., 2] by their corners, so that fixations are never repeated for each picture.

    Raises:
        ValueError: a fixation off its frame.
    """
    if not paths.mask.numel():
        return
    valid = paths.mask[..., None]
    low = torch.where(valid, paths.xy_px, torch.inf).amin(-2)
    high = torch.where(valid, paths.xy_px, -torch.inf).amax(-2)
    outside = ((low < 0) | (high >= size_px)).any(-1)
    if not outside.any():
        return
    which = tuple(outside.nonzero()[0].tolist())
    xy = paths.xy_px.expand(*outside.shape, *paths.xy_px.shape[-2:])[which]
    size = size_px.expand(*outside.shape, 2)[which]
    step = int(((xy < 0) | (xy >= size)).any(-1).nonzero()[0])
    x, y = xy[step].tolist()
    width, height = size.tolist()
    raise ValueError(
        f"{name}: fixation {step}{f' of scanpath {which}' if which else ''} lies at ({x:g}, {y:g}), off "
        f"the frame of {width:g} x {height:g} px (0 <= x < width, 0 <= y < height); "
        "on_outside='clip' moves such fixations to the border"
    )
