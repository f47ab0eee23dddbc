"""Rows beside a glimpse predictor: copies of the present glimpse, the mean glimpse, and nets that learn in `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.functional import normalize

from gazekit.base import Data, Predictor
from gazekit.models.glimpse.fitting import Course, build_net, fit_net, mean_glimpse
from gazekit.models.glimpse.objective import steps_of

__all__ = ["CopyGlimpse", "GlimpseRow", "MeanGlimpse"]


SMALL = {"hidden": 128, "layers": 2}


class CopyGlimpse(Predictor):
    """The next glimpse is like the present one.

    Args:
        facts: of `GlimpseData`.
        centred: less the mean glimpse of the training part, which all glimpses share and which tells nothing apart.
    """

    def __init__(self, facts: Mapping[str, Any] | None = None, centred: bool = False) -> None:
        super().__init__(facts)
        self.centred = centred
        self.register_buffer("mean", torch.zeros(self.facts.get("size", 1)))

    @property
    def about(self) -> str:
        return "The present glimpse" + (", less the mean of training glimpses." if self.centred else ".")

    def fit(self, data: Data) -> None:
        if self.centred:
            self.mean.copy_(mean_glimpse(data))

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        return {"glimpse": steps_of(batch).glimpse - self.mean}


class MeanGlimpse(CopyGlimpse):
    """The mean glimpse of the training part, whatever is seen."""

    about = "The mean glimpse of the training part, whatever is seen."

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(facts, centred=True)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        return {"glimpse": self.mean.expand_as(steps_of(batch).glimpse)}


class GlimpseRow(Predictor):
    """A net of glimpse prediction that learns in `fit`.

    Args:
        facts: of `GlimpseData`.
        net: one of `fitting.NETS`.
        scanpaths: what it learns from instead of the scanpaths of the data: `permuted`, `swapped` or `uniform` ones on
            the same pictures (`ScanpathGlimpses.with_scanpaths`). It is judged on those of the data. None = those.
        members: nets with first weights and dropout of their own, whose directions are averaged.
        steps, lr, weight_decay: see `fit_net`.
        seed: of first weights and dropout.
        settings: of the net; where nothing is said it has 2 layers of 128 units.

    Attributes:
        courses: of the last `fit`, one for each member.
    """

    courses: tuple[Course, ...] = ()

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        net: str = "RS",
        scanpaths: str | None = None,
        members: int = 1,
        steps: int = 600,
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(facts)
        self.net, self.scanpaths, self.steps, self.seed = net, scanpaths, steps, seed
        self.rates = {"lr": lr, "weight_decay": weight_decay}
        self.members = nn.ModuleList(
            build_net(self.facts, net, seed + k, **(SMALL | dict(settings or {}))) for k in range(members)
        )
        self.requires_grad_(False)

    @property
    def about(self) -> str:
        source = f" that learnt from {self.scanpaths} scanpaths" if self.scanpaths else ""
        many = f", {len(self.members)} of them averaged" if len(self.members) > 1 else ""
        return f"Glimpse prediction net {self.net}{source}{many}."

    def fit(self, data: Data) -> None:
        if self.scanpaths is not None:
            data = data.with_scanpaths(self.scanpaths)
        self.requires_grad_(True)
        self.courses = tuple(
            fit_net(net, data, steps=self.steps, seed=self.seed + k, **self.rates)
            for k, net in enumerate(self.members)
        )
        self.requires_grad_(False)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`glimpse` [B, T, D]; `state` [B, T, n] and what other heads say, of one net only."""
        known = steps_of(batch)
        every = [net(known.glimpse, known.saccade_px) for net in self.members]
        if len(every) == 1:
            return every[0]
        return {"glimpse": torch.stack([normalize(said["glimpse"], dim=2) for said in every]).mean(0)}
