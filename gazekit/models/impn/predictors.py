"""Baselines of a report: the same frozen detector under a head that lacks something, trained on the same frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from gazekit.base import Data, Predictor
from gazekit.metrics.functional.threads import one_thread
from gazekit.models.impn.frame_labeller import FrameLabeller
from gazekit.models.impn.net import DetectorBelief, IMPNNet, LinearHead, Parts
from gazekit.schedule import one_cycle

__all__ = ["DetectorAlone", "DetectorLastLayer", "PerBox"]


class _OverDetector(Predictor):
    make_net: Callable[[int, int], nn.Module]

    def __init__(self, facts: Mapping[str, Any], detector_steps: int = 120) -> None:
        super().__init__(facts)
        self.detector_steps = detector_steps
        self.labeller = FrameLabeller(facts, type(self).make_net)

    def fit(self, data: Data) -> None:
        self.labeller.fit(data, self.detector_steps)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        return self.labeller.predict(batch)


class DetectorAlone(_OverDetector):
    """The frozen detector, trained on the first frames only.

    Args:
        facts: see `FrameLabeller`.
        detector_steps: of the detector's training.
    """

    make_net = DetectorBelief


class _Trained(_OverDetector):
    """Args:
    facts: see `FrameLabeller`.
    detector_steps: of the detector's training.
    steps: of the head's training.
    lr, weight_decay: of AdamW, as of the system.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        detector_steps: int = 120,
        steps: int = 200,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
    ) -> None:
        super().__init__(facts, detector_steps)
        self.steps, self.lr, self.weight_decay = steps, lr, weight_decay

    @one_thread()
    def fit(self, data: Data) -> None:
        super().fit(data)
        net, generator = self.labeller.net, torch.Generator().manual_seed(data.seed)
        optimizer = torch.optim.AdamW(net.parameters(), self.lr, weight_decay=self.weight_decay)
        schedule = one_cycle(optimizer, self.steps)
        self.train()
        for step in range(self.steps):
            optimizer.zero_grad()
            self.labeller.loss(data.training_batch(step), generator).backward()
            optimizer.step()
            schedule.step()
        self.eval()


class DetectorLastLayer(_Trained):
    """The detector's last layer, trained on the same frames as the graph: log p + W LN(z) + b."""

    make_net = LinearHead


class PerBox(_Trained):
    """The graph network without messages, of the same size: each box is labelled on its own."""

    make_net = partial(IMPNNet, parts=Parts(messages=False))
