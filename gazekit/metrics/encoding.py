"""Scores of encoding models over batches of stimuli; the definitions are in `functional`.

The number of voxels is part of the constructor, so that a process without stimuli knows it as well. States
are means and co-moments, 8 to 56 bytes a voxel however many stimuli there are.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from gazekit.metrics.functional.arguments import reals, whole_number
from gazekit.metrics.functional.encoding import (
    check_ceiling,
    correlation_or,
    normalised_correlation,
    normalised_r2,
    r2_of,
    stimuli_by_voxels,
)
from gazekit.metrics.functional.moments import correlation, merge_moments, moments
from gazekit.metrics.functional.noise_ceiling import ceiling_of, fraction_of, repeat_statistics, variances_of

__all__ = [
    "R2",
    "ExplainableVariance",
    "NoiseCeiling",
    "NormalisedCorrelation",
    "NormalisedR2",
    "Pearson",
    "VoxelAggregation",
]

VoxelAggregation = Literal["none", "mean", "median"]


class VoxelMetric(Metric):
    """A value a voxel, and how the voxels are put together.

    Subclasses have a state `moments`, whose first row counts, and give `voxels()`, the values [V].

    Args:
        num_voxels: V.
        aggregation: "none" = the values of all voxels, or their "mean" or "median", undefined ones (NaN) left
            out and counted in `undefined`.
    """

    is_differentiable = False
    full_state_update = False

    moments: Tensor

    def __init__(self, num_voxels: int, aggregation: VoxelAggregation = "none") -> None:
        super().__init__()
        if aggregation not in ("none", "mean", "median"):
            raise ValueError(f"aggregation must be none, mean or median, got {aggregation!r}")
        self.num_voxels = whole_number("num_voxels", num_voxels, 1)
        self.aggregation = aggregation

    def voxels(self) -> Tensor:
        """[V] the value of each voxel, from the states."""
        raise NotImplementedError

    def compute(self) -> Tensor:
        """[V], or [] with an aggregation; NaN where undefined."""
        found = self.voxels()
        if self.aggregation == "none":
            return found
        return found.nanmean() if self.aggregation == "mean" else found.nanquantile(0.5)

    @property
    def undefined(self) -> Tensor:
        """[] number of voxels without a value though there were stimuli, of this process (of all inside
        `sync_context`)."""
        return (self.voxels().isnan() & (self.count > 0)).sum()

    @property
    def count(self) -> Tensor:
        """[V] number of stimuli (presentations, where they repeat), likewise."""
        return self.moments[0]

    def check_width(self, tensor: Tensor, shape: str) -> None:
        if tensor.shape[-1:] != (self.num_voxels,):
            raise ValueError(f"expected {shape} with V = {self.num_voxels} voxels, got {list(tensor.shape)}")


class _PredictionMetric(VoxelMetric):
    """From the joint moments of prediction and response, which metrics in a MetricCollection may share."""

    higher_is_better = True

    def __init__(self, num_voxels: int, aggregation: VoxelAggregation = "none") -> None:
        super().__init__(num_voxels, aggregation)
        self.add_state(
            "moments", torch.zeros(7, num_voxels, dtype=torch.float64), dist_reduce_fx=merge_moments
        )

    def update(self, prediction: Tensor, response: Tensor) -> None:
        """Add n stimuli: predicted and measured responses [n, V]."""
        prediction, response = stimuli_by_voxels(prediction, response)
        if prediction.dim() != 2:
            raise ValueError(f"expected prediction and response [n, V], got {list(prediction.shape)}")
        self.check_width(prediction, "prediction and response [n, V]")
        batch = moments(prediction.detach().double(), response.detach().double())
        self.moments = merge_moments(torch.stack([self.moments, batch]))


class Pearson(_PredictionMetric):
    """`functional.pearson` of each voxel over the stimuli of all batches.

    Args:
        num_voxels: V.
        aggregation: over voxels: "none", "mean" or "median".
        constant: "nan" = voxels whose prediction or response does not vary are undefined; "zero" = they are 0.

    Example:
        >>> import torch
        >>> metric = Pearson(num_voxels=2)
        >>> metric.update(torch.tensor([[1.0, 0.0], [3.0, 0.0]]), torch.tensor([[1.0, 5.0], [2.0, 4.0]]))
        >>> metric.update(torch.tensor([[2.0, 0.0]]), torch.tensor([[4.0, 0.0]]))
        >>> metric.compute(), metric.undefined
        (tensor([0.3273,    nan], dtype=torch.float64), tensor(1))
    """

    def __init__(
        self,
        num_voxels: int,
        aggregation: VoxelAggregation = "none",
        constant: Literal["nan", "zero"] = "nan",
    ) -> None:
        super().__init__(num_voxels, aggregation)
        self.constant = constant
        correlation_or(constant, self.moments)  # refuses an unknown word now

    def voxels(self) -> Tensor:
        return correlation_or(self.constant, self.moments)


class R2(_PredictionMetric):
    """`functional.r2_score` of each voxel over the stimuli of all batches.

    Args:
        num_voxels: V.
        aggregation: over voxels: "none", "mean" or "median".

    Example:
        >>> import torch
        >>> metric = R2(num_voxels=2)
        >>> response = torch.tensor([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
        >>> metric.update(torch.tensor([[1.0, 1.0], [3.0, 2.0], [2.0, 4.0]]), response)
        >>> metric.compute()
        tensor([-0.0714,  1.0000], dtype=torch.float64)
    """

    def voxels(self) -> Tensor:
        return r2_of(self.moments)


class NormalisedCorrelation(_PredictionMetric):
    """`functional.normalised_correlation` of each voxel over the stimuli of all batches.

    Args:
        ceiling: [V] `functional.noise_ceiling` of each voxel.
        min_ceiling: voxels with a lower ceiling, or with 0, are undefined.
        aggregation: over voxels: "none", "mean" or "median".

    Example:
        >>> import torch
        >>> metric = NormalisedCorrelation(torch.tensor([0.36, 0.01]), min_ceiling=0.05)
        >>> prediction = torch.tensor([[1.0, 0.0], [3.0, 1.0], [2.0, 2.0]])
        >>> metric.update(prediction, torch.tensor([[1.0, 5.0], [2.0, 4.0], [4.0, 0.0]]))
        >>> metric.compute(), metric.undefined
        (tensor([0.5455,    nan], dtype=torch.float64), tensor(1))
    """

    function = staticmethod(normalised_correlation)

    def __init__(self, ceiling: Tensor, min_ceiling: float, aggregation: VoxelAggregation = "none") -> None:
        ceiling = check_ceiling(ceiling, min_ceiling)
        if ceiling.dim() != 1:
            raise ValueError(f"ceiling must have shape [V], got {list(ceiling.shape)}")
        super().__init__(len(ceiling), aggregation)
        self.min_ceiling = min_ceiling
        self.register_buffer("ceiling", ceiling.clone(), persistent=False)

    def voxels(self) -> Tensor:
        return type(self).function(correlation(self.moments), self.ceiling, self.min_ceiling)


class NormalisedR2(NormalisedCorrelation):
    """`functional.normalised_r2` of each voxel over the stimuli of all batches.

    Args:
        ceiling: [V] `functional.noise_ceiling` of each voxel.
        min_ceiling: voxels with a lower ceiling, or with 0, are undefined.
        aggregation: over voxels: "none", "mean" or "median".

    Example:
        >>> import torch
        >>> metric = NormalisedR2(torch.tensor([0.36, 0.5]), min_ceiling=0.05, aggregation="median")
        >>> prediction = torch.tensor([[1.0, 0.0], [3.0, 1.0], [2.0, 2.0]])
        >>> metric.update(prediction, torch.tensor([[1.0, 2.0], [2.0, 4.0], [4.0, 6.0]]))
        >>> metric.compute()
        tensor(1.1488, dtype=torch.float64)
    """

    function = staticmethod(normalised_r2)


class _RepeatMetric(VoxelMetric):
    """From `repeat_statistics`, which metrics in a MetricCollection may share."""

    higher_is_better = None

    repeat_sums: Tensor

    def __init__(self, num_voxels: int, aggregation: VoxelAggregation = "none") -> None:
        super().__init__(num_voxels, aggregation)
        self.add_state(
            "moments", torch.zeros(3, num_voxels, dtype=torch.float64), dist_reduce_fx=merge_moments
        )
        self.add_state("repeat_sums", torch.zeros(4, num_voxels, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, repeats: Tensor, mask: Tensor | None = None) -> None:
        """Add n stimuli: R presentations [R, n, V], mask [R, n] True where one took place.

        All presentations of a stimulus must come in one call.
        """
        repeats = reals("repeats", repeats).detach()
        if repeats.dim() != 3:
            raise ValueError(f"expected repeats [R, n, V], got {list(repeats.shape)}")
        self.check_width(repeats, "repeats [R, n, V]")
        batch, sums = (found.double() for found in repeat_statistics(repeats, mask))
        self.moments = merge_moments(torch.stack([self.moments, batch]))
        self.repeat_sums = self.repeat_sums + sums


class NoiseCeiling(_RepeatMetric):
    """`functional.noise_ceiling` of each voxel over the stimuli of all batches.

    Args:
        num_voxels: V.
        n_averaged: over how many presentations the responses to be predicted are averaged; None = over all.
        aggregation: over voxels: "none", "mean" or "median".

    Example:
        >>> import torch
        >>> metric = NoiseCeiling(num_voxels=2)
        >>> metric.update(torch.tensor([[[1.0, 5.0], [4.0, 5.0]], [[2.0, 5.0], [4.0, 5.0]]]))
        >>> metric.update(torch.tensor([[[6.0, 5.0]], [[7.0, 5.0]]]))
        >>> metric.compute()
        tensor([0.9669,    nan], dtype=torch.float64)
    """

    def __init__(
        self, num_voxels: int, n_averaged: int | None = None, aggregation: VoxelAggregation = "none"
    ) -> None:
        super().__init__(num_voxels, aggregation)
        self.n_averaged = n_averaged
        self.voxels()  # refuses an n_averaged below 1 now

    def voxels(self) -> Tensor:
        return ceiling_of(self.moments, self.repeat_sums, self.n_averaged)


class ExplainableVariance(_RepeatMetric):
    """`functional.explainable_variance` of each voxel over the stimuli of all batches.

    Args:
        num_voxels: V.
        aggregation: over voxels: "none", "mean" or "median".

    Example:
        >>> import torch
        >>> metric = ExplainableVariance(num_voxels=2)
        >>> metric.update(torch.tensor([[[1.0, 5.0], [4.0, 5.0]], [[2.0, 5.0], [4.0, 5.0]]]))
        >>> metric.update(torch.tensor([[[6.0, 5.0]], [[7.0, 5.0]]]))
        >>> metric.compute()
        tensor([0.9359,    nan], dtype=torch.float64)
    """

    def voxels(self) -> Tensor:
        noise, total, _ = variances_of(self.moments, self.repeat_sums)
        return fraction_of(total - noise, total)
