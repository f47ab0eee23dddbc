"""What the graph head over a frozen detector is compared with: a detector all of whose weights learn."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from typing import Any

from gazekit.models.impn.detections import Detections, LabelledFrame, Predictions
from gazekit.models.impn.detector import Detector
from gazekit.models.impn.learner import Learner, UpdateReport

__all__ = ["OnWholeDetector", "WholeDetector"]


class WholeDetector:
    """All weights of a detector learn from labelled frames, at each update from those that it had at first.

    Args:
        detector: stays as it is.
        frames: of a video, with `read(number)`.
        numbers: of the frames that are looked at; labelled frames are numbered by their place in it.
        steps: of each training.
    """

    def __init__(self, detector: Detector, frames: Any, numbers: Sequence[int], steps: int) -> None:
        self.detector, self.frames, self.numbers, self.steps = detector, frames, list(numbers), steps
        self._found: dict[tuple[int, ...], list[Detections]] = {}

    def detections(self, labelled: Sequence[LabelledFrame]) -> list[Detections]:
        """In all frames, by the detector after it has learned from these; made once for the same ones."""
        key = tuple(frame.frame for frame in labelled)
        if key not in self._found:
            detector = copy.copy(self.detector)  # `fit` puts new weights into the copy
            pictures = [self.frames.read(self.numbers[place]) for place in key]
            truth = [frame.boxes for frame in labelled], [frame.labels for frame in labelled]
            detector.fit(pictures, *truth, self.steps)
            self._found[key] = [detector.detect([self.frames.read(n)])[0] for n in self.numbers]
        return self._found[key]


class OnWholeDetector:
    """The whole detector alone, or a graph head that is trained anew on it at each update.

    Args:
        whole: the detector, which may be shared.
        n_labels: C.
        exclusive: groups of labels, see `Learner`.
        seed: of the graph head.
        learns: whether there is a graph head.
    """

    def __init__(
        self, whole: WholeDetector, n_labels: int, exclusive: Sequence[Sequence[int]], seed: int, learns: bool
    ) -> None:
        self.whole, self.learns = whole, learns
        self._new = lambda: Learner(n_labels, whole.detector.feature_size, exclusive, seed)
        self._found: list[Detections] | None = None
        self._learner = self._new()

    def update(self, frames: Sequence[LabelledFrame], steps: int = 100) -> UpdateReport:
        """Train the detector, and the head if there is one."""
        start = time.perf_counter()
        self._found = self.whole.detections(frames)
        report = UpdateReport(True, math.nan, math.nan, 0.0, self.whole.steps, "The detector has learned.")
        if self.learns:
            self._learner = self._new()
            seen = [frame._replace(detections=self._found[frame.frame], recency=0) for frame in frames]
            report = self._learner.update(seen, steps=steps)
        return report._replace(seconds=time.perf_counter() - start)

    def predict(self, found: Sequence[Detections]) -> list[Predictions]:
        """Of all frames; `found` is of the detector as it was at first, and used before the first update only."""
        return self._learner.predict(found if self._found is None else self._found)
