"""From boxes to sample positions on the feature map, one axis at a time.

Bilinear interpolation is separable, and so is the rule for which samples count: a sample off the map along one
axis counts as 0 whatever its other coordinate. A box is therefore fully described by its samples along y and along x.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["MOST_SAMPLES", "AxisSamples", "Frames", "axis_samples", "frames_of", "samples_on_map"]

MOST_SAMPLES = 2**16  # per bin and axis, if adaptive: single precision cannot resolve more


class Frames(NamedTuple):
    """K boxes on the feature map. Columns are (x, y); pixel centres lie at integers.

    Attributes:
        image: [K] index into the batch.
        start: [K, 2] upper left corner.
        side: [K, 2] width and height.
        samples: [K, 2] integers, samples per bin.
        proper: [K] False for boxes that are reversed or not finite, which are stored as points.
    """

    image: Tensor
    start: Tensor
    side: Tensor
    samples: Tensor
    proper: Tensor

    def take(self, rows: Tensor) -> Frames:
        """Some of the boxes."""
        return Frames(*(column[rows] for column in self))


class AxisSamples(NamedTuple):
    """Samples along one axis, [K, bins, G], G the maximum number of samples of a bin on the map.

    Attributes:
        low, high: the two pixels around a sample.
        fraction: position from `low` to `high`, 0 to 1.
        share: weight in the mean of the bin; 0 for samples off the map or padding.
    """

    low: Tensor
    high: Tensor
    fraction: Tensor
    share: Tensor


def frames_of(
    boxes: Tensor,
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    dtype: torch.dtype,
) -> Frames:
    """Sample positions of `roi_align` for the boxes [K, 5], in at least single precision."""
    corners = boxes[:, 1:].to(torch.promote_types(dtype, torch.float32)) * spatial_scale - aligned / 2
    start, side = corners[:, :2], corners[:, 2:] - corners[:, :2]
    proper = (corners.isfinite() & ((side >= 0) & side.isfinite()).repeat(1, 2)).all(1)
    start, side = (torch.where(proper[:, None], column, 0.0) for column in (start, side))
    if not aligned:
        side = side.clamp(min=1)
    if sampling_ratio:
        samples = torch.full_like(side, sampling_ratio, dtype=torch.long)
    else:
        bins = torch.tensor(size[::-1], device=side.device)
        samples = (side.detach() / bins).ceil().clamp(1, MOST_SAMPLES).long()
    return Frames(boxes[:, 0].long(), start, side, samples, proper)


def axis_samples(frames: Frames, axis: int, bins: int, length: int) -> AxisSamples:
    """The samples along x (axis 0) or y (axis 1) of a map with `length` pixels that way.

    The samples of a bin on the map are consecutive: a huge box costs no more than one of the map's size.
    """
    start, side, samples = (
        column[:, axis, None, None] for column in (frames.start, frames.side, frames.samples)
    )
    bin_index = torch.arange(bins, device=start.device)[:, None]
    first = ((-1 - start.detach()) / _step(side, samples, bins) - 0.5).floor() - 1 - bin_index * samples
    most = int(samples_on_map(side, samples, bins, length).max())
    number = first.clamp(min=0).minimum(samples).long() + torch.arange(most, device=start.device)
    # divide by a tensor: for a number CUDA multiplies by the inverse, which could misplace a sample at the border
    at = start + side * ((bin_index + (number + 0.5).to(start) / samples) / torch.full_like(start[:1], bins))
    counts = (at >= -1) & (at <= length) & (number < samples)
    at = at.clamp(0, length - 1)
    low = at.detach().floor()
    return AxisSamples(
        low.long(),
        (low.long() + 1).clamp(max=length - 1),
        at - low,
        torch.where(counts, 1 / samples.to(at), 0.0),
    )


def samples_on_map(side: Tensor, samples: Tensor, bins: int | Tensor, length: int | Tensor) -> Tensor:
    """Maximum number of samples of a bin on the map: those of length + 1 pixels, plus some for rounding."""
    return ((length + 1) / _step(side, samples, bins)).floor().add(4).minimum(samples).long()


def _step(side: Tensor, samples: Tensor, bins: int | Tensor) -> Tensor:
    """Distance between samples; never 0, as positions are divided by it."""
    return (side.detach() / (samples * bins)).clamp(min=1e-30)
