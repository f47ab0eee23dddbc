"""Agreement of labels, accumulated as tables of counts; the definitions are in `functional`."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from gazekit.metrics.functional.agreement import (
    KappaWeights,
    MeasurementLevel,
    alpha_of,
    coincidences,
    confusion_counts,
    f1_of,
    kappa_of,
    label_pairs,
    rated,
)
from gazekit.metrics.functional.arguments import ArrayLike, integers, whole_number

__all__ = ["CohenKappa", "KrippendorffAlpha", "SampleF1"]


class LabelTable(Metric):
    """A table of counts [C, C] over all labels seen, whatever the batches and processes."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    undefined: Tensor
    """Number of labels (units) that could not be compared, as one was missing."""

    def __init__(self, num_classes: int, table: str) -> None:
        super().__init__()
        self.num_classes = num_classes = whole_number("num_classes", num_classes, 1)
        self.register_buffer("scale", torch.arange(num_classes, dtype=torch.float64), persistent=False)
        zeros = torch.zeros(num_classes, num_classes, dtype=torch.float64)
        self.add_state(table, zeros, dist_reduce_fx="sum")
        self.add_state("undefined", torch.tensor(0), dist_reduce_fx="sum")


class ConfusionMetric(LabelTable):
    """A metric of the confusion matrix of two raters; metrics in a MetricCollection may share it."""

    confusion: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, "confusion")

    def update(self, a: ArrayLike, b: ArrayLike, mask: ArrayLike | None = None) -> None:
        """Add labels [...] by two raters, 0 ... num_classes - 1; mask [...] True where both gave one."""
        a, b, mask = label_pairs(a, b, mask, self.num_classes)
        a, b, mask = a.flatten(), b.flatten(), mask.flatten()
        self.confusion = self.confusion + confusion_counts(a, b, mask, self.num_classes)
        self.undefined = self.undefined + (~mask).sum()


class CohenKappa(ConfusionMetric):
    """`functional.cohen_kappa` of all labels of all batches.

    Args:
        num_classes: labels are 0 ... num_classes - 1.
        weights: None, "linear" or "quadratic".

    Example:
        >>> import torch
        >>> metric = CohenKappa(num_classes=3)
        >>> metric.update(torch.tensor([1, 1, 2, 2]), torch.tensor([1, 1, 2, 1]))
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    def __init__(self, num_classes: int, weights: KappaWeights = None) -> None:
        super().__init__(num_classes)
        self.weights = weights
        kappa_of(self.confusion, self.scale, weights)  # refuses unknown weights now

    def compute(self) -> Tensor:
        """[] kappa; NaN without labels, or where chance agreement is perfect."""
        return kappa_of(self.confusion, self.scale, self.weights)


class SampleF1(ConfusionMetric):
    """`functional.sample_f1` of all labels of all batches, class by class.

    Args:
        num_classes: labels are 0 ... num_classes - 1.

    Example:
        >>> import torch
        >>> metric = SampleF1(num_classes=3)
        >>> metric.update(torch.tensor([1, 1, 2, 2]), torch.tensor([1, 1, 2, 1]))
        >>> metric.compute()
        tensor([   nan, 0.8000, 0.6667], dtype=torch.float64)
    """

    def compute(self) -> Tensor:
        """[C] F1; NaN for a class that neither rater used."""
        return f1_of(self.confusion)


class KrippendorffAlpha(LabelTable):
    """`functional.krippendorff_alpha` of the units of all batches.

    Args:
        num_classes: ratings are 0 ... num_classes - 1.
        level: of measurement: "nominal", "ordinal", "interval" or "ratio".

    Example:
        >>> import torch
        >>> metric = KrippendorffAlpha(num_classes=3)
        >>> metric.update(torch.tensor([[1, 1, 2, 2], [1, 1, 2, 1]]))
        >>> metric.compute()
        tensor(0.5333, dtype=torch.float64)
    """

    coincidence: Tensor

    def __init__(self, num_classes: int, level: MeasurementLevel = "nominal") -> None:
        super().__init__(num_classes, "coincidence")
        self.level = level
        alpha_of(self.coincidence, self.scale, level)  # refuses unknown levels now

    def update(self, ratings: ArrayLike, mask: ArrayLike | None = None) -> None:
        """Add units: integer ratings [..., R, U] of U units by R raters, mask True where rated.

        All raters of a unit must come in one call.
        """
        ratings, mask = rated(integers("ratings", ratings), mask, self.num_classes)
        table = coincidences(ratings, mask, self.num_classes)
        self.coincidence = self.coincidence + table.reshape(-1, *table.shape[-2:]).sum(0)
        self.undefined = self.undefined + (mask.sum(-2) < 2).sum() * (ratings.shape[-2] > 0)

    def compute(self) -> Tensor:
        """[] alpha; NaN where all ratings are equal or no unit has two."""
        return alpha_of(self.coincidence, self.scale, self.level)
