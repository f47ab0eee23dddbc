"""Information gain over fixations."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, integers
from gazekit.metrics.functional.information_gain import outcome_bits
from gazekit.metrics.item_metric import ItemMetric
from gazekit.metrics.renamed import renamed

__all__ = ["InformationGain", "InformationGainWithStop"]


class OutcomeGain(ItemMetric):
    """Mean gain over outcomes. An outcome whose log probability is NaN is left out and counted in `undefined`."""

    higher_is_better = True

    def add_outcomes(self, group: ArrayLike | None, **arguments: ArrayLike) -> None:
        """Add the log probabilities of model and chance and their mask, [B, ...], with groups [B]."""
        log_prob, log_chance, mask = arguments.values()
        bits = outcome_bits(log_prob, log_chance, mask, tuple(arguments))
        mask = torch.as_tensor(mask).to(bits.device)
        if group is not None:
            group = integers("group", group).to(bits.device)
            if group.dim() != 1 or group.shape != mask.shape[:1]:
                raise ValueError(f"group must have shape {list(mask.shape[:1])}, got {list(group.shape)}")
            group = group.reshape(-1, *[1] * (mask.dim() - 1)).expand(mask.shape)[mask]
        self.add(bits[mask], group)


class InformationGain(OutcomeGain):
    """`functional.information_gain_bits` over all valid fixations of all batches, per fixation.

    Items are fixations. An excluded fixation (log probability -inf) makes the value -inf, which has no interval.
    A group all of whose trials are empty has no items, so the bootstrap does not draw it.

    Args:
        aggregation: as `ItemMetric`; fixations have no weights.

    Example:
        >>> import torch
        >>> metric = InformationGain()
        >>> model, uniform = torch.tensor([0.5, 0.25]).log(), torch.tensor([0.125, 0.125]).log()
        >>> metric.update(model, uniform, torch.tensor([True, True]))
        >>> metric.compute()
        tensor(1.5000, dtype=torch.float64)
    """

    @renamed(log_baseline="log_chance")
    def update(
        self, log_prob: Tensor, log_chance: Tensor, mask: Tensor, group: ArrayLike | None = None
    ) -> None:
        """Add the fixations of B trials.

        Args:
            log_prob: [B, T] (or [B], any [B, ...]) natural log probability of each fixation under the model.
            log_chance: [B, T] the same under chance (or another baseline), finite where valid.
            mask: [B, T] bool, True = valid.
            group: [B] integer ids of the trials' images (subjects).
        """
        self.add_outcomes(group, log_prob=log_prob, log_chance=log_chance, mask=mask)


class InformationGainWithStop(OutcomeGain):
    """`InformationGain` where the decision to stop is an outcome too, after the last fixation of each trial.

    Args:
        aggregation: as `ItemMetric`; outcomes have no weights.

    Example:
        >>> import torch
        >>> metric = InformationGainWithStop()
        >>> model, uniform = torch.tensor([[0.5, 0.25]]).log(), torch.tensor([[0.125, 0.125]]).log()
        >>> metric.update(model, uniform, torch.tensor([[True, True]]))
        >>> metric.compute()
        tensor(1.5000, dtype=torch.float64)
    """

    def update(
        self,
        outcome_log_prob: Tensor,
        outcome_log_chance: Tensor,
        outcome_mask: Tensor,
        group: ArrayLike | None = None,
    ) -> None:
        """Add the outcomes of B trials: fixations, and the stop after the last of them.

        Args:
            outcome_log_prob: [B, T] natural log probability of each outcome under the model.
            outcome_log_chance: [B, T] the same under chance (or another baseline), finite where valid.
            outcome_mask: [B, T] bool, True = valid.
            group: [B] integer ids of the trials' images (subjects).
        """
        self.add_outcomes(
            group,
            outcome_log_prob=outcome_log_prob,
            outcome_log_chance=outcome_log_chance,
            outcome_mask=outcome_mask,
        )
