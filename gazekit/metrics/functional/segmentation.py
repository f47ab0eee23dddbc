"""Overlap of masks and of label maps.

Source: Dice 1945 (Ecology 26, 297); Jaccard 1912 (New Phytologist 11, 37).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, binary, integers

__all__ = [
    "Empty",
    "check_empty",
    "class_dice",
    "class_iou",
    "dice",
    "iou",
    "macro_dice",
    "macro_iou",
    "mask_sizes",
]

Empty = Literal["one", "nan", "zero"]
_OF_EMPTY = {"one": 1.0, "nan": torch.nan, "zero": 0.0}


def dice(prediction: ArrayLike, target: ArrayLike, empty: Empty = "one") -> Tensor:
    """Dice coefficient (F1 of pixels) of two masks: 2 |A and B| / (|A| + |B|).

    Args:
        prediction: [..., H, W] bool, or integers 0 and 1; `target` likewise. Leading dimensions broadcast.
        empty: value where both masks are empty: "one" (nothing to find, nothing found), "nan" or "zero".
    Returns:
        [...] from 0 to 1; 0 where one mask alone is empty.
    Raises:
        TypeError: masks of other types. ValueError: other numbers, shapes that don't fit, another `empty`.

    Example:
        >>> dice([[1, 1], [0, 0]], [[1, 0], [1, 1]])
        tensor(0.4000, dtype=torch.float64)
    """
    both, a, b = mask_sizes(prediction, target)
    return _ratio(2 * both, a + b, empty)


def iou(prediction: ArrayLike, target: ArrayLike, empty: Empty = "one") -> Tensor:
    """Intersection over union (Jaccard index) of two masks: |A and B| / |A or B| = dice / (2 - dice).

    Args:
        prediction: [..., H, W] bool, or integers 0 and 1; `target` likewise. Leading dimensions broadcast.
        empty: value where both masks are empty: "one" (nothing to find, nothing found), "nan" or "zero".
    Returns:
        [...] from 0 to 1; 0 where one mask alone is empty.
    Raises:
        TypeError: masks of other types. ValueError: other numbers, shapes that don't fit, another `empty`.

    Example:
        >>> iou([[1, 1], [0, 0]], [[1, 0], [1, 1]])
        tensor(0.2500, dtype=torch.float64)
    """
    both, a, b = mask_sizes(prediction, target)
    return _ratio(both, a + b - both, empty)


def class_dice(prediction: ArrayLike, target: ArrayLike, n_classes: int) -> Tensor:
    """`dice` of each class of two label maps.

    Args:
        prediction: [..., H, W] integer labels from 0 to n_classes - 1; `target` likewise, of the same shape.
        n_classes: C, the background's class included if it has one.
    Returns:
        [..., C] from 0 to 1; NaN for a class in neither map.
    Raises:
        TypeError: labels are not integers. ValueError: shapes that differ, a label out of range.

    Example:
        >>> class_dice([[1, 1], [0, 0]], [[1, 0], [0, 0]], n_classes=3)
        tensor([0.8000, 0.6667,    nan], dtype=torch.float64)
    """
    both, a, b = _class_sizes(prediction, target, n_classes)
    return _ratio(2 * both, a + b, "nan")


def class_iou(prediction: ArrayLike, target: ArrayLike, n_classes: int) -> Tensor:
    """`iou` of each class of two label maps.

    Args, Returns, Raises:
        As `class_dice`.

    Example:
        >>> class_iou([[1, 1], [0, 0]], [[1, 0], [0, 0]], n_classes=3)
        tensor([0.6667, 0.5000,    nan], dtype=torch.float64)
    """
    both, a, b = _class_sizes(prediction, target, n_classes)
    return _ratio(both, a + b - both, "nan")


def macro_dice(prediction: ArrayLike, target: ArrayLike, n_classes: int) -> Tensor:
    """Mean of `class_dice` over the classes that are present in either map.

    Args, Raises:
        As `class_dice`.
    Returns:
        [...] from 0 to 1; NaN for maps without pixels.

    Example:
        >>> macro_dice([[1, 1], [0, 0]], [[1, 0], [0, 0]], n_classes=3)
        tensor(0.7333, dtype=torch.float64)
    """
    return class_dice(prediction, target, n_classes).nanmean(-1)


def macro_iou(prediction: ArrayLike, target: ArrayLike, n_classes: int) -> Tensor:
    """Mean of `class_iou` over the classes that are present in either map (mIoU of one image).

    Args, Raises:
        As `class_dice`.
    Returns:
        [...] from 0 to 1; NaN for maps without pixels.

    Example:
        >>> macro_iou([[1, 1], [0, 0]], [[1, 0], [0, 0]], n_classes=3)
        tensor(0.5833, dtype=torch.float64)
    """
    return class_iou(prediction, target, n_classes).nanmean(-1)


def mask_sizes(prediction: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of pixels [...] in both masks, in the prediction and in the target.

    Args, Raises:
        As `dice`.
    """
    a, b = binary("prediction", prediction), binary("target", target)
    if min(a.dim(), b.dim()) < 2 or a.shape[-2:] != b.shape[-2:]:
        raise ValueError(
            "prediction and target must have shapes [..., H, W] of one H and W, "
            f"got {list(a.shape)} and {list(b.shape)}"
        )
    try:
        a, b = torch.broadcast_tensors(a, b)
    except RuntimeError as error:
        raise ValueError(
            "leading dimensions of prediction and target must broadcast, "
            f"got {list(a.shape)} and {list(b.shape)}"
        ) from error
    # rows first, in 32 bits: torch sums bools into 64 bits six times more slowly
    return tuple(mask.sum(-1, dtype=torch.int32).sum(-1) for mask in (a & b, a, b))


def check_empty(empty: Empty) -> Empty:
    """`empty`, if it is one of the words.

    Raises:
        ValueError: another one.
    """
    if empty not in _OF_EMPTY:
        raise ValueError(f"empty must be one, nan or zero, got {empty!r}")
    return empty


def _ratio(top: Tensor, bottom: Tensor, empty: Empty) -> Tensor:
    check_empty(empty)
    return torch.where(bottom > 0, top.double() / bottom, _OF_EMPTY[empty])


def _class_sizes(prediction: ArrayLike, target: ArrayLike, n_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of pixels [..., C] of each class in both maps, in the prediction and in the target."""
    a, b = (
        integers(name, x, "integer labels") for name, x in (("prediction", prediction), ("target", target))
    )
    if a.shape != b.shape or a.dim() < 2:
        raise ValueError(
            f"prediction and target must share one shape [..., H, W], got {list(a.shape)} and {list(b.shape)}"
        )
    _check_classes("prediction", a, n_classes)
    _check_classes("target", b, n_classes)
    items = a.shape[:-2].numel()
    cell = a * n_classes + b
    cell = cell.reshape(items, a.shape[-2:].numel())
    cell = cell + torch.arange(items, device=cell.device)[:, None] * n_classes**2
    confusion = torch.bincount(cell.flatten(), minlength=items * n_classes**2)
    confusion = confusion.reshape(*a.shape[:-2], n_classes, n_classes)
    return confusion.diagonal(dim1=-2, dim2=-1), confusion.sum(-1), confusion.sum(-2)


def _check_classes(name: str, labels: Tensor, n_classes: int) -> None:
    if labels.numel() and (labels.min() < 0 or labels.max() >= n_classes):
        raise ValueError(
            f"labels of {name} must lie in 0 ... {n_classes - 1}, "
            f"got {int(labels.min())} to {int(labels.max())}"
        )
