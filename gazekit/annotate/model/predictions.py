"""The predictions of one frame, as they are drawn and suggested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["LEAST_SCORE", "FramePredictions"]

LEAST_SCORE = 0.2  # predictions below it are neither drawn nor suggested


@dataclass(frozen=True)
class FramePredictions:
    """Predictions of one frame.

    Args:
        version: of the model.
        boxes: [n, 4]. labels: [n] ids. score: [n]. margin: [n] p1 - p2.
        appearance: [D] mean feature of the detections, or None.
    """

    version: int
    boxes: np.ndarray
    labels: tuple[int, ...]
    score: np.ndarray
    margin: np.ndarray
    appearance: np.ndarray | None = None

    def only(self, kept: Sequence[bool]) -> FramePredictions:
        """The predictions for which `kept`, [n] bool, is true."""
        if all(kept):
            return self
        mask = np.array(kept, bool)
        labels = tuple(label for label, stays in zip(self.labels, kept, strict=True) if stays)
        boxes, score, margin = (part[mask] for part in (self.boxes, self.score, self.margin))
        return FramePredictions(self.version, boxes, labels, score, margin, self.appearance)
