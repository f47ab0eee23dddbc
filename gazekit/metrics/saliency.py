"""Saliency maps against fixations; the definitions are in `functional`, which documents every setting."""

from __future__ import annotations

from typing import Literal

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.auc import auc, auc_judd
from gazekit.metrics.functional.fixated import OnOutside
from gazekit.metrics.functional.map_likelihood import log_likelihood_nats, map_information_gain_bits
from gazekit.metrics.functional.map_settings import check_choice, check_eps, check_jitter, check_splits
from gazekit.metrics.functional.nss import nss
from gazekit.metrics.functional.sampled_auc import auc_borji, auc_shuffled_matlab
from gazekit.metrics.functional.shuffled_auc import shuffled_auc
from gazekit.metrics.item_metric import Aggregation
from gazekit.metrics.map_metric import FixationMapMetric
from gazekit.scanpath import ScanpathsLike

__all__ = [
    "AUC",
    "NSS",
    "AUCBorji",
    "AUCJudd",
    "LogLikelihood",
    "MapInformationGain",
    "ShuffledAUC",
    "ShuffledAUCMatlab",
]


class AUC(FixationMapMetric):
    """Mean `functional.auc` over images: exact, against all pixels.

    Example:
        >>> import torch
        >>> metric = AUC()
        >>> metric.update(torch.arange(12.0).reshape(3, 4), [[3, 2], [2, 1]])
        >>> metric.compute()
        tensor(0.7500, dtype=torch.float64)
    """

    function = staticmethod(auc)
    higher_is_better = True

    def __init__(
        self,
        negatives: Literal["uniform", "unfixated"] = "uniform",
        aggregation: Aggregation = "item",
        on_outside: OnOutside = "raise",
    ) -> None:
        check_choice("negatives", negatives, "uniform", "unfixated")
        super().__init__(aggregation, negatives=negatives, on_outside=on_outside)


class AUCJudd(FixationMapMetric):
    """Mean `functional.auc_judd` over images: thresholds at fixated values only, biased upwards.

    Example:
        >>> import torch
        >>> metric = AUCJudd()
        >>> metric.update(torch.arange(12.0).reshape(3, 4), [[3, 2], [2, 1]])
        >>> metric.compute()
        tensor(0.9000, dtype=torch.float64)
    """

    function = staticmethod(auc_judd)
    higher_is_better = True

    def __init__(
        self,
        variant: Literal["pysaliency", "matlab"] = "pysaliency",
        jitter: float = 0.0,
        seed: int = 0,
        aggregation: Aggregation = "item",
        on_outside: OnOutside = "raise",
    ) -> None:
        check_choice("variant", variant, "pysaliency", "matlab")
        check_jitter(jitter)
        super().__init__(aggregation, variant=variant, jitter=jitter, seed=seed, on_outside=on_outside)


class AUCBorji(FixationMapMetric):
    """Mean `functional.auc_borji` over images: random pixels as negatives, 11 thresholds.

    Example:
        >>> import torch
        >>> metric = AUCBorji()
        >>> metric.update(torch.eye(4), [[0, 0], [1, 1]])
        >>> 0.8 < metric.compute() < 0.95
        tensor(True)
    """

    function = staticmethod(auc_borji)
    pixels_count_once = True
    higher_is_better = True

    def __init__(
        self,
        n_splits: int = 100,
        seed: int = 0,
        aggregation: Aggregation = "item",
        on_outside: OnOutside = "raise",
    ) -> None:
        check_splits(n_splits)
        super().__init__(aggregation, n_splits=n_splits, seed=seed, on_outside=on_outside)


