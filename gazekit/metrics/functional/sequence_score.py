"""Sequence score: how much of two strings of fixated objects is common, in order."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.alignment import symbol_alignment
from gazekit.metrics.functional.arguments import ArrayLike, symbol_pairs

__all__ = ["sequence_score"]


def sequence_score(a: ArrayLike, b: ArrayLike, a_mask: ArrayLike, b_mask: ArrayLike) -> Tensor:
    """Longest common subsequence, as a fraction of the longer string.

    The Needleman-Wunsch score with match 1, mismatch 0 and gap 0, divided by max(length a, length b).

    Source: Yang et al. 2020 (CVPR, inverse reinforcement learning of visual search), there on clusters of
    fixations; Fang et al. 2024 (ECCV, object attention transformer) on object ids, as here.
    Deviation: two empty strings give NaN; published code skips them, or scores another trial in their place.

    Args:
        a: [..., T] integer object ids (or any other labels of fixations); numpy arrays are taken as well.
        b: [..., T'] likewise; leading dimensions broadcast.
        a_mask: [..., T] bool, True = valid; padding at the end.
        b_mask: [..., T'] bool.
    Returns:
        [...] float64 from 0 to 1 (equal strings); 0 if one string is empty, NaN if both are.
    Raises:
        TypeError: ids are not integers, a mask is not bool.
        ValueError: shapes don't fit, padding before a valid entry.

    Example:
        >>> import torch
        >>> a, b = torch.tensor([4, 4, 7, 2]), torch.tensor([4, 7, 5])
        >>> sequence_score(a, b, torch.ones(4, dtype=bool), torch.ones(3, dtype=bool))
        tensor(0.5000, dtype=torch.float64)
    """
    a, b, a_length, b_length, shape = symbol_pairs(a, b, a_mask, b_mask)
    common = symbol_alignment(a, b, a_length, b_length, match=1, mismatch=0, gap=0)
    return (common / torch.maximum(a_length, b_length)).reshape(shape)
