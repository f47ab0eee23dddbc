"""The blend of levels and the pooling by windows as Triton kernels: each program computes the sums that it
stores.

Images are flattened to pixels. A blend program handles a block of pixels and loops over channels or pictures; a
pooling program handles a tile of channels and pixels, which share windows. No atomics: results do not vary between
runs. Pictures are on the grid's first axis, the only one that may exceed 65535; index products are int64.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["blend", "window_means"]

BLOCK, TILE_CHANNELS, TILE_PIXELS = 512, 4, 128


@triton.jit
def _neighbours(level, at, inside, L: tl.constexpr):
    """Lower level k of each pixel, and the fraction f; a NaN level has k = 0 and f = NaN, visible in the picture."""
    own = tl.load(level + at, mask=inside, other=0.0)
    below = tl.minimum(tl.floor(tl.where(own == own, own, 0.0)), L - 2.0)
    return below.to(tl.int64), own - below


@triton.jit
def _blend_kernel(
    stack, level, out, T, C: tl.int64, P: tl.int64, L: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """out[b, t, c, p] = G_k + f (G_(k+1) - G_k), G = stack[b, :, c, p], k + f = level[b, t, p]."""
    blocks = tl.cdiv(P, BLOCK)
    picture = tl.program_id(0).to(tl.int64) // blocks
    pixel = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < P
    k, f = _neighbours(level, picture * P + pixel, inside, L)
    low = stack + (picture // T * L + k) * C * P + pixel
    for c in range(C):
        near = tl.load(low + c * P, mask=inside, other=0.0).to(tl.float32)
        far = tl.load(low + (C + c) * P, mask=inside, other=0.0).to(tl.float32)
        tl.store(out + (picture * C + c) * P + pixel, near + f * (far - near), mask=inside)


@triton.jit
def _blend_to_level_kernel(
    stack, level, grad, to_level, T, C: tl.int64, P: tl.int64, L: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """With g the gradient of a picture: d level[b, t, p] = sum_c g[b, t, c, p] (G_(k+1) - G_k)."""
    blocks = tl.cdiv(P, BLOCK)
    picture = tl.program_id(0).to(tl.int64) // blocks
    pixel = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < P
    k, f = _neighbours(level, picture * P + pixel, inside, L)
    low = stack + (picture // T * L + k) * C * P + pixel
    total = 0 * f  # NaN stays NaN
    for c in range(C):
        near = tl.load(low + c * P, mask=inside, other=0.0).to(tl.float32)
        far = tl.load(low + (C + c) * P, mask=inside, other=0.0).to(tl.float32)
        g = tl.load(grad + (picture * C + c) * P + pixel, mask=inside, other=0.0).to(tl.float32)
        total += g * (far - near)
    tl.store(to_level + picture * P + pixel, total, mask=inside)


@triton.jit
def _blend_to_stack_kernel(
    level, grad, to_stack, T, C: tl.int64, P: tl.int64, L: tl.constexpr, LEVELS: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """dG[b, l, c, p] = sum_t w_l g[b, t, c, p], w_k = 1 - f, w_(k+1) = f, else 0; LEVELS = L, up to a power of two."""
    c, b = tl.program_id(1), tl.program_id(2).to(tl.int64)
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < P
    layer = tl.arange(0, LEVELS)[:, None]
    total = tl.zeros([LEVELS, BLOCK], tl.float32)
    for t in range(T):
        k, f = _neighbours(level, (b * T + t) * P + pixel, inside, L)
        g = tl.load(grad + ((b * T + t) * C + c) * P + pixel, mask=inside, other=0.0).to(tl.float32)
        total += tl.where(layer == k[None, :], ((1 - f) * g)[None, :], 0.0)
        total += tl.where(layer == k[None, :] + 1, (f * g)[None, :], 0.0)
    at = to_stack + ((b * L + layer) * C + c) * P + pixel[None, :]
    tl.store(at, total, mask=inside[None, :] & (layer < L))


class _Blend(torch.autograd.Function):
    """Saves its inputs: recomputing the neighbours is cheaper than reading them."""

    @staticmethod
    def forward(ctx: Any, stack: Tensor, level: Tensor) -> Tensor:
        stack, level = stack.contiguous(), level.contiguous()
        ctx.save_for_backward(stack, level)
        (b, n, c, h, w), t = stack.shape, level.shape[1]
        out = stack.new_empty(b, t, c, h, w)
        if out.numel():
            with torch.cuda.device_of(stack):
                _blend_kernel[(triton.cdiv(h * w, BLOCK) * b * t,)](
                    stack, level, out, t, c, h * w, L=n, BLOCK=BLOCK
                )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        stack, level = ctx.saved_tensors
        (b, n, c, h, w), t, grad = stack.shape, level.shape[1], grad.contiguous()
        to_stack, to_level = None, None
        if ctx.needs_input_grad[0]:
            to_stack = torch.empty_like(stack)
            levels, block = triton.next_power_of_2(n), BLOCK // 4  # LEVELS sums per pixel are in registers
            if to_stack.numel():
                grid = (triton.cdiv(h * w, block), c, b)
                with torch.cuda.device_of(stack):
                    _blend_to_stack_kernel[grid](
                        level, grad, to_stack, t, c, h * w, L=n, LEVELS=levels, BLOCK=block
                    )
        if ctx.needs_input_grad[1]:
            to_level = torch.empty_like(level)
            if to_level.numel():
                with torch.cuda.device_of(stack):
                    _blend_to_level_kernel[(triton.cdiv(h * w, BLOCK) * b * t,)](
                        stack, level, grad, to_level, t, c, h * w, L=n, BLOCK=BLOCK
                    )
        return to_stack, to_level


def blend(stack: Tensor, level: Tensor) -> Tensor:
    """As `reference.blend`; the level in single precision."""
    return _Blend.apply(stack, level)


@triton.jit
def _ends(place, size, outputs, length):
    """First cell of a window along one axis and the one after its last, inside the image."""
    start = 2 * place - tl.maximum(2 * (outputs - 1) + size - length, 0) // 2
    return tl.maximum(start, 0), tl.minimum(start + size, length)


@triton.jit
def _means_kernel(
    image, window, out, C: tl.int64, H, W, O, Q, window_step, TILE_C: tl.constexpr, TILE_P: tl.constexpr
):  # fmt: skip
    """out[b, c, i, j] = sum over its window of image[b, c], divided by the window's number of cells n(i, j)."""
    b = tl.program_id(2).to(tl.int64)
    channel = (tl.program_id(1) * TILE_C + tl.arange(0, TILE_C))[:, None]
    place = tl.program_id(0) * TILE_P + tl.arange(0, TILE_P)
    inside = place < O * Q
    size = tl.load(window + b * window_step + place, mask=inside, other=1)
    top, bottom = _ends(place // Q, size, O, H)
    left, right = _ends(place % Q, size, Q, W)
    total = tl.zeros([TILE_C, TILE_P], tl.float32)
    largest = tl.max(size)
    for dy in range(largest):
        for dx in range(largest):
            read = inside & (top + dy < bottom) & (left + dx < right)
            at = image + (b * C + channel) * H * W + ((top + dy) * W + left + dx)[None, :]
            total += tl.load(at, mask=read[None, :] & (channel < C), other=0.0).to(tl.float32)
    cells = tl.maximum((bottom - top) * (right - left), 1).to(
        tl.float32
    )  # positions after the last have no cells
    kept = inside[None, :] & (channel < C)
    tl.store(out + (b * C + channel) * O * Q + place[None, :], total / cells[None, :], mask=kept)


@triton.jit
def _means_to_image_kernel(
    grad, window, to_image, C: tl.int64, H, W, O, Q, window_step, largest, TILE_C: tl.constexpr, TILE_P: tl.constexpr
):  # fmt: skip
    """d image[b, c, y, x] = sum of g(i, j) / n(i, j) over the windows that contain (y, x).

    With R the largest window and B its cells before 2 i, outputs from (y + B - R) // 2 + 1 to (y + B) // 2 can reach y:
    at most R // 2 + 1. A smaller window begins later and ends earlier, which is checked.
    """
    b = tl.program_id(2).to(tl.int64)
    channel = (tl.program_id(1) * TILE_C + tl.arange(0, TILE_C))[:, None]
    pixel = tl.program_id(0) * TILE_P + tl.arange(0, TILE_P)
    inside = pixel < H * W
    y, x = pixel // W, pixel % W
    last_i = (y + tl.maximum(2 * (O - 1) + largest - H, 0) // 2) // 2
    last_j = (x + tl.maximum(2 * (Q - 1) + largest - W, 0) // 2) // 2
    total = tl.zeros([TILE_C, TILE_P], tl.float32)
    for di in range(largest // 2 + 1):
        for dj in range(largest // 2 + 1):
            i, j = last_i - di, last_j - dj
            there = inside & (i >= 0) & (i < O) & (j >= 0) & (j < Q)
            size = tl.load(window + b * window_step + i * Q + j, mask=there, other=1)
            top, bottom = _ends(i, size, O, H)
            left, right = _ends(j, size, Q, W)
            holds = there & (y >= top) & (y < bottom) & (x >= left) & (x < right)
            at = grad + (b * C + channel) * O * Q + (i * Q + j)[None, :]
            g = tl.load(at, mask=holds[None, :] & (channel < C), other=0.0).to(tl.float32)
            cells = tl.maximum((bottom - top) * (right - left), 1).to(tl.float32)
            total += g / cells[None, :]
    kept = inside[None, :] & (channel < C)
    tl.store(to_image + (b * C + channel) * H * W + pixel[None, :], total, mask=kept)


class _Means(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, window: Tensor, largest: int) -> Tensor:
        image, window = image.contiguous(), window.to(torch.int32).contiguous()
        ctx.save_for_backward(window)
        ctx.largest, ctx.image_shape = largest, image.shape
        out = image.new_empty(*image.shape[:2], *window.shape[1:])
        _launch(_means_kernel, image, window, out, image.shape, out.shape)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (window,) = ctx.saved_tensors
        to_image = grad.new_empty(ctx.image_shape)
        _launch(
            _means_to_image_kernel,
            grad.contiguous(),
            window,
            to_image,
            ctx.image_shape,
            grad.shape,
            ctx.largest,
        )
        return to_image, None, None


def _launch(
    kernel, source: Tensor, window: Tensor, target: Tensor, image: tuple, pooled: tuple, *more: int
) -> None:
    (b, c, h, w), (rows, columns) = image, pooled[2:]
    if target.numel():
        step = rows * columns if len(window) > 1 else 0
        grid = (triton.cdiv(target[0, 0].numel(), TILE_PIXELS), triton.cdiv(c, TILE_CHANNELS), b)
        sizes = (c, h, w, rows, columns, step, *more)
        with torch.cuda.device_of(source):
            kernel[grid](source, window, target, *sizes, TILE_C=TILE_CHANNELS, TILE_P=TILE_PIXELS)


def window_means(image: Tensor, window: Tensor, largest: int) -> Tensor:
    """As `reference.masked_pools`, for windows of at most `largest` cells per side."""
    return _Means.apply(image, window, largest)
