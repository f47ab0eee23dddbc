"""The read-only half of a session: the store, and what is derived from it.

Derived are pictures, the gaze in a frame, predictions, suggestions for fixations and the order of review.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gazekit.annotate.model.initial_detectors import initial_detector
from gazekit.annotate.model.model import Model
from gazekit.annotate.model.predictions import FramePredictions
from gazekit.annotate.project import Project, timeline
from gazekit.annotate.project.frames import Frames
from gazekit.annotate.session.event_stream import EventStream
from gazekit.annotate.session.fixation_table import FixationTable
from gazekit.annotate.session.loop import Loop
from gazekit.annotate.session.review_queue import open_fixations, open_frames
from gazekit.errors import RecordingError
from gazekit.recordings.recording import Gaze

if TYPE_CHECKING:
    from gazekit.models.impn import Learner
    from gazekit.models.impn.detector import Detector

__all__ = ["SessionView"]

log = logging.getLogger(__name__)
RING_DVA = 1.5  # accuracy of head-mounted trackers in the field


class SessionView:
    """The methods of `AnnotationSession` that change nothing. Several threads may call them.

    Args:
        project, detector, learner: see `AnnotationSession`.
    """

    def __init__(self, project: Project, detector: Detector | None, learner: Learner | None) -> None:
        self.project, self.store, self.stream = project, project.store, EventStream()
        self.frames = Frames(project.pictures)
        self.problem = ""
        self._gaze, self.ring_px = self._of_recording()
        self.fixation_table = FixationTable(
            self.store,
            self.stream,
            lambda frame: self._of_labels(self.loop.predictions.get(frame)),
            self.ring_px,
        )
        model = Model(project.checkpoints, detector, learner, initial_detector(project), project.identity)
        first = sorted(self.fixation_table.rows)
        self.loop = Loop(project, model, self.frames, self.stream, first, self.fixation_table.refresh)
        self._tracks: tuple[Any, list[dict[str, Any]]] = (None, [])
        self.fixation_table.refresh(self.fixation_table.rows)
        self.frames.open_ahead()

    def _of_recording(self) -> tuple[Gaze | None, float]:
        """Gaze, and the radius of its accuracy; people can label even if the recording is missing or broken."""
        try:
            recording, per_dva = self.project.recording, self.project.px_per_dva
        except (RecordingError, OSError) as error:
            self.problem = str(error)
            log.warning("gaze is not shown: %s", error)
            return None, 0.0
        gaze = recording.gaze() if recording is not None and len(recording.samples) else None
        return gaze, 0.0 if per_dva is None or math.isnan(per_dva) else RING_DVA * per_dva

    def info(self) -> dict[str, Any]:
        """The facts with which a page starts."""
        times = self.project.frame_t_ms
        return {
            "uuid": self.project.uuid,
            "name": self.project.name,
            "recording": self.project.ids["folder"],
            "size_px": list(self.project.size_px),
            "n_frames": len(times),
            "duration_ms": float(times[-1] - times[0]) if len(times) else 0.0,
            "start_ms": float(times[0]) if len(times) else 0.0,
            "labels": self.store.labels(),
            "n_fixations": len(self.fixation_table.suggestions),
            "ring_px": self.ring_px or None,
            "model": self.loop.status(),
            "problem": self.problem,
            "version": self.stream.last_id,
        }

    def times(self) -> np.ndarray:
        """[F] ms of each frame."""
        return self.project.frame_t_ms

    def fixations(self) -> dict[str, list[Any]]:
        """Columns of `Store.fixations`, with `suggestion` (label id) and its `confidence`, None where unknown, and
        `by_model`, whether it comes from the model's predictions rather than from boxes of the store."""
        found, suggested = self.fixation_table.table()
        found["suggestion"] = [s.label for s in suggested]
        found["confidence"] = [_known(s.confidence) for s in suggested]
        found["by_model"] = [s.by_model for s in suggested]
        return found

    def suggestion(self, fixation: int) -> dict[str, Any]:
        """For one fixation: `label` (id), `confidence` and `margin` (all None where unknown), `near` (another area).

        Raises:
            ValueError: no such fixation.
        """
        found = self.fixation_table.suggestion(fixation)
        sure = {"confidence": _known(found.confidence), "margin": _known(found.margin)}
        return {"label": found.label, **sure, "near": found.near}

    def frame(self, index: int) -> dict[str, Any]:
        """`Store.frame`, and `predictions` [{label, box, score, margin}], `gaze` [[t_ms, x, y], ...] from this frame's
        time until the next one's, `fixations` (ids).

        Raises:
            IndexError: no such frame.
        """
        if not 0 <= index < self.project.n_frames:
            raise IndexError(f"the recording has frames 0 to {self.project.n_frames - 1}, got {index}")
        found = self.store.frame(index)
        found["predictions"] = self._predictions(index)
        found["gaze"] = self._gaze_of(index)
        found["fixations"] = self.fixation_table.fixations_in(index)
        return found

    def tracks(self, first: int = 0, last: int | None = None) -> dict[str, Any]:
        """`gazekit.annotate.project.timeline.tracks` of some frames, by default all.

        Raises:
            ValueError: the recording has no such first frame, or the last one is before it.
        """
        end = self.project.n_frames - 1
        last = end if last is None else min(last, end)
        if not max(first, 0) <= last:
            raise ValueError(
                f"first must be a frame from 0 to {end} and last not before it, got {first}, {last}"
            )
        asked = (max(first, 0), last, self.fixation_table.seen)
        if self._tracks[0] != asked:
            self._tracks = (asked, timeline.tracks(self.store.path, *asked[:2]))
        return {"tracks": self._tracks[1]}

    def stats(self) -> dict[str, Any]:
        """`Store.stats`, and

        `confirmed_of`: number of frames that the queue has ever asked for or people have confirmed;
        `held_out`: [[confirmed frames, AP], ...] of all updates since the session began.
        """
        asked = {*self._sampled(), *self.store.confirmed_frames()}
        more = {"confirmed_of": len(asked), "held_out": list(map(list, self.loop.history))}
        stats = self.store.stats()
        stats["unreviewed_fixations"] += len(self.fixation_table.predicted())
        return stats | more

    def queue(
        self, order: str = "uncertainty", kind: str = "fixation", offset: int = 0, limit: int = 50
    ) -> dict[str, Any]:
        """What to review next: fixations without an answer, or frames that nobody has confirmed.

        The queue of frames has those with fixations; in a recording without fixations one per second.

        Args:
            order: of `gazekit.annotate.session.review_queue.ORDERS`.
            kind: "fixation" or "frame".
            offset, limit: a part of the queue, at most 1000 items.
        Returns:
            `total`, `items` of `ReviewQueue.item`.
        Raises:
            ValueError: unknown order or kind, offset or limit out of bounds.
        """
        if kind not in ("fixation", "frame"):
            raise ValueError(f"kind must be fixation or frame, got {kind!r:.80}")
        if offset < 0 or not 0 <= limit <= 1000:
            raise ValueError(f"offset must be >= 0 and limit 0 to 1000, got {offset} and {limit}")
        queue = open_fixations(*self.fixation_table.table())
        if kind == "frame":
            confirmed = set(self.store.confirmed_frames())
            frames = [frame for frame in self._sampled() if frame not in confirmed]
            queue = open_frames(frames, queue, self.loop.predictions.get)
        chosen = queue.order(order, self._appearance)[offset : offset + limit]
        return {"total": len(queue), "items": [queue.item(index) for index in chosen]}

    def _sampled(self) -> list[int]:
        frames = sorted(frame for frame in self.fixation_table.rows if frame >= 0)
        if frames or not self.project.n_frames:
            return frames
        seconds = np.floor((self.times() - self.times()[0]) / 1000)
        return np.flatnonzero(np.diff(seconds, prepend=-1) > 0).tolist()

    def _appearance(self, frame: int) -> np.ndarray | None:
        predictions = self.loop.predictions.get(frame)
        return None if predictions is None else predictions.appearance

    def _gaze_of(self, index: int) -> list[list[float | None]]:
        if self._gaze is None:
            return []
        times = self.project.frame_t_ms
        end = times[index + 1] if index + 1 < len(times) else math.inf
        first, last = np.searchsorted(self._gaze.t_ms, [times[index], end])
        last = min(int(last), int(first) + 1000)  # what follows the last frame may be long
        part = slice(int(first), last)
        rows = np.column_stack([self._gaze.t_ms[part], self._gaze.xy_px[part]])
        return [[_known(value) for value in row] for row in rows.round(3).tolist()]

    def _predictions(self, index: int) -> list[dict[str, Any]]:
        predictions = self._of_labels(self.loop.predict(index))
        if predictions is None:
            return []
        columns = (
            predictions.labels,
            predictions.boxes.round(2).tolist(),
            predictions.score.tolist(),
            predictions.margin.tolist(),
        )
        names = ("label", "box", "score", "margin")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _of_labels(self, predictions: FramePredictions | None) -> FramePredictions | None:
        """Predictions without those of removed labels: the model takes a merge into account at its next update."""
        if predictions is None:
            return None
        there = {label["id"] for label in self.store.labels()}
        return predictions.only([label in there for label in predictions.labels])


def _known(value: float) -> float | None:
    return None if value is None or math.isnan(value) else value
