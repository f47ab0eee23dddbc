"""Alignments, edit distances and warps of padded pairs of sequences, all pairs at once (`reference.py`).

Source: Needleman and Wunsch 1970 (J. Mol. Biol. 48, 443); Wagner and Fischer 1974 (J. ACM 21, 168); Sakoe and
Chiba 1978 (IEEE TASSP 26, 43).
Layout: pairs first, [P, n] symbols or [P, n, m] scores and costs; sequences begin at 0 and end at `*_length`;
entries after the end are ignored. Implementations (`impl`): "reference" is plain torch (`reference.py`,
`buffers.py`, `warp_tables.py`); "triton" (`triton.py`) takes float32 tables and pairs whose shorter sequence
has up to 1023 entries, computes all pairs at once regardless of `chunk`, and in addition to its inputs keeps
one table if a gradient or a path is needed; "auto" is "triton" if that can run on the tensors' device. All
return the same values and gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.alignment.pairs import check_table, chunks, pairs_last, too_long
from gazekit.kernels.alignment.reference import best_score, matrix_diagonal
from gazekit.kernels.alignment.strings import edit_distance, symbol_alignment, table_alignment
from gazekit.kernels.alignment.warps import Path, bottleneck_cost, cheapest_path, warping_cost
from gazekit.kernels.dispatch import Impl, use_triton

__all__ = [
    "Path",
    "bottleneck_cost",
    "cheapest_path",
    "edit_distance",
    "global_alignment",
    "symbol_alignment",
    "table_alignment",
    "warping_cost",
]


def global_alignment(
    substitution: Tensor,
    a_length: Tensor,
    b_length: Tensor,
    gap: float,
    chunk: int | None = None,
    impl: Impl = "auto",
) -> Tensor:
    """Needleman-Wunsch: the maximum sum of substitution scores and gaps over all global alignments.

    Args:
        substitution: [P, n, m] score of pairing symbol i of the first sequence with symbol j of the second;
            float32 or float64, differentiable.
        a_length: [P] integers from 0 to n.
        b_length: [P] integers from 0 to m.
        gap: score of one unpaired symbol, usually 0 or negative.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB (more under
            autograd, which keeps every diagonal).
        impl: "auto", "reference" or "triton".
    Returns:
        [P] in the dtype of `substitution`; with an empty sequence gap x length of the other.
    Raises:
        TypeError: substitution is not floating, lengths are not integers.
        ValueError: shapes differ, a length outside its range, chunk below 1, "triton" where that cannot run.
    """
    a_length, b_length = check_table("substitution", substitution, a_length, b_length, chunk)
    _, n, m = substitution.shape
    if use_triton(impl, substitution, unfit=too_long(n, m)):
        from gazekit.kernels.alignment.triton import totals

        return totals(substitution, a_length, b_length, "align", gap)
    scores = []
    for rows in chunks(substitution, min(n, m) + 1, 2 * n * m, chunk):
        table, a, b = pairs_last(substitution, a_length, b_length, rows)
        n_rows, m_rows, _ = table.shape
        scores.append(best_score(matrix_diagonal(table.contiguous()), n_rows, m_rows, a, b, gap, table.dtype))
    return torch.cat(scores) if scores else substitution.new_zeros(0)
