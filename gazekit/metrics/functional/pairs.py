"""Many pairs of scanpaths, a bounded number at a time: what every scanpath comparison stands on."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral

import torch
from torch import Tensor

from gazekit.metrics.functional.threads import one_thread
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["broadcast_rows", "over_pairs", "pairs_at_once", "whole_number"]

_CHUNK_BYTES = 64 * 2**20


@one_thread()
def over_pairs(
    score: Callable[..., Tensor],
    a: ScanpathsLike,
    b: ScanpathsLike,
    *facts: Tensor,
    chunk: int | None,
    tables: int = 4,
) -> Tensor:
    """Score pairs of scanpaths whose leading dimensions broadcast, `chunk` pairs at once.

    Args:
        score: takes a part of the pairs, `Scanpaths` [P, T] and [P, T'] padded with 0 no further than their
            longest, then the facts' rows of these pairs, and returns [P] or [P, K].
        a: the one side; `b` the other.
        facts: [..., F] tensors, whose leading dimensions broadcast with those of the scanpaths (the sizes of
            the pictures, for instance); moved to the device of `a`.
        chunk: pairs computed at once; None = as many as keep `tables` T x T' tables of 8 bytes below 64 MiB.
        tables: how many such tables `score` holds at its peak.
    Returns:
        [...] or [..., K].
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; leading dimensions that don't broadcast; chunk not a whole number
            from 1.
    """
    a, b = Scanpaths.of(a, "a"), Scanpaths.of(b, "b")
    try:
        shape = torch.broadcast_shapes(a.shape, b.shape, *(fact.shape[:-1] for fact in facts))
    except RuntimeError as error:
        shapes = [list(a.shape), list(b.shape), *(list(fact.shape[:-1]) for fact in facts)]
        raise ValueError(f"leading dimensions must broadcast, got {shapes}") from error
    a_row, b_row = broadcast_rows(a.shape, shape, a.mask), broadcast_rows(b.shape, shape, b.mask)
    fact_rows = [broadcast_rows(fact.shape[:-1], shape, a.mask) for fact in facts]
    a, b = a.flatten(), b.flatten()
    facts = tuple(fact.reshape(-1, fact.shape[-1]).to(a.mask.device) for fact in facts)
    chunk = pairs_at_once(chunk, tables * a.mask.shape[-1] * b.mask.shape[-1])
    parts = []
    for start in range(0, max(len(a_row), 1), chunk):  # no pairs at all still need the right K
        part = slice(start, start + chunk)
        rows = [fact[index[part]] for fact, index in zip(facts, fact_rows, strict=True)]
        parts.append(score(_trimmed(a[a_row[part]]), _trimmed(b[b_row[part]]), *rows))
    scores = torch.cat(parts)
    return scores.reshape((*shape, *scores.shape[1:]))


def pairs_at_once(chunk: int | None, numbers: int) -> int:
    """`chunk`, or as many pairs as keep `numbers` of 8 bytes for each below 64 MiB.

    Raises:
        TypeError, ValueError: chunk is not a whole number from 1.
    """
    if chunk is None:
        return max(1, _CHUNK_BYTES // (8 * max(1, numbers)))
    return whole_number("chunk", chunk, least=1)


def whole_number(name: str, value: int, least: int | None = None) -> int:
    """A setting that must be a whole number.

    Raises:
        TypeError: it is not one. ValueError: it is below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def broadcast_rows(own: torch.Size, shape: torch.Size, like: Tensor) -> Tensor:
    """[P] which of the flattened own rows each of the broadcast ones is."""
    return torch.arange(own.numel(), device=like.device).reshape(own).expand(shape).reshape(-1)


def _trimmed(paths: Scanpaths) -> Scanpaths:
    """Without the columns that are all padding. The rest of it becomes 0: NaN there would reach gradients."""
    longest = int(paths.lengths.max()) if len(paths) else 0
    mask = paths.mask[:, :longest]
    xy = torch.where(mask[..., None], paths.xy_px[:, :longest], 0.0)
    if paths.duration_ms is None:
        return Scanpaths(xy, mask)
    return Scanpaths(xy, mask, torch.where(mask, paths.duration_ms[:, :longest], 0.0))
