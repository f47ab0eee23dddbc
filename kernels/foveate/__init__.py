"""Resolution that decreases with distance from a fixation: foveated images, a sharp spot on a blur, ring pooling.

`foveate` = `gaussian_levels` (once per image) + `eccentricity_dva` -> `acuity_level` or `transfer_level` (one
number per pixel and fixation) + `blend_levels`. A scanpath generator keeps the levels and calls the rest at
each fixation:

    stack = gaussian_levels(image, levels=5)
    level = transfer_level(eccentricity_dva(fixation_xy_px, height, width, px_per_dva), levels=5)
    seen = blend_levels(stack, level)

NeVA's two-level form is `reveal`; eccNET's pooling is `eccentric_avg_pool2d` over `eccentric_windows`. Points are
(x, y) pixels; pixel (0, 0) covers [0, 1) x [0, 1), as everywhere in this project.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gazekit.kernels.dispatch import Impl, check_tensors, use_triton
from gazekit.kernels.foveate import blocks, reference, table
from gazekit.kernels.foveate.acuity import (
    acuity_level,
    check_fixation,
    check_positive,
    cutoff_cycles_per_dva,
    eccentricity_dva,
    levels_needed,
    transfer_level,
)
from gazekit.kernels.foveate.pyramid import check_image, double, gaussian_levels, halve
from gazekit.kernels.foveate.reveal import blur_residual, gaussian_bump, reveal
from gazekit.kernels.foveate.rings import Ring, eccentric_rings, eccentric_windows

__all__ = [
    "Ring",
    "acuity_level",
    "blend_levels",
    "blur_residual",
    "cutoff_cycles_per_dva",
    "double",
    "eccentric_avg_pool2d",
    "eccentric_rings",
    "eccentric_windows",
    "eccentricity_dva",
    "foveate",
    "gaussian_bump",
    "gaussian_levels",
    "halve",
    "levels_needed",
    "reveal",
    "transfer_level",
]

LARGEST_TRITON_WINDOW = 32  # the kernel reads every cell of a window, the table only four at any size


def foveate(
    image: Tensor,
    fixation_xy_px: Tensor,
    px_per_dva: float,
    *,
    fixation_mask: Tensor | None = None,
    memory: bool = False,
    levels: int | None = None,
    impl: Impl = "auto",
) -> Tensor:
    """Render an image as seen from a fixation: every pixel at the resolution of its eccentricity.

    x_fov(p) = (1 - f) G_k(p) + f G_(k+1)(p), with G the octaves of `gaussian_levels` and k + f = L(e(p)) the
    `acuity_level` log2(f_n / f_c(e)) at eccentricity e(p) = |p - xi| / px_per_dva, clipped to the available levels.
    Differentiable in the image and, through L, in the fixation; continuous in it, the gradient stepping where L
    passes a whole level. Only "reference" has second derivatives.

    Source: Geisler and Perry 1998, the acuity law; `acuity_level` states where other implementations differ.

    Args:
        image: [B, C, H, W] floating, any linear scale of values.
        fixation_xy_px: [B, 2] or, for T pictures that share the image's pyramid, [B, T, 2]; may be outside the image.
        px_per_dva: pixels of the image per degree of visual angle.
        fixation_mask: [B, T] bool, True = valid; without a fixation the whole picture is at the coarsest
            level.
        memory: render each pixel of picture t at its best resolution over fixations 0 to t; picture T - 1
            then combines all of them.
        levels: octaves above the image, 1 or more; None: as many as a pixel can need for a fixation inside
            the image. A fixation further away may need more; its pixels are then shown at the coarsest level.
        impl: "auto", "reference" or "triton", see `blend_levels`.
    Returns:
        [B, C, H, W] or [B, T, C, H, W] in the image's dtype; all NaN for a NaN fixation that is not masked.
    Raises:
        TypeError: image or fixation is not floating, the mask is not bool.
        ValueError: inconsistent shapes, px_per_dva or levels is not positive, `impl` cannot run.
    """
    check_image(image)
    check_fixation(fixation_xy_px)
    check_positive("px_per_dva", px_per_dva)
    height, width = image.shape[-2:]
    points = fixation_xy_px if fixation_xy_px.ndim == 3 else fixation_xy_px[:, None]
    if fixation_xy_px.ndim not in (2, 3) or len(points) != len(image):
        raise ValueError(f"fixation_xy_px must be [{len(image)}, 2] or [{len(image)}, T, 2], "
                         f"got {list(fixation_xy_px.shape)}")  # fmt: skip
    if levels is None:
        levels = levels_needed(height, width, px_per_dva)
    check_positive("levels", levels)
    if fixation_mask is not None:
        _check_mask(fixation_mask, points)
        points = points.masked_fill(~fixation_mask[..., None], 0)  # padding may be NaN, whose gradient is NaN
    eccentricity = eccentricity_dva(points, height, width, px_per_dva)
    if fixation_mask is not None:
        eccentricity = eccentricity.masked_fill(~fixation_mask[..., None, None], math.inf)
    if memory and points.shape[1]:
        eccentricity = eccentricity.cummin(dim=1).values
    seen = blend_levels(gaussian_levels(image, levels), acuity_level(eccentricity, px_per_dva), impl)
    return seen if fixation_xy_px.ndim == 3 else seen[:, 0]


def blend_levels(stack: Tensor, level: Tensor, impl: Impl = "auto") -> Tensor:
    """Interpolate a stack of images at one continuous level per pixel.

    y(p) = (1 - f) G_k(p) + f G_(k+1)(p), level(p) = k + f clipped to the stack. Gradients: dG_k += (1 - f) g and
    dG_(k+1) += f g, summed over the T pictures; d level = sum_c g (G_(k+1) - G_k), 0 where clipped, that of the upper
    side at a whole level. The reference passes over all L levels of every picture. The Triton kernel reads
    only the two that an output needs, once, and its gradients need no atomics; on the CPU, bands of rows read
    only the levels that occur in them.

    Args:
        stack: [B, L, C, H, W] floating with L >= 2, from `gaussian_levels`.
        level: [B, T, H, W] floating; infinite values are clipped too.
        impl: "auto" (Triton on CUDA in half and single precision, bands on the CPU), "reference" or "triton".
    Returns:
        [B, T, C, H, W] in the stack's dtype; NaN where the level is NaN.
    Raises:
        TypeError: stack or level is not floating.
        ValueError: shapes do not fit, or `impl` cannot run.
    """
    for name, value in (("stack", stack), ("level", level)):
        if not value.is_floating_point():
            raise TypeError(f"{name} must be floating, got {value.dtype}")
    if stack.ndim != 5 or stack.shape[1] < 2:
        raise ValueError(f"stack must be [B, L, C, H, W] with L >= 2, got {list(stack.shape)}")
    batch, levels, _, height, width = stack.shape
    if level.ndim != 4 or (len(level), *level.shape[2:]) != (batch, height, width):
        raise ValueError(f"level must be [{batch}, T, {height}, {width}], got {list(level.shape)}")
    level = level.to(torch.promote_types(stack.dtype, torch.float32)).clamp(0, levels - 1)
    if use_triton(impl, stack, level):
        from gazekit.kernels.foveate.triton import blend

        return blend(stack, level)
    on_cpu = impl == "auto" and stack.device.type == "cpu"
    return blocks.blend(stack, level) if on_cpu else reference.blend(stack, level)


def eccentric_avg_pool2d(image: Tensor, window: Tensor, impl: Impl = "auto") -> Tensor:
    """Average pooling with stride 2 and a separate window size for every output pixel.

    y(i, j) = mean of x over rows [2 i - b, 2 i - b + r) and the same for columns, r = window(i, j),
    restricted to the image: "same" padding that is not counted, b = max(2 (O - 1) + r - B, 0) // 2 for B
    input and O = ceil(B / 2) output pixels, the odd cell after. With disjoint ring masks M_k this is sum_k
    M_k AvgPool(x; r_k) of eccNET. Backward, a pixel receives g / n from each window that contains it, n being
    that window's number of cells. Windows have no gradient. Only "reference" has second derivatives.

    On the CPU it uses a summed-area table in double precision, whose cost does not depend on the windows (the
    reference if the image is not finite, so that only windows with such a pixel are affected). The Triton
    kernel reads each window's cells instead (at most `LARGEST_TRITON_WINDOW` per side): windows are small and
    overlap in the cache, so the image is read once from memory, single precision suffices, and the gradient
    needs no atomics.

    Args:
        image: [B, C, H, W] floating.
        window: [B or 1, ceil(H / 2), ceil(W / 2)] integers of at least 1, from `eccentric_windows`.
        impl: "auto" (Triton on CUDA in half and single precision, else the table), "reference" (a full
            pooling per size, masked and summed) or "triton".
    Returns:
        [B, C, ceil(H / 2), ceil(W / 2)] in the image's dtype.
    Raises:
        TypeError: image is not floating or window not integer.
        ValueError: inconsistent shapes, a window below 1, or `impl` cannot run.
    """
    check_image(image)
    rows, columns = ((side + 1) // 2 for side in image.shape[-2:])
    if window.is_floating_point() or window.dtype == torch.bool:
        raise TypeError(f"window must be integer, got {window.dtype}")
    if window.ndim != 3 or len(window) not in (1, len(image)) or tuple(window.shape[1:]) != (rows, columns):
        raise ValueError(f"window must be [{len(image)} or 1, {rows}, {columns}], got {list(window.shape)}")
    window = window.to(image.device, torch.int64)
    smallest, largest = (int(size) for size in window.aminmax()) if len(window) else (1, 1)
    if smallest < 1:
        raise ValueError(f"window must be 1 or more everywhere, got {smallest}")
    unfit = f"windows of {largest} pixels; the kernel is for up to {LARGEST_TRITON_WINDOW}"
    if use_triton(impl, image, unfit=unfit if largest > LARGEST_TRITON_WINDOW else ""):
        from gazekit.kernels.foveate.triton import window_means

        return window_means(image, window, largest)
    return reference.masked_pools(image, window) if impl == "reference" else table.table_pools(image, window)


def _check_mask(fixation_mask: Tensor, points: Tensor) -> None:
    check_tensors(fixation_mask=fixation_mask)
    if fixation_mask.dtype != torch.bool:
        raise TypeError(f"fixation_mask must be bool, got {fixation_mask.dtype}")
    if fixation_mask.shape != points.shape[:-1]:
        raise ValueError(f"fixation_mask must be {list(points.shape[:-1])}, got {list(fixation_mask.shape)}")
