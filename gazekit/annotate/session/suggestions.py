"""The probable label of each fixation: from the boxes of its frame, labelled ones if there are any, else predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gazekit.annotate.project.gaze_area import area_at

__all__ = ["Areas", "Suggestion", "Suggestions"]


@dataclass(frozen=True)
class Areas:
    """Boxes of one frame, from which a label can be read.

    Args:
        boxes: [N, 4] half-open pixels.
        labels: [N] ids of labels.
        score: [N] probability of each label.
        margin: [N] its distance to the second best, p1 - p2.
        by_model: they are predictions, not boxes of the store.
    """

    boxes: np.ndarray
    labels: Sequence[int]
    score: np.ndarray
    margin: np.ndarray
    by_model: bool = False


@dataclass(frozen=True)
class Suggestion:
    """For one fixation.

    Args:
        label: id; None where nothing is known about its frame.
        confidence: probability of the label, NaN where unknown.
        margin: p1 - p2, NaN where unknown.
        near: the ring of gaze accuracy touches another area too.
        by_model: it comes from the model's predictions.
    """

    label: int | None = None
    confidence: float = float("nan")
    margin: float = float("nan")
    near: bool = False
    by_model: bool = False


class Suggestions:
    """The suggestions of all fixations, kept up to date frame by frame.

    Args:
        frame: [N] frame of each fixation.
        xy_px: [N, 2] positions.
        background: id of the label for fixations in no box.
        ring_px: radius of gaze accuracy.
    """

    def __init__(self, frame: np.ndarray, xy_px: np.ndarray, background: int, ring_px: float) -> None:
        self._xy, self._background, self._ring = np.asarray(xy_px, np.float64), background, ring_px
        self.of: list[Suggestion] = [Suggestion()] * len(frame)
        self.rows: dict[int, list[int]] = {}
        for row, number in enumerate(np.asarray(frame).tolist()):
            self.rows.setdefault(number, []).append(row)

    def refresh(self, frames: Iterable[int], areas: Callable[[int], Areas | None]) -> list[int]:
        """Recompute the suggestions of some frames; returns the rows that changed."""
        changed = []
        for frame in frames:
            rows = self.rows.get(frame)
            if not rows:
                continue
            found = areas(frame)
            for row in rows:
                new = Suggestion() if found is None else self._read(self._xy[row], found)
                if repr(new) != repr(self.of[row]):  # NaN equals NaN
                    self.of[row] = new
                    changed.append(row)
        return changed

    def _read(self, xy: np.ndarray, areas: Areas) -> Suggestion:
        index, near = area_at(xy, areas.boxes, areas.labels, self._ring)
        if index >= 0:
            score, margin = float(areas.score[index]), float(areas.margin[index])
            return Suggestion(areas.labels[index], score, margin, near, areas.by_model)
        if not np.isfinite(xy).all():
            return Suggestion()
        # In no box: 1 - the score of the best box within the ring.
        best = 0.0
        if near:
            reach = np.asarray(areas.boxes) + np.array([-1, -1, 1, 1]) * self._ring
            best = max(
                (float(s) for s, (x0, y0, x1, y1) in zip(areas.score, reach, strict=True)
                 if x0 <= xy[0] <= x1 and y0 <= xy[1] <= y1), default=0.0,
            )  # fmt: skip
        return Suggestion(self._background, 1.0 - best, abs(1.0 - 2.0 * best), near, areas.by_model)
