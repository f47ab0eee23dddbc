"""Edit distance between two strings of fixated objects."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels import alignment
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.strings import StringsLike, over_strings, strings

__all__ = ["edit_distance"]


def edit_distance(
    a: StringsLike,
    b: StringsLike,
    a_mask: ArrayLike | None = None,
    b_mask: ArrayLike | None = None,
    substitution_cost: float = 1.0,
    normalised: bool = False,
    chunk: int | None = None,
) -> Tensor:
    """The least cost of insertions, deletions (1 each) and replacements that turn one string into the other.

    Not normalised by default: long scanpaths then lie further apart than short ones.

    Source: Levenshtein 1966; as "fixation edit distance" in Mondal et al. 2023 (CVPR, Gazeformer) and as
    ED in Fang et al. 2024 (ECCV, object attention transformer).

    Args:
        a: [..., T] integer object ids (or any other labels of fixations) as a tensor or array, `Ragged`, or a
            list of integers (one string, result []) or of strings (result [B]); `b` likewise. Leading
            dimensions broadcast. `[]` is one empty string, as is a tensor of shape [0]; `[[]]` is a list of one
            empty string; no strings at all are a tensor of shape [0, T]. (Where scanpaths are asked for, `[]` is
            no scanpath at all.)
        a_mask: [..., T] bool, True = valid, padding at the end, where `a` is a tensor or array; None = all
            valid. `b_mask` likewise.
        substitution_cost: of replacing one symbol, at least 0; 1 and 2 are in use, from 2 on it never pays.
        normalised: whether to divide by the length of the longer string.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] float64 from 0 (equal strings); the length of the other if one string is empty. Normalised
        to 1 at most if a replacement costs 1 (2 if it costs 2); NaN if both strings are empty.
    Raises:
        TypeError: ids are not integers (letters, for instance), a mask is not bool.
        ValueError: shapes don't fit, padding before a valid entry, a mask for what has its own, a negative
            cost, chunk below 1.

    Example:
        >>> edit_distance([[4, 4, 7, 2], [4, 7]], [4, 7, 5])
        tensor([2., 1.], dtype=torch.float64)
    """

    def cost(a: Tensor, b: Tensor, a_length: Tensor, b_length: Tensor) -> Tensor:
        edits = alignment.edit_distance(a, b, a_length, b_length, substitution_cost)
        return edits / torch.maximum(a_length, b_length) if normalised else edits

    return over_strings(cost, strings("a", a, a_mask), strings("b", b, b_mask), chunk)
