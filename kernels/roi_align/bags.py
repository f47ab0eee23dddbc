"""Box pooling on the CPU: each bin is a weighted sum of a few feature rows.

With channels last, a pixel's features are one contiguous row, and a bin needs only a few pixels. Samples that
share a pixel are merged first, separately along each axis: a bin of g x g samples, one per pixel, has 4 g^2 corners
but only (g + 1)^2 pixels. torch's `embedding_bag` then sums rows without storing the products.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from gazekit.kernels.roi_align.frames import Frames, axis_samples, samples_on_map

__all__ = ["pool"]

CHUNK_TAPS = 2**22  # 48 MiB of indices and weights


def pool(features: Tensor, frames: Frames, size: tuple[int, int]) -> Tensor:
    """[K, C, P, Q]. Working memory is bounded by chunks of boxes; under autograd all their taps are kept."""
    c = features.shape[1]
    # contiguous even if the reshape is a view (B = 1): otherwise embedding_bag takes a path ten times slower
    table = features.permute(0, 2, 3, 1).reshape(-1, c).to(frames.start).contiguous()
    order, chunks = _chunks(frames, size, features.shape[2:])
    pooled = [_pool(table, frames.take(part), size, features.shape[2:]) for part in order.split(chunks)]
    bins = pooled[0] if len(pooled) == 1 else torch.cat(pooled)[order.argsort()]
    return bins.permute(0, 3, 1, 2).to(features.dtype)


def _chunks(frames: Frames, size: tuple[int, int], shape: torch.Size) -> tuple[Tensor, list[int]]:
    """Order of the boxes, and sizes of its chunks; boxes with similar numbers of taps are grouped to reduce
    padding.
    """
    bins, length = (torch.tensor(pair[::-1]) for pair in (size, shape))
    span = (frames.side.detach() / bins).ceil() + 2
    taps = torch.minimum(torch.minimum(span, 2 * frames.samples), length).long() * bins
    samples = (samples_on_map(frames.side, frames.samples, bins, length) * bins).sum(1, keepdim=True)
    needs = torch.cat([taps, samples], 1)
    if not _too_many(len(needs), needs.amax(0).tolist()):
        return torch.arange(len(needs)), [len(needs)]
    order = taps.prod(1).argsort(descending=True)
    chunks, count, largest = [], 0, (0, 0, 0)
    for own in needs[order].tolist():
        padded = [max(pair) for pair in zip(largest, own, strict=True)]
        if count and _too_many(count + 1, padded):
            chunks.append(count)
            count, padded = 0, own
        count, largest = count + 1, padded
    return order, [*chunks, count]


def _too_many(boxes: int, needs: list[int]) -> bool:
    """Whether this is too much for one chunk, whose boxes are all padded to these taps along x and y, and samples."""
    columns, rows, samples = needs
    return boxes * max(columns * rows, samples) > CHUNK_TAPS


def _pool(table: Tensor, frames: Frames, size: tuple[int, int], shape: torch.Size) -> Tensor:
    """[K, P, Q, C]."""
    (h, w), (p, q) = shape, size
    y, y_weight = _taps(frames, 1, p, h)  # [K, P, R]
    x, x_weight = _taps(frames, 0, q, w)  # [K, Q, S]
    y = y + h * frames.image[:, None, None]
    small = len(table) < 2**31  # 4 bytes per index suffice
    y, x = ((w * y).int(), x.int()) if small else (w * y, x)
    index = y[:, :, None, :, None] + x[:, None, :, None, :]
    weight = y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]
    bags = embedding_bag(index.flatten(3).flatten(0, 2), table, mode="sum",
                         per_sample_weights=weight.flatten(3).flatten(0, 2))  # fmt: skip
    return bags.view(-1, p, q, table.shape[1])


def _taps(frames: Frames, axis: int, bins: int, length: int) -> tuple[Tensor, Tensor]:
    """Pixels [K, bins, R] along one axis that each bin reads, and their weights.

    Either all pixels between the first and the last that it needs or, if samples are far apart, the
    two pixels of each sample.
    """
    low, high, fraction, share = axis_samples(frames, axis, bins, length)
    first = torch.where(share > 0, low, length).amin(2, keepdim=True)
    last = torch.where(share > 0, high, 0).amax(2, keepdim=True)
    run = max(1, int((last - first).max()) + 1)
    if run > 2 * low.shape[2]:
        return torch.cat([low, high], 2), torch.cat([share * (1 - fraction), share * fraction], 2)
    first = first.clamp(max=length - run)
    empty = fraction.new_zeros(len(low), bins, run)
    low, high = ((pixel - first).clamp(0, run - 1) for pixel in (low, high))
    weight = empty.scatter_add(2, low, share * (1 - fraction)).scatter_add(2, high, share * fraction)
    return first + torch.arange(run), weight
