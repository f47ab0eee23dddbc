"""What `TinyDetector` learns from: which places and which regions stand for which box, and the losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from gazekit.kernels.boxes import nms, pairwise_giou, pairwise_iou
from gazekit.models.impn.detections import CANNOT_TELL
from gazekit.models.impn.detector.net import STRIDES, Dense, TinyNet, deltas_between

__all__ = ["Truth", "detector_loss", "proposals"]

LARGE_PX = 64.0  # boxes with a longer side are found at the coarse level
POSITIVE, NEGATIVE = 0.5, 0.4  # IoU of a region with a box that it is, that it is not


class Truth(NamedTuple):
    """Boxes [M, 4] and labels [M] of a picture, in its pixels; `ignored` [I, 4] boxes that nobody could tell."""

    boxes: Tensor
    labels: Tensor
    ignored: Tensor

    @classmethod
    def of(cls, boxes: Tensor, labels: Tensor) -> Truth:
        """Background boxes are left out: nothing is there."""
        return cls(boxes[labels >= 0], labels[labels >= 0], boxes[labels == CANNOT_TELL])


def detector_loss(
    net: TinyNet, pictures: Tensor, truth: Sequence[Truth], generator: torch.Generator
) -> Tensor:
    """Focal loss of places + 2 (1 - GIoU) of dense boxes + cross-entropy and smooth L1 of regions.

    A place stands for a box if it is within 1.5 strides of its middle, inside it, and on the level of its size; the
    smallest box wins. Regions are proposals and boxes shifted and stretched at random; one is the box that it overlaps
    by half, and background below 0.4.
    """
    level, dense = net(pictures)
    assigned = torch.stack([_places_of(dense, t) for t in truth])  # [B, L]
    positive = assigned >= 0
    count = positive.sum().clamp(min=1)
    loss = _focal(dense.logit, positive.float())[assigned != _IGNORED].sum() / count
    if positive.any():
        wanted = torch.cat([t.boxes[own[own >= 0]] for t, own in zip(truth, assigned, strict=True)])
        giou = pairwise_giou(dense.boxes[positive][:, None], wanted[:, None])
        loss = loss + 2 * (1 - giou).mean()
    regions, labels, targets = _regions_of(dense, truth, pictures.shape[-2:], generator)
    _, logits, deltas = net.regions(level, regions)
    known = labels != _IGNORED
    if known.any():
        labels = torch.where(labels < 0, logits.shape[1] - 1, labels)
        loss = loss + cross_entropy(logits[known], labels[known])
        things = known & (labels < logits.shape[1] - 1)
        error = smooth_l1_loss(deltas[things], targets[things], beta=0.1, reduction="sum")
        loss = loss + 2 * error / things.sum().clamp(min=1)
    return loss


def proposals(dense: Dense, picture: int, size: tuple[int, int], least: float, most: int) -> Tensor:
    """[K, 4] dense boxes of a picture, cut at its edge, the likeliest first, without those that overlap a better one.

    Args:
        size: (height, width). least: probability. most: K at most.
    """
    score = dense.logit[picture].detach().sigmoid()
    best = score.topk(min(4 * most, len(score)))
    boxes = dense.boxes[picture].detach()[best.indices]
    limit = boxes.new_tensor([size[1], size[0], size[1], size[0]])
    boxes = boxes.clamp(min=0).minimum(limit)
    wide = (boxes[:, 2:] - boxes[:, :2] >= 2).all(1) & (best.values >= least)
    boxes, score = boxes[wide], best.values[wide]
    return boxes[nms(boxes, score, 0.65)[:most]]


_BACKGROUND, _IGNORED = -1, -2


def _focal(logit: Tensor, target: Tensor) -> Tensor:
    """Lin et al. 2017 (ICCV), alpha 0.25, gamma 2."""
    loss = binary_cross_entropy_with_logits(logit, target, reduction="none")
    p = logit.sigmoid()
    miss = target * (1 - p) + (1 - target) * p
    return (0.25 * target + 0.75 * (1 - target)) * miss**2 * loss


def _places_of(dense: Dense, truth: Truth) -> Tensor:
    """[L] index of the box that each place stands for, -1 for none, -2 in an ignored box."""
    centre, stride = dense.centre[:, None], dense.stride[:, None]  # [L, 1, 2], [L, 1]
    inside = ((centre > truth.ignored[:, :2]) & (centre < truth.ignored[:, 2:])).all(-1).any(1)
    result = torch.where(inside, _IGNORED, _BACKGROUND)
    if not len(truth.boxes):
        return result
    middle, size = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2, truth.boxes[:, 2:] - truth.boxes[:, :2]
    near = ((centre - middle).abs() < (size / 2).minimum(1.5 * stride[..., None])).all(-1)
    fits = (size.amax(1) > LARGE_PX) == (stride > STRIDES[0])
    area = torch.where(near & fits, size.prod(1), torch.inf)
    least, index = area.min(1)
    return torch.where(least.isfinite(), index, result)


def _regions_of(
    dense: Dense, truth: Sequence[Truth], size: tuple[int, int], generator: torch.Generator
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Regions of each picture; of all their labels (-1 background, -2 ignored) and deltas to their boxes."""
    regions, labels, targets = [], [], []
    for number, own in enumerate(truth):
        found = proposals(dense, number, size, 0.02, 24)
        boxes = torch.cat([_shaken(own.boxes.repeat(5, 1), generator), own.boxes, found])
        kept = (boxes[:, 2:] - boxes[:, :2] >= 2).all(1)
        boxes = boxes[kept]
        label = torch.full((len(boxes),), _BACKGROUND)
        target = torch.zeros_like(boxes)
        if len(own.boxes) and len(boxes):
            overlap, which = pairwise_iou(boxes, own.boxes).max(1)
            label = torch.where(overlap >= NEGATIVE, _IGNORED, label)
            label = torch.where(overlap >= POSITIVE, own.labels[which], label)
            target = deltas_between(boxes, own.boxes[which])
        if len(own.ignored) and len(boxes):
            label[pairwise_iou(boxes, own.ignored).amax(1) >= NEGATIVE] = _IGNORED
        regions.append(boxes)
        labels.append(label)
        targets.append(target)
    return regions, torch.cat(labels), torch.cat(targets)


def _shaken(boxes: Tensor, generator: torch.Generator) -> Tensor:
    """Moved by up to a fifth of their sides, and stretched by a fifth."""
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    shift, stretch = (torch.rand(2, *middle.shape, generator=generator) * 0.4 - 0.2).unbind()
    middle, half = middle + shift * size, size * (1 + stretch) / 2
    return torch.cat([middle - half, middle + half], 1)
