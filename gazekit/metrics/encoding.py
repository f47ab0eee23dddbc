"""Scores of encoding models over batches of stimuli; the definitions are in `functional`.

The number of voxels is part of the constructor, so that a process without stimuli knows it as well. States are means
and co-moments of 32 blocks of stimuli: 0.8 to 1.8 kB per voxel however many stimuli there are. The bootstrap draws
blocks. Up to 32 stimuli (groups) are a block each; more than that are dealt out to the blocks in turn.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from gazekit.metrics.bootstrap import bootstrap_statistic
from gazekit.metrics.functional.arguments import ArrayLike, integers, masked, reals, whole_number
from gazekit.metrics.functional.encoding import (
    check_ceiling,
    correlation_or,
    normalised_correlation,
    normalised_r2,
    r2_of,
    stimuli_by_voxels,
)
from gazekit.metrics.functional.moments import correlation, drawn_moments, merge_moments, moments
from gazekit.metrics.functional.noise_ceiling import ceiling_of, fraction_of, repeat_statistics, variances_of
from gazekit.metrics.renamed import AcceptsOldNames, renamed
from gazekit.metrics.score import Score

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

_BLOCKS = 32


class VoxelMetric(AcceptsOldNames, Metric):
    """A value per voxel, and how the voxels are put together.

    Subclasses have a state `moments` [rows, blocks, V], whose first row counts, and give `voxels`, the values.

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
        self._dealt = (
            0  # stimuli without group so far; `reset` leaves it, as forward resets between its batches
        )

    def voxels(self, packed: Tensor, sums: Tensor | None) -> Tensor:
        """[..., V] values of the voxels from merged `moments` [rows, ..., V] and, if there are any, `repeat_sums`."""
        raise NotImplementedError

    def compute(self) -> Tensor:
        """[V], or [] with an aggregation; NaN where undefined."""
        found = self._values()
        return found if self.aggregation == "none" else self._over_voxels(found)

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Score:
        """The mean (or median) over the defined voxels with its percentile bootstrap interval.

        The bootstrap draws blocks of stimuli: up to 32 stimuli, or groups of them, are a block each; more are dealt
        out to 32 blocks in turn, which makes intervals about 2 % too narrow. Time points that depend on one another
        should be given groups (runs). `n` counts voxels with a value, `undefined` those without. With aggregation
        "none" the value is the mean. Call it on all processes.

        Raises:
            ValueError: level or n_resamples out of range.
        """
        with self.sync_context():
            used = self.moments[0].amax(-1) > 0
            used[0] |= ~used.any()  # one empty block where there are no stimuli
            parts = self.moments[:, used].movedim(1, 0)  # [blocks, rows, V]
            sums = self.repeat_sums[:, used] if hasattr(self, "repeat_sums") else None
            values, undefined = self._values(), int(self.undefined)
        defined = ~values.isnan()

        def drawn(counts: Tensor) -> Tensor:
            counts = counts.to(parts)
            repeats = None if sums is None else torch.einsum("rb,qbv->qrv", counts, sums)
            return self._over_voxels(
                self.voxels(drawn_moments(parts, counts), repeats).masked_fill(~defined, torch.nan)
            )

        found = bootstrap_statistic(
            drawn, len(parts), n_resamples, level, seed, 8 * 4 * len(self.moments) * self.num_voxels
        )
        return Score.of((self._over_voxels(values), *found[1:]), int(defined.sum()), undefined)

    def blocks(self, group: ArrayLike | None, stimuli: int) -> list[tuple[int, Tensor]]:
        """Blocks of `stimuli` new stimuli [n] by their groups [n], with the places of those that belong to each."""
        if group is None:
            block = (torch.arange(stimuli) + (self._seen() or self._dealt)) % _BLOCKS
            self._dealt += stimuli
        else:
            group = integers("group", group).cpu()
            if group.shape != (stimuli,):
                raise ValueError(f"group must have shape [{stimuli}], got {list(group.shape)}")
            block = group % _BLOCKS
        return [(int(k), (block == k).nonzero()[:, 0].to(self.device)) for k in block.unique()]

    def _seen(self) -> int:
        """Number of stimuli in the states."""
        counts = self.repeat_sums[3] if hasattr(self, "repeat_sums") else self.moments[0]
        return int(counts[:, 0].sum())

    def _values(self) -> Tensor:
        """[V] the value of each voxel, from the states."""
        sums = self.repeat_sums.sum(1) if hasattr(self, "repeat_sums") else None
        return self.voxels(merge_moments(self.moments.movedim(1, 0)), sums)

    def _over_voxels(self, values: Tensor) -> Tensor:
        return values.nanquantile(0.5, -1) if self.aggregation == "median" else values.nanmean(-1)

    @property
    def undefined(self) -> Tensor:
        """[] number of voxels without a value though there were stimuli, of this process (of all inside
        `sync_context`)."""
        return (self._values().isnan() & (self.count > 0)).sum()

    @property
    def count(self) -> Tensor:
        """[V] number of stimuli (presentations, where they repeat), likewise."""
        return self.moments[0].sum(0)

    def check_width(self, tensor: Tensor, shape: str) -> None:
        if tensor.shape[-1:] != (self.num_voxels,):
            raise ValueError(f"expected {shape} with V = {self.num_voxels} voxels, got {list(tensor.shape)}")


