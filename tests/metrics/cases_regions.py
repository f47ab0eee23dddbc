"""Cases of segmentation and detection."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases import Batch, Case
from torch import Tensor

from gazekit.metrics import ClassDice, ClassIoU, DetectionAP, Dice, IoU, MacroDice, MacroIoU
from gazekit.metrics.functional import (
    class_dice,
    class_iou,
    detection_ap,
    dice,
    iou,
    macro_dice,
    macro_iou,
)

__all__ = ["CASES"]


def masks_batch(seed: int) -> Batch:
    """Six masks of three objects, the first empty on both sides."""
    draw = torch.Generator().manual_seed(seed)
    prediction, target = torch.rand(2, 6, 5, 7, generator=draw) < 0.4
    prediction[0] = target[0] = False
    return {"predicted_mask": prediction, "true_mask": target, "group": torch.arange(6) % 3}


def labels_batch(seed: int) -> Batch:
    """Six label maps of four classes, of which each image lacks one."""
    draw = torch.Generator().manual_seed(seed)
    prediction, target = torch.randint(4, (2, 6, 5, 7), generator=draw)
    absent = (torch.arange(6) % 4)[:, None, None]
    other = (absent + 1) % 4
    return {
        "predicted_label_map": torch.where(prediction == absent, other, prediction),
        "true_label_map": torch.where(target == absent, other, target),
    }


def detection_batch(seed: int) -> Batch:
    """Five images; many equal scores, crowds, boxes of all sizes, a class that is never there."""
    draw = torch.Generator().manual_seed(seed)
    predictions, truth = [], []
    for _ in range(5):
        corner = torch.randint(200, (6, 2), generator=draw).double()
        side = torch.tensor([[20], [60], [120], [25], [70], [130]]).double()
        boxes = torch.cat([corner, corner + side], 1)
        labels = torch.randint(3, (6,), generator=draw)
        truth.append({"boxes": boxes, "labels": labels, "iscrowd": torch.arange(6) == 5})
        found = boxes.repeat(2, 1) + torch.randint(-6, 7, (12, 4), generator=draw)
        predictions.append(
            {
                "boxes": found,
                "scores": torch.randint(1, 5, (12,), generator=draw) / 4,
                "labels": torch.cat([labels, torch.full((6,), 9)]),
            }
        )
    return {"image": 10 * seed + torch.arange(5), "predictions": predictions, "truth": truth}


def mean_of(function: Callable[..., Tensor], batches: list[Batch], by_group: bool = False) -> Tensor:
    """One image at a time; with groups, mean over the groups of their means."""
    groups: dict[int, list[Tensor]] = {}
    for batch in batches:
        sides = list(batch.values())[:2]
        for index, (prediction, target) in enumerate(zip(*sides, strict=True)):
            group = int(batch["group"][index]) if by_group else 0
            groups.setdefault(group, []).append(function(prediction, target))
    return torch.stack([torch.stack(values).nanmean(0) for values in groups.values()]).nanmean(0)


def detection_of_all(batches: list[Batch]) -> Tensor:
    predictions, truth = (
        [image for batch in batches for image in batch[key]] for key in ("predictions", "truth")
    )
    return detection_ap(predictions, truth)


def of_labels(make: Callable, function: Callable[..., Tensor], may_be_undefined: bool) -> Case:
    return Case(
        lambda: make(4),
        labels_batch,
        lambda batches: mean_of(lambda p, t: function(p, t, 4), batches),
        may_be_undefined,
    )


CASES: dict[str, Case] = {
    "dice": Case(
        lambda: Dice(aggregation="group"), masks_batch, lambda b: mean_of(dice, b, by_group=True), False
    ),
    "iou": Case(lambda: IoU(empty="nan"), masks_batch, lambda b: mean_of(lambda p, t: iou(p, t, "nan"), b)),
    "class_dice": of_labels(ClassDice, class_dice, True),
    "class_iou": of_labels(ClassIoU, class_iou, True),
    "macro_dice": of_labels(MacroDice, macro_dice, False),
    "macro_iou": of_labels(MacroIoU, macro_iou, False),
    "detection_ap": Case(DetectionAP, detection_batch, detection_of_all),
}
