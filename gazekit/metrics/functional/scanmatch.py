"""ScanMatch: alignment of strings of grid cells, in which near cells count as similar."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.kernels.alignment import table_alignment
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.labels import OffFrame, grid_labels, label_pair
from gazekit.metrics.functional.strings import over_strings
from gazekit.scanpath import Ragged, Scanpaths, ScanpathsLike

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
        bin_ms: length of the bins of time, 50 and 100 are in use; None = one symbol a fixation.
        variant: "global" or "gazeparser".
        on_outside: what becomes of fixations off the frame: "raise" or "clip".
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] 1 for equal strings, at least 0 if gap = 0; NaN if either string is empty, be it that the
        scanpath is or that all its fixations are shorter than half a bin.
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
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0, got {threshold}")
    if not gap <= 0:
        raise ValueError(f"gap must be at most 0, got {gap}")
    if variant not in ("global", "gazeparser"):
        raise ValueError(f"variant must be global or gazeparser, got {variant!r}")

    def label(paths: Scanpaths, name: str) -> Ragged:
        whole = Scanpaths(paths.xy_px.floor(), paths.mask)
        return grid_labels(whole, size_px, grid, on_outside, name)

    def score(a: Tensor, b: Tensor, a_length: Tensor, b_length: Tensor) -> Tensor:
        port = variant == "gazeparser"
        best = table_alignment(a, b, a_length, b_length, table.to(a.device), gap, free_end=port)
        share = (best + gap * port) / threshold / torch.maximum(a_length, b_length)
        return torch.where((a_length > 0) & (b_length > 0), share, torch.nan)

    a_labels, b_labels = label_pair(label, a, b, bin_ms, "round")
    table = threshold - _cell_distance(grid)
    return over_strings(score, a_labels, b_labels, chunk)


def _cell_distance(grid: tuple[int, int]) -> Tensor:
    """[K, K] Euclidean distances between the cells of a grid, in cells."""
    cell = torch.arange(grid[0] * grid[1])
    xy = torch.stack([cell % grid[0], cell // grid[0]], 1).double()
    return torch.cdist(xy, xy, compute_mode="donot_use_mm_for_euclid_dist")
