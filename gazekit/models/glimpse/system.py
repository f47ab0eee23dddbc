"""Glimpse prediction as a system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gazekit.base import Data, System
from gazekit.models.glimpse.fitting import Course, build_net, fit_net, mean_glimpse
from gazekit.models.glimpse.objective import glimpse_losses, steps_of
from gazekit.models.glimpse.plateau import LinearFitPlateau

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GlimpsePrediction"]


class GlimpsePrediction(System):
    """From the glimpses so far, and perhaps the coming saccade, to the embedding of the next glimpse.

    Source: arXiv 2511.12715; its nets, losses and schedule, and a transformer beside them.

    Args:
        facts: of `GlimpseData`.
        net: B, S, R, RS, or attention: memory (R) and knowledge of the coming saccade (S), or `GlimpseAttentionNet`.
        heads: what is predicted: glimpse, caption, category, location. `GlimpseScores` needs glimpse.
        loss_weights: head to its weight; 1 where nothing is said.
        hidden, layers, dropout_in, dropout, residual: of the net.
        saccade_scale_px: saccades are divided by it; null = their typical length in the data, 1 = as in the source.
        fit_steps: of a short training in `fit`, so that cross-validation and `trainer=none` have a trained system; 0
            leaves all training to the trainer.
        lr, weight_decay: of that short training.
        init_seed: of first weights.

    Attributes:
        course: of the short training; None before.
    """

    course: Course | None = None

    def __init__(
        self,
        facts: Mapping[str, Any],
        net: str = "RS",
        heads: Sequence[str] = ("glimpse",),
        loss_weights: Mapping[str, float] | None = None,
        hidden: int = 1024,
        layers: int = 3,
        dropout_in: float = 0.1,
        dropout: float = 0.1,
        residual: bool = False,
        saccade_scale_px: float | None = None,
        fit_steps: int = 0,
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        init_seed: int = 0,
    ) -> None:
        super().__init__(facts)
        if "category" in heads and not facts.get("categories"):
            raise ValueError("model.heads has category, but these data have no labels: leave it out")
        self.net = build_net(
            facts,
            net,
            init_seed,
            heads=tuple(heads),
            hidden=hidden,
            layers=layers,
            dropout_in=dropout_in,
            dropout=dropout,
            residual=residual,
            saccade_scale_px=saccade_scale_px,
        )
        self.kind, self.loss_weights = net, dict(loss_weights or {})
        self.fit_steps, self.init_seed, self.rates = (
            fit_steps,
            init_seed,
            {"lr": lr, "weight_decay": weight_decay},
        )
        self._last_loss: Tensor | None = None

    def fit(self, data: Data) -> None:
        """The mean of training glimpses, and with `fit_steps` the weights."""
        self.net.mean.copy_(mean_glimpse(data))
        if self.fit_steps:
            self.course = fit_net(
                self.net,
                data,
                steps=self.fit_steps,
                weights=self.loss_weights,
                seed=self.init_seed,
                **self.rates,
            )

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """See `glimpse_losses`."""
        known = steps_of(batch)
        return glimpse_losses(self.net(known.glimpse, known.saccade_px), batch, self.loss_weights)

    def training_step(self, batch: Any, number: int) -> Tensor:
        loss = super().training_step(batch, number)
        self._last_loss = loss.detach()
        return loss

    def scheduled(self, optimizer: torch.optim.Optimizer) -> Any:
        """As of all systems; the plateau rule is told how long an epoch is."""
        found = super().scheduled(optimizer)
        if isinstance(found, dict) and isinstance(found["lr_scheduler"]["scheduler"], LinearFitPlateau):
            epoch = self.trainer.datamodule.steps_per_epoch(self.trainer.world_size)
            found["lr_scheduler"]["scheduler"].epoch_steps = epoch
        return found

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """The plateau rule sees the loss of each batch (each process its own), and may end the training."""
        if not isinstance(scheduler, LinearFitPlateau):
            super().lr_scheduler_step(scheduler, metric)
            return
        scheduler.step(float(self._last_loss))
        if scheduler.finished:
            self.trainer.should_stop = True

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """What the heads say [B, T, ...] after each glimpse, the `state` [B, T, n], and the `mask` [B, T] of glimpses
        that something follows. Nothing is random."""
        known = steps_of(batch)
        return {**self.net(known.glimpse, known.saccade_px), "mask": known.mask}

    def records(self, items: list[Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """`predictions.csv`: the predicted embedding, a line for each glimpse that something follows."""
        import pandas as pd

        scanpath, step = said["mask"].cpu().nonzero().unbind(1)
        name = "glimpse" if "glimpse" in said else "state"
        lines = {"item": [str(items[k]) for k in scanpath.tolist()], "glimpse": (step + 1).numpy()}
        values = said[name].detach().cpu()[scanpath, step].numpy()
        return {"predictions.csv": pd.DataFrame(lines | {f"{name}_{k}": x for k, x in enumerate(values.T)})}

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Contrast and sensitivity by row and by glimpse number."""
        from gazekit.models.glimpse.figures import glimpse_figures

        return glimpse_figures(table)

    def notes(self) -> list[str]:
        count = sum(p.numel() for p in self.net.parameters())
        return [f"glimpse prediction net {self.kind}, {count / 1e6:.2f} M parameters"]
