"""MultiMatch: five similarities of two scanpaths whose saccades are aligned."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.kernels.alignment import Path, cheapest_path
from gazekit.metrics.functional.arguments import ArrayLike, reals
from gazekit.metrics.functional.grouping import Grouping, simplify_scanpaths
from gazekit.metrics.functional.pairs import over_pairs
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["MULTIMATCH_PARTS", "SaccadeAlignment", "multimatch", "multimatch_alignment"]

MULTIMATCH_PARTS = ("vector", "direction", "length", "position", "duration")


def multimatch(
    a: ScanpathsLike,
    b: ScanpathsLike,
    size_px: ArrayLike | tuple[float, float],
    grouping: Grouping | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Similarity of two scanpaths in shape, direction, saccade length, position and fixation duration.

    Saccades u_i = a_{i+1} - a_i and v_j are aligned by the path through the table |u_i - v_j| from the first
    pair to the last (right, down or diagonal) whose entered cells have the least sum. With medians over the
    aligned pairs and D the diagonal of the picture:

        vector     1 - med |u - v| / 2D
        direction  1 - med |angle between u and v| / pi
        length     1 - med ||u| - |v|| / D
        position   1 - med |distance of their starts| / D
        duration   1 - med |d_a - d_b| / max(d_a, d_b), d that of the fixation before the saccade

    Values are high by construction (0.94 for vector and length of random walks): read them beside those of
    random scanpaths and of people.

    Source: Jarodzka et al. 2010 (ETRA, 211); Dewhurst et al. 2012 (Behavior Research Methods 44, 1079); numbers
    as multimatch_gaze 0.1.3. A saccade of length 0 has direction 0 (to the right), as there. Deviations: of
    several alignments of one cost that of `kernels.alignment.cheapest_path` is taken, where multimatch_gaze takes
    one by its internal order; two durations of 0 are equal; grouping never fails (`simplify_scanpaths`).

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        size_px: (width, height) of the picture, one for all or [..., 2], broadcasting with the scanpaths.
        grouping: thresholds for merging saccades before the comparison; None = no merging.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [..., 5] in the order of `MULTIMATCH_PARTS`, 1 for equal scanpaths; all NaN if either has fewer than 3
        fixations (before grouping), duration alone NaN if durations are unknown. Differentiable, for the
        alignment found.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; a size that is not two positive numbers; grouping without
            durations; leading dimensions that don't broadcast; chunk below 1.

    Example:
        >>> a = [[400, 300, 200], [520, 310, 300], [640, 180, 250], [300, 420, 400]]
        >>> b = [[410, 290, 250], [600, 200, 200], [330, 400, 350]]
        >>> dict(zip(MULTIMATCH_PARTS, multimatch(a, b, (800, 600)).round(decimals=3).tolist()))
        {'vector': 0.96, 'direction': 0.878, 'length': 0.92, 'position': 0.955, 'duration': 0.8}
    """
    size = reals("size_px", size_px, 2)
    if not (size.isfinite() & (size > 0)).all():
        raise ValueError(f"size_px must be (width, height) above 0, got {size.min():g}")
    a, b = _comparable(a, "a", grouping), _comparable(b, "b", grouping)
    return over_pairs(_similarities, a, b, size.to(a.xy_px), chunk=chunk, tables=_tables(a, b))


class SaccadeAlignment(NamedTuple):
    """Which saccades of two scanpaths MultiMatch compares.

    `a_saccade`, `b_saccade` [..., L] number of the saccade, from 0, in order; 0 behind the end. `mask` [..., L]
    True = a pair. `cost_px` [...] sum of |u - v| over all pairs but the first.
    """

    a_saccade: Tensor
    b_saccade: Tensor
    mask: Tensor
    cost_px: Tensor


def multimatch_alignment(a: ScanpathsLike, b: ScanpathsLike, chunk: int | None = None) -> SaccadeAlignment:
    """The pairs of saccades whose differences `multimatch` takes the medians of.

    Args:
        a: [..., T] scanpaths as for `multimatch`, simplified already if they shall be (`simplify_scanpaths`);
            `b` [..., T'] likewise.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        `SaccadeAlignment` with L = T + T' - 3; no pairs and a cost of NaN where a scanpath has no saccade.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; leading dimensions that don't broadcast; chunk below 1.

    Example:
        >>> found = multimatch_alignment([[0, 0], [90, 0], [90, 50]], [[5, 5], [50, 5], [95, 5], [95, 50]])
        >>> found.a_saccade[found.mask], found.b_saccade[found.mask], found.cost_px
        (tensor([0, 0, 1]), tensor([0, 1, 2]), tensor(50., dtype=torch.float64))
    """
    a, b = Scanpaths.of(a, "a"), Scanpaths.of(b, "b")
    longest = max(a.mask.shape[-1] + b.mask.shape[-1] - 3, 0)

    def numbers(a: Scanpaths, b: Scanpaths) -> Tensor:
        path = _aligned(a, b)
        cells = torch.stack([path.a_index, path.b_index, path.mask.long()], 1)
        cells = torch.nn.functional.pad(cells, (0, longest - cells.shape[-1])).flatten(1)
        return torch.cat([path.cost[:, None], cells], 1)

    found = over_pairs(numbers, a, b, chunk=chunk, tables=_tables(a, b))
    a_saccade, b_saccade, mask = found[..., 1:].detach().long().unflatten(-1, (3, longest)).unbind(-2)
    return SaccadeAlignment(a_saccade, b_saccade, mask.bool(), found[..., 0])


