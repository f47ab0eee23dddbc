"""Targets of detections, and the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gazekit.kernels.boxes import pairwise_iou
from gazekit.models.impn.detections import BACKGROUND, CANNOT_TELL, LabelledFrame
from gazekit.models.impn.edges import ranges

__all__ = ["Targets", "balanced_weights", "graph_loss", "targets_of"]

SAME, OTHER = 0.5, 0.3


class Targets(NamedTuple):
    """label [N] of each detection, C for the background, and weight [N], 0 where the label is unknown."""

    label: Tensor
    weight: Tensor


def targets_of(frames: Sequence[LabelledFrame], boxes: Tensor, counts: Tensor, n_labels: int) -> Targets:
    """Match detections with labelled boxes, all frames at once.

    A detection takes the label of the box with the highest IoU, if that is at least 0.5. Below 0.3 it is background,
    with weight 1, if the frame is complete. In between, and where the box is `CANNOT_TELL`, its weight is 0.

    Args:
        frames: F of them.
        boxes: [N, 4] of the detections of all frames, counts [F] of each.
        n_labels: C.
    Raises:
        ValueError: labels and weights that do not fit the boxes, a label that does not exist, a weight below 0.
    """
    for frame in frames:
        _check_frame(frame, n_labels)
    true = torch.cat([torch.zeros(0, 4), *(frame.boxes.float() for frame in frames)])
    true_label = torch.cat([torch.zeros(0, dtype=torch.long), *(frame.labels.long() for frame in frames)])
    true_weight = torch.cat([torch.zeros(0), *(frame.weights.float() for frame in frames)])
    true_counts = torch.tensor([len(frame.boxes) for frame in frames], dtype=torch.long)
    of = torch.arange(len(frames)).repeat_interleave(counts)
    theirs, mine = ranges((true_counts.cumsum(0) - true_counts)[of], true_counts[of])
    iou = pairwise_iou(boxes[mine, None], true[theirs, None])[:, 0, 0].nan_to_num(0.0)
    most = torch.zeros(len(boxes)).scatter_reduce(0, mine, iou, "amax")
    matched = (iou == most[mine]) & (iou >= SAME)
    complete = torch.tensor([frame.complete for frame in frames], dtype=torch.bool)[of]
    label = torch.full((len(boxes),), n_labels)
    weight = (complete & (most < OTHER)).float()
    mine, theirs = mine[matched], theirs[matched]
    known = true_label[theirs]
    label[mine] = torch.where(known == BACKGROUND, n_labels, known)
    weight[mine] = torch.where(known == CANNOT_TELL, 0.0, true_weight[theirs])
    return Targets(torch.where(label < 0, n_labels, label), weight)


def _check_frame(frame: LabelledFrame, n_labels: int) -> None:
    count, name = len(frame.boxes), f"frame {frame.frame}"
    if frame.boxes.shape != (count, 4) or frame.labels.shape != (count,) or frame.weights.shape != (count,):
        raise ValueError(
            f"{name}: boxes, labels and weights must be [M, 4], [M] and [M], got {list(frame.boxes.shape)}, "
            f"{list(frame.labels.shape)} and {list(frame.weights.shape)}"
        )
    if count and not CANNOT_TELL <= frame.labels.min() <= frame.labels.max() < n_labels:
        raise ValueError(
            f"{name}: labels must lie between 0 and {n_labels - 1}, or be BACKGROUND ({BACKGROUND}) or "
            f"CANNOT_TELL ({CANNOT_TELL}), got {frame.labels.tolist()}"
        )
    if not torch.isfinite(frame.boxes.sum()) or not (frame.weights >= 0).all():
        raise ValueError(f"{name}: boxes must be finite and weights at least 0")


def balanced_weights(targets: Targets, n_labels: int) -> Tensor:
    """w_c = 1 / sqrt(n_c) [C + 1], n_c known detections of a class, scaled to mean 1; 0 for a class without any."""
    count = torch.bincount(targets.label[targets.weight > 0], minlength=n_labels + 1)
    weight = torch.where(count > 0, count.clamp(min=1).float().rsqrt(), 0.0)
    return weight * (count > 0).sum() / weight.sum().clamp(min=1e-12)


def graph_loss(logits: Tensor, targets: Targets, class_weight: Tensor) -> Tensor:
    """Weighted mean of the cross-entropy; 0 if no label is known."""
    weight = targets.weight * class_weight[targets.label]
    loss = F.cross_entropy(logits, targets.label, reduction="none")
    return (weight * loss).sum() / weight.sum().clamp(min=1e-12)
