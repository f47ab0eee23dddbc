"""ScanMatch: alignment of strings of grid cells, in which near cells count as similar."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from gazekit.kernels.alignment import table_alignment
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.labelled_pairs import over_labelled
from gazekit.metrics.functional.labels import OffFrame, finite_number, grid_cells, grid_labelling
from gazekit.scanpath import Ragged, ScanpathsLike

__all__ = ["scanmatch"]


def scanmatch(
    a: ScanpathsLike,
    b: ScanpathsLike,
    size_px: ArrayLike | tuple[float, float],
    grid: tuple[int, int] = (12, 8),
    threshold: float = 3.5,
    gap: float = 0.0,
    bin_ms: float | None = None,
    variant: Literal["global", "gazeparser"] = "global",
    on_outside: OffFrame = "raise",
    chunk: int | None = None,
) -> Tensor:
    """How well two scanpaths can be aligned, cell by cell of a grid, as a share of a perfect alignment.

        max over alignments [ sum of (threshold - |cell_i - cell_j|) over pairs + gap x unpaired ]
        / (threshold max(n, m))

    Cells are those of the whole-numbered pixel, distances are in cells. With `bin_ms` each fixation counts once
    for every bin that it lasted, rounded half to even, so that durations matter.

    Source: Cristino et al. 2010 (Behavior Research Methods 42, 692); checked against GazeParser's port.
    Deviations: the score of the alignment of both strings whole. The port takes the largest score anywhere in
    the table, whose border holds one gap too many (`variant="gazeparser"`); without a gap penalty both agree,
    with one they don't. Fixations off the frame are an error, where the port moves them to its border
    (`on_outside="clip"`). Empty strings give NaN.

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        size_px: (width, height) of the picture, one for all or [..., 2], broadcasting with the scanpaths.
        grid: (nx, ny) cells.
        threshold: similarity of a cell with itself; cells further apart than this many cells count against.
        gap: score of a symbol without partner, at most 0.
        bin_ms: length of the bins of time, 50 and 100 are in use; None = one symbol per fixation.
        variant: "global" or "gazeparser".
        on_outside: what becomes of fixations off the frame: "raise" or "clip".
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] 1 for equal strings, at least 0 if gap = 0; NaN if either string is empty, be it that the
        scanpath is or that all its fixations are shorter than half a bin, as durations in seconds seem to be.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; a size, grid, threshold or bin_ms that is not above 0, a gap
            above 0, a fixation off the frame, bin_ms without durations, chunk below 1.

    Example:
        >>> a, b = [[100, 100, 200], [700, 500, 300]], [[150, 100, 250], [700, 420, 100]]
        >>> scanmatch(a, b, size_px=(800, 600))
        tensor(0.7143, dtype=torch.float64)
        >>> scanmatch(a, b, size_px=(800, 600), bin_ms=50)
        tensor(0.4286, dtype=torch.float64)
    """
    if not finite_number("threshold", threshold) > 0:
        raise ValueError(f"threshold must be above 0, got {threshold}")
    if not finite_number("gap", gap) <= 0:
        raise ValueError(f"gap must be at most 0, got {gap}")
    if variant not in ("global", "gazeparser"):
        raise ValueError(f"variant must be global or gazeparser, got {variant!r}")
    nx, ny = grid_cells(grid)
    row = 2 * nx - 1  # so that the difference of two labels says how far apart the cells are in x and in y
    cells = grid_labelling(size_px, (nx, ny), on_outside, row)
    labelling = replace(cells, label=lambda xy_px, *pictures: cells.label(xy_px.floor(), *pictures))
    table, middle = (threshold - _cell_distance(nx, ny)).reshape(-1), (ny - 1) * row + nx - 1

    def score(a: Ragged, b: Ragged) -> Tensor:
        port, lengths = variant == "gazeparser", (a.lengths, b.lengths)
        best = table_alignment(middle + a.values, -b.values, *lengths, table, gap, free_end=port)
        share = (best + gap * port) / threshold / torch.maximum(*lengths)
        return torch.where((lengths[0] > 0) & (lengths[1] > 0), share, torch.nan)

    return over_labelled(score, labelling, a, b, bin_ms, "round", chunk)


def _cell_distance(nx: int, ny: int) -> Tensor:
    """[2 ny - 1, 2 nx - 1] Euclidean distances, in cells, by the steps in y and in x."""
    y, x = (torch.arange(1 - n, n, dtype=torch.float64) for n in (ny, nx))
    return (y[:, None] ** 2 + x**2).sqrt()
