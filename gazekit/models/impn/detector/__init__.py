"""Detectors: what the graph model needs of one, and two that have it.

`TinyDetector` learns from scratch on a project's own frames, on a CPU; `TransformersDetector` fine-tunes RT-DETRv2 or
D-FINE from a folder, with the package transformers. Others need no more than the methods of `Detector`. `load` reads
what `save` of either wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from safetensors import SafetensorError, safe_open

from gazekit.models.impn.detections import Detections
from gazekit.models.impn.detector.tiny import TinyDetector
from gazekit.models.impn.detector.training import FitReport

__all__ = ["Detector", "FitReport", "TinyDetector", "load"]


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
        steps: int = ...,
        should_stop: Callable[[], bool] = ...,
        progress: Callable[[float], None] = ...,
    ) -> FitReport:
        """Learn from frames on which everything is labelled: boxes [M, 4] px, labels [M] as of `LabelledFrame`."""
        ...

    def with_labels(self, labels: Sequence[str]) -> Self:
        """The same detector with more labels."""
        ...

    def save(self, path: str | Path) -> None:
        """Write it."""
        ...


def load(path: str | Path) -> Detector:
    """A `TinyDetector` or `TransformersDetector` as its `save` wrote it. Nothing in the file is executed.

    Raises:
        ImportError: it needs transformers. FileNotFoundError: no such file.
        ValueError: a damaged file, or one of something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with safe_open(str(path), "pt") as file:
            kind = (file.metadata() or {}).get("format", "")
    except SafetensorError as error:
        raise ValueError(f"{path} is no detector that was saved, or it is damaged: {error}") from error
    if kind.startswith("gazekit.transformers_detector"):
        from gazekit.models.impn.detector.transformers import TransformersDetector

        return TransformersDetector.load(path)
    return TinyDetector.load(path)
