"""Boxes from the detectors of this room, in pixels of the pictures as they were given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gazekit.backbones.backbone import Backbone
from gazekit.kernels.boxes import batched_nms

__all__ = ["Detections", "detect"]


class Detections(NamedTuple):
    """What was found in one picture, the surest first.

    Args:
        boxes_px: [N, 4] x_min, y_min, x_max, y_max; they may reach over the border.
        score: [N] in [0, 1].
        label: [N] class number; all 0 with one class.
        landmarks_px: [N, P, 2] x, y; P is 0 for detectors without landmarks.
    """

    boxes_px: Tensor
    score: Tensor
    label: Tensor
    landmarks_px: Tensor


def detect(
    backbone: Backbone, images: Sequence[Any], min_score: float = 0.5, max_iou: float = 0.45
) -> list[Detections]:
    """Find faces ("yunet") or objects ("yolox_nano").

    Args:
        backbone: of a net with `boxes`, loaded with its head layers.
        images: as for `Backbone.preprocess`.
        min_score: what a detection needs.
        max_iou: of two boxes of one class that overlap more, the surer one stays.
    Returns:
        One entry a picture; N may be 0.
    Raises:
        ValueError: a backbone without head layers.
    """
    heads = {
        name: layer for name, layer in backbone.layers.items() if name.startswith("head") and layer.stride
    }
    if not heads or not hasattr(backbone.net, "boxes"):
        raise ValueError(f"{backbone!r} has no head layers of a detector")
    with torch.inference_mode():
        maps = backbone(backbone.preprocess(images))
        parts = [_read(backbone, maps[name], layer.stride) for name, layer in heads.items()]
        boxes, scores, landmarks = (torch.cat(part, 1) for part in zip(*parts, strict=True))
    found = []
    for image, box, score, points in zip(images, boxes, scores, landmarks, strict=True):
        scale = backbone.preprocessing.scale(*image.shape[:2])
        row, label = (score >= min_score).nonzero(as_tuple=True)
        keep = batched_nms(box[row], score[row, label], label, max_iou)
        row, label = row[keep], label[keep]
        found.append(Detections(box[row] / scale, score[row, label], label, points[row] / scale))
    return found


def _read(backbone: Backbone, head: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    height, width = head.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    cells = torch.stack([columns, rows], -1).flatten(0, 1).to(head)
    return backbone.net.boxes(head.flatten(2).transpose(1, 2), cells, stride)
