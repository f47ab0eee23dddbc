"""Strings of symbols in pairs: what people may hold them in, and many pairs a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, sequences
from gazekit.metrics.functional.pairs import broadcast_rows, pairs_at_once
from gazekit.scanpath import Ragged

__all__ = ["StringsLike", "over_strings", "strings"]

StringsLike = ArrayLike | Ragged | Sequence


def strings(name: str, symbols: StringsLike, mask: ArrayLike | None = None) -> Ragged:
    """Strings of integer symbols with leading shape [...], padding behind each.

    Args:
        name: what errors call them.
        symbols: a tensor or array [..., T]; `Ragged`; a list of integers (one string) or of strings. An empty
            list is one empty string.
        mask: [..., T] bool, True = valid, for a tensor or array; None = all valid.
    Raises:
        TypeError: symbols are not integers (text, for instance), the mask is not bool.
        ValueError: shapes differ, padding before a valid entry, a mask for what has its own.
    """
    if _is_text(symbols):
        raise TypeError(
            f"{name} must hold integer labels, got text: number the letters, as [ord(c) for c in s]"
        )
    if isinstance(symbols, Tensor | np.ndarray):
        symbols = torch.as_tensor(symbols)
        mask = torch.ones_like(symbols, dtype=torch.bool) if mask is None else mask
    elif mask is not None:
        raise ValueError(f"{name} says by itself how long its strings are: give no mask")
    else:
        symbols = symbols if isinstance(symbols, Ragged) else _listed(symbols)
        symbols, mask = symbols.values, symbols.mask
    return Ragged(*sequences(name, symbols, mask))


def over_strings(
    score: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], a: Ragged, b: Ragged, chunk: int | None
) -> Tensor:
    """Score pairs of strings whose leading dimensions broadcast, `chunk` pairs at once.

    Args:
        score: takes symbols [P, n] and [P, m] and lengths [P] and [P] of some pairs, returns [P].
        a: the one side; `b` the other.
        chunk: pairs computed at once; None = as many as keep the strings of a chunk below 64 MiB.
    Returns:
        [...].
    Raises:
        TypeError, ValueError: leading dimensions that don't broadcast, chunk not a whole number from 1.
    """
    leading = a.mask.shape[:-1], b.mask.shape[:-1]
    try:
        shape = torch.broadcast_shapes(*leading)
    except RuntimeError as error:
        raise ValueError(
            f"leading dimensions of a and b must broadcast, got {[list(own) for own in leading]}"
        ) from error
    rows = [broadcast_rows(own, shape, a.mask) for own in leading]
    flat = [
        side.values.reshape(own.numel(), side.values.shape[-1])
        for side, own in zip((a, b), leading, strict=True)
    ]
    lengths = [side.lengths.reshape(-1) for side in (a, b)]
    chunk = pairs_at_once(chunk, 4 * sum(side.shape[1] for side in flat))
    scores = [torch.zeros(0, dtype=torch.float64, device=a.mask.device)]
    for start in range(0, len(rows[0]), chunk):
        part = [row[start : start + chunk] for row in rows]
        symbols = (side[row] for side, row in zip(flat, part, strict=True))
        ends = (length[row] for length, row in zip(lengths, part, strict=True))
        scores.append(score(*symbols, *ends))
    return torch.cat(scores).reshape(shape)


def _is_text(symbols: StringsLike) -> bool:
    if isinstance(symbols, np.ndarray):
        return symbols.dtype.kind in "US"
    if isinstance(symbols, list | tuple):
        return any(_is_text(part) for part in symbols)
    return isinstance(symbols, str | bytes)


def _is_inexact(part: Tensor) -> bool:
    return part.is_floating_point() or part.is_complex()


def _listed(symbols: Sequence) -> Ragged:
    one = not len(symbols) or not isinstance(symbols[0], Sequence | np.ndarray | Tensor)
    parts = [torch.as_tensor(part) for part in ([symbols] if one else symbols)]
    # an empty list has no type; others must not lose theirs before it is checked
    parts = [part.long() if not (part.numel() and _is_inexact(part)) else part for part in parts]
    ragged = Ragged.from_list(parts)
    return Ragged(ragged.values[0], ragged.mask[0]) if one else ragged
