"""Box pooling compared with the alternatives without torchvision: `grid_sample`, batched or per box, and loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from gazekit.harness import Case
from gazekit.kernels.roi_align import roi_align

__all__ = ["Sizes", "cases"]

Pool = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        work: (side of the picture in pixels, number of boxes) per case; the map is 16 times smaller.
        channels: channels of the map.
        bins: rows and columns of the pooled boxes.
        loop_boxes: number of boxes for the plain loop, whose time is scaled.
    """

    work: tuple[tuple[int, int], ...] = ((224, 16), (1024, 256), (1024, 1000))
    channels: int = 256
    bins: int = 7
    loop_boxes: int = 4


def cases(device: str, sizes: Sizes | None = None) -> list[Case]:
    """Two samples per bin and axis at all sizes; adaptive sampling and the plain loop at the last."""
    sizes = sizes or Sizes()
    bins, rows = sizes.bins, []
    for picture, boxes in sizes.work:
        inputs = _inputs(sizes.channels, picture, boxes, device)
        name = f"roi_align {boxes} boxes, {picture} px, 2 x 2 samples"
        rows += _pair(name, inputs, _ours(bins, 2), "grid_sample of all boxes at once", _grid_sample(bins))
        rows.append(_with_boxes(name, inputs, _ours(bins, 2), _grid_sample(bins)))
    adaptive = name.replace("2 x 2 samples", "adaptive")
    rows += _pair(adaptive, inputs, _ours(bins, 0), "grid_sample box by box", _grid_sample_each(bins))
    features, boxes = inputs
    few = features[0].cpu().numpy(), boxes[: sizes.loop_boxes].cpu().numpy()
    rows.append(Case(f"{name}, forward", _frozen(_ours(bins, 2), inputs), len(boxes), "crop", "Python loop, NumPy",
                     lambda: _loop(*few, bins), len(few[1])))  # fmt: skip
    return rows


def _inputs(channels: int, picture: int, boxes: int, device: str) -> tuple[Tensor, Tensor]:
    """A map and boxes [K, 4] in its pixels, from a sixteenth to half of its side."""
    draw, side = torch.Generator().manual_seed(boxes), picture // 16
    features = torch.randn(1, channels, side, side, generator=draw)
    extent = side * (torch.rand(boxes, 2, generator=draw) * 7 + 1) / 16
    corner = torch.rand(boxes, 2, generator=draw) * (side - extent)
    return features.to(device), torch.cat([corner, corner + extent], 1).to(device)


def _pair(name: str, inputs: tuple[Tensor, Tensor], ours: Pool, other: str, others: Pool) -> list[Case]:
    """Forward, and forward and backward to the features."""
    k = len(inputs[1])
    forward = Case(
        f"{name}, forward", _frozen(ours, inputs), k, "crop", other, _frozen(others, inputs), k, _difference
    )
    trained = [_trained(pool, inputs, of_boxes=False) for pool in (ours, others)]
    both = Case(f"{name}, forward + backward", trained[0], k, "crop", other, trained[1], k, _difference)
    return [forward, both]


def _with_boxes(name: str, inputs: tuple[Tensor, Tensor], ours: Pool, others: Pool) -> Case:
    k = len(inputs[1])
    run, other = (_trained(pool, inputs, of_boxes=True) for pool in (ours, others))
    return Case(f"{name}, forward + backward to boxes too", run, k, "crop", "grid_sample of all boxes at once",
                other, k, _difference)  # fmt: skip


def _frozen(pool: Pool, inputs: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.no_grad():
            return pool(*inputs)

    return run


def _trained(pool: Pool, inputs: tuple[Tensor, Tensor], of_boxes: bool) -> Callable[[], Tensor]:
    """A call returns the gradient to the features."""
    features, boxes = (tensor.clone() for tensor in inputs)
    wanted = [features.requires_grad_()] + ([boxes.requires_grad_()] if of_boxes else [])

    def run() -> Tensor:
        out = pool(features, boxes)
        return torch.autograd.grad(out, wanted, torch.ones_like(out))[0]

    return run


def _difference(ours: Tensor, others: Tensor) -> dict[str, float]:
    return {"largest_difference": (ours - others).abs().max().item()}


def _ours(bins: int, ratio: int) -> Pool:
    return lambda features, boxes: roi_align(features, [boxes], (bins, bins), sampling_ratio=ratio)


def _places(boxes: Tensor, rows: int, columns: int, side: int) -> Tensor:
    """[K, rows, columns, 2] sampling positions for `grid_sample`: -1 and 1 are the outer edges of the map."""
    x_way, y_way = ((torch.arange(n, device=boxes.device) + 0.5) / n for n in (columns, rows))
    x1, y1, x2, y2 = (2 * boxes / side - 1)[:, None].unbind(-1)
    x, y = x1 + (x2 - x1) * x_way, y1 + (y2 - y1) * y_way
    return torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), -1)


def _grid_sample(bins: int) -> Pool:
    """All boxes of the map stacked into one tall grid."""

    def run(features: Tensor, boxes: Tensor) -> Tensor:
        grid = _places(boxes, 2 * bins, 2 * bins, features.shape[-1]).flatten(0, 1)[None]
        found = grid_sample(features, grid, padding_mode="border", align_corners=False)
        return avg_pool2d(found, 2)[0].unflatten(1, (-1, bins)).transpose(0, 1)

    return run


def _grid_sample_each(bins: int) -> Pool:
    """One call per box, as each needs a different number of samples."""

    def run(features: Tensor, boxes: Tensor) -> Tensor:
        pooled = []
        for box, (width, height) in zip(boxes, (boxes[:, 2:] - boxes[:, :2]).tolist(), strict=True):
            samples = math.ceil(height / bins), math.ceil(width / bins)
            grid = _places(box[None], samples[0] * bins, samples[1] * bins, features.shape[-1])
            found = grid_sample(features, grid, padding_mode="border", align_corners=False)
            pooled.append(avg_pool2d(found, samples))
        return torch.cat(pooled)

    return run


def _loop(features: np.ndarray, boxes: np.ndarray, bins: int) -> np.ndarray:
    """The definition sample by sample, all channels at once."""
    side, out = features.shape[-1], np.zeros((len(boxes), len(features), bins, bins), np.float32)
    for k, (x1, y1, x2, y2) in enumerate(boxes - 0.5):
        for i, j in np.ndindex(2 * bins, 2 * bins):
            y = min(max(y1 + (y2 - y1) * (i + 0.5) / (2 * bins), 0), side - 1)
            x = min(max(x1 + (x2 - x1) * (j + 0.5) / (2 * bins), 0), side - 1)
            low, left = int(y), int(x)
            v, u, below, right = y - low, x - left, min(low + 1, side - 1), min(left + 1, side - 1)
            top = (1 - u) * features[:, low, left] + u * features[:, low, right]
            bottom = (1 - u) * features[:, below, left] + u * features[:, below, right]
            out[k, :, i // 2, j // 2] += ((1 - v) * top + v * bottom) / 4
    return out
