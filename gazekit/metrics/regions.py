"""Segmentation and detection over many images; the definitions are in `functional`.

One item of `Dice` and `IoU` is one mask. Of objects followed over frames, `aggregation="group"` with the ids of
the objects gives the mean over objects, with those of the frames that over frames, and "weight" the overlap of
all pixels pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_statistic
from gazekit.metrics.functional.arguments import ArrayLike, integers, whole_number
from gazekit.metrics.functional.detection import (
    DETECTION_PARTS,
    detection_rows,
    detection_scores,
    scores_of_matches,
    truth_rows,
)
from gazekit.metrics.functional.detection_matching import match_boxes
from gazekit.metrics.functional.segmentation import (
    Empty,
    check_empty,
    class_dice,
    class_iou,
    dice,
    iou,
    macro_dice,
    macro_iou,
    mask_sizes,
)
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.metrics.renamed import renamed
from gazekit.metrics.score import Score

__all__ = ["ClassDice", "ClassIoU", "DetectionAP", "Dice", "IoU", "MacroDice", "MacroIoU"]


class Dice(ItemMetric):
    """Mean `functional.dice` over masks; with aggregation "weight" the Dice coefficient of all pixels pooled.

    Args:
        empty: value of two empty masks, "one", "nan" or "zero".
        aggregation: as `ItemMetric`.

    Example:
        >>> import torch
        >>> metric = Dice()
        >>> metric.update(torch.tensor([[[1, 1], [0, 0]]]), torch.tensor([[[1, 0], [1, 1]]]))
        >>> metric.compute()
        tensor(0.4000, dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(self, empty: Empty = "one", aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)
        self.empty = check_empty(empty)

    @renamed(prediction="predicted_mask", target="true_mask")
    def update(self, predicted_mask: ArrayLike, true_mask: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B masks.

        Args:
            predicted_mask: [B, H, W] bool, or integers 0 and 1; `true_mask` [B, H, W] likewise.
            group: [B] integer ids of objects or of frames.
        """
        _, a, b = mask_sizes(predicted_mask, true_mask)
        self.add(dice(predicted_mask, true_mask, self.empty), group, a + b)


class IoU(ItemMetric):
    """Mean `functional.iou` over masks; with aggregation "weight" the IoU of all pixels pooled.

    Args:
        empty: value of two empty masks, "one", "nan" or "zero".
        aggregation: as `ItemMetric`.

    Example:
        >>> import torch
        >>> metric = IoU()
        >>> metric.update(torch.tensor([[[1, 1], [0, 0]]]), torch.tensor([[[1, 0], [1, 1]]]))
        >>> metric.compute()
        tensor(0.2500, dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(self, empty: Empty = "one", aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)
        self.empty = check_empty(empty)

    @renamed(prediction="predicted_mask", target="true_mask")
    def update(self, predicted_mask: ArrayLike, true_mask: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B masks.

        Args:
            predicted_mask: [B, H, W] bool, or integers 0 and 1; `true_mask` [B, H, W] likewise.
            group: [B] integer ids of objects or of frames.
        """
        both, a, b = mask_sizes(predicted_mask, true_mask)
        self.add(iou(predicted_mask, true_mask, self.empty), group, a + b - both)


class LabelMetric(ItemMetric):
    """Mean `function` of label maps over images.

    Args:
        n_classes: labels are 0 ... n_classes - 1.
        aggregation: as `ItemMetric`.
    """

    function: Callable[..., Tensor]
    higher_is_better = True

    def __init__(self, n_classes: int, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)
        self.n_classes = whole_number("n_classes", n_classes, 1)

    @renamed(prediction="predicted_label_map", target="true_label_map")
    def update(
        self, predicted_label_map: ArrayLike, true_label_map: ArrayLike, group: ArrayLike | None = None
    ) -> None:
        """Add B label maps.

        Args:
            predicted_label_map: [B, H, W] integer classes of the pixels; `true_label_map` [B, H, W] likewise.
            group: [B] integer ids of what the images belong to.
        """
        self.add(type(self).function(predicted_label_map, true_label_map, self.n_classes), group)


class ClassMetric(LabelMetric):
    """The same with a value per class, over the images that show it (in either map)."""

    def __init__(self, n_classes: int, aggregation: Aggregation = "item") -> None:
        super().__init__(n_classes, aggregation)
        self.parts = tuple(f"class {k}" for k in range(n_classes))


class ClassDice(ClassMetric):
    """Mean `functional.class_dice` of each class [C] over the images that show it (in either map).

    Example:
        >>> import torch
        >>> metric = ClassDice(n_classes=2)
        >>> metric.update(torch.tensor([[[1, 1], [0, 0]]]), torch.tensor([[[1, 0], [0, 0]]]))
        >>> metric.compute()
        tensor([0.8000, 0.6667], dtype=torch.float64)
    """

    function = staticmethod(class_dice)


class ClassIoU(ClassMetric):
    """Mean `functional.class_iou` of each class [C] over the images that show it (in either map).

    Example:
        >>> import torch
        >>> metric = ClassIoU(n_classes=2)
        >>> metric.update(torch.tensor([[[1, 1], [0, 0]]]), torch.tensor([[[1, 0], [0, 0]]]))
        >>> metric.compute()
        tensor([0.6667, 0.5000], dtype=torch.float64)
    """

    function = staticmethod(class_iou)


class MacroDice(LabelMetric):
    """Mean `functional.macro_dice` over images.

    Example:
        >>> import torch
        >>> metric = MacroDice(n_classes=2)
        >>> metric.update(torch.tensor([[[1, 1], [0, 0]]]), torch.tensor([[[1, 0], [0, 0]]]))
        >>> metric.compute()
        tensor(0.7333, dtype=torch.float64)
    """

    function = staticmethod(macro_dice)


class MacroIoU(LabelMetric):
    """Mean `functional.macro_iou` over images.

    Example:
        >>> import torch
        >>> metric = MacroIoU(n_classes=2)
        >>> metric.update(torch.tensor([[[1, 1], [0, 0]]]), torch.tensor([[[1, 0], [0, 0]]]))
        >>> metric.compute()
        tensor(0.5833, dtype=torch.float64)
    """

    function = staticmethod(macro_iou)


class DetectionAP(GroupedMetric):
    """`functional.detection_ap` over all images of all batches: [12] `parts`.

    Example:
        >>> import torch
        >>> metric = DetectionAP()
        >>> found = {"boxes": [[0, 0, 40, 40], [0, 0, 40, 30]], "scores": [0.9, 0.8], "labels": [1, 1]}
        >>> metric.update(torch.tensor([7]), [found], [{"boxes": [[0, 0, 40, 30]], "labels": [1]}])
        >>> metric.compute()[:3]
        tensor([0.8000, 1.0000, 1.0000], dtype=torch.float64)
    """

    higher_is_better = True
    parts = DETECTION_PARTS

    def __init__(self) -> None:
        super().__init__("images", images=1, detections=7, truth=8)

    def update(
        self,
        image: ArrayLike,
        predictions: Sequence[Mapping[str, ArrayLike]],
        truth: Sequence[Mapping[str, ArrayLike]],
        group: ArrayLike | None = None,
    ) -> None:
        """Add B images.

        Args:
            image: [B] integer ids. Each image is added once, in one process: boxes of one id are boxes of one
                image. Equal scores are ranked by id, so that the order of batches does not matter.
            predictions: as in `functional.detection_ap`; so is `truth`.
            group: [B] integer ids of what the images belong to (subjects, recordings).
        """
        image = integers("image", image, "integer ids")
        if image.dim() != 1 or not len(image) == len(predictions) == len(truth):
            raise ValueError(
                "image must hold an id for each of the predictions and truth, got "
                f"{list(image.shape)}, {len(predictions)} and {len(truth)}"
            )
        found, true = detection_rows(image, predictions), truth_rows(image, truth)
        self.add_grouped(image[:, None].to(found), group)
        self.add_rows("detections", found)
        self.add_rows("truth", true)

    def compute(self) -> Tensor:
        """[12] the numbers, NaN where there are no true boxes to find."""
        return detection_scores(self.rows("detections"), self.rows("truth"))[0]

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Score]:
        """Each of the `parts` with its percentile bootstrap interval; `n` counts images, none of which is undefined.

        The bootstrap draws whole groups, or images if there are no groups. Boxes are matched once; each draw sums them
        up again, which takes about as long as `compute` without the matching. Call it on all processes.
        """
        with self.sync_context():
            images = self.rows("images")[:, 0]
            matches = match_boxes(self.rows("detections"), self.rows("truth"))
            unit, units = self.units()
        ordered, order = images.sort()
        unit = unit[order]
        rows, true_rows = (
            torch.searchsorted(ordered, ids.contiguous()) for ids in (matches.image, matches.true_image)
        )

        def drawn(counts: Tensor) -> Tensor:
            weights = counts.to(images)[:, unit]
            return torch.stack([scores_of_matches(matches, w[rows], w[true_rows])[0] for w in weights])

        found = bootstrap_statistic(drawn, units, n_resamples, level, seed, 16 * len(images))
        return {
            part: Score.of(bounds, len(images), 0) for part, *bounds in zip(self.parts, *found, strict=True)
        }

    def per_class(self) -> tuple[Tensor, Tensor]:
        """Labels [K] and their AP [K], over all processes (call it on all of them)."""
        with self.sync_context():
            return detection_scores(self.rows("detections"), self.rows("truth"))[1:]

    @property
    def undefined(self) -> Tensor:
        """[] number of detected classes of this process (of all inside `sync_context`) that have no true box.

        They have no AP and are in no mean, as in COCO's code, however many detections they have.
        """
        _, _, ap = detection_scores(self.rows("detections"), self.rows("truth"))
        return ap.isnan().sum()
