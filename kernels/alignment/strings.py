"""Alignment and edit distance of strings, where the score depends only on the pair of symbols (`buffers.py`)."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.alignment.buffers import Scores, best_string_score, equality_scores, table_scores
from gazekit.kernels.alignment.pairs import check_chunk, check_length, chunks, too_long
from gazekit.kernels.dispatch import Impl, check_tensors, use_triton

__all__ = ["edit_distance", "symbol_alignment", "table_alignment"]


def symbol_alignment(
    a: Tensor,
    b: Tensor,
    a_length: Tensor,
    b_length: Tensor,
    match: float = 1.0,
    mismatch: float = 0.0,
    gap: float = 0.0,
    chunk: int | None = None,
    impl: Impl = "auto",
) -> Tensor:
    """Needleman-Wunsch with scores by equality of symbols only; no [n, m] table is stored.

    With the default scores it is the length of the longest common subsequence.

    Args:
        a: [P, n] integer symbols.
        b: [P, m] integer symbols.
        a_length: [P] integers from 0 to n.
        b_length: [P] integers from 0 to m.
        match: score of two equal symbols; `mismatch` of two different ones; `gap` of an unpaired one.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
        impl: "auto", "reference" or "triton".
    Returns:
        [P] float64; with an empty sequence gap x length of the other.
    Raises:
        TypeError: symbols or lengths are not integers.
        ValueError: shapes differ, a length outside its range, chunk below 1,
            "triton" where that cannot run.
    """
    a_length, b_length = _check_strings(a, b, a_length, b_length, chunk)
    if _use_triton(impl, a, b):
        from gazekit.kernels.alignment.triton import string_scores

        return string_scores(a, b, a_length, b_length, gap, match=match, mismatch=mismatch)
    return _string_alignment(equality_scores(match, mismatch), a, b, a_length, b_length, gap, False, chunk)


def table_alignment(
    a: Tensor,
    b: Tensor,
    a_length: Tensor,
    b_length: Tensor,
    table: Tensor,
    gap: float = 0.0,
    free_end: bool = False,
    chunk: int | None = None,
    impl: Impl = "auto",
) -> Tensor:
    """Needleman-Wunsch where symbols x and y score table[x + y] (ScanMatch).

    For an arbitrary [K, K] score table, multiply the symbols in a by K and flatten the table. If the score depends on
    the difference of two symbols, negate the symbols in b: a small table then covers many symbols.

    Args:
        a: [P, n] integer symbols.
        b: [P, m] integer symbols.
        a_length: [P] integers from 0 to n.
        b_length: [P] integers from 0 to m.
        table: [S] scores by the sum of the symbols.
        gap: score of one unpaired symbol, usually 0 or negative.
        free_end: whether the alignment may end anywhere, ignoring the rest of both strings at no cost; the
            score is then at least 0, that of the empty alignment.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
        impl: "auto", "reference" or "triton".
    Returns:
        [P] float64; with an empty sequence gap x length of the other (free_end: the larger of that and 0).
    Raises:
        TypeError: symbols or lengths are not integers.
        ValueError: shapes differ, a length outside its range, a sum that the table lacks, chunk below 1,
            "triton" where that cannot run.
    """
    if table.dim() != 1:
        raise ValueError(f"table must have shape [S], got {list(table.shape)}")
    a_length, b_length = _check_strings(a, b, a_length, b_length, chunk)
    (a, *a_range), (b, *b_range) = (_closed(*side) for side in ((a, a_length), (b, b_length)))
    low, high = (sum(ends) for ends in zip(a_range, b_range, strict=True))
    if a_length.any() and b_length.any() and not 0 <= low <= high < len(table):
        raise ValueError(
            f"the sums of symbols of a and b must lie in 0..{len(table) - 1}, the table, got {low}..{high}"
        )
    table = table.to(a.device, torch.float64)
    if _use_triton(impl, a, b):
        from gazekit.kernels.alignment.triton import string_scores

        return string_scores(a, b, a_length, b_length, gap, table, free_end=free_end)
    return _string_alignment(table_scores(table), a, b, a_length, b_length, gap, free_end, chunk)


def edit_distance(
    a: Tensor,
    b: Tensor,
    a_length: Tensor,
    b_length: Tensor,
    substitution_cost: float = 1.0,
    chunk: int | None = None,
    impl: Impl = "auto",
) -> Tensor:
    """Levenshtein: the minimum cost of turning one sequence into the other; inserting or deleting costs 1.

    It is minus the best alignment with gap -1, mismatch -substitution_cost and match 0.

    Args:
        a: [P, n] integer symbols.
        b: [P, m] integer symbols.
        a_length: [P] integers from 0 to n.
        b_length: [P] integers from 0 to m.
        substitution_cost: cost of replacing one symbol, at least 0; from 2 on, replacing is never cheaper
            (infinite = forbidden).
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
        impl: "auto", "reference" or "triton".
    Returns:
        [P] float64; with an empty sequence the length of the other.
    Raises:
        TypeError: symbols or lengths are not integers.
        ValueError: shapes differ, a length outside its range, a negative cost, chunk below 1,
            "triton" where that cannot run.
    """
    if not substitution_cost >= 0:
        raise ValueError(f"substitution_cost must be at least 0, got {substitution_cost}")
    score = symbol_alignment(
        a, b, a_length, b_length, match=0, mismatch=-substitution_cost, gap=-1, chunk=chunk, impl=impl
    )
    return 0 - score  # -score would turn 0 into -0


def _string_alignment(
    write: Scores,
    a: Tensor,
    b: Tensor,
    a_length: Tensor,
    b_length: Tensor,
    gap: float,
    free_end: bool,
    chunk: int | None,
) -> Tensor:
    """Pairs of similar length are grouped, so that short ones don't wait for long ones."""
    n, m = a.shape[1], b.shape[1]
    order = (a_length + b_length).argsort()
    a, b, a_length, b_length = a[order], b[order], a_length[order], b_length[order]
    parts = [torch.zeros(0, dtype=torch.float64, device=a.device)]
    for rows in chunks(a, min(n, m) + 1, n + 2 * m, chunk):
        a_ends, b_ends = a_length[rows], b_length[rows]
        a_rows, b_rows = a[rows, : int(a_ends.max())], b[rows, : int(b_ends.max())]
        parts.append(
            best_string_score(
                write, a_rows.T.contiguous(), b_rows.T.contiguous(), a_ends, b_ends, gap, free_end
            )
        )
    scores = torch.cat(parts)
    return torch.empty_like(scores).index_copy(0, order, scores)


