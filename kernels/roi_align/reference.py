"""Box pooling in plain torch: out = Y F X^T for each box, with the interpolation matrices of its two axes.

Row p of Y [P, H] has the weights of the map's rows in bin p, the mean of its samples' bilinear weights; X [Q,
W] likewise. A box costs C P H (W + Q) products for any number of samples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gazekit.kernels.roi_align.frames import Frames, axis_samples, samples_on_map

__all__ = ["interpolation_matrix", "pool"]

CHUNK_BYTES = 2**26


def interpolation_matrix(frames: Frames, axis: int, bins: int, length: int) -> Tensor:
    """[K, bins, length] weights of the pixels along one axis."""
    low, high, fraction, share = axis_samples(frames, axis, bins, length)
    empty = fraction.new_zeros(len(low), bins, length)
    return empty.scatter_add(2, low, share * (1 - fraction)).scatter_add(2, high, share * fraction)


def pool(features: Tensor, frames: Frames, size: tuple[int, int]) -> Tensor:
    """[K, C, P, Q]. Boxes are processed in chunks that copy at most 64 MiB of features, again in the backward
    pass.
    """
    _, c, h, w = features.shape
    length, bins = (frames.samples.new_tensor(pair[::-1]) for pair in ((h, w), size))
    samples = samples_on_map(frames.side, frames.samples, bins, length) * bins
    largest = max(c * h * w, int(samples.max()))
    chunk = max(1, CHUNK_BYTES // (largest * frames.start.element_size()))
    parts = torch.arange(len(frames.image), device=features.device).split(chunk)
    return torch.cat(
        [checkpoint(_pool, features, frames.take(part), size, use_reentrant=False) for part in parts]
    )


def _pool(features: Tensor, frames: Frames, size: tuple[int, int]) -> Tensor:
    rows = interpolation_matrix(frames, 1, size[0], features.shape[2])
    columns = interpolation_matrix(frames, 0, size[1], features.shape[3])
    with torch.autocast(features.device.type, enabled=False):  # it would round the weights to half precision
        return (rows[:, None] @ features[frames.image].to(rows) @ columns[:, None].mT).to(features.dtype)
