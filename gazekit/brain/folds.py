"""Which pictures are predicted together in cross-validation."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, integers, whole_number

__all__ = ["fold_numbers", "group_folds"]


def fold_numbers(folds: int | ArrayLike, n: int) -> Tensor:
    """The fold of each of n pictures, numbered from 0.

    Args:
        folds: how many runs of neighbouring pictures, the first n % folds of them one longer, as scikit-learn's
            `KFold` without shuffling; or [n] integers, the label of each picture's fold (`group_folds`, or the groups
            themselves to leave out one group at a time).
        n: number of pictures.
    Returns:
        [n] int64, all numbers up to the largest occur.
    Raises:
        TypeError: labels are not integers.
        ValueError: fewer than two folds, more folds than pictures, or another number of labels than pictures.
    """
    if isinstance(folds, int):
        if not 2 <= folds <= n:
            raise ValueError(f"folds must be from 2 to the number of pictures, {n}, got {folds}")
        sizes = torch.full((folds,), n // folds)
        sizes[: n % folds] += 1
        return torch.repeat_interleave(torch.arange(folds), sizes)
    labels = integers("folds", folds)
    if labels.shape != (n,):
        raise ValueError(f"folds must hold the label of each picture, [{n}], got {list(labels.shape)}")
    found, numbers = labels.unique(return_inverse=True)
    if len(found) < 2:
        raise ValueError(f"folds must have two labels or more, got only {found.tolist()}")
    return numbers


def group_folds(group: ArrayLike, folds: int = 5) -> Tensor:
    """Folds that never split a group: the largest group goes to the fold with the fewest pictures, and so on.

    Args:
        group: [n] integers, such as the number of the picture, the run or the person.
        folds: how many.
    Returns:
        [n] int64 from 0 to folds - 1, the same for all of a group; groups of one size are dealt in the order of their
        numbers.
    Raises:
        TypeError: groups are not integers. ValueError: fewer groups than folds, or fewer than two folds.

    Example:
        >>> group_folds(torch.tensor([7, 7, 7, 2, 2, 5]), folds=2)
        tensor([0, 0, 0, 1, 1, 1])
    """
    group, folds = integers("group", group), whole_number("folds", folds, 2)
    found, numbers, sizes = group.unique(return_inverse=True, return_counts=True)
    if len(found) < folds:
        raise ValueError(f"{folds} folds need as many groups, got {len(found)}")
    filled, fold_of = [0] * folds, torch.empty(len(found), dtype=torch.int64)
    for one in sizes.argsort(descending=True, stable=True).tolist():
        fold_of[one] = emptiest = filled.index(min(filled))
        filled[emptiest] += int(sizes[one])
    return fold_of.to(group.device)[numbers]
