"""The learning rate of the glimpse prediction network: a warm-up, then lower wherever a line through losses is flat.

Source: arXiv 2511.12715 and its released code (MIT). Deviation: its rule of "more than 1 % worse than the best" means
0.99 times the best, which is right for negative losses only; here 1 % of the size of the best is added to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

__all__ = ["LinearFitPlateau", "StopWhenWorse"]


class LinearFitPlateau:
    """Learning rate by epoch, from the mean training loss of the epochs before.

    It rises linearly from `start` to the optimiser's own rate over the first `warm_up` epochs, which has it from then
    on. After them a line is fitted to the losses of the last `window` epochs; an epoch is bad if the fitted change
    from the first to the last of these is not a fall by more than `change` of the size of the first fitted value. More
    than `patience` bad epochs in a row lower the rate by `factor`, never below `minimum`, and the count starts again.

    All that it knows is in `state_dict`, also the losses of an epoch that has begun, so that a run that is resumed in
    the middle of an epoch goes on as if it had not been interrupted. Checkpoints of training keep it under
    `lr_schedulers`.

    Args:
        optimizer: whose rates are set.
        total_steps: not used; schedulers of gazekit are told it.
        epoch_steps: optimiser steps of an epoch; None = whoever trains sets it before the first step.
        start: rate of the first epoch, as a fraction of the optimiser's own.
        warm_up, window, patience: epochs.

    Attributes:
        epoch: number of whole epochs so far.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        total_steps: int | None = None,
        epoch_steps: int | None = None,
        start: float = 0.01,
        warm_up: int = 5,
        window: int = 3,
        patience: int = 5,
        change: float = 0.01,
        factor: float = 0.2,
        minimum: float = 1e-8,
    ) -> None:
        self.optimizer, self.epoch_steps, self.start = optimizer, epoch_steps, start
        self.warm_up, self.window, self.patience = warm_up, window, patience
        self.change, self.factor, self.minimum = change, factor, minimum
        self.peak = [group["lr"] for group in optimizer.param_groups]
        self.epoch, self.bad, self.lowered = 0, 0, 0
        self.losses: list[float] = []
        self.total, self.steps = 0.0, 0
        self._set()

    @property
    def finished(self) -> bool:
        """Whether all rates are as low as they get."""
        return self.lowered > 0 and max(self.rates()) <= self.minimum

    def rates(self) -> list[float]:
        """Of the present epoch, for each group of parameters."""
        if self.epoch < self.warm_up - 1:
            share = self.epoch / max(1, self.warm_up - 1)
            return [peak * (self.start + share * (1 - self.start)) for peak in self.peak]
        return [max(peak * self.factor**self.lowered, self.minimum) for peak in self.peak]

    def step(self, loss: float) -> None:
        """After each step of the optimiser, with the training loss of its batch.

        Raises:
            ValueError: nobody said how many steps an epoch has.
        """
        if self.epoch_steps is None:
            raise ValueError("epoch_steps is not set: say how many steps of the optimiser an epoch has")
        self.total, self.steps = self.total + float(loss), self.steps + 1
        if self.steps == self.epoch_steps:
            self._end_epoch(self.total / self.steps)

    def _end_epoch(self, loss: float) -> None:
        self.total, self.steps, self.epoch = 0.0, 0, self.epoch + 1
        self.losses = [*self.losses, loss][-self.window :]
        if self.epoch > self.warm_up and len(self.losses) == self.window:
            slope, begin = np.polyfit(np.arange(self.window), self.losses, 1)
            flat = slope * (self.window - 1) > -self.change * abs(begin)
            self.bad = self.bad + 1 if flat else 0
            if self.bad > self.patience:
                self.bad, self.lowered = 0, self.lowered + 1
        self._set()

    def _set(self) -> None:
        for group, rate in zip(self.optimizer.param_groups, self.rates(), strict=True):
            group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        names = ("peak", "epoch", "bad", "lowered", "losses", "total", "steps")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class StopWhenWorse(Callback):
    """Ends the training when the validation loss is worse than the best one so far by more than a share of its size.

    Its best loss is kept in checkpoints.

    Args:
        share: of the size of the best loss.
        monitor: name of the loss; lower is better.
    """

    def __init__(self, share: float = 0.01, monitor: str = "val/loss") -> None:
        self.share, self.monitor, self.best = share, monitor, float("inf")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loss = float(trainer.callback_metrics[self.monitor])
        if loss > self.best + self.share * abs(self.best):
            trainer.should_stop = True
        self.best = min(self.best, loss)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]
