"""Search behaviour in five numbers, and how far a model's are from people's.

Source: Fang et al. 2024 (ECCV, object attention transformer), object-level behaviour and its delta.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, sequences, values

__all__ = ["PARTS", "behaviour", "behaviour_delta", "behaviour_parts"]

PARTS = ("found", "length", "search", "refix", "revisit")


def behaviour(objects: ArrayLike, mask: ArrayLike, target: ArrayLike) -> Tensor:
    """What one scanpath over objects did: found, length, search, refix, revisit (`PARTS`).

    Consecutive fixations on one object form a group. `found`: the last fixation is on the target. `length`:
    number of fixations. Of these, `search` is the fraction that opens a group on an object never visited
    before, `revisit` that which opens one on an object visited already, and `refix` the rest, which stays
    within a group. The three add to 1.

    Deviation: an empty scanpath has no fractions; the released code scores another scanpath in its place.

    Args:
        objects: [B, T] integer object ids; numpy arrays are taken as well.
        mask: [B, T] bool, True = valid; padding at the end.
        target: [B] object id that is looked for, -1 in free viewing.
    Returns:
        [B, 5] float64. Free viewing: found is NaN. An empty scanpath: found and length 0, fractions NaN.
    Raises:
        TypeError: ids or targets are not integers, the mask is not bool.
        ValueError: shapes don't fit, padding before a valid entry, a target below -1.

    Example:
        >>> import torch
        >>> objects = torch.tensor([[3, 3, 5, 3, 8]])  # 3 again at once, 5, back to 3, then the target
        >>> behaviour(objects, torch.ones(1, 5, dtype=bool), torch.tensor([8]))
        tensor([[1.0000, 5.0000, 0.6000, 0.2000, 0.2000]], dtype=torch.float64)
    """
    objects, mask = sequences("objects", objects, mask)
    target = torch.as_tensor(target)
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(f"target must hold integer object ids, got {target.dtype}")
    if objects.dim() != 2 or target.shape != objects.shape[:1]:
        raise ValueError(
            "objects and target must have shapes [B, T] and [B], "
            f"got {list(objects.shape)} and {list(target.shape)}"
        )
    if (target < -1).any():
        raise ValueError(f"target must be an object id or -1, got {int(target.min())}")
    length = mask.sum(1)
    opens = mask.clone()
    opens[:, 1:] &= objects[:, 1:] != objects[:, :-1]
    groups = opens.sum(1)
    # a group is on a new object as often as there are different objects; padding repeats the first of them
    ordered = torch.where(mask, objects, objects[:, :1]).sort(1).values
    different = (ordered[:, 1:] != ordered[:, :-1]).sum(1) + (length > 0)
    counts = torch.stack([different, length - groups, groups - different], 1)
    if objects.shape[1]:
        found = (objects.gather(1, (length - 1).clamp(min=0)[:, None])[:, 0] == target) & (length > 0)
    else:
        found = torch.zeros_like(target, dtype=torch.bool)
    found = torch.where(target == -1, torch.nan, found.double())
    return torch.cat([found[:, None], length[:, None], counts.double() / length[:, None]], 1)


def behaviour_parts(model_mean: ArrayLike, human_mean: ArrayLike) -> Tensor:
    """Relative deviation |model - human| / human of each part of the mean behaviour.

    Args:
        model_mean: [..., 5] mean behaviour of the model's scanpaths; `human_mean` [..., 5] that of people.
    Returns:
        [..., 5] float64; NaN where the human mean is 0 (nothing to be relative to) or either side is NaN.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or do not end in 5.
    """
    model_mean, human_mean = values("model_mean", model_mean), values("human_mean", human_mean)
    if model_mean.shape != human_mean.shape or model_mean.shape[-1:] != (len(PARTS),):
        raise ValueError(
            "model_mean and human_mean must share one shape [..., 5], "
            f"got {list(model_mean.shape)} and {list(human_mean.shape)}"
        )
    return (model_mean - human_mean).abs() / torch.where(human_mean == 0, torch.nan, human_mean)


def behaviour_delta(model_mean: ArrayLike, human_mean: ArrayLike) -> Tensor:
    """Mean of the relative deviations of the five parts; of the four others in free viewing.

    Free viewing is where `found` is NaN on both sides. Any other undefined part makes the delta undefined;
    `behaviour_parts` then tells which.

    Deviation: the released code counts an undefined part as 0, a perfect one.

    Args:
        model_mean: [..., 5] mean behaviour of the model's scanpaths; `human_mean` [..., 5] that of people.
    Returns:
        [...] float64 from 0 (equal behaviour); NaN if a part is undefined.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or do not end in 5.

    Example:
        >>> import torch
        >>> people = torch.tensor([0.8, 10.0, 0.75, 0.2, 0.05])
        >>> model = torch.tensor([0.6, 12.0, 0.75, 0.2, 0.05])
        >>> behaviour_delta(model, people)
        tensor(0.0900, dtype=torch.float64)
    """
    parts = behaviour_parts(model_mean, human_mean)
    free = torch.as_tensor(model_mean)[..., 0].isnan() & torch.as_tensor(human_mean)[..., 0].isnan()
    return torch.where(free, parts[..., 1:].mean(-1), parts.mean(-1))
