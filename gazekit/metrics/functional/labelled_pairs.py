"""Pairs of scanpaths as pairs of strings, a bounded number at a time, labels and bins of time included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.labels import Labelling, finite_number, repeat_by_duration
from gazekit.metrics.functional.pairs import broadcast_rows, pairs_at_once
from gazekit.metrics.functional.threads import one_thread
from gazekit.scanpath import Ragged, Scanpaths, ScanpathsLike

__all__ = ["over_labelled"]

_NUMBERS = 16  # held at once for a symbol, from its fixation to the alignment


@one_thread()
def over_labelled(
    score: Callable[[Ragged, Ragged], Tensor],
    labelling: Labelling,
    a: ScanpathsLike,
    b: ScanpathsLike,
    bin_ms: float | None,
    rounding: Literal["round", "floor"],
    chunk: int | None,
) -> Tensor:
    """Score pairs of scanpaths as strings, `chunk` pairs at once; leading dimensions broadcast.

    Scanpaths are labelled within the chunks, once where several pairs of a chunk share one.

    Args:
        score: takes the strings [P, n] and [P, m] of some pairs, returns [P].
        labelling: of the fixations.
        a: the one side; `b` the other.
        bin_ms: how long a fixation lasts for one symbol; None = one symbol per fixation.
        rounding: of the number of bins, as in `repeat_by_duration`.
        chunk: pairs computed at once; None = as many as keep the working memory below 64 MiB.
    Returns:
        [...].
    Raises:
        TypeError, ValueError: as `Scanpaths.of`, `Labelling.check`; bin_ms for scanpaths without durations or
            not a number above 0; dimensions that don't broadcast; chunk not a whole number from 1.
    """
    if bin_ms is not None and not finite_number("bin_ms", bin_ms) > 0:
        raise ValueError(f"bin_ms must be above 0, got {bin_ms}")
    sides = [Scanpaths.of(side, name) for name, side in (("a", a), ("b", b))]
    for name, side in zip("ab", sides, strict=True):
        labelling.check(side, name)
        if bin_ms is not None and side.duration_ms is None and side.mask.any():
            raise ValueError(f"bin_ms={bin_ms} needs durations, and {name} has none")
    try:
        shape = torch.broadcast_shapes(*(side.shape for side in sides), labelling.shape)
    except RuntimeError as error:
        raise ValueError(
            f"leading dimensions of a and b must broadcast, got {[list(side.shape) for side in sides]}"
        ) from error
    pairs = shape.numel()
    chunk = pairs_at_once(chunk, _NUMBERS * sum(_longest(side, bin_ms) for side in sides))
    rows = [broadcast_rows(side.shape, shape, sides[0].mask) for side in sides]
    picture = broadcast_rows(labelling.shape, shape, sides[0].mask)
    facts = labelling.facts.to(picture.device)
    flat = [side.flatten() for side in sides]
    scores = [torch.zeros(0, dtype=torch.float64, device=picture.device)]
    for start in range(0, pairs, chunk):
        part = slice(start, start + chunk)
        strings = (
            _strings(labelling, facts, paths, row[part], picture[part], bin_ms, rounding)
            for paths, row in zip(flat, rows, strict=True)
        )
        scores.append(score(*strings))
    return torch.cat(scores).reshape(shape)


def _strings(
    labelling: Labelling,
    facts: Tensor,
    paths: Scanpaths,
    row: Tensor,
    picture: Tensor,
    bin_ms: float | None,
    rounding: Literal["round", "floor"],
) -> Ragged:
    """[P, n] strings of the scanpaths `row` [P] on the pictures [P], each different one labelled once."""
    different, which = (row * len(facts) + picture).unique(return_inverse=True)
    paths, picture = paths[different // len(facts)], different % len(facts)
    if not paths.mask.numel():
        return Ragged(torch.zeros_like(paths.mask, dtype=torch.long)[which], paths.mask[which])
    labels = Ragged(labelling.label(paths.xy_px, facts, picture), paths.mask)
    if bin_ms is not None and paths.duration_ms is not None:
        labels = repeat_by_duration(labels, paths.duration_ms, bin_ms, rounding)
    return Ragged(labels.values[which], labels.mask[which])


def _longest(paths: Scanpaths, bin_ms: float | None) -> int:
    """At least as many symbols, and as many fixations, as any of the scanpaths has."""
    steps = paths.mask.shape[-1]
    if bin_ms is None or paths.duration_ms is None or not paths.mask.numel():
        return steps
    total_ms = torch.where(paths.mask, paths.duration_ms, 0).sum(-1)
    return steps + int(total_ms.max() / bin_ms) + 1
