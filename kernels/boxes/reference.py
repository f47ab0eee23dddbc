"""Overlap of each box of one set with each of another, in plain torch.

An undefined value is NaN and passes gradient 0 to both boxes, never NaN, so that a padded row does not
corrupt the gradient of the box it is compared with. Areas are at least in single precision, whatever the
dtype of the boxes: the area of 256 x 256 pixels exceeds float16.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.kernels.dispatch import check_tensors

__all__ = ["check_boxes", "intersection_and_union", "pairwise_ciou", "pairwise_giou", "pairwise_iou"]


class _Pairs(NamedTuple):
    """[..., N, M] of all pairs: IoU (0 where undefined), area of the union, sides of the smallest box around both."""

    iou: Tensor
    union: Tensor
    hull_width: Tensor
    hull_height: Tensor


def pairwise_iou(a_px: Tensor, b_px: Tensor) -> Tensor:
    """Intersection over union: area in both boxes / area in either.

    Args:
        a_px: [..., N, 4] floating; `b_px` [..., M, 4]. Leading dimensions broadcast.
    Returns:
        [..., N, M] from 0 to 1. A box with x2 <= x1 or y2 <= y1 is empty: 0 with every non-empty box, NaN
        with another empty one. Also NaN with a box that is not finite, such as padding. Differentiable
        (gradient 0 where NaN).
    Raises:
        TypeError: not floating, or dtypes that differ. ValueError: other shapes.

    Example:
        >>> pairwise_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
        tensor([[0.3333, 0.0000]])
    """
    a, b, finite = _operands(a_px, b_px)
    both, union = intersection_and_union(a, b)
    return _where(finite & (union > 0), _ratio(both, union), a_px.dtype)


def pairwise_giou(a_px: Tensor, b_px: Tensor) -> Tensor:
    """Generalised IoU: IoU - (area of the smallest box around both - area in either) / area of that box.

    Source: Rezatofighi et al. 2019 (CVPR), algorithm 1.

    Args, Raises:
        As `pairwise_iou`.
    Returns:
        [..., N, M] from -1 (far apart) to 1 (equal). NaN where `pairwise_iou` is. Differentiable (gradient 0
        where NaN).
    """
    a, b, finite = _operands(a_px, b_px)
    pairs = _pairs(a, b)
    hull = pairs.hull_width * pairs.hull_height
    return _where(finite & (pairs.union > 0), pairs.iou - _ratio(hull - pairs.union, hull), a_px.dtype)


def pairwise_ciou(a_px: Tensor, b_px: Tensor) -> Tensor:
    """Complete IoU: IoU - d^2 / D^2 - alpha v.

    d is the distance of the centres, D the diagonal of the smallest box around both,
    v = 4/pi^2 (atan(w_a / h_a) - atan(w_b / h_b))^2 measures the difference in shape, and
    alpha = v / (1 - IoU + v).

    Source: Zheng et al. 2020 (AAAI), equations 8 to 11. alpha is treated as a constant in the gradient, as in the
    authors' and torchvision's code: it weights the terms and is not itself optimised. Deviation: nothing is added to
    denominators (torchvision adds 1e-7); alpha of boxes of equal shape, where it has no effect, is 0.

    Args, Raises:
        As `pairwise_iou`.
    Returns:
        [..., N, M] at most 1 (equal). NaN where `pairwise_iou` is, and with a reversed box, which has no shape.
        Differentiable (gradient 0 where NaN).
    """
    a, b, finite = _operands(a_px, b_px)
    pairs = _pairs(a, b)
    centre_a, centre_b = ((box[..., :2] + box[..., 2:]) / 2 for box in (a, b))
    apart = (centre_a[..., :, None, :] - centre_b[..., None, :, :]).square().sum(-1)
    centres = _ratio(apart, pairs.hull_width.square() + pairs.hull_height.square())
    (angle_a, proper_a), (angle_b, proper_b) = _shape(a), _shape(b)
    v = 4 / torch.pi**2 * (angle_a[..., :, None] - angle_b[..., None, :]).square()
    alpha = torch.where(v > 0, v / (1 - pairs.iou + v), 0.0).detach()
    proper = proper_a[..., :, None] & proper_b[..., None, :]
    return _where(finite & proper & (pairs.union > 0), pairs.iou - centres - alpha * v, a_px.dtype)


def intersection_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Areas [..., N, M] in both boxes and in either. A reversed box is empty."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a[..., :, None, :].unbind(-1), b[..., None, :, :].unbind(-1)
    # in place: allocating memory for each step would cost more than the arithmetic
    width = torch.minimum(ax2, bx2).sub_(torch.maximum(ax1, bx1)).clamp_(min=0)
    height = torch.minimum(ay2, by2).sub_(torch.maximum(ay1, by1)).clamp_(min=0)
    both = width.mul_(height)
    return both, (_areas(a)[..., :, None] + _areas(b)[..., None, :]).sub_(both)


def check_boxes(name: str, boxes: Tensor) -> None:
    """Raise unless this is a floating [..., N, 4]."""
    check_tensors(**{name: boxes})
    if not boxes.is_floating_point():
        raise TypeError(f"{name} must be floating, got {boxes.dtype}")
    if boxes.dim() < 2 or boxes.shape[-1] != 4:
        raise ValueError(f"{name} must have shape [..., N, 4], got {list(boxes.shape)}")


def _operands(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both sets in at least single precision, with non-finite boxes as points; and the mask of finite pairs."""
    check_boxes("a_px", a)
    check_boxes("b_px", b)
    if a.dtype != b.dtype:
        raise TypeError(f"b_px must have the dtype of a_px, {a.dtype}, got {b.dtype}")
    a, b = (boxes.to(torch.promote_types(boxes.dtype, torch.float32)) for boxes in (a, b))
    of_a, of_b = (boxes.isfinite().all(-1) for boxes in (a, b))
    a, b = (torch.where(finite[..., None], boxes, 0.0) for finite, boxes in ((of_a, a), (of_b, b)))
    return a, b, of_a[..., :, None] & of_b[..., None, :]


def _pairs(a: Tensor, b: Tensor) -> _Pairs:
    both, union = intersection_and_union(a, b)
    low = torch.minimum(a[..., :, None, :], b[..., None, :, :])
    high = torch.maximum(a[..., :, None, :], b[..., None, :, :])
    # all four corners of a reversed box count, or the hull could be smaller than the other box
    width = torch.maximum(high[..., 0], high[..., 2]) - torch.minimum(low[..., 0], low[..., 2])
    height = torch.maximum(high[..., 1], high[..., 3]) - torch.minimum(low[..., 1], low[..., 3])
    return _Pairs(_ratio(both, union), union, width, height)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _shape(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """The angle atan(w / h) of each box, and whether it has one (not reversed, not a point)."""
    width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    proper = (width >= 0) & (height >= 0) & (width + height > 0)
    return torch.atan2(torch.where(proper, width, 1.0), torch.where(proper, height, 1.0)), proper


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole; 0 instead of 0/0, to be masked by the caller, as NaN would have a NaN gradient."""
    return part / torch.where(whole != 0, whole, 1.0)


def _where(defined: Tensor, value: Tensor, dtype: torch.dtype) -> Tensor:
    """The value where defined, else NaN without gradient."""
    return value.masked_fill(~defined, torch.nan).to(dtype)