def _comparable(paths: ScanpathsLike, name: str, grouping: Grouping | None) -> Scanpaths:
    """Simplified; those with fewer than 3 fixations are emptied, so that they give NaN."""
    paths = Scanpaths.of(paths, name)
    mask = paths.mask & (paths.lengths >= 3)[..., None]
    paths = Scanpaths(paths.xy_px, mask, paths.duration_ms)
    return paths if grouping is None else simplify_scanpaths(paths, grouping)


def _tables(a: Scanpaths, b: Scanpaths) -> int:
    """How many T x T' tables of 8 bytes are held: of saccades, and lists of up to T + T' aligned ones."""
    n, m = a.mask.shape[-1], b.mask.shape[-1]
    return 8 + 64 * (n + m) // max(1, n * m)


def _aligned(a: Scanpaths, b: Scanpaths) -> Path:
    u, v = a.xy_px.diff(dim=1), b.xy_px.diff(dim=1)
    cost = torch.cdist(u, v, compute_mode="donot_use_mm_for_euclid_dist")
    return cheapest_path(cost, *((paths.lengths - 1).clamp(0) for paths in (a, b)))


def _similarities(a: Scanpaths, b: Scanpaths, size_px: Tensor) -> Tensor:
    with torch.no_grad():
        path = _aligned(a, b)
    count = path.mask.sum(1)
    longest = int(count.max()) if len(count) else 0
    if not longest:
        return a.xy_px.new_full((len(a), 5), torch.nan)
    first, second = _saccades(a, path.a_index[:, :longest]), _saccades(b, path.b_index[:, :longest])
    median = _median(_differences(first, second), count)
    diagonal = torch.linalg.vector_norm(size_px, dim=1)
    one = torch.ones_like(diagonal)
    similarity = 1 - median / torch.stack([2 * diagonal, math.pi * one, diagonal, diagonal, one], 1)
    if a.duration_ms is None or b.duration_ms is None:
        return torch.cat([similarity[:, :4], torch.full_like(similarity[:, :1], torch.nan)], 1)
    return similarity


def _saccades(paths: Scanpaths, index: Tensor) -> Tensor:
    """[P, L, 7] start x and y, vector x and y, length, direction and duration of the saccades of an alignment."""
    start, vector = paths.xy_px[:, :-1], paths.xy_px.diff(dim=1)
    length = torch.linalg.vector_norm(vector, dim=2, keepdim=True)
    direction = torch.atan2(vector[..., 1:], torch.where(length > 0, vector[..., :1], 1.0))
    duration = paths.xy_px[..., 0] if paths.duration_ms is None else paths.duration_ms
    facts = torch.cat([start, vector, length, direction, duration[:, :-1, None]], 2)
    row = torch.arange(len(facts), device=index.device)[:, None] * facts.shape[1]
    return facts.flatten(0, 1)[row + index]


def _differences(first: Tensor, second: Tensor) -> Tensor:
    """[P, 5, L] by which aligned saccades differ, in the order of `MULTIMATCH_PARTS`."""
    difference = first - second
    position, vector = (torch.linalg.vector_norm(difference[..., k : k + 2], dim=2) for k in (0, 2))
    length, turn, duration = difference[..., 4:].abs().unbind(2)
    longer = torch.maximum(first[..., 6], second[..., 6])
    relative = duration / torch.where(longer > 0, longer, 1.0)
    return torch.stack([vector, torch.minimum(turn, 2 * math.pi - turn), length, position, relative], 1)


def _median(values: Tensor, count: Tensor) -> Tensor:
    """[P, K] of the first `count` of values [P, K, L]; NaN of none."""
    behind = torch.arange(values.shape[2], device=values.device) >= count[:, None, None]
    ordered = values.masked_fill(behind, torch.inf).sort(2).values
    middle = torch.stack([(count - 1).clamp(0) // 2, count // 2], 1)[:, None].expand(-1, values.shape[1], -1)
    return torch.where(count[:, None] > 0, ordered.gather(2, middle).mean(2), torch.nan)
