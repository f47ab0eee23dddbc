"""The true flow as a row: what a perfect measurement of motion gets where people are judged, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gazekit.base import System

__all__ = ["TrueFlow"]


class TrueFlow(System):
    """The true motion: what perfect computer vision says, and how far people are from it.

    It learns nothing. It is the system of experiments on what people report in movies that are not at hand, in which
    every other row was recorded (`datasets.human_motion`).
    """

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(facts)
        why = "what the truth explains is all of it"
        self.reasons = dict.fromkeys(("partial_r", "consistency"), why)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`flow`, the batch's `true_flow`."""
        return {"flow": batch["true_flow"]}

    def notes(self) -> list[str]:
        """That no model was run."""
        return [
            "no movie is at hand: models are judged by what their authors recorded, and none of ours was run on them"
        ]
