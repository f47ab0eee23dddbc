"""Non-maximum suppression: exactly the greedy result, computed in blocks.

Sorted by score, a block's boxes are first resolved among themselves; those kept then suppress all later
boxes, so that every later block contains only boxes not suppressed so far.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.boxes.reference import check_boxes, intersection_and_union
from gazekit.kernels.dispatch import check_tensors

__all__ = ["batched_nms", "nms"]

BLOCK = {"cpu": 64, "cuda": 1024}  # boxes per block: fits in the cache; keeps the device busy


def nms(boxes_px: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that do not overlap a better, kept box.

    From the highest score to the lowest, a box is kept unless its IoU with an already kept box is *above* the
    threshold. For equal scores the lower index comes first. IoU is `pairwise_iou`, in the boxes' dtype (at least single
    precision); where it is undefined nothing is suppressed.

    Args:
        boxes_px: [N, 4] floating and finite.
        scores: [N] without NaN.
        iou_threshold: from 0 to 1.
    Returns:
        Indices [n] of the kept boxes, the highest score first.
    Raises:
        TypeError: boxes or scores are not floating. ValueError: other shapes or values, devices that differ.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
        >>> nms(boxes, torch.tensor([0.8, 0.9, 0.3]), 0.5)
        tensor([1, 2])
    """
    return batched_nms(boxes_px, scores, torch.zeros(len(boxes_px), dtype=torch.long, device=boxes_px.device),
                       iou_threshold)  # fmt: skip


def batched_nms(boxes_px: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    """`nms` within each class (or image, or other group) in `classes`; results in order of score over all
    classes.

    Coordinates are not shifted to separate classes, which would reduce their precision: boxes are sorted by class,
    and a block is compared with the remaining boxes of its classes.

    Args, Returns, Raises:
        As `nms`; classes: [N] integers.
    """
    _check(boxes_px, scores, classes, iou_threshold)
    boxes = boxes_px.detach().to(torch.promote_types(boxes_px.dtype, torch.float32))
    order = scores.detach().argsort(descending=True, stable=True)
    order = order[classes[order].argsort(stable=True)]
    kept = order[_survivors(boxes[order], classes[order], iou_threshold)].sort().values
    return kept[scores.detach()[kept].argsort(descending=True, stable=True)]


def _survivors(boxes: Tensor, classes: Tensor, threshold: float) -> Tensor:
    """Positions of the kept boxes, sorted by class and, within a class, by score."""
    left = torch.arange(len(boxes), device=boxes.device)
    kept, size = [left[:0]], BLOCK.get(boxes.device.type, 64)
    while len(left):
        head = left[:size]
        end = int(torch.searchsorted(classes[left], classes[head[-1]], right=True))
        rivals = left[:end]  # including the head
        both, union = intersection_and_union(boxes[head], boxes[rivals])
        struck = both / union > threshold  # never where that is 0/0
        if classes[head[0]] != classes[head[-1]]:
            struck &= classes[head, None] == classes[rivals]
        keep = _decide(struck[:, : len(head)].triu(1))
        kept.append(head[keep])
        beaten = struck[:, len(head) :][keep].any(0)
        left = torch.cat([rivals[len(head) :][~beaten], left[end:]])
    return torch.cat(kept)


def _decide(struck: Tensor) -> Tensor:
    """Mask of the n boxes that are kept, where struck[i, j] means that i < j would suppress j.

    keep[j] = no kept i suppresses j. A box that depends only on decided boxes is correct after one step, so
    iterating converges to the unique solution in as many steps as the longest chain of suppressions.
    """
    keep = ~struck.any(0)  # these are certainly kept
    while True:
        again = ~(struck & keep[:, None]).any(0)
        if torch.equal(again, keep):
            return keep
        keep = again


def _check(boxes: Tensor, scores: Tensor, classes: Tensor, threshold: float) -> None:
    check_tensors(scores=scores, classes=classes)
    check_boxes("boxes_px", boxes)
    if not scores.is_floating_point():
        raise TypeError(f"scores must be floating, got {scores.dtype}")
    if classes.is_floating_point() or classes.is_complex() or classes.dtype == torch.bool:
        raise TypeError(f"classes must be integers, got {classes.dtype}")
    if boxes.dim() != 2:
        raise ValueError(f"boxes_px must have shape [N, 4], got {list(boxes.shape)}")
    for name, column in (("scores", scores), ("classes", classes)):
        if column.shape != boxes.shape[:1] or column.device != boxes.device:
            raise ValueError(f"{name} must have shape [{len(boxes)}] on {boxes.device}, "
                             f"got {list(column.shape)} on {column.device}")  # fmt: skip
    if not boxes.isfinite().all() or scores.isnan().any():
        raise ValueError("boxes_px must be finite and scores not NaN")
    if not 0 <= threshold <= 1:
        raise ValueError(f"iou_threshold must lie in [0, 1], got {threshold}")
