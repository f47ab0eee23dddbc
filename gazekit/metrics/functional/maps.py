"""Maps over the pixels of images: checked at the door, then read image by image, a cache's worth at a time.

A map of 1024 x 768 pixels is larger than a processor's cache. Several operations on one piece of it, before the
next piece is touched, take a third of the time of the same operations on whole maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike

__all__ = [
    "as_map",
    "check_finite",
    "check_same_shape",
    "inner",
    "over_images",
    "pieces",
    "precise",
    "totals",
]

_PIECE = {"cpu": 2**17}  # values of all maps together: 1 MiB in float64, as much as a core caches
_PIECE_ELSEWHERE = 2**24


def as_map(name: str, array: ArrayLike) -> Tensor:
    """[..., H, W] as a float32 or float64 tensor: float32 is made float64 later, piece by piece.

    Raises:
        TypeError: complex or boolean values.
        ValueError: fewer than two dimensions, or no pixel.
    """
    if isinstance(array, np.ndarray):  # a copy of what torch cannot share: read-only or flipped arrays
        array = np.require(array, requirements=["C", "W"])
    tensor = torch.as_tensor(array)
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must hold real numbers, got {tensor.dtype}")
    if tensor.dim() < 2 or 0 in tensor.shape[-2:]:
        raise ValueError(f"{name} must be a map of shape [..., H, W], got {list(tensor.shape)}")
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.double()


def check_same_shape(**maps: Tensor) -> None:
    """Raises ValueError if shapes differ, with a hint for those who give fixations in the place of a map."""
    (first, a), (second, b) = maps.items()
    if a.shape != b.shape:
        hint = (
            "; fixations as points become a map by fixation_density"
            if b.shape[-1] in (2, 3) or a.shape[-1] in (2, 3)
            else ""
        )
        raise ValueError(
            f"{first} and {second} must be maps of one shape [..., H, W], "
            f"got {list(a.shape)} and {list(b.shape)}{hint}"
        )


def precise(values: Tensor) -> Tensor:
    """float64, except for float32 on an accelerator."""
    return values if values.dtype == torch.float32 and values.device.type != "cpu" else values.double()


def over_images(score: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Score images, as many at once as fit the cache: one, where its map is larger than that.

    Args:
        score: takes rows [R, X] of each tensor, returns [R] or [R, K].
        tensors: [..., X] with one leading shape; X are the pixels of the first.
    Returns:
        [...] or [..., K].
    """
    shape = tensors[0].shape[:-1]
    flat = [tensor.reshape(shape.numel(), tensor.shape[-1]) for tensor in tensors]
    count = max(1, _piece(flat[0]) // max(flat[0].shape[1], 1))
    starts = range(0, max(shape.numel(), 1), count)  # no image at all still needs the right K
    scores = torch.cat([score(*(rows[start : start + count] for rows in flat)) for start in starts])
    return scores.reshape((*shape, *scores.shape[1:]))


def pieces(*rows: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same pixels of each of several maps [R, P], in float64, piece by piece."""
    width = max(1, _piece(rows[0]) // max(len(rows) * len(rows[0]), 1))
    for parts in zip(*(part.split(width, 1) for part in rows), strict=True):
        yield tuple(precise(part) for part in parts)


def inner(a: Tensor, b: Tensor) -> Tensor:
    """[R] inner products of pieces [R, P]; one pair of vectors goes to the library made for it."""
    return a[0].dot(b[0])[None] if len(a) == 1 else (a * b).sum(1)


def totals(rows: Tensor) -> tuple[Tensor, Tensor]:
    """[R] sum and [R] lowest value of maps [R, P]."""
    sums, lowest = zip(*((part.sum(1), part.amin(1)) for (part,) in pieces(rows)), strict=True)
    return torch.stack(sums).sum(0), torch.stack(lowest).amin(0)


def check_finite(name: str, total: Tensor, maps: Tensor, missing: bool = False) -> None:
    """Raises ValueError if a map has a value that is not finite, which its sum or extreme `total` shows.

    Args:
        name: what the error calls the maps.
        total: [R] sums or other values of some of the maps, finite if all of these maps' pixels are.
        maps: [..., H, W] all maps, searched only where `total` is not finite.
        missing: whether a map may be NaN as a whole: the density of an image without fixations.
    """
    if total.isfinite().all():
        return
    bad = ~maps.isfinite()
    if missing:
        bad &= ~maps.isnan().all(-1, keepdim=True).all(-2, keepdim=True)
    if bad.any():
        *image, row, column = bad.nonzero()[0].tolist()
        where = f" of image {tuple(image)}" if image else ""
        raise ValueError(f"{name}: the pixel in row {row}, column {column}{where} is not finite")


def _piece(tensor: Tensor) -> int:
    return _PIECE.get(tensor.device.type, _PIECE_ELSEWHERE)
