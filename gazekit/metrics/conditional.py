"""Single fixations of scanpaths, each by the map that predicted it; the definitions are in `functional`."""

from __future__ import annotations

from typing import Literal

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.conditional import (
    conditional_auc,
    conditional_information_gain_bits,
    conditional_nss,
)
from gazekit.metrics.functional.fixated import OnOutside
from gazekit.metrics.functional.map_settings import check_choice, check_eps
from gazekit.metrics.item_metric import Aggregation
from gazekit.metrics.map_metric import ConditionalMetric
from gazekit.metrics.renamed import renamed
from gazekit.scanpath import ScanpathsLike

__all__ = ["ConditionalAUC", "ConditionalInformationGain", "ConditionalNSS"]


class ConditionalAUC(ConditionalMetric):
    """Mean `functional.conditional_auc` over fixations; chance is 0.75 for the variant "hat".

    Example:
        >>> import torch
        >>> metric = ConditionalAUC()
        >>> metric.update(torch.arange(12.0).reshape(1, 3, 4), [[2, 1]])
        >>> metric.compute()
        tensor(0.5417, dtype=torch.float64)
    """

    function = staticmethod(conditional_auc)
    higher_is_better = True

    def __init__(
        self,
        variant: Literal["exact", "hat"] = "exact",
        aggregation: Aggregation = "item",
        on_outside: OnOutside = "raise",
    ) -> None:
        check_choice("variant", variant, "exact", "hat")
        super().__init__(aggregation, variant=variant, on_outside=on_outside)


class ConditionalNSS(ConditionalMetric):
    """Mean `functional.conditional_nss` over fixations.

    Example:
        >>> import torch
        >>> metric = ConditionalNSS()
        >>> metric.update(torch.tensor([[[0.0, 0.0], [0.0, 4.0]]]), [[1, 1]])
        >>> metric.compute()
        tensor(1.7321, dtype=torch.float64)
    """

    function = staticmethod(conditional_nss)
    higher_is_better = True

    def __init__(self, aggregation: Aggregation = "item", on_outside: OnOutside = "raise") -> None:
        super().__init__(aggregation, on_outside=on_outside)


class ConditionalInformationGain(ConditionalMetric):
    """Mean `functional.conditional_information_gain_bits` over fixations.

    Example:
        >>> import torch
        >>> metric = ConditionalInformationGain()
        >>> metric.update(torch.tensor([[[0.5, 0.5], [0.0, 0.0]]]), torch.full((2, 2), 0.25), [[1, 0]])
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """

    function = staticmethod(conditional_information_gain_bits)
    higher_is_better = True

    def __init__(
        self, eps: float = 0.0, aggregation: Aggregation = "item", on_outside: OnOutside = "raise"
    ) -> None:
        check_eps(eps)
        super().__init__(aggregation, eps=eps, on_outside=on_outside)

    @renamed(density="conditional_density", baseline="conditional_baseline")
    def update(
        self,
        conditional_density: ArrayLike,
        conditional_baseline: ArrayLike,
        scanpaths: ScanpathsLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add the fixations of B scanpaths, or of one, as `ConditionalMetric.update`.

        Args:
            conditional_density: [B, T, H, W] or [T, H, W] densities, each sums to 1.
            conditional_baseline: the same shape, or [H, W] for all.
        """
        self.add_steps(scanpaths, group, density=conditional_density, baseline=conditional_baseline)
