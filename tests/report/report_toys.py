"""Data, predictors and metrics of a few numbers, whose scores can be worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torchmetrics import Metric

from gazekit.base import Data, Predictor
from gazekit.metrics.score import Score

NAN = math.nan


class Eight(Data):
    """Items 0 to 7, of which the last five are tested; the truth is the item itself."""

    def __init__(self, batch_size: int = 2) -> None:
        super().__init__(batch_size)
        self.parts = {"train": np.arange(3), "val": np.arange(3), "test": np.arange(3, 8)}

    def batch(self, index, generator=None):
        index = torch.as_tensor(index)
        return {"item": index, "truth": index.double(), "group": index // 2}

    def batch_for(self, index, facts):
        return self.batch(index) | {"shift": facts.get("shift", 0)}


class Says(Predictor):
    """Whatever a function makes of a batch."""

    def __init__(self, say: Callable, facts=None, reasons=None, about="") -> None:
        super().__init__(facts)
        self.say, self.reasons, self._about = say, reasons or {}, about
        self.asked: list = []

    @property
    def about(self) -> str:
        return self._about

    def predict(self, batch, generator, samples=1):
        self.asked.append((batch, samples, torch.is_grad_enabled(), self.training))
        return self.say(batch, generator)


class Kept(Metric):
    """Keeps items; subclasses say what an item is."""

    higher_is_better: bool | None = True
    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("values", [], dist_reduce_fx="cat")

    def compute(self):
        return torch.cat(self.values).nanmean()

    def interval(self, n_resamples=2000, level=0.95, seed=0) -> Score | dict[str, Score]:
        values = torch.cat(self.values)
        known = values[~values.isnan()]
        low, high = float(n_resamples), float(seed)  # so that tests see what was asked for
        return Score(
            float(known.mean()) if len(known) else NAN, low, high, len(known), len(values) - len(known)
        )


class Error(Kept):
    """Mean absolute error."""

    higher_is_better = False

    def update(self, said, truth):
        self.values.append((said - truth).abs())


class Sum(Kept):
    """Takes one argument more than anybody gives, and one that some give."""

    def update(self, said, bonus=None):
        self.values.append(said + (0 if bonus is None else bonus))


class Spread(Kept):
    """Metric with a part that it is named after and one more."""

    higher_is_better = None

    def update(self, spread):
        self.values.append(spread)

    def interval(self, n_resamples=2000, level=0.95, seed=0):
        whole = super().interval(n_resamples, level, seed)
        return {"": whole, "double": whole._replace(value=2 * whole.value)}


def exactly(batch, generator):
    return {"said": batch["truth"]}


def one_off(batch, generator):
    return {"said": batch["truth"] + 1, "spread": batch["truth"]}