class ShuffledAUC(FixationMapMetric):
    """Mean `functional.shuffled_auc` over images: exact, against the fixations on other images.

    Example:
        >>> import torch
        >>> metric = ShuffledAUC()
        >>> metric.update(torch.arange(12.0).reshape(3, 4), [[3, 2]], other_fixations=[[0, 0], [3, 2]])
        >>> metric.compute()
        tensor(0.7500, dtype=torch.float64)
    """

    function = staticmethod(shuffled_auc)
    higher_is_better = True

    def __init__(self, aggregation: Aggregation = "item", on_outside: OnOutside = "raise") -> None:
        super().__init__(aggregation, on_outside)

    def update(
        self,
        saliency: ArrayLike,
        fixations: ScanpathsLike,
        other_fixations: ScanpathsLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B images, or one, as `FixationMapMetric.update`.

        Args:
            other_fixations: [B, M] or [M] fixations on other images, `functional.fixations_of_other_images`.
        """
        self.add_fixations(fixations, group, saliency=saliency, other_fixations=other_fixations)


class ShuffledAUCMatlab(ShuffledAUC):
    """Mean `functional.auc_shuffled_matlab` over images: samples of other images' fixations, 11 thresholds.

    Example:
        >>> import torch
        >>> metric = ShuffledAUCMatlab()
        >>> metric.update(torch.arange(12.0).reshape(3, 4), [[3, 2]], other_fixations=[[0, 0], [1, 1]])
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """

    function = staticmethod(auc_shuffled_matlab)
    pixels_count_once = True

    def __init__(
        self,
        n_splits: int = 100,
        seed: int = 0,
        aggregation: Aggregation = "item",
        on_outside: OnOutside = "raise",
    ) -> None:
        check_splits(n_splits)
        super().__init__(aggregation, on_outside)
        self.settings |= {"n_splits": n_splits, "seed": seed}


class NSS(FixationMapMetric):
    """Mean `functional.nss` over images.

    Example:
        >>> import torch
        >>> metric = NSS()
        >>> metric.update(torch.tensor([[0.0, 0.0], [0.0, 4.0]]), [[1, 1]])
        >>> metric.compute()
        tensor(1.7321, dtype=torch.float64)
    """

    function = staticmethod(nss)
    higher_is_better = True

    def __init__(
        self,
        variant: Literal["pysaliency", "matlab"] = "pysaliency",
        aggregation: Aggregation = "item",
        on_outside: OnOutside = "raise",
    ) -> None:
        check_choice("variant", variant, "pysaliency", "matlab")
        super().__init__(aggregation, variant=variant, on_outside=on_outside)


class LogLikelihood(FixationMapMetric):
    """Mean `functional.log_likelihood_nats` over images.

    Example:
        >>> import torch
        >>> metric = LogLikelihood()
        >>> metric.update(torch.full((2, 2), 0.25), [[0, 0], [1, 1]])
        >>> metric.compute()
        tensor(-1.3863, dtype=torch.float64)
    """

    function = staticmethod(log_likelihood_nats)
    higher_is_better = True

    def __init__(self, aggregation: Aggregation = "item", on_outside: OnOutside = "raise") -> None:
        super().__init__(aggregation, on_outside=on_outside)

    def update(self, density: ArrayLike, fixations: ScanpathsLike, group: ArrayLike | None = None) -> None:
        """Add B images, or one, as `FixationMapMetric.update`, with densities [B, H, W] that sum to 1."""
        self.add_fixations(fixations, group, density=density)


class MapInformationGain(FixationMapMetric):
    """Mean `functional.map_information_gain_bits` over images.

    Example:
        >>> import torch
        >>> metric = MapInformationGain()
        >>> metric.update(torch.tensor([[0.5, 0.5], [0.0, 0.0]]), torch.full((2, 2), 0.25), [[0, 0]])
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """

    function = staticmethod(map_information_gain_bits)
    higher_is_better = True

    def __init__(
        self,
        eps: float = 0.0,
        variant: Literal["density", "matlab"] = "density",
        aggregation: Aggregation = "item",
        on_outside: OnOutside = "raise",
    ) -> None:
        check_eps(eps)
        check_choice("variant", variant, "density", "matlab")
        super().__init__(aggregation, eps=eps, variant=variant, on_outside=on_outside)

    def update(
        self,
        density: ArrayLike,
        baseline: ArrayLike,
        fixations: ScanpathsLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B images, or one, as `FixationMapMetric.update`, with densities that sum to 1.

        Args:
            density: [B, H, W] or [H, W].
            baseline: the same shape, or [H, W] for all images.
        """
        self.add_fixations(fixations, group, density=density, baseline=baseline)
