"""Box pooling: the features inside each box, resampled to one size (RoIAlign).

Source: He et al. 2017 (ICCV, Mask R-CNN), section 3; detailed conventions and values are those of
torchvision's `roi_align` and Detectron2. In addition there is a gradient to the boxes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gazekit.kernels.dispatch import Impl, check_tensors, use_triton
from gazekit.kernels.roi_align import bags, reference
from gazekit.kernels.roi_align.frames import frames_of

__all__ = ["roi_align"]


def roi_align(
    features: Tensor,
    boxes_px: Tensor | Sequence[Tensor],
    size: tuple[int, int],
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
    impl: Impl = "auto",
) -> Tensor:
    """Mean over bilinear samples in each of P x Q equal bins of each box.

    With corners a = spatial_scale (x1, y1) - o and b = spatial_scale (x2, y2) - o, where o = 1/2 if `aligned`, and with
    n x m samples per bin,

        out[k, c, p, q] = 1/(n m) sum_ij F(y_pi, x_qj),   y_pi = a_y + (b_y - a_y) (p + (i + 1/2) / n) / P,

    x likewise. F is the map `features[image of k, c]` interpolated bilinearly between pixel centres, which lie at
    integers; a sample up to one pixel outside the map takes the value at its border, one further away counts
    as 0. Thus `aligned` boxes are in the coordinates of this project, where pixel 0 covers [0, 1). The legacy
    form (False) omits the shift by half a pixel, and widens boxes to at least one pixel of the map. n is
    `sampling_ratio`, or ceil((b_y - a_y) / P) if that is 0, about one sample per pixel (at most 65536, for
    extremely large boxes). Only samples on the map are visited: a box far larger than the map costs the same
    as one of the map's size.

    Gradients reach the features and the boxes. The gradient to a box is exact wherever F is smooth: n and m
    are constants; on the lines through pixel centres it is one of the two one-sided derivatives; a sample
    clamped at the border contributes none, nor does a side widened by the legacy form. On the CPU "auto" is
    one weighted sum of feature rows per bin (`torch.nn.functional.embedding_bag`), which has no second
    derivative; "reference" has one. The Triton kernel accumulates gradients by atomic operations: their last
    bits can vary from run to run.

    Deviations from torchvision: a box without width or height has at least one sample along that side, so
    that it gives the limit of a shrinking box, where adaptive sampling gives 0; reversed boxes give NaN, not
    numbers.

    Args:
        features: [B, C, H, W] floating.
        boxes_px: [K, 5] of (image index, x1, y1, x2, y2), or a list of boxes [K_i, 4] per image; in pixels of
            the picture that `spatial_scale` maps to the features. They may extend beyond the picture.
        size: (P, Q), rows and columns of bins.
        spatial_scale: width of the features / width of the picture, e.g. 1/16.
        sampling_ratio: samples per bin along each axis; 0 = adaptive, per box and axis.
        aligned: False for networks that were trained without the half pixel.
        impl: "auto", "reference" or "triton".
    Returns:
        [K, C, P, Q] in the dtype of `features`, boxes in order (those of a list image by image); weights are in
        single precision for half-precision features. NaN, with zero gradient, for a box with x2 < x1, y2 < y1
        or a coordinate that is not finite. Memory layout is channels-last with the fast forms.
    Raises:
        TypeError: features are not floating, boxes are not real numbers, sizes are not integers.
        ValueError: other shapes, different devices, an invalid image index, a size below 1, a negative
            sampling_ratio, a spatial_scale that is not positive, an `impl` that cannot run here.

    Example:
        >>> ramp = torch.arange(8.0).expand(1, 1, 8, 8)
        >>> roi_align(ramp, [torch.tensor([[2.0, 2.0, 6.0, 6.0]])], (1, 2))
        tensor([[[[2.5000, 4.5000]]]])
    """
    _check(features, size, spatial_scale, sampling_ratio)
    boxes = _rows(features, boxes_px)
    triton = use_triton(impl, features)
    if not len(boxes):
        return features[:0, :, :1, :1].expand(0, -1, *size)  # stays in the graph
    frames = frames_of(boxes, size, spatial_scale, sampling_ratio, aligned, features.dtype)
    if triton:
        from gazekit.kernels.roi_align.triton import pool
    elif impl == "auto" and features.device.type == "cpu":
        pool = bags.pool
    else:
        pool = reference.pool
    pooled = pool(features, frames, size)
    if frames.proper.all():
        return pooled
    return pooled.masked_fill(~frames.proper[:, None, None, None], torch.nan)


def _check(features: Tensor, size: tuple[int, int], spatial_scale: float, sampling_ratio: int) -> None:
    check_tensors(features=features)
    if not features.is_floating_point():
        raise TypeError(f"features must be floating, got {features.dtype}")
    if features.dim() != 4 or 0 in features.shape[1:]:
        raise ValueError(
            f"features must have shape [B, C, H, W] with C, H, W >= 1, got {list(features.shape)}"
        )
    if not isinstance(size, Sequence):
        raise TypeError(f"size must be (rows, columns), got {size!r}")
    if not isinstance(sampling_ratio, int) or any(not isinstance(side, int) for side in size):
        raise TypeError(f"size and sampling_ratio must be integers, got {size!r} and {sampling_ratio!r}")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size must be (rows, columns) of at least 1, got {size!r}")
    if sampling_ratio < 0:
        raise ValueError(f"sampling_ratio must be at least 0, got {sampling_ratio}")
    if not (spatial_scale > 0 and math.isfinite(spatial_scale)):
        raise ValueError(f"spatial_scale must be positive, got {spatial_scale}")


def _rows(features: Tensor, boxes: Tensor | Sequence[Tensor]) -> Tensor:
    """[K, 5] boxes with their image's index, in at least single precision: half precision cannot hold the index."""
    images = len(features)
    given = isinstance(boxes, Tensor)
    width = 5 if given else 4
    for part in [boxes] if given else boxes:
        check_tensors(boxes_px=part)
        if part.dtype == torch.bool or part.is_complex():
            raise TypeError(f"boxes_px must hold real numbers, got {part.dtype}")
        if part.shape != (0,) and (part.dim() != 2 or part.shape[1] != width):
            raise ValueError(
                f"boxes_px must have shape [K, 5], or be a list of [K, 4], got {list(part.shape)}"
            )
        if part.device != features.device:
            raise ValueError(f"boxes_px must be on {features.device} like the features, got {part.device}")
    if given:
        boxes = boxes.reshape(-1, 5)
        index = boxes[:, 0].detach()
        if not ((index >= 0) & (index < images) & (index == index.trunc())).all():
            raise ValueError(
                f"boxes_px must begin with an image index from 0 to {images - 1}, got {index.tolist()}"
            )
        return boxes.to(torch.promote_types(boxes.dtype, torch.float32))
    if len(boxes) != images:
        raise ValueError(f"boxes_px must be a list of {images} tensors, one per image, got {len(boxes)}")
    boxes = [part.reshape(-1, 4).to(torch.promote_types(part.dtype, torch.float32)) for part in boxes]
    rows = [torch.nn.functional.pad(part, (1, 0), value=i) for i, part in enumerate(boxes)]
    return torch.cat(rows) if rows else features.new_zeros(0, 5)
