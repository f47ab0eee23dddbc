"""What the functional metrics accept: tensors or numpy arrays, checked once, on entry."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "ArrayLike",
    "as_tensor",
    "binary",
    "boxes",
    "check_trials",
    "integers",
    "masked",
    "reals",
    "sequences",
    "values",
    "where_present",
    "whole_number",
]

ArrayLike = Tensor | np.ndarray


def as_tensor(name: str, array: ArrayLike) -> Tensor:
    """A tensor of a tensor, of an array of any byte order and strides, writeable or not, or of nested lists.

    It shares the memory of an ordinary array. Lists keep the digits of float64.

    Raises:
        TypeError: not numbers. ValueError: lists of different length.
    """
    if isinstance(array, Tensor):
        return array
    try:
        array = np.asarray(array)  # torch reads the numbers of a list in float32
    except ValueError as error:
        raise ValueError(f"{name} must be an array, got lists of different length") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name} must hold numbers, got {array.dtype}")
    ordinary = array.flags.writeable and array.dtype.isnative and min(array.strides, default=0) >= 0
    return torch.from_numpy(array if ordinary else array.astype(array.dtype.newbyteorder("="), order="C"))


def integers(name: str, array: ArrayLike, what: str = "integers") -> Tensor:
    """An int64 tensor of integers of any width, or of nothing.

    Raises:
        TypeError: other types than integers, called `what`.
    """
    tensor = as_tensor(name, array)
    if tensor.numel() and (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool):
        raise TypeError(f"{name} must hold {what}, got {tensor.dtype}")
    return tensor.long()


def masked(name: str, mask: ArrayLike | None, like: Tensor) -> Tensor:
    """A bool tensor on the device of `like`, by default all True and of its shape.

    Raises:
        TypeError: other types than bool.
    """
    if mask is None:
        return torch.ones_like(like, dtype=torch.bool)
    mask = as_tensor(name, mask)
    if mask.dtype != torch.bool and mask.numel():
        raise TypeError(f"{name} must be bool, got {mask.dtype}")
    return mask.to(like.device, torch.bool)


def values(name: str, array: ArrayLike) -> Tensor:
    """A float64 tensor of `array`, on its device.

    Raises:
        TypeError: the array holds complex numbers or booleans.
    """
    return _real(name, array).double()


def sequences(name: str, objects: ArrayLike, mask: ArrayLike) -> tuple[Tensor, Tensor]:
    """Object ids [..., T] and their mask as tensors.

    Raises:
        TypeError: ids are not integers, the mask is not bool.
        ValueError: shapes differ, or padding stands before a valid entry.
    """
    objects = integers(name, objects, "integer object ids")
    mask = masked(f"the mask of {name}", mask, objects)
    if objects.dim() == 0 or objects.shape != mask.shape:
        raise ValueError(
            f"{name} and its mask must share one shape [..., T], "
            f"got {list(objects.shape)} and {list(mask.shape)}"
        )
    if (mask[..., 1:] & ~mask[..., :-1]).any():
        raise ValueError(f"the padding of {name} must lie at the end")
    return objects, mask


def check_trials(model_objects: Tensor, human_objects: Tensor) -> None:
    """That the model gave n scanpaths to each of the people's B: [B, n, T] and [B, T'].

    Raises:
        ValueError: other shapes.
    """
    if model_objects.dim() != 3 or human_objects.dim() != 2 or len(model_objects) != len(human_objects):
        raise ValueError(
            "model_objects and human_objects must have shapes [B, n, T] and [B, T'], "
            f"got {list(model_objects.shape)} and {list(human_objects.shape)}"
        )


def reals(name: str, array: ArrayLike, *last: int | None) -> Tensor:
    """A floating tensor of `array` whose last dimensions are `last` (None = any length).

    float64, or float32 where a tensor on an accelerator is float32.

    Raises:
        TypeError: the array holds complex numbers or booleans.
        ValueError: other last dimensions.
    """
    tensor = _real(name, array)
    shape = tensor.shape[tensor.dim() - len(last) :] if tensor.dim() >= len(last) else ()
    if len(shape) != len(last) or any(
        want is not None and want != got for want, got in zip(last, shape, strict=True)
    ):
        wanted = ", ".join("n" if want is None else str(want) for want in last)
        raise ValueError(f"{name} must have shape [..., {wanted}], got {list(tensor.shape)}")
    keep = tensor.dtype == torch.float32 and tensor.device.type != "cpu"
    return tensor if keep else tensor.double()


def binary(name: str, array: ArrayLike) -> Tensor:
    """A bool tensor of booleans, or of integers that are 0 and 1.

    Raises:
        TypeError: other types. ValueError: other integers.
    """
    tensor = as_tensor(name, array)
    if tensor.dtype == torch.bool:
        return tensor
    tensor = integers(name, tensor, "booleans or the integers 0 and 1")
    if ((tensor != 0) & (tensor != 1)).any():
        raise ValueError(f"{name} must hold 0 and 1 only, got {int(tensor.min())} to {int(tensor.max())}")
    return tensor.bool()


def boxes(name: str, array: ArrayLike) -> Tensor:
    """Boxes [..., 4] as x_min, y_min, x_max, y_max; NaN is let through.

    Raises:
        TypeError, ValueError: as `reals`; or a maximum below its minimum.
    """
    tensor = reals(name, array, 4)
    bad = (tensor[..., 2:] < tensor[..., :2]).any(-1)
    if bad.any():
        first = tensor[bad][0].tolist()
        raise ValueError(
            f"{name} must be x_min, y_min, x_max, y_max with the maxima not below the minima, got {first}"
        )
    return tensor


def where_present(scores: Tensor, present: Tensor | None) -> Tensor:
    """Scores [B, n, ...] as float64, NaN where one of the n does not exist (`present` [B, n] is False).

    Raises:
        TypeError: `present` is not bool. ValueError: its shape is another one.
    """
    scores = scores.double()
    if present is None:
        return scores
    if present.dtype != torch.bool:
        raise TypeError(f"model_present must be bool, got {present.dtype}")
    if present.shape != scores.shape[:2]:
        raise ValueError(f"model_present must have shape {list(scores.shape[:2])}, got {list(present.shape)}")
    return scores.masked_fill(~present.view(*present.shape, *[1] * (scores.dim() - 2)), torch.nan)


def whole_number(name: str, value: int, least: int) -> int:
    """A setting that counts something.

    Raises:
        TypeError: not an integer. ValueError: below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def _real(name: str, array: ArrayLike) -> Tensor:
    tensor = as_tensor(name, array)
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must hold real numbers, got {tensor.dtype}")
    return tensor
