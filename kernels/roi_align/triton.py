"""Box pooling as Triton kernels: one program per bin, box and block of channels.

Channels are last internally (the launcher copies once), so that the four pixels of a sample are four contiguous reads.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from gazekit.kernels.roi_align.frames import Frames

__all__ = ["pool"]


@triton.jit
def _place(start, side, samples, bin_index, number, bins, length):
    """One sample along one axis: position in the box, its two pixels, the fraction, whether it counts and
    moves.

    Rounded as in plain torch, here and by `enable_fp_fusion`: whether a sample at the border counts, or on which
    side of a pixel it lies, depends on the last bit.
    """
    along = tl.div_rn(bin_index + tl.div_rn(number + 0.5, samples.to(tl.float32)), bins + 0.0)
    at = start + side * along
    counts = (at >= -1.0) & (at <= length)
    moves = tl.where(
        at >= 0.0, 1.0, 0.0
    )  # clamped at the upper border both pixels are the same: no derivative there either
    at = tl.minimum(tl.maximum(at, 0.0), length - 1.0)
    low = tl.floor(at)
    high = tl.minimum(low + 1.0, length - 1.0)
    return along, low.to(tl.int64), high.to(tl.int64), at - low, counts, moves


@triton.jit
def _on_map(start, side, samples, bin_index, bins, length):
    """The first sample of a bin that may be on the map, and the one after the last: a box can be far larger."""
    step = tl.maximum(side / (samples * bins), 1e-30)
    before = 0.5 + bin_index * samples
    first = tl.floor((-1.0 - start) / step - before) - 1.0
    end = tl.ceil((length - start) / step - before) + 2.0
    number = samples.to(tl.float32)
    first, end = (tl.minimum(tl.maximum(first, 0.0), number), tl.minimum(tl.maximum(end, 0.0), number))
    return first.to(tl.int32), end.to(tl.int32)


@triton.jit
def _forward_kernel(
    features, image, start, side, samples, out, H, W, P, Q, C: tl.constexpr, BLOCK_C: tl.constexpr
):  # fmt: skip
    """out[k, p, q] = 1/(n m) sum_ij sum over the four pixels of weight x features[image, y, x]."""
    place = tl.program_id(0).to(tl.int64)
    k, p, q = place // (P * Q), place // Q % P, place % Q
    channel = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = channel < C
    x0, y0 = tl.load(start + 2 * k), tl.load(start + 2 * k + 1)
    width, height = tl.load(side + 2 * k), tl.load(side + 2 * k + 1)
    m, n = tl.load(samples + 2 * k), tl.load(samples + 2 * k + 1)
    page = features + tl.load(image + k) * H * W * C + channel
    total = tl.zeros([BLOCK_C], tl.float32)
    first_i, end_i = _on_map(y0, height, n, p, P, H)
    first_j, end_j = _on_map(x0, width, m, q, Q, W)
    for i in range(first_i, end_i):
        _, y_low, y_high, v, y_counts, _ = _place(y0, height, n, p, i, P, H)
        for j in range(first_j, end_j):
            _, x_low, x_high, u, x_counts, _ = _place(x0, width, m, q, j, Q, W)
            read = channel < tl.where(y_counts & x_counts, C, 0)
            f00 = tl.load(page + (y_low * W + x_low) * C, mask=read, other=0.0).to(tl.float32)
            f01 = tl.load(page + (y_low * W + x_high) * C, mask=read, other=0.0).to(tl.float32)
            f10 = tl.load(page + (y_high * W + x_low) * C, mask=read, other=0.0).to(tl.float32)
            f11 = tl.load(page + (y_high * W + x_high) * C, mask=read, other=0.0).to(tl.float32)
            total += (1 - v) * ((1 - u) * f00 + u * f01) + v * ((1 - u) * f10 + u * f11)
    tl.store(out + place * C + channel, total / (n * m), mask=inside)


@triton.jit
def _backward_kernel(
    features, image, start, side, samples, out_grad, features_grad, start_grad, side_grad, H, W, P, Q,
    C: tl.constexpr, BLOCK_C: tl.constexpr, OF_FEATURES: tl.constexpr, OF_BOXES: tl.constexpr,
):  # fmt: skip
    """With g = out_grad[k, p, q] / (n m) and a sample at y between rows 0 and 1 (fraction v), x likewise (u):

        d features[y, x] += weight x g                          (four pixels per sample),
        d y = sum_c g ((1 - u) (f10 - f00) + u (f11 - f01)),    d x likewise,
        d start_y += d y,   d side_y += d y x (its position along the side),

    as y = start_y + side_y x position. Boxes overlap and share pixels: sums are atomic, so that their order, and the
    last bits, can differ from run to run.
    """
    place = tl.program_id(0).to(tl.int64)
    k, p, q = place // (P * Q), place // Q % P, place % Q
    channel = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = channel < C
    x0, y0 = tl.load(start + 2 * k), tl.load(start + 2 * k + 1)
    width, height = tl.load(side + 2 * k), tl.load(side + 2 * k + 1)
    m, n = tl.load(samples + 2 * k), tl.load(samples + 2 * k + 1)
    page = tl.load(image + k) * H * W * C + channel
    g = tl.load(out_grad + place * C + channel, mask=inside, other=0.0).to(tl.float32) / (n * m)
    dx = tl.zeros([BLOCK_C], tl.float32)
    dy = tl.zeros([BLOCK_C], tl.float32)
    dx_along = tl.zeros([BLOCK_C], tl.float32)
    dy_along = tl.zeros([BLOCK_C], tl.float32)
    first_i, end_i = _on_map(y0, height, n, p, P, H)
    first_j, end_j = _on_map(x0, width, m, q, Q, W)
    for i in range(first_i, end_i):
        y_along, y_low, y_high, v, y_counts, y_moves = _place(y0, height, n, p, i, P, H)
        for j in range(first_j, end_j):
            x_along, x_low, x_high, u, x_counts, x_moves = _place(x0, width, m, q, j, Q, W)
            read = channel < tl.where(y_counts & x_counts, C, 0)
            at00, at01 = page + (y_low * W + x_low) * C, page + (y_low * W + x_high) * C
            at10, at11 = page + (y_high * W + x_low) * C, page + (y_high * W + x_high) * C
            if OF_FEATURES:
                tl.atomic_add(features_grad + at00, (1 - v) * (1 - u) * g, mask=read)
                tl.atomic_add(features_grad + at01, (1 - v) * u * g, mask=read)
                tl.atomic_add(features_grad + at10, v * (1 - u) * g, mask=read)
                tl.atomic_add(features_grad + at11, v * u * g, mask=read)
            if OF_BOXES:
                f00 = tl.load(features + at00, mask=read, other=0.0).to(tl.float32)
                f01 = tl.load(features + at01, mask=read, other=0.0).to(tl.float32)
                f10 = tl.load(features + at10, mask=read, other=0.0).to(tl.float32)
                f11 = tl.load(features + at11, mask=read, other=0.0).to(tl.float32)
                x_part = x_moves * g * ((1 - v) * (f01 - f00) + v * (f11 - f10))
                y_part = y_moves * g * ((1 - u) * (f10 - f00) + u * (f11 - f01))
                dx += x_part
                dy += y_part
                dx_along += x_part * x_along
                dy_along += y_part * y_along
    if OF_BOXES:
        tl.atomic_add(start_grad + 2 * k, tl.sum(dx))
        tl.atomic_add(start_grad + 2 * k + 1, tl.sum(dy))
        tl.atomic_add(side_grad + 2 * k, tl.sum(dx_along))
        tl.atomic_add(side_grad + 2 * k + 1, tl.sum(dy_along))


def _launch(kernel, pages: Tensor, bins: tuple[int, int, int], *tensors: Tensor, **flags: bool) -> None:
    _, h, w, c = pages.shape
    k, p, q = bins
    block = min(triton.next_power_of_2(c), 256)
    grid = (k * p * q, triton.cdiv(c, block))
    options = {"num_warps": max(1, block // 64), "enable_fp_fusion": False}
    with torch.cuda.device_of(pages):
        kernel[grid](pages, *tensors, h, w, p, q, C=c, BLOCK_C=block, **flags, **options)


class _Pool(torch.autograd.Function):
    """Saves its inputs but no samples: recomputing them is cheaper than reading them."""

    @staticmethod
    def forward(ctx, pages, image, start, side, samples, size):
        out = pages.new_empty(len(image), *size, pages.shape[3])
        _launch(_forward_kernel, pages, out.shape[:3], image, start, side, samples, out)
        ctx.save_for_backward(pages, image, start, side, samples)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, out_grad):
        pages, image, start, side, samples = ctx.saved_tensors
        of_pages, of_boxes = ctx.needs_input_grad[0], any(ctx.needs_input_grad[2:4])
        grads = [torch.zeros_like(tensor, dtype=torch.float32) if needed else start.new_empty(0)
                 for tensor, needed in ((pages, of_pages), (start, of_boxes), (side, of_boxes))]  # fmt: skip
        _launch(_backward_kernel, pages, out_grad.shape[:3], image, start, side, samples, out_grad.contiguous(),
                *grads, OF_FEATURES=of_pages, OF_BOXES=of_boxes)  # fmt: skip
        pages_grad = grads[0].to(pages.dtype) if of_pages else None
        start_grad, side_grad = grads[1:] if of_boxes else (None, None)
        return pages_grad, None, start_grad, side_grad, None, None


def pool(features: Tensor, frames: Frames, size: tuple[int, int]) -> Tensor:
    """[K, C, P, Q]; sums in single precision."""
    pages = features.permute(0, 2, 3, 1).contiguous()
    image, start, side, samples, _ = (column.contiguous() for column in frames)
    return _Pool.apply(pages, image, start, side, samples, size).permute(0, 3, 1, 2)
