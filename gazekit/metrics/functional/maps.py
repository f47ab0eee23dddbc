"""Maps over the pixels of images: checked once, then read image by image."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from gazekit.metrics.functional import map_blocks
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.map_blocks import Blocks

__all__ = [
    "as_map",
    "check_finite",
    "check_same_shape",
    "floating",
    "in_numpy",
    "over_images",
    "precise",
    "totals",
]

_AS_THEY_ARE = (torch.float32, torch.float64, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_AT_ONCE = {"cpu": 2**17}  # values: 1 MiB in float64, as much as a core caches
_AT_ONCE_ELSEWHERE = 2**24
_A_THREAD = 2**21  # values read between the few operations of torch, which cost a tenth of a millisecond


def as_map(name: str, array: ArrayLike) -> Tensor:
    """[..., H, W] as a tensor of float32, float64 or integers, which is made float64 later, piece by piece.

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
    if tensor.dtype == torch.uint16:  # which torch can store, but not compare
        return tensor.int()
    return tensor if tensor.dtype in _AS_THEY_ARE else tensor.double()


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


def floating(values: Tensor) -> Tensor:
    """float32 as it is, which is faster to sort; float64 of anything else."""
    return values if values.dtype == torch.float32 else values.double()


def over_images(score: Callable[..., Tensor], *tensors: Tensor, in_threads: bool = False) -> Tensor:
    """Score images, as many at once as fit the cache: one, where its map is larger than that.

    Args:
        score: takes rows [R, X] of each tensor, returns [R] or [R, K].
        tensors: [..., X] with one leading shape; X are the pixels of the first.
        in_threads: whether `score` reads maps by `map_blocks`, so that images can be scored side by side, by as
            many threads as torch may use. Each reads the image that it works on, and no other.
    Returns:
        [...] or [..., K].
    """
    if not torch.is_grad_enabled():  # which a thread would not know
        tensors = tuple(tensor.detach() for tensor in tensors)
    shape = tensors[0].shape[:-1]
    flat = [tensor.reshape(shape.numel(), tensor.shape[-1]) for tensor in tensors]
    in_threads = in_threads and in_numpy(*flat)
    at_once = _A_THREAD if in_threads else _AT_ONCE.get(flat[0].device.type, _AT_ONCE_ELSEWHERE)
    count = max(1, at_once // max(flat[0].shape[1], 1))
    starts = range(0, max(shape.numel(), 1), count)  # no image at all still needs the right K

    def part(start: int) -> Tensor:
        return score(*(rows[start : start + count] for rows in flat))

    threads = min(torch.get_num_threads(), len(starts)) if in_threads else 1
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:  # a new one each time: a kept one would not survive a fork
            parts = list(pool.map(part, starts))
    else:
        parts = [part(start) for start in starts]
    scores = torch.cat(parts)
    return scores.reshape((*shape, *scores.shape[1:]))


def in_numpy(*tensors: Tensor) -> bool:
    """Whether tensors are numbers on the CPU of which no derivative is wanted."""
    return all(
        tensor.device.type == "cpu"
        and not tensor.requires_grad
        and unpack_dual(tensor).tangent is None
        and _has_memory(tensor)
        for tensor in tensors
    )


def totals(rows: Tensor) -> tuple[Tensor, Tensor]:
    """[R] sum and [R] lowest value of maps [R, P]."""
    if in_numpy(rows):
        total, lowest = map_blocks.totals(Blocks(rows.numpy()))
        return torch.from_numpy(total), torch.from_numpy(lowest)
    return precise(rows).sum(1), precise(rows.amin(1))


def check_finite(name: str, total: Tensor, maps: Tensor, missing: bool = False, below: bool = False) -> None:
    """Raises ValueError if a map has a value that is not finite, which its sum or extreme `total` shows.

    Args:
        name: what the error calls the maps.
        total: [R] sums or other values of some of the maps, finite if all of these maps' pixels are.
        maps: [..., H, W] all maps, searched only where `total` is not finite.
        missing: whether a map may be NaN as a whole: the density of an image without fixations.
        below: whether -inf is a value, where only the order of values counts.
    """
    if total.isfinite().all():
        return
    bad = ~(maps < torch.inf) if below else ~maps.isfinite()
    if missing:
        bad &= ~maps.isnan().all(-1, keepdim=True).all(-2, keepdim=True)
    if bad.any():
        *image, row, column = bad.nonzero()[0].tolist()
        where = f" of image {tuple(image)}" if image else ""
        raise ValueError(f"{name}: the pixel in row {row}, column {column}{where} is not finite")


def _has_memory(tensor: Tensor) -> bool:
    """Whether there are numbers to read: tensors within a transformation of torch.func stand for others."""
    try:
        tensor.data_ptr()
    except RuntimeError:
        return False
    return True
