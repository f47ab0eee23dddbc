"""Means over windows of any size by summed-area tables (Crow 1984, SIGGRAPH), in double precision.

S(y, x) = sum of the image above and left of (y, x), so that a window's sum is S(y1, x1) - S(y0, x1) - S(y1, x0) +
S(y0, x0): four reads at any size. Backward, each output adds +-g / n at the same four positions, and the
gradient of a cell is the sum of everything below and to the right of it: the same running sums from the other
end. In single precision, means inside a large image would lose accuracy to the large cumulative sums; double
precision costs half a pass over the image more and avoids this. Non-finite values would spread to everything
below and to the right of them, so such images use the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gazekit.kernels.foveate.reference import masked_pools

__all__ = ["table_pools"]

CELLS = 2**19  # of the tables computed at once: 4 MiB


def table_pools(image: Tensor, window: Tensor) -> Tensor:
    """As `reference.masked_pools`."""
    return _TablePools.apply(image, window) if _finite(image) else masked_pools(image, window)


def _finite(values: Tensor) -> bool:
    """Whether all values are finite; a sum decides it in one pass, and an overflowing sum only costs time."""
    return bool(values.detach().sum(dtype=torch.promote_types(values.dtype, torch.float32)).isfinite())


class _Corners(NamedTuple):
    """Indices at which [O] outputs read a flattened (H + 1) x (W + 1) table, and 1 / number of cells per window."""

    plus: tuple[Tensor, Tensor]
    minus: tuple[Tensor, Tensor]
    share: Tensor


def _corners(window: Tensor, height: int, width: int) -> _Corners:
    top, bottom = _ends(window, height, 0)
    left, right = _ends(window, width, 1)
    at = [(y * (width + 1) + x).flatten() for y in (top, bottom) for x in (left, right)]
    share = ((bottom - top) * (right - left)).flatten().double().reciprocal()
    return _Corners((at[0], at[3]), (at[1], at[2]), share)


def _ends(window: Tensor, length: int, dim: int) -> tuple[Tensor, Tensor]:
    """First cell of each window along one axis and the one after its last, inside the image."""
    steps = torch.arange((length + 1) // 2, device=window.device)
    before = (2 * (len(steps) - 1) + window - length).clamp_min(0) // 2  # as `pool_border`
    start = 2 * (steps[:, None] if dim == 0 else steps) - before
    return start.clamp_min(0), (start + window).clamp_max(length)


class _TablePools(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, window: Tensor) -> Tensor:
        ctx.save_for_backward(window)
        ctx.image_shape = image.shape
        last = image.shape[1] > 1 and image.is_contiguous(memory_format=torch.channels_last)
        if last and image.device.type == "cpu" and image.dtype != torch.float64:
            return _channels_last(image, window)
        out = image.new_empty(*image.shape[:2], *window.shape[-2:])
        for rows, corners in _parts(window, image.shape):
            picked = out.flatten(0, 1).flatten(1)
            for planes in rows:
                table = _table(image.flatten(0, 1)[planes]).flatten(1)
                (a, d), (b, c) = corners.plus, corners.minus
                total = table.index_select(1, d).add_(table.index_select(1, a))
                total.sub_(table.index_select(1, b)).sub_(table.index_select(1, c))
                picked[planes] = total.mul_(corners.share).to(image.dtype)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (window,) = ctx.saved_tensors
        if not _finite(grad):
            with torch.enable_grad():  # means are linear: the gradient does not depend on the values
                image = grad.new_zeros(ctx.image_shape, requires_grad=True)
                return *torch.autograd.grad(masked_pools(image, window), image, grad), None
        height, width = ctx.image_shape[-2:]
        to_image = grad.new_empty(ctx.image_shape)
        for rows, corners in _parts(window, ctx.image_shape):
            for planes in rows:
                given = grad.flatten(0, 1)[planes].flatten(1) * corners.share
                corner = given.new_zeros(len(given), (height + 1) * (width + 1))
                for signed, places in ((given, corners.plus), (-given, corners.minus)):
                    for place in places:
                        corner.index_add_(1, place, signed)
                corner = corner.unflatten(1, (height + 1, width + 1))[:, 1:, 1:].flip(-2, -1)
                to_image.flatten(0, 1)[planes] = _running_sums(corner).flip(-2, -1).to(grad.dtype)
        return to_image, None


def _channels_last(image: Tensor, window: Tensor) -> Tensor:
    """The same where the channels of a pixel are neighbours in memory: corners are then read as whole vectors."""
    height, width = image.shape[-2:]
    out = torch.empty_like(
        image[..., : window.shape[1], : window.shape[2]], memory_format=torch.channels_last
    )
    corners = None
    table = np.zeros((height + 1, width + 1, image.shape[1]))  # one for all pictures: new memory takes time
    for b, picture in enumerate(image.permute(0, 2, 3, 1)):
        if corners is None or len(window) > 1:
            corners = _corners(window[b : b + 1], height, width)
        _fill_vector_table(table, picture)
        sums = torch.from_numpy(table).flatten(0, 1)
        (a, d), (b_, c) = corners.plus, corners.minus
        total = sums.index_select(0, d).add_(sums.index_select(0, a))
        total.sub_(sums.index_select(0, b_)).sub_(sums.index_select(0, c)).mul_(corners.share[:, None])
        out[b] = total.view(*window.shape[1:], -1).permute(2, 0, 1)
    return out


def _fill_vector_table(table: np.ndarray, picture: Tensor) -> None:
    """Sums of [H, W, C] into [H + 1, W + 1, C] double, whose row and column 0 stay 0.

    Many small sums: NumPy's start at once, while torch's wait for all threads each time.
    """
    table[1:, 1:] = picture.detach().float().numpy()
    for above, row in pairwise(table[1:]):
        row += above
    for column in range(2, table.shape[1]):
        table[:, column] += table[:, column - 1]


def _parts(window: Tensor, shape: torch.Size) -> Iterator[tuple[list[slice], _Corners]]:
    """Planes that share windows, in groups of up to `CELLS` cells, with the corners of those windows."""
    batch, channels, height, width = shape
    shared = batch // len(window) * channels if len(window) else 0
    step = max(1, CELLS // (height * width))
    for b, own in enumerate(window):
        starts = range(b * shared, (b + 1) * shared, step)
        yield [slice(at, min(at + step, (b + 1) * shared)) for at in starts], _corners(own, height, width)


def _table(planes: Tensor) -> Tensor:
    """[P, H, W] to [P, H + 1, W + 1] double, row and column 0 being 0."""
    table = planes.new_zeros(len(planes), planes.shape[1] + 1, planes.shape[2] + 1, dtype=torch.float64)
    table[:, 1:, 1:] = _running_sums(planes)
    return table


def _running_sums(planes: Tensor) -> Tensor:
    sums = planes.cumsum(-1, dtype=torch.float64)
    if sums.is_cuda:
        return sums.cumsum(-2)
    for above, row in zip(sums.unbind(1), sums.unbind(1)[1:], strict=False):
        row.add_(above)  # torch's cumsum processes each column separately: ten times slower on the CPU
    return sums
