"""Edit distance between two strings of fixated objects."""

from __future__ import annotations

from torch import Tensor

from gazekit.kernels import alignment
from gazekit.metrics.functional.arguments import ArrayLike, symbol_pairs

__all__ = ["edit_distance"]


def edit_distance(a: ArrayLike, b: ArrayLike, a_mask: ArrayLike, b_mask: ArrayLike) -> Tensor:
    """The least number of insertions, deletions and replacements that turn one string into the other.

    Not normalised: long scanpaths lie further apart than short ones.

    Source: Levenshtein 1966; as "fixation edit distance" in Mondal et al. 2023 (CVPR, Gazeformer) and as
    ED in Fang et al. 2024 (ECCV, object attention transformer).

    Args:
        a: [..., T] integer object ids (or any other labels of fixations); numpy arrays are taken as well.
        b: [..., T'] likewise; leading dimensions broadcast.
        a_mask: [..., T] bool, True = valid; padding at the end.
        b_mask: [..., T'] bool.
    Returns:
        [...] float64 from 0 (equal strings); the length of the other if one string is empty.
    Raises:
        TypeError: ids are not integers, a mask is not bool.
        ValueError: shapes don't fit, padding before a valid entry.

    Example:
        >>> import torch
        >>> a, b = torch.tensor([4, 4, 7, 2]), torch.tensor([4, 7, 5])
        >>> edit_distance(a, b, torch.ones(4, dtype=bool), torch.ones(3, dtype=bool))
        tensor(2., dtype=torch.float64)
    """
    a, b, a_length, b_length, shape = symbol_pairs(a, b, a_mask, b_mask)
    return alignment.edit_distance(a, b, a_length, b_length).reshape(shape)