def _use_triton(impl: Impl, a: Tensor, b: Tensor) -> bool:
    """Symbols are not floating, so only their device is checked."""
    return use_triton(impl, a.new_empty(0, dtype=torch.float32), unfit=too_long(a.shape[1], b.shape[1]))


def _closed(symbols: Tensor, length: Tensor) -> tuple[Tensor, int, int]:
    """Symbols, with padding set to the smallest, in half the bytes; the smallest and the largest symbol."""
    valid = torch.arange(symbols.shape[1], device=symbols.device) < length[:, None]
    if not valid.any():
        return torch.zeros_like(symbols, dtype=torch.int), 0, 0
    symbols = torch.where(valid, symbols, symbols.where(valid, torch.iinfo(symbols.dtype).max).min())
    return symbols.int(), int(symbols.min()), int(symbols.max())


def _check_strings(
    a: Tensor, b: Tensor, a_length: Tensor, b_length: Tensor, chunk: int | None
) -> tuple[Tensor, Tensor]:
    """The lengths as int64, if all fits together."""
    for name, symbols in (("a", a), ("b", b)):
        check_tensors(**{name: symbols})
        if symbols.is_floating_point() or symbols.is_complex() or symbols.dtype == torch.bool:
            raise TypeError(f"{name} must hold integer symbols, got {symbols.dtype}")
        if symbols.dim() != 2:
            raise ValueError(f"{name} must have shape [P, length], got {list(symbols.shape)}")
    if len(a) != len(b) or a.device != b.device:
        raise ValueError("a and b must have the same number of sequences, on one device, "
                         f"got {len(a)} on {a.device} and {len(b)} on {b.device}")  # fmt: skip
    check_chunk(chunk)
    a_length = check_length("a_length", a_length, a, a.shape[1])
    return a_length, check_length("b_length", b_length, b, b.shape[1])
