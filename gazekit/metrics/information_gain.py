"""Information gain over fixations."""

from __future__ import annotations

from torch import Tensor

from gazekit.metrics.defined_mean import DefinedMean
from gazekit.metrics.functional.information_gain import information_gain_sums

__all__ = ["InformationGain"]


class InformationGain(DefinedMean):
    """`functional.information_gain_bits` over all valid outcomes of all batches.

    Outcomes whose `log_prob` is NaN are left out and counted in `undefined`.

    Example:
        >>> import torch
        >>> metric = InformationGain()
        >>> model, uniform = torch.tensor([0.5, 0.25]).log(), torch.tensor([0.125, 0.125]).log()
        >>> metric.update(model, uniform, torch.tensor([True, True]))
        >>> metric.compute()
        tensor(1.5000, dtype=torch.float64)
    """

    quantity = "bits"
    is_differentiable = True
    higher_is_better = True

    def update(self, log_prob: Tensor, log_baseline: Tensor, mask: Tensor) -> None:
        """Add natural log probabilities [...] of model and baseline, with their bool mask [...]."""
        self.add_sums(*information_gain_sums(log_prob, log_baseline, mask))
