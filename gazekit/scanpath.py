"""Fixations, scanpaths and ragged batches of them: the currency of the house."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Fixation", "Ragged", "Scanpath"]


class Fixation(NamedTuple):
    """One fixation: a place in pixels and how long it lasted (None where the data set does not say)."""

    x_px: float
    y_px: float
    duration_ms: float | None


@dataclass(frozen=True, eq=False)
class Scanpath:
    """The fixations of one observer on one stimulus, in order.

    Args:
        xy_px: [T, 2] positions, (x, y) pixels; T may be 0.
        duration_ms: [T] durations, or None.
        observer: who looked.
    Raises:
        ValueError: wrong shape, a value that is not finite, a negative duration.
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
    """Sequences of different length as one padded tensor and a mask (True = valid).

    `values` is [..., T, *item], `mask` [..., T]; padding lies at the end and holds 0.
    """

    values: Tensor
    mask: Tensor

    @classmethod
    def from_list(cls, sequences: Sequence, dtype: torch.dtype | None = None) -> Ragged:
        """Pad a list of [T_i, *item] arrays or tensors. An empty list gives a [0, 0] batch."""
        tensors = [
            torch.as_tensor(np.asarray(s) if not isinstance(s, Tensor) else s, dtype=dtype) for s in sequences
        ]
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
