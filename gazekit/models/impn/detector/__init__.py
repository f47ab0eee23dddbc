"""Detectors: what the graph model needs of one, and two that have it.

`TinyDetector` learns from scratch on a project's own frames, on a CPU; `TransformersDetector` fine-tunes RT-DETRv2 or
D-FINE from a folder, with the package transformers. Others need no more than the methods of `Detector`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

from gazekit.models.impn.detections import Detections
from gazekit.models.impn.detector.tiny import TinyDetector
from gazekit.models.impn.detector.training import FitReport

__all__ = ["Detector", "FitReport", "TinyDetector"]


@runtime_checkable
class Detector(Protocol):
    """What finds things in frames.

    Args:
        labels: names; they are only ever appended.
        feature_size: D of `Detections.features`.
    """

    labels: tuple[str, ...]
    feature_size: int

    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        """One `Detections` a frame; `frames` [H, W, 3] uint8 RGB. May be called while `fit` runs elsewhere."""
        ...

    def fit(
        self,
        frames: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray],
        labels: Sequence[np.ndarray],
        steps: int,
        should_stop: Callable[[], bool],
        progress: Callable[[float], None],
    ) -> FitReport:
        """Learn from frames on which everything is labelled: boxes [M, 4] px, labels [M] as of `LabelledFrame`."""
        ...

    def with_labels(self, labels: Sequence[str]) -> Self:
        """The same detector with more labels."""
        ...

    def save(self, path: str | Path) -> None:
        """Write it."""
        ...
