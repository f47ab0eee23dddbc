"""Predictions as they are shown and suggested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Shown"]


@dataclass(frozen=True)
class Shown:
    """Predictions of one frame.

    Args:
        version: of the model.
        boxes: [n, 4]. labels: [n] ids. score: [n]. margin: [n] p1 - p2.
        look: [D] mean feature of what was detected, or None.
    """

    version: int
    boxes: np.ndarray
    labels: tuple[int, ...]
    score: np.ndarray
    margin: np.ndarray
    look: np.ndarray | None = None

    def only(self, kept: Sequence[bool]) -> Shown:
        """Some of them, by [n] bool."""
        if all(kept):
            return self
        mask = np.array(kept, bool)
        labels = tuple(label for label, stays in zip(self.labels, kept, strict=True) if stays)
        boxes, score, margin = (part[mask] for part in (self.boxes, self.score, self.margin))
        return Shown(self.version, boxes, labels, score, margin, self.look)
