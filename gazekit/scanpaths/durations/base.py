"""What all models of fixation durations share: likelihood, calibration and draws, from a law for each fixation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gazekit.scanpaths.durations.laws import Law, quantile, step_of
from gazekit.scanpaths.durations.timed import Timed
from gazekit.scene import TrialBatch

if TYPE_CHECKING:
    from gazekit.base import Data

__all__ = ["Durations", "known_ms", "timed_part"]


class Durations(nn.Module):
    """A distribution of each fixation's duration. Parameters and buffers are all that it keeps.

    A subclass defines `law` and `fit`.
    """

    def law(self, timed: Timed) -> Law:
        """Of each fixation [..., T]."""
        raise NotImplementedError(f"{type(self).__name__} must define law(timed)")

    def fit(self, train: Timed, val: Timed | None = None, seed: int = 0) -> None:
        """Learn from scanpaths [B, T].

        Args:
            val: of other pictures, by which a training is stopped; what is fitted in closed form needs none.
            seed: of everything random in it.
        Raises:
            ValueError: no known duration.
        """
        raise NotImplementedError(f"{type(self).__name__} must define fit(train, val, seed)")

    def log_prob(self, timed: Timed) -> Tensor:
        """[..., T] log density of each duration, nats per ms; log probability of lasting longer where censored.

        NaN where the duration is unknown; padding is 0.
        """
        law, ms = self.law(timed), _defined_ms(timed)
        log = law.log_prob(ms)
        if timed.censored is not None:
            log = torch.where(timed.censored, law.log_survival(ms), log)
        return _where_known(log, timed)

    def cdf(self, timed: Timed) -> Tensor:
        """[..., T] predicted probability of a shorter fixation: uniform over fixations if the model is right.

        NaN where the duration is unknown or censored; padding is 0.
        """
        found = _where_known(self.law(timed).cdf(_defined_ms(timed)), timed)
        return found if timed.censored is None else found.masked_fill(timed.censored & timed.mask, torch.nan)

    @torch.no_grad()
    def draw(self, timed: Timed, generator: torch.Generator, step: int = -1) -> Tensor:
        """[...] ms: a duration of fixation `step`, by default the last, given what is known of those before it.

        Args:
            generator: source of the draws (CPU).
        Raises:
            ValueError: no such fixation.
        """
        if not -len(timed) <= step < len(timed):
            raise ValueError(f"the duration of fixation {step} cannot be drawn: there are {len(timed)}")
        share = torch.rand(timed.mask.shape[:-1], generator=generator, dtype=torch.float64)
        law = step_of(self.law(timed), timed.mask.dim() - 1, step)
        return quantile(law, share.to(timed.mask.device)).to(timed.start_xy_px)

    def sample(self, timed: Timed, generator: torch.Generator) -> Tensor:
        """[..., T] ms: durations for scanpaths whose positions are known, one after the other; padding is 0.

        Durations in `timed` are not looked at.
        """
        drawn = torch.full_like(timed.duration_ms, torch.nan)
        for step in range(len(timed)):
            drawn[..., step] = self.draw(replace(timed, duration_ms=drawn), generator, step)
        return torch.where(timed.mask, drawn, 0.0)


def known_ms(timed: Timed) -> Tensor:
    """[M] the durations that are known, float64.

    Raises:
        ValueError: none is.
    """
    ms = timed.duration_ms[timed.known].double()
    if not len(ms):
        raise ValueError(
            f"none of the {int(timed.mask.sum())} training fixations has a known duration: use data with durations"
        )
    return ms


def timed_part(data: Data, part: str, make: Callable[[TrialBatch], Timed] = Timed.of) -> Timed:
    """All scanpaths of a part ("train", "val") of `ScanpathData`."""
    return Timed.cat([make(batch) for batch in data.batches(part)])


def _defined_ms(timed: Timed) -> Tensor:
    """Durations, and 1 ms where there is none, so that gradients stay finite."""
    return torch.where(timed.known, timed.duration_ms, 1.0)


def _where_known(values: Tensor, timed: Timed) -> Tensor:
    return torch.where(timed.known, values, torch.where(timed.mask, torch.nan, 0.0).to(values))