class _PredictionMetric(VoxelMetric):
    """From the joint moments of prediction and response, which metrics in a MetricCollection may share."""

    higher_is_better = True

    def __init__(self, num_voxels: int, aggregation: VoxelAggregation = "none") -> None:
        super().__init__(num_voxels, aggregation)
        self.add_state(
            "moments", torch.zeros(7, _BLOCKS, num_voxels, dtype=torch.float64), dist_reduce_fx=merge_moments
        )

    def update(self, prediction: Tensor, response: Tensor, group: ArrayLike | None = None) -> None:
        """Add n stimuli.

        Args:
            prediction: [n, V] predicted responses.
            response: [n, V] measured ones.
            group: [n] integer ids of what the stimuli belong to (runs, sessions).
        """
        prediction, response = stimuli_by_voxels(prediction, response)
        if prediction.dim() != 2:
            raise ValueError(f"expected prediction and response [n, V], got {list(prediction.shape)}")
        self.check_width(prediction, "prediction and response [n, V]")
        prediction, response = prediction.detach().double(), response.detach().double()
        batch = torch.zeros_like(self.moments)
        for block, rows in self.blocks(group, len(prediction)):
            batch[:, block] = moments(prediction[rows], response[rows])
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
        self._values()  # refuses an unknown word now

    def voxels(self, packed: Tensor, sums: Tensor | None) -> Tensor:
        return correlation_or(self.constant, packed)


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

    def voxels(self, packed: Tensor, sums: Tensor | None) -> Tensor:
        return r2_of(packed)


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

    def voxels(self, packed: Tensor, sums: Tensor | None) -> Tensor:
        return type(self).function(correlation(packed), self.ceiling, self.min_ceiling)


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
            "moments", torch.zeros(3, _BLOCKS, num_voxels, dtype=torch.float64), dist_reduce_fx=merge_moments
        )
        self.add_state(
            "repeat_sums", torch.zeros(4, _BLOCKS, num_voxels, dtype=torch.float64), dist_reduce_fx="sum"
        )

    @renamed(mask="repeats_mask")
    def update(
        self, repeats: Tensor, repeats_mask: Tensor | None = None, group: ArrayLike | None = None
    ) -> None:
        """Add n stimuli; all presentations of a stimulus must come in one call.

        Args:
            repeats: [R, n, V] responses to R presentations.
            repeats_mask: [R, n] bool, True = this presentation took place; all by default.
            group: [n] integer ids of what the stimuli belong to (runs, sessions).
        """
        repeats = reals("repeats", repeats).detach()
        if repeats.dim() != 3:
            raise ValueError(f"expected repeats [R, n, V], got {list(repeats.shape)}")
        self.check_width(repeats, "repeats [R, n, V]")
        if repeats_mask is not None:
            repeats_mask = masked("repeats_mask", repeats_mask, repeats)
            if repeats_mask.shape != repeats.shape[:2]:
                raise ValueError(
                    f"repeats_mask must have shape {list(repeats.shape[:2])}, got {list(repeats_mask.shape)}"
                )
        batch, sums = torch.zeros_like(self.moments), torch.zeros_like(self.repeat_sums)
        for block, rows in self.blocks(group, repeats.shape[1]):
            mask = None if repeats_mask is None else repeats_mask[:, rows]
            found = repeat_statistics(repeats[:, rows], mask)
            batch[:, block], sums[:, block] = (part.double() for part in found)
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
        self._values()  # refuses an n_averaged below 1 now

    def voxels(self, packed: Tensor, sums: Tensor | None) -> Tensor:
        return ceiling_of(packed, sums, self.n_averaged)


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

    def voxels(self, packed: Tensor, sums: Tensor | None) -> Tensor:
        noise, total, _ = variances_of(packed, sums)
        return fraction_of(total - noise, total)
