"""Global alignment and edit distance of padded pairs of sequences, all pairs at once (`reference.py`).

Source: Needleman and Wunsch 1970 (J. Mol. Biol. 48, 443); Wagner and Fischer 1974 (J. ACM 21, 168).
Layout: pairs first, [P, n] symbols or [P, n, m] scores; sequences begin at 0 and `*_length` says where they
end. What stands behind the end never matters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.alignment.reference import best_score, matrix_diagonal, symbol_diagonal

__all__ = ["edit_distance", "global_alignment", "symbol_alignment"]

_CHUNK_BYTES = 64 * 2**20
# On the CPU a diagonal of all pairs should stay in the cache and below the size at which torch uses threads:
# steps this short are soon done, and waking threads on a busy machine costs many times what they save.
_CPU_DIAGONAL = 2**15


def global_alignment(
    substitution: Tensor, a_length: Tensor, b_length: Tensor, gap: float, chunk: int | None = None
) -> Tensor:
    """Needleman-Wunsch: the largest sum of substitution scores and gaps over all global alignments.

    Args:
        substitution: [P, n, m] score of pairing symbol i of the first sequence with symbol j of the second;
            float32 or float64, differentiable.
        a_length: [P] integers from 0 to n.
        b_length: [P] integers from 0 to m.
        gap: score of one symbol without partner, usually 0 or negative.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB (more under
            autograd, which keeps every diagonal).
    Returns:
        [P] in the dtype of `substitution`; with an empty sequence gap x length of the other.
    Raises:
        TypeError: substitution is not floating, lengths are not integers.
        ValueError: shapes differ, a length outside its range, chunk below 1.
    """
    if substitution.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"substitution must be float32 or float64, got {substitution.dtype}")
    if substitution.dim() != 3:
        raise ValueError(f"substitution must have shape [P, n, m], got {list(substitution.shape)}")
    pairs, n, m = substitution.shape
    _check_length("a_length", a_length, pairs, n)
    _check_length("b_length", b_length, pairs, m)
    scores = []
    for rows in _chunks(substitution, min(n, m) + 1, 2 * n * m, chunk):
        a, b = a_length[rows], b_length[rows]
        n_rows, m_rows = int(a.max()), int(b.max())
        table = substitution[rows, :n_rows, :m_rows].permute(1, 2, 0).contiguous()
        scores.append(best_score(matrix_diagonal(table), n_rows, m_rows, a, b, gap, substitution.dtype))
    return torch.cat(scores) if scores else substitution.new_zeros(0)


def symbol_alignment(
    a: Tensor,
    b: Tensor,
    a_length: Tensor,
    b_length: Tensor,
    match: float = 1.0,
    mismatch: float = 0.0,
    gap: float = 0.0,
    chunk: int | None = None,
) -> Tensor:
    """Needleman-Wunsch where a pair of symbols scores by equality alone; no [n, m] table is ever held.

    With the default scores the length of the longest common subsequence.

    Args:
        a: [P, n] integer symbols.
        b: [P, m] integer symbols.
        a_length: [P] integers from 0 to n.
        b_length: [P] integers from 0 to m.
        match: score of two equal symbols; `mismatch` of two different ones; `gap` of one without partner.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [P] float64; with an empty sequence gap x length of the other.
    Raises:
        TypeError: symbols or lengths are not integers.
        ValueError: shapes differ, a length outside its range, chunk below 1.
    """
    for name, symbols in (("a", a), ("b", b)):
        if symbols.is_floating_point() or symbols.is_complex():
            raise TypeError(f"{name} must hold integer symbols, got {symbols.dtype}")
        if symbols.dim() != 2:
            raise ValueError(f"{name} must have shape [P, length], got {list(symbols.shape)}")
    if len(a) != len(b):
        raise ValueError(f"a and b must hold equally many sequences, got {len(a)} and {len(b)}")
    _check_length("a_length", a_length, len(a), a.shape[1])
    _check_length("b_length", b_length, len(b), b.shape[1])
    n, m = a.shape[1], b.shape[1]
    scores = []
    for rows in _chunks(a, min(n, m) + 1, n + 2 * m, chunk):
        n_rows, m_rows = int(a_length[rows].max()), int(b_length[rows].max())
        a_rows, b_rows = a[rows, :n_rows].T.contiguous(), b[rows, :m_rows].T.contiguous()
        read = symbol_diagonal(a_rows, b_rows, match, mismatch, torch.float64)
        scores.append(best_score(read, n_rows, m_rows, a_length[rows], b_length[rows], gap, torch.float64))
    return torch.cat(scores) if scores else torch.zeros(0, dtype=torch.float64, device=a.device)


def edit_distance(
    a: Tensor,
    b: Tensor,
    a_length: Tensor,
    b_length: Tensor,
    substitution_cost: float = 1.0,
    chunk: int | None = None,
) -> Tensor:
    """Levenshtein: the least cost of turning one sequence into the other; inserting or deleting costs 1.

    It is minus the best alignment with gap -1, mismatch -substitution_cost and match 0.

    Args:
        a: [P, n] integer symbols.
        b: [P, m] integer symbols.
        a_length: [P] integers from 0 to n.
        b_length: [P] integers from 0 to m.
        substitution_cost: of replacing one symbol, at least 0; from 2 on replacing never pays.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [P] float64; with an empty sequence the length of the other.
    Raises:
        TypeError: symbols or lengths are not integers.
        ValueError: shapes differ, a length outside its range, a negative cost, chunk below 1.
    """
    if not substitution_cost >= 0:
        raise ValueError(f"substitution_cost must be at least 0, got {substitution_cost}")
    score = symbol_alignment(
        a, b, a_length, b_length, match=0, mismatch=-substitution_cost, gap=-1, chunk=chunk
    )
    return 0 - score  # -score would turn 0 into -0


def _check_length(name: str, length: Tensor, pairs: int, longest: int) -> None:
    if length.is_floating_point() or length.is_complex() or length.dtype == torch.bool:
        raise TypeError(f"{name} must be integers, got {length.dtype}")
    if length.shape != (pairs,):
        raise ValueError(f"{name} must have shape [{pairs}], got {list(length.shape)}")
    if pairs and (length.min() < 0 or length.max() > longest):
        raise ValueError(f"{name} must lie in 0..{longest}, got {int(length.min())}..{int(length.max())}")


def _chunks(pairs: Tensor, diagonal: int, copied: int, chunk: int | None) -> list[slice]:
    """Rows of `pairs` [P, ...] by chunks; of each pair some eight diagonals and `copied` numbers are held."""
    if chunk is None:
        chunk = _CHUNK_BYTES // (8 * (copied + 8 * diagonal))
        if pairs.device.type == "cpu":
            chunk = min(chunk, _CPU_DIAGONAL // diagonal)
        chunk = max(chunk, 1)
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    return [slice(start, start + chunk) for start in range(0, len(pairs), chunk)]
