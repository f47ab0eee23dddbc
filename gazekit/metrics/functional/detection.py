"""Average precision and recall of boxes, as COCO's evaluation defines them.

Source: Lin et al. 2014 (ECCV, COCO) and the evaluation code published with it, whose numbers these are. Here
all images and classes are matched at once (`detection_matching`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gazekit.kernels.boxes import pairwise_iou
from gazekit.metrics.functional.arguments import ArrayLike, as_tensor, binary, boxes, integers, reals
from gazekit.metrics.functional.detection_matching import AREA_RANGES_PX, Matches, match_boxes

__all__ = [
    "DETECTION_PARTS",
    "box_iou",
    "detection_ap",
    "detection_ap_per_class",
    "detection_rows",
    "detection_scores",
    "scores_of_matches",
    "truth_rows",
]

DETECTION_PARTS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
_RECALLS = np.linspace(0, 1, 101)

Objects = Mapping[str, ArrayLike]


def box_iou(a: ArrayLike, b: ArrayLike) -> Tensor:
    """Intersection over union of boxes, each of a with each of b. Differentiable.

    Args:
        a: [..., N, 4] boxes x_min, y_min, x_max, y_max; `b` [..., M, 4]. Leading dimensions broadcast.
    Returns:
        [..., N, M] from 0 to 1; NaN where both boxes have no area.
    Raises:
        TypeError: not real numbers. ValueError: other shapes, a maximum below its minimum.

    Example:
        >>> box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [0, 0, 2, 2]])
        tensor([[0.3333, 1.0000]], dtype=torch.float64)
    """
    a, b = boxes("a", a), boxes("b", b)
    if a.dim() < 2 or b.dim() < 2:
        raise ValueError(f"a and b must have shapes [..., N, 4], got {list(a.shape)} and {list(b.shape)}")
    return pairwise_iou(a, b)


def detection_ap(predictions: Sequence[Objects], truth: Sequence[Objects]) -> Tensor:
    """COCO's twelve numbers for detected boxes: `DETECTION_PARTS`.

    In each image and class the detections, from the highest score to the lowest, take the free true box that
    overlaps them most, if their IoU reaches the threshold. AP is the mean over 101 levels of recall of the
    precision at that recall or above, over classes and the thresholds 0.50, 0.55 ... 0.95; AP50 and AP75 are
    of one threshold. APs, APm and APl are of true boxes of an area below 32^2, in between, and above 96^2
    pixels: others, and unmatched detections of other areas, are ignored. ARn is the recall with the n highest
    detections of each image and class, mean over classes and thresholds; ARs, ARm and ARl with 100. A true box
    that is a crowd is never counted as missed, and detections inside it are ignored.

    Deviation: what has no value is NaN, where COCO's code has -1.

    Args:
        predictions: for each image "boxes" [N, 4] as x_min, y_min, x_max, y_max in pixels (COCO's files hold x,
            y, width, height), "scores" [N] and integer "labels" [N], as torchvision's detectors give them.
            At most the 100 highest of an image and class count, as in COCO.
        truth: for each image, in the same order, "boxes" [M, 4], "labels" [M] and, if known, "iscrowd" [M] and
            "area" [M] in square pixels (of the object's mask, say; that of the box otherwise).
    Returns:
        [12] from 0 to 1, mean over the classes that have true boxes; NaN where there are none.
    Raises:
        TypeError, ValueError: other types or shapes, a maximum below its minimum, values that are not finite,
            not equally many images; a missing key.

    Example:
        >>> found = {"boxes": [[0, 0, 40, 40], [0, 0, 40, 30]], "scores": [0.9, 0.8], "labels": [1, 1]}
        >>> true = {"boxes": [[0, 0, 40, 30]], "labels": [1]}
        >>> detection_ap([found], [true])[:3]
        tensor([0.8000, 1.0000, 1.0000], dtype=torch.float64)
    """
    return detection_scores(*_rows(predictions, truth))[0]


def detection_ap_per_class(predictions: Sequence[Objects], truth: Sequence[Objects]) -> tuple[Tensor, Tensor]:
    """The AP of `detection_ap` for each class.

    Args, Raises:
        As `detection_ap`.
    Returns:
        labels [K] of all classes that were detected or are true, ascending, and their AP [K]; NaN for a class
        without true boxes.
    """
    return detection_scores(*_rows(predictions, truth))[1:]


def _rows(predictions: Sequence[Objects], truth: Sequence[Objects]) -> tuple[Tensor, Tensor]:
    if len(predictions) != len(truth):
        raise ValueError(
            f"predictions and truth must hold equally many images, got {len(predictions)} and {len(truth)}"
        )
    image = torch.arange(len(truth))
    return detection_rows(image, predictions), truth_rows(image, truth)


def detection_rows(image: Tensor, predictions: Sequence[Objects]) -> Tensor:
    """[N, 7] one row a detection: id of the image, label, score, box."""
    parts = [torch.zeros(0, 7, dtype=torch.float64)]
    for number, found in zip(image.tolist(), predictions, strict=True):
        name = f"predictions of image {number}"
        box, label = _objects(name, found)
        score = _column(name, found, "scores", len(box)).to(box)
        if not score.isfinite().all():
            raise ValueError(f"{name}: scores must be finite, got {score.tolist()}")
        parts.append(torch.cat([torch.full_like(label, number), label, score[:, None], box], 1))
    return torch.cat([part.to(parts[-1]) for part in parts])


def truth_rows(image: Tensor, truth: Sequence[Objects]) -> Tensor:
    """[M, 8] one row a true box: id of the image, label, whether it is a crowd, area, box."""
    parts = [torch.zeros(0, 8, dtype=torch.float64)]
    for number, true in zip(image.tolist(), truth, strict=True):
        name = f"truth of image {number}"
        box, label = _objects(name, true)
        crowd, area = torch.zeros(len(box)).to(box), (box[:, 2:] - box[:, :2]).prod(1)
        if "iscrowd" in true:
            crowd = binary(f"{name}: iscrowd", _column(name, true, "iscrowd", len(box))).to(box)
        if "area" in true:
            area = reals(f"{name}: area", _column(name, true, "area", len(box)), None).to(box)
        parts.append(
            torch.cat([torch.full_like(label, number), label, crowd[:, None], area[:, None], box], 1)
        )
    return torch.cat([part.to(parts[-1]) for part in parts])


def _objects(name: str, objects: Objects) -> tuple[Tensor, Tensor]:
    """Boxes [N, 4] and labels [N, 1] of one image."""
    missing = {"boxes", "labels"} - set(objects)
    if missing:
        raise ValueError(f"{name} must have {sorted(missing)}, got {sorted(objects)}")
    box = as_tensor(f"{name}: boxes", objects["boxes"])
    box = boxes(f"{name}: boxes", box if box.numel() else box.reshape(0, 4))
    if box.dim() != 2 or not box.isfinite().all():
        raise ValueError(f"{name}: boxes must be [N, 4] and finite, got shape {list(box.shape)}")
    label = integers(f"{name}: labels", _column(name, objects, "labels", len(box)))
    return box, label.to(box)[:, None]


def _column(name: str, objects: Objects, key: str, length: int) -> Tensor:
    if key not in objects:
        raise ValueError(f"{name} must have {key!r}, got {sorted(objects)}")
    column = as_tensor(f"{name}: {key}", objects[key])
    if column.shape != (length,):
        raise ValueError(f"{name}: {key} must have shape [{length}], got {list(column.shape)}")
    return column


def detection_scores(detections: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The twelve numbers [12], the labels [K] and their AP [K], from `detection_rows` and `truth_rows`."""
    matches = match_boxes(detections, truth)
    numbers, per_class = scores_of_matches(
        matches, torch.ones_like(matches.score), torch.ones_like(matches.true_image)
    )
    return numbers, matches.labels, per_class


def scores_of_matches(matches: Matches, weight: Tensor, true_weight: Tensor) -> tuple[Tensor, Tensor]:
    """The twelve numbers [12] and the AP of each class [K], where boxes count as often as their weights say.

    Args:
        weight: [N] of the detections, `true_weight` [M] of the true boxes: how often their images were drawn.
    """
    classes = len(matches.labels)
    if not classes:
        return weight.new_full((12,), torch.nan), weight.new_zeros(0)
    n_true = weight.new_zeros(classes, len(AREA_RANGES_PX))
    n_true.index_add_(0, matches.true_label, (matches.counted * true_weight).to(weight).T)
    precision = torch.stack(
        [_precision(matches, k, weight, n_true[k]) for k in range(classes)]
    )  # [K, A, T, R]
    recall = torch.stack([_recall(matches, limit, weight, n_true) for limit in (1, 10, 100)])  # [3, K, A, T]
    per_class = precision[:, 0].mean((-2, -1))
    of_iou = precision[:, 0].mean(-1)  # [K, T]
    numbers = [
        per_class,
        of_iou[:, 0],
        of_iou[:, 5],
        *precision[:, 1:].mean((-2, -1)).unbind(1),
        *recall[:, :, 0].mean(-1),
        *recall[2, :, 1:].mean(-1).unbind(1),
    ]
    return torch.stack([number.nanmean() for number in numbers]), per_class


def _recall(matches: Matches, limit: int, weight: Tensor, n_true: Tensor) -> Tensor:
    """[K, A, T] with the `limit` highest detections of each image and class; NaN without true boxes."""
    hits = ((matches.hit & (matches.rank < limit)) * weight).movedim(-1, 0)  # [N, A, T]
    total = weight.new_zeros(len(matches.labels), *hits.shape[1:])
    return total.index_add_(0, matches.label, hits) / n_true[..., None]


def _precision(matches: Matches, k: int, weight: Tensor, n_true: Tensor) -> Tensor:
    """[A, T, R] of class k with true boxes [A], at 101 levels of recall; NaN without true boxes."""
    rows = ((matches.label == k) & (weight > 0)).nonzero()[:, 0]
    rows = rows[(-matches.score[rows]).argsort(stable=True)]
    n_true = n_true[:, None, None]
    level = torch.as_tensor(_RECALLS).to(weight).expand(len(AREA_RANGES_PX), matches.hit.shape[1], -1)
    if not len(rows):
        return torch.where(n_true > 0, torch.zeros_like(level), torch.nan)
    hits, misses = ((table[..., rows] * weight[rows]).cumsum(-1) for table in (matches.hit, matches.miss))
    precision = hits / (hits + misses + torch.finfo(torch.float64).eps)
    highest = precision.flip(-1).cummax(-1).values.flip(-1)
    at = torch.searchsorted((hits / n_true).contiguous(), level.contiguous())
    found = highest.gather(-1, at.clamp(max=len(rows) - 1))
    return torch.where(n_true > 0, torch.where(at < len(rows), found, 0.0), torch.nan)
