"""I-MPN as a system: a detector that starts from a few frames, and a graph head that is trained over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from gazekit.base import Data, System
from gazekit.models.impn.frame_labeller import FrameLabeller
from gazekit.models.impn.net import IMPNNet
from gazekit.models.impn.recordings import fixation_batches, label_table

__all__ = ["IMPN"]


class IMPN(System):
    """A graph network over the detections of a frame, which corrects the labels of a frozen detector.

    `fit` trains the detector on the part "detector" of the data; `loss` is that of the graph network alone, as in
    `Learner`, which learns the same from an annotator's corrections.

    Args:
        facts: `labels` and `exclusive`, see `FrameLabeller`.
        detector_steps: of the detector's training.
        width, layers, mixer: see `IMPNNet`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        detector_steps: int = 120,
        width: int = 128,
        layers: int = 2,
        mixer: str = "attention",
    ) -> None:
        super().__init__(facts)
        self.detector_steps = detector_steps
        self.labeller = FrameLabeller(facts, partial(IMPNNet, width=width, layers=layers, mixer=mixer))

    def fit(self, data: Data) -> None:
        self.labeller.fit(data, self.detector_steps)

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        return {"loss": self.labeller.loss(batch)}

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """See `FrameLabeller.predict`; nothing is random."""
        return self.labeller.predict(batch)

    def validate(self, batch: Mapping[str, Any]) -> None:
        right = self.labeller.predict(batch)["predicted"] == batch["label"].cpu()
        self.log("val/fixation_accuracy", right.float().mean(), batch_size=len(right), sync_dist=True)

    def read(self, input: Path) -> Iterator[tuple[list[Any], dict[str, Any]]]:
        """Fixations of a recording with a scene video, see `recordings.fixation_batches`."""
        return fixation_batches(input)

    def records(self, items: list[Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """`labels.csv`: a line a fixation with frame, times, label, score and box."""
        table: pd.DataFrame = label_table(items, said, self.labeller.labels)
        return {"labels.csv": table}

    def notes(self) -> list[str]:
        return [f"the detector was trained from scratch in {self.detector_steps} steps and then frozen"]
