"""Fixations, scanpaths and ragged batches of them, used throughout gazekit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Fixation", "Ragged", "Scanpath", "Scanpaths", "ScanpathsLike"]


class Fixation(NamedTuple):
    """One fixation: position in pixels and duration (None if the data set does not state it)."""

    x_px: float
    y_px: float
    duration_ms: float | None


@dataclass(frozen=True, eq=False)
class Scanpath:
    """The fixations of one observer on one stimulus, in order.

    Args:
        xy_px: [T, 2] positions, (x, y) pixels; T may be 0.
        duration_ms: [T] durations, or None.
        observer: name of the observer.
    Raises:
        ValueError: wrong shape, a non-finite value, a negative duration.
    """

    xy_px: np.ndarray
    duration_ms: np.ndarray | None = None
    observer: str = ""

    def __post_init__(self) -> None:
        xy = np.asarray(self.xy_px, float)
        xy = xy.reshape(0, 2) if xy.size == 0 else xy
        if xy.ndim != 2 or xy.shape[1] != 2:
            raise ValueError(f"xy_px must have shape [T, 2], got {list(xy.shape)}")
        if not np.isfinite(xy).all():
            first = int(np.flatnonzero(~np.isfinite(xy).all(1))[0])
            raise ValueError(f"fixation {first} has a position that is not finite: {xy[first].tolist()}")
        object.__setattr__(self, "xy_px", xy)
        if self.duration_ms is None:
            return
        duration = np.asarray(self.duration_ms, float).reshape(-1)
        if len(duration) != len(xy):
            raise ValueError(f"duration_ms has {len(duration)} values for {len(xy)} fixations")
        if not np.isfinite(duration).all() or (duration < 0).any():
            bad = int(np.flatnonzero(~(np.isfinite(duration) & (duration >= 0)))[0])
            raise ValueError(f"fixation {bad} has duration_ms {duration[bad]}, expected a finite value >= 0")
        object.__setattr__(self, "duration_ms", duration)

    def __len__(self) -> int:
        return len(self.xy_px)

    def __getitem__(self, index: int) -> Fixation:
        x, y = self.xy_px[index]
        return Fixation(
            float(x), float(y), None if self.duration_ms is None else float(self.duration_ms[index])
        )

    def __iter__(self) -> Iterator[Fixation]:
        return (self[index] for index in range(len(self)))


@dataclass(frozen=True, eq=False)
class Ragged:
    """Sequences of different lengths as one padded tensor and a mask (True = valid).

    `values` is [..., T, *item], `mask` [..., T]; padding is at the end and is 0.
    """

    values: Tensor
    mask: Tensor

    @classmethod
    def from_list(cls, sequences: Sequence, dtype: torch.dtype | None = None) -> Ragged:
        """Pad a list of [T_i, *item] arrays or tensors. An empty list gives a [0, 0] batch."""
        tensors = [torch.as_tensor(_own(s), dtype=dtype) for s in sequences]
        if not tensors:
            return cls(torch.zeros(0, 0, dtype=dtype), torch.zeros(0, 0, dtype=torch.bool))
        values = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
        lengths = torch.tensor([len(t) for t in tensors])
        return cls(values, torch.arange(values.shape[1])[None] < lengths[:, None])

    @property
    def lengths(self) -> Tensor:
        """[...] number of valid entries of each sequence."""
        return self.mask.sum(-1)

    def to_list(self) -> list[Tensor]:
        """The sequences without padding, leading dimensions flattened."""
        values = self.values.flatten(0, self.mask.dim() - 2)
        return [v[m] for v, m in zip(values, self.mask.flatten(0, -2), strict=True)]

    def to(self, device: torch.device | str) -> Ragged:
        return Ragged(self.values.to(device), self.mask.to(device))


@dataclass(frozen=True, eq=False)
class Scanpaths:
    """Many scanpaths in the form that metrics take: padded tensors and a mask. `Scanpaths.of` converts to it.

    Args:
        xy_px: [..., T, 2] floating, (x, y) pixels; padding at the end is 0.
        mask: [..., T] bool, True = valid.
        duration_ms: [..., T] or None if durations are unknown.
    """

    xy_px: Tensor
    mask: Tensor
    duration_ms: Tensor | None = None

    @classmethod
    def of(cls, paths: ScanpathsLike, name: str = "scanpaths") -> Scanpaths:
        """Scanpaths from any common representation.

        Args:
            paths: one `Scanpath`, or an array or tensor [T, 2] with columns x_px, y_px, or [T, 3] with
                duration_ms as the third: leading shape (). A list of these: leading shape (B,). A dense array
                [..., T, 2 or 3], all of it valid. An empty list has no scanpath: leading shape (0,); one
                empty scanpath is an array or tensor [0, 2]. `Scanpaths` are checked.
            name: their name in errors.
        Returns:
            float64, or float32 where positions on an accelerator are float32; durations have the dtype of the
            positions, and are known only if all scanpaths have them.
        Raises:
            TypeError: an array of complex or boolean values, a mask that is not bool.
            ValueError: wrong shapes, padding before a valid fixation, a non-finite value, a negative
                duration; the message names the scanpath and fixation.

        Example:
            >>> paths = Scanpaths.of([[[10, 20], [30, 40]], [[50, 60]]])
            >>> paths.shape, paths.lengths.tolist()
            (torch.Size([2]), [2, 1])
        """
        if not isinstance(paths, Scanpaths):
            paths = _dense(paths, name) if _is_dense(paths) else _padded(paths, name)
        paths._check(name)
        return paths._precise()

    @property
    def shape(self) -> torch.Size:
        """Leading dimensions: () for one scanpath, (B,) for a batch."""
        return self.mask.shape[:-1]

    @property
    def lengths(self) -> Tensor:
        """[...] number of fixations of each scanpath."""
        return self.mask.sum(-1)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a single scanpath has no len(); its number of fixations is `lengths`")
        return self.shape[0]

    def __getitem__(self, index) -> Scanpaths:
        """Index leading dimensions; as with a tensor, `paths[:, None]` adds one.

        Raises:
            IndexError: more indices than leading dimensions, or one out of range.
        """
        index = index if isinstance(index, tuple) else (index,)
        steps = (*index, slice(None))  # the fixations are not a leading dimension, even for `...`
        try:
            mask, xy = self.mask[steps], self.xy_px[(*steps, slice(None))]
        except IndexError as error:
            raise IndexError(f"{index} does not index the leading shape {list(self.shape)}") from error
        return Scanpaths(xy, mask, None if self.duration_ms is None else self.duration_ms[steps])

    def flatten(self) -> Scanpaths:
        """All scanpaths in one leading dimension."""
        steps = self.mask.shape[-1]
        count = self.shape.numel()
        duration = None if self.duration_ms is None else self.duration_ms.reshape(count, steps)
        return Scanpaths(self.xy_px.reshape(count, steps, 2), self.mask.reshape(count, steps), duration)

    def to(self, device: torch.device | str) -> Scanpaths:
        duration = None if self.duration_ms is None else self.duration_ms.to(device)
        return Scanpaths(self.xy_px.to(device), self.mask.to(device), duration)

    def _precise(self) -> Scanpaths:
        """The scanpaths in one floating dtype; unchanged if they already have it."""
        dtype = _precision(self.xy_px)
        tensors = [t for t in (self.xy_px, self.duration_ms) if t is not None]
        if all(t.dtype == dtype for t in tensors):
            return self
        xy, *duration = (t.to(dtype) for t in tensors)
        return Scanpaths(xy, self.mask, *duration)

    def _check(self, name: str) -> None:
        if self.mask.dtype != torch.bool:
            raise TypeError(f"the mask of {name} must be bool, got {self.mask.dtype}")
        if self.xy_px.shape != (*self.mask.shape, 2) or not self.mask.dim():
            raise ValueError(
                f"xy_px and mask of {name} must have shapes [..., T, 2] and [..., T], "
                f"got {list(self.xy_px.shape)} and {list(self.mask.shape)}"
            )
        if (self.mask[..., 1:] & ~self.mask[..., :-1]).any():
            raise ValueError(f"the padding of {name} must lie at the end")
        bad = self.mask & ~self.xy_px.isfinite().all(-1)
        if bad.any():
            raise ValueError(f"{_where(name, bad)} has a position that is not finite")
        if self.duration_ms is None:
            return
        if self.duration_ms.shape != self.mask.shape:
            raise ValueError(
                f"duration_ms of {name} must have shape {list(self.mask.shape)}, "
                f"got {list(self.duration_ms.shape)}"
            )
        bad = self.mask & ~(self.duration_ms.isfinite() & (self.duration_ms >= 0))
        if bad.any():
            raise ValueError(f"{_where(name, bad)} has a duration_ms that is negative or not finite")


def _precision(values: Tensor) -> torch.dtype:
    """float64, except that accelerators keep float32; complex numbers would lose their imaginary part."""
    keep = values.is_complex() or (values.dtype == torch.float32 and values.device.type != "cpu")
    return values.dtype if keep else torch.float64


def _own(values: Tensor | np.ndarray | Sequence) -> Tensor | np.ndarray:
    """Values in a form that torch takes without rounding or a warning: lists go through numpy, as torch reads
    them in float32; arrays are copied if they are read-only or have negative strides.
    """
    return values if isinstance(values, Tensor) else np.require(values, requirements=("C", "W"))


ScanpathsLike = Scanpaths | Scanpath | Tensor | np.ndarray | Sequence


def _where(name: str, bad: Tensor) -> str:
    *scanpath, fixation = bad.nonzero()[0].tolist()
    return f"{name}: fixation {fixation}" + (f" of scanpath {tuple(scanpath)}" if scanpath else "")


def _is_dense(paths: ScanpathsLike) -> bool:
    """Whether this is one scanpath or an array of equally long ones, rather than a list of scanpaths."""
    if isinstance(paths, Tensor | np.ndarray | Scanpath):
        return not (isinstance(paths, np.ndarray) and paths.dtype == object)
    first = paths[0] if len(paths) else None  # [[x, y], ...] is one scanpath
    return (
        isinstance(first, Sequence)
        and len(first) > 0
        and not isinstance(first[0], Sequence | np.ndarray | Tensor)
    )


def _dense(path: Scanpath | Tensor | np.ndarray | Sequence, name: str) -> Scanpaths:
    if isinstance(path, Scanpath):
        columns = [path.xy_px] if path.duration_ms is None else [path.xy_px, path.duration_ms[:, None]]
        path = np.concatenate(columns, 1)
    values = torch.as_tensor(_own(path))
    if values.is_complex() or values.dtype == torch.bool:
        raise TypeError(f"{name} must hold real numbers, got {values.dtype}")
    values = values.to(_precision(values))
    if values.numel() == 0 and values.dim() < 2:
        values = values.reshape(0, 2)
    if values.dim() < 2 or values.shape[-1] not in (2, 3):
        raise ValueError(
            f"{name} must have columns x_px, y_px and, if known, duration_ms: shape [..., T, 2 or 3], "
            f"got {list(values.shape)}"
        )
    mask = torch.ones(values.shape[:-1], dtype=torch.bool, device=values.device)
    return Scanpaths(values[..., :2], mask, values[..., 2] if values.shape[-1] == 3 else None)


def _padded(paths: Sequence, name: str) -> Scanpaths:
    parts = [_dense(path, f"{name}[{i}]") for i, path in enumerate(paths)]
    for i, part in enumerate(parts):
        if part.shape:
            raise ValueError(f"{name}[{i}] must be one scanpath [T, 2 or 3], got {list(part.xy_px.shape)}")
    if not parts:
        return Scanpaths(torch.zeros(0, 0, 2, dtype=torch.float64), torch.zeros(0, 0, dtype=torch.bool))
    pad = torch.nn.utils.rnn.pad_sequence
    known = all(part.duration_ms is not None or not part.mask.numel() for part in parts)
    durations = [part.xy_px[:, 0] if part.duration_ms is None else part.duration_ms for part in parts]
    return Scanpaths(
        pad([part.xy_px for part in parts], batch_first=True),
        pad([part.mask for part in parts], batch_first=True),
        pad(durations, batch_first=True) if known else None,
    )
