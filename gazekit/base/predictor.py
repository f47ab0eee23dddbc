"""One row of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch import nn

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

    @property
    def about(self) -> str:
        """One sentence that a report says about this row: by default the first one of the class's docstring."""
        return " ".join((type(self).__doc__ or "").strip().split("\n\n")[0].split())

    def fit(self, data: LightningDataModule) -> None:
        """Learn from the training part of `Data`, in closed form or by a short training. Default: nothing to learn."""

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Any]:
        """What it predicts for a batch, by the names of the arguments of the metrics' `update`.

        Args:
            batch: of `Data.batches`, on the predictor's device.
            generator: source of all random draws (CPU).
            samples: draws per item of a predictor that is stochastic; others ignore it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define predict(batch, generator, samples)")
