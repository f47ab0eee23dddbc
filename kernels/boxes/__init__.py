"""Overlap of boxes, and non-maximum suppression.

Boxes are x1, y1, x2, y2, and cover [x1, x2) x [y1, y2). There is no Triton kernel: the overlaps are a few
elementwise operations that torch.compile fuses, and suppression proceeds in the order of scores, so a kernel
would not speed up its sequential half. Both run on any device.
"""

from gazekit.kernels.boxes.reference import pairwise_ciou, pairwise_giou, pairwise_iou
from gazekit.kernels.boxes.suppression import batched_nms, nms

__all__ = ["batched_nms", "nms", "pairwise_ciou", "pairwise_giou", "pairwise_iou"]
