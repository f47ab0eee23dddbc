"""Sequence score: how much of two strings of fixated objects is common, in order."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.alignment import symbol_alignment
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.strings import StringsLike, over_strings, strings

__all__ = ["sequence_score"]


def sequence_score(
    a: StringsLike,
    b: StringsLike,
    a_mask: ArrayLike | None = None,
    b_mask: ArrayLike | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Longest common subsequence, as a fraction of the longer string.

    The Needleman-Wunsch score with match 1, mismatch 0 and gap 0, divided by max(length a, length b).

    Source: Yang et al. 2020 (CVPR, inverse reinforcement learning of visual search), there on clusters of
    fixations (`cluster_sequence_score`); Fang et al. 2024 (ECCV, object attention transformer) on object ids.
    Deviation: two empty strings give NaN; published code skips them, or scores another trial in their place.

    Args:
        a: [..., T] integer object ids (or any other labels of fixations) as a tensor or array, `Ragged`, or a
            list of integers (one string, result []) or of strings (result [B]); `b` likewise. Leading
            dimensions broadcast. `[]` is one empty string, as is a tensor of shape [0]; `[[]]` is a list of one
            empty string; no strings at all are a tensor of shape [0, T]. (Where scanpaths are asked for, `[]` is
            no scanpath at all.)
        a_mask: [..., T] bool, True = valid, padding at the end, where `a` is a tensor or array; None = all
            valid. `b_mask` likewise.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] float64 from 0 to 1 (equal strings); 0 if one string is empty, NaN if both are.
    Raises:
        TypeError: ids are not integers (letters, for instance), a mask is not bool.
        ValueError: shapes don't fit, padding before a valid entry, a mask for what has its own, chunk below 1.

    Example:
        >>> sequence_score([[4, 4, 7, 2], [1, 2]], [4, 7, 5])
        tensor([0.5000, 0.0000], dtype=torch.float64)
    """
    return over_strings(_common_share, strings("a", a, a_mask), strings("b", b, b_mask), chunk)


def _common_share(a: Tensor, b: Tensor, a_length: Tensor, b_length: Tensor) -> Tensor:
    common = symbol_alignment(a, b, a_length, b_length, match=1, mismatch=0, gap=0)
    return common / torch.maximum(a_length, b_length)
