"""One row of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from gazekit.base.data import Data

__all__ = ["Predictor"]


class Predictor(nn.Module):
    """Anything that is scored: a trained system, a baseline, other people, a simulated observer.

    Its parameters and buffers are all that a checkpoint keeps of it, beside its settings.

    Args:
        facts: of the data that it is made for (`Data.facts`).

    Attributes:
        reasons: why this row has no value, by the name of a metric or of an argument of a metric's `update`. A metric
            named here is not computed; an argument named here may be NaN.
    """

    reasons: Mapping[str, str] = {}

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.facts = dict(facts or {})

    def fit(self, data: Data) -> None:
        """Learn from the training part, in closed form or in a short training. Default: nothing to learn."""

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Any]:
        """What it predicts for a batch, by the names of the arguments of the metrics' `update`.

        Args:
            batch: of `Data.batches`, on the predictor's device.
            generator: source of all random draws (CPU).
            samples: draws per item of a predictor that is stochastic; others ignore it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define predict(batch, generator, samples)")
