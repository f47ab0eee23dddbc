"""Sequence score and edit distance of scanpaths, by what the symbols are: grid cells, clusters, classes.

With `bin_ms` each fixation counts once for every whole bin that it lasted, else once. Rounded down as in
Mondal et al. 2023 (CVPR, Gazeformer), unlike in ScanMatch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.clusters import cluster_labelling
from gazekit.metrics.functional.edit_distance import edit_distance
from gazekit.metrics.functional.labelled_pairs import over_labelled
from gazekit.metrics.functional.labels import OffFrame, class_labelling, finite_number, grid_labelling
from gazekit.metrics.functional.sequence_score import sequence_score
from gazekit.scanpath import Ragged, ScanpathsLike

__all__ = [
    "cluster_edit_distance",
    "cluster_sequence_score",
    "grid_edit_distance",
    "grid_sequence_score",
    "semantic_edit_distance",
    "semantic_sequence_score",
]


def grid_sequence_score(
    a: ScanpathsLike,
    b: ScanpathsLike,
    size_px: ArrayLike | tuple[float, float],
    grid: tuple[int, int] = (5, 5),
    bin_ms: float | None = None,
    on_outside: OffFrame = "raise",
    chunk: int | None = None,
) -> Tensor:
    """`sequence_score` of the cells of a regular grid (`grid_labels`).

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        size_px: (width, height) of the picture, one for all or [..., 2], broadcasting with the scanpaths.
        grid: (nx, ny) cells.
        bin_ms: length of the bins of time; None = one symbol per fixation.
        on_outside: what becomes of fixations off the frame: "raise" or "clip".
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] float64 from 0 to 1; 0 if one string is empty, NaN if both are.
    Raises:
        TypeError, ValueError: as `Scanpaths.of` and `grid_labels`; bin_ms without durations; chunk below 1.

    Example:
        >>> a, b = [[100, 100, 200], [700, 500, 300]], [[150, 100, 250], [700, 400, 100]]
        >>> grid_sequence_score(a, b, size_px=(800, 600))
        tensor(0.5000, dtype=torch.float64)
    """
    labelling = grid_labelling(size_px, grid, on_outside)
    return over_labelled(sequence_score, labelling, a, b, bin_ms, "floor", chunk)


def cluster_sequence_score(
    a: ScanpathsLike,
    b: ScanpathsLike,
    centres_px: ArrayLike | Sequence[ArrayLike],
    bin_ms: float | None = None,
    chunk: int | None = None,
) -> Tensor:
    """`sequence_score` of clusters of fixations: the published sequence score (SS).

    Source: Yang et al. 2020 (CVPR, inverse reinforcement learning of visual search).
    Published values depend on cluster files (`fit_clusters` makes them), on the number of steps that both
    scanpaths are cut to beforehand, and on whether observers are compared with themselves.

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        centres_px: [K, 2] centres for all or [..., K, 2], broadcasting with the scanpaths; or a list of
            [K_i, 2], as `cluster_labels` takes them.
        bin_ms: length of the bins of time; None = one symbol per fixation.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] float64 from 0 to 1; 0 if one string is empty, NaN if both are.
    Raises:
        TypeError, ValueError: as `Scanpaths.of` and `cluster_labels`; bin_ms without durations; chunk below 1.

    Example:
        >>> import numpy as np
        >>> centres = np.array([[100, 100], [700, 450]])
        >>> cluster_sequence_score([[90, 120], [650, 500]], [[300, 300], [720, 400]], centres)
        tensor(1., dtype=torch.float64)
    """
    return over_labelled(sequence_score, cluster_labelling(centres_px), a, b, bin_ms, "floor", chunk)


def semantic_sequence_score(
    a: ScanpathsLike,
    b: ScanpathsLike,
    label_map: ArrayLike,
    bin_ms: float | None = None,
    on_outside: OffFrame = "raise",
    chunk: int | None = None,
) -> Tensor:
    """`sequence_score` of the semantic classes of the fixated pixels (SemSS).

    Source: the metric of Yang et al. 2022 (ECCV, target-absent human attention) and later work on search, there
    with the panoptic classes of COCO at display size.

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        label_map: [H, W] integer classes for all or [..., H, W], broadcasting with the scanpaths.
        bin_ms: length of the bins of time; None = one symbol per fixation.
        on_outside: what becomes of fixations off the map: "raise" or "clip".
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] float64 from 0 to 1; 0 if one string is empty, NaN if both are.
    Raises:
        TypeError, ValueError: as `Scanpaths.of` and `class_labels`; bin_ms without durations; chunk below 1.

    Example:
        >>> import numpy as np
        >>> sky_and_sea = np.array([[1, 1, 1], [2, 2, 2]])
        >>> semantic_sequence_score([[0, 0], [2, 1]], [[2, 0], [1, 0]], sky_and_sea)
        tensor(0.5000, dtype=torch.float64)
    """
    labelling = class_labelling(label_map, on_outside)
    return over_labelled(sequence_score, labelling, a, b, bin_ms, "floor", chunk)


def grid_edit_distance(
    a: ScanpathsLike,
    b: ScanpathsLike,
    size_px: ArrayLike | tuple[float, float],
    grid: tuple[int, int] = (5, 5),
    bin_ms: float | None = None,
    substitution_cost: float = 1.0,
    normalised: bool = False,
    on_outside: OffFrame = "raise",
    chunk: int | None = None,
) -> Tensor:
    """`edit_distance` of the cells of a regular grid: the string-edit distance of scanpaths.

    Source: Brandt and Stark 1997 (J. Cognitive Neuroscience 9, 27).

    Args:
        a: as in `grid_sequence_score`, as are `b`, `size_px`, `grid`, `bin_ms`, `on_outside` and `chunk`.
        substitution_cost: of replacing one symbol; 1 and 2 are in use.
        normalised: whether to divide by the length of the longer string.
    Returns:
        [...] float64 from 0 (equal strings); the length of the other if one string is empty. Normalised NaN
        if both are.
    Raises:
        TypeError, ValueError: as `grid_sequence_score`; a negative cost.

    Example:
        >>> grid_edit_distance([[100, 100], [700, 500]], [[150, 100], [700, 400]], size_px=(800, 600))
        tensor(1., dtype=torch.float64)
    """
    labelling = grid_labelling(size_px, grid, on_outside)
    return over_labelled(_edits(substitution_cost, normalised), labelling, a, b, bin_ms, "floor", chunk)


def cluster_edit_distance(
    a: ScanpathsLike,
    b: ScanpathsLike,
    centres_px: ArrayLike | Sequence[ArrayLike],
    bin_ms: float | None = None,
    substitution_cost: float = 1.0,
    normalised: bool = False,
    chunk: int | None = None,
) -> Tensor:
    """`edit_distance` of clusters of fixations: the published fixation edit distance (FED).

    Source: Mondal et al. 2023 (CVPR, Gazeformer): a replacement costs 1, not normalised.

    Args:
        a: as in `cluster_sequence_score`, as are `b`, `centres_px`, `bin_ms` and `chunk`.
        substitution_cost: of replacing one symbol.
        normalised: whether to divide by the length of the longer string.
    Returns:
        [...] float64 from 0 (equal strings); the length of the other if one string is empty. Normalised NaN
        if both are.
    Raises:
        TypeError, ValueError: as `cluster_sequence_score`; a negative cost.

    Example:
        >>> import numpy as np
        >>> centres = np.array([[100, 100], [700, 450]])
        >>> cluster_edit_distance([[90, 120], [650, 500]], [[720, 400]], centres)
        tensor(1., dtype=torch.float64)
    """
    labelling = cluster_labelling(centres_px)
    return over_labelled(_edits(substitution_cost, normalised), labelling, a, b, bin_ms, "floor", chunk)


def semantic_edit_distance(
    a: ScanpathsLike,
    b: ScanpathsLike,
    label_map: ArrayLike,
    bin_ms: float | None = None,
    substitution_cost: float = 1.0,
    normalised: bool = False,
    on_outside: OffFrame = "raise",
    chunk: int | None = None,
) -> Tensor:
    """`edit_distance` of the semantic classes of the fixated pixels (SemFED).

    Source: Mondal et al. 2023 (CVPR, Gazeformer): a replacement costs 1, not normalised.

    Args:
        a: as in `semantic_sequence_score`, as are `b`, `label_map`, `bin_ms`, `on_outside` and `chunk`.
        substitution_cost: of replacing one symbol.
        normalised: whether to divide by the length of the longer string.
    Returns:
        [...] float64 from 0 (equal strings); the length of the other if one string is empty. Normalised NaN
        if both are.
    Raises:
        TypeError, ValueError: as `semantic_sequence_score`; a negative cost.

    Example:
        >>> import numpy as np
        >>> sky_and_sea = np.array([[1, 1, 1], [2, 2, 2]])
        >>> semantic_edit_distance([[0, 0], [2, 1]], [[2, 0], [1, 0]], sky_and_sea)
        tensor(1., dtype=torch.float64)
    """
    labelling = class_labelling(label_map, on_outside)
    return over_labelled(_edits(substitution_cost, normalised), labelling, a, b, bin_ms, "floor", chunk)


def _edits(substitution_cost: float, normalised: bool) -> Callable[[Ragged, Ragged], Tensor]:
    if finite_number("substitution_cost", substitution_cost) < 0:
        raise ValueError(f"substitution_cost must be at least 0, got {substitution_cost}")
    return partial(edit_distance, substitution_cost=substitution_cost, normalised=normalised)
