"""The blend of levels on the CPU, in bands of rows, each of which reads only the levels that occur in it.

With w_k = clamp(level - k, 0, 1), successive lerps, out <- out + w_k (G_(k+1) - out), give the blend: w_k is
1 below a pixel's own level and 0 above it. Backward, with g the gradient of the picture and k the lower neighbour:
d level = sum_c g (G_(k+1) - G_k), and the lerps are undone from the last to the first, dG_(k+1) += w_k g,
g <- (1 - w_k) g, with the remainder going to the first level.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["blend"]

ROWS = 64  # a band of a 512 pixel wide colour picture fits in a core's cache


def blend(stack: Tensor, level: Tensor) -> Tensor:
    """As `reference.blend`."""
    return _Blend.apply(stack, level)


class _Band(NamedTuple):
    """Rows of one picture, and the range [first, end) of the lower levels of its pixels."""

    image: int
    picture: int
    rows: slice
    first: int
    end: int


def _bands(level: Tensor, top: int) -> Iterator[_Band]:
    parts = [part.nan_to_num().flatten(2) for part in level.split(ROWS, dim=2)]
    first = torch.stack([part.amin(-1) for part in parts], -1).floor().clamp(max=top - 1).long().tolist()
    end = (torch.stack([part.amax(-1) for part in parts], -1).floor() + 1).clamp(max=top).long().tolist()
    for b, pictures in enumerate(first):
        for t, bands in enumerate(pictures):
            for i, low in enumerate(bands):
                yield _Band(b, t, slice(i * ROWS, (i + 1) * ROWS), low, end[b][t][i])


class _Blend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, stack: Tensor, level: Tensor) -> Tensor:
        ctx.save_for_backward(stack, level)
        out = stack.new_empty(*level.shape[:2], *stack.shape[2:])
        for band in _bands(level, stack.shape[1] - 1):
            levels, own = stack[band.image, :, :, band.rows], level[band.image, band.picture, band.rows]
            picture = out[band.image, band.picture, :, band.rows]
            picture.copy_(levels[band.first])
            for k in range(band.first, band.end):
                picture.lerp_(levels[k + 1], (own - k).clamp_(0, 1).to(stack.dtype))
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        stack, level = ctx.saved_tensors
        to_stack = torch.zeros_like(stack) if ctx.needs_input_grad[0] else None
        to_level = torch.empty_like(level) if ctx.needs_input_grad[1] else None
        top = stack.shape[1] - 1
        for band in _bands(level, top):
            own, g = level[band.image, band.picture, band.rows], grad[band.image, band.picture, :, band.rows]
            if to_stack is not None:
                _add_to_levels(to_stack[band.image, :, :, band.rows], own, g, band)
            if to_level is not None:
                slope = to_level[band.image, band.picture, band.rows]
                _slope_into(slope, stack[band.image, :, :, band.rows], own, g, band)
        return to_stack, to_level


def _add_to_levels(levels: Tensor, own: Tensor, g: Tensor, band: _Band) -> None:
    rest = g
    for k in range(band.end - 1, band.first - 1, -1):
        above = rest * (own - k).clamp_(0, 1).to(g.dtype)
        levels[k + 1] += above
        rest = rest - above
    levels[band.first] += rest


def _slope_into(slope: Tensor, levels: Tensor, own: Tensor, g: Tensor, band: _Band) -> None:
    below = own.floor().clamp_(max=levels.shape[0] - 2)
    slope.copy_(own.where(own.isnan(), 0.0))
    for k in range(band.first, band.end):
        change = (g * (levels[k + 1] - levels[k])).sum(0).to(slope.dtype)
        slope.add_(torch.where(below == k, change, 0.0))
