"""What is seen of a project while people work on it: the store, and what is derived from it and can be made again.

That is pictures, gaze of a frame, predictions, suggestions for fixations and the order of review.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np

from gazekit.annotate import timeline
from gazekit.annotate.beginnings import beginning
from gazekit.annotate.derived import Derived
from gazekit.annotate.frames import Frames
from gazekit.annotate.loop import Loop
from gazekit.annotate.model import Model, Shown
from gazekit.annotate.project import Project
from gazekit.annotate.questions import open_fixations, open_frames
from gazekit.annotate.stream import Stream
from gazekit.errors import RecordingError
from gazekit.recordings.recording import Gaze

__all__ = ["Looking"]

log = logging.getLogger(__name__)
RING_DVA = 1.5  # accuracy of head-mounted trackers in the field


class Looking:
    """The half of `AnnotationSession` that changes nothing. Several threads may call it.

    Args:
        project, detector, learner: see `AnnotationSession`.
    """

    def __init__(self, project: Project, detector: Any, learner: Any) -> None:
        self.project, self.store, self.stream = project, project.store, Stream()
        self.frames = Frames(project.pictures)
        self.problem = ""
        self._gaze, self.ring_px = self._of_recording()
        self.derived = Derived(
            self.store, self.stream, lambda frame: self._of_labels(self.loop.shown.get(frame)), self.ring_px
        )
        model = Model(project.checkpoints, detector, learner, beginning(project), project.identity)
        first = sorted(self.derived.rows)
        self.loop = Loop(project, model, self.frames, self.stream, first, self.derived.refresh)
        self._tracks: tuple[Any, list[dict[str, Any]]] = (None, [])
        self.derived.refresh(self.derived.rows)
        self.frames.open_ahead()

    def _of_recording(self) -> tuple[Gaze | None, float]:
        """Gaze, and the radius of its accuracy; labels can be made where the recording is gone or broken."""
        try:
            recording, per_dva = self.project.recording, self.project.px_per_dva
        except (RecordingError, OSError) as error:
            self.problem = str(error)
            log.warning("no gaze is shown: %s", error)
            return None, 0.0
        gaze = recording.gaze() if recording is not None and len(recording.samples) else None
        return gaze, 0.0 if per_dva is None or math.isnan(per_dva) else RING_DVA * per_dva

    def info(self) -> dict[str, Any]:
        """What a page needs first."""
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
            "n_fixations": len(self.derived.suggestions),
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
        `by_model`, whether it was read from the model's predictions rather than from boxes that are kept."""
        found, suggested = self.derived.table()
        found["suggestion"] = [s.label for s in suggested]
        found["confidence"] = [_known(s.confidence) for s in suggested]
        found["by_model"] = [s.by_model for s in suggested]
        return found

    def suggestion(self, fixation: int) -> dict[str, Any]:
        """For one fixation: `label` (id), `confidence` and `margin` (all None where unknown), `near` (another area).

        Raises:
            ValueError: no such fixation.
        """
        found = self.derived.suggestion(fixation)
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
        found["fixations"] = self.derived.fixations_in(index)
        return found

    def tracks(self, first: int = 0, last: int | None = None) -> dict[str, Any]:
        """`gazekit.annotate.timeline.tracks` of some frames, all by default.

        Raises:
            ValueError: the recording doesn't have the first one, or the last is before it.
        """
        end = self.project.n_frames - 1
        last = end if last is None else min(last, end)
        if not max(first, 0) <= last:
            raise ValueError(
                f"first must be a frame from 0 to {end} and last not before it, got {first}, {last}"
            )
        asked = (max(first, 0), last, self.derived.seen)
        if self._tracks[0] != asked:
            self._tracks = (asked, timeline.tracks(self.store.path, *asked[:2]))
        return {"tracks": self._tracks[1]}

    def stats(self) -> dict[str, Any]:
        """`Store.stats`, and

        `confirmed_of`: frames that the queue asks for in all, with those that were confirmed beside it;
        `held_out`: [[confirmed frames, AP], ...] of all updates since the session began.
        """
        asked = {*self._sampled(), *self.store.confirmed_frames()}
        more = {"confirmed_of": len(asked), "held_out": list(map(list, self.loop.history))}
        stats = self.store.stats()
        stats["unreviewed_fixations"] += len(self.derived.predicted())
        return stats | more

    def queue(
        self, order: str = "uncertainty", kind: str = "fixation", offset: int = 0, limit: int = 50
    ) -> dict[str, Any]:
        """What to ask next: fixations without an answer, or frames that nobody has confirmed.

        Frames are those in which fixations lie; without fixations one a second.

        Args:
            order: of `gazekit.annotate.questions.ORDERS`.
            kind: "fixation" or "frame".
            offset, limit: which part of it, at most 1000.
        Returns:
            `total`, `items` of `Questions.item`.
        Raises:
            ValueError: another order or kind, a part out of bounds.
        """
        if kind not in ("fixation", "frame"):
            raise ValueError(f"kind must be fixation or frame, got {kind!r:.80}")
        if offset < 0 or not 0 <= limit <= 1000:
            raise ValueError(f"offset must be >= 0 and limit 0 to 1000, got {offset} and {limit}")
        questions = open_fixations(*self.derived.table())
        if kind == "frame":
            confirmed = set(self.store.confirmed_frames())
            frames = [frame for frame in self._sampled() if frame not in confirmed]
            questions = open_frames(frames, questions, self.loop.shown.get)
        chosen = questions.order(order, self._look)[offset : offset + limit]
        return {"total": len(questions), "items": [questions.item(index) for index in chosen]}

    def _sampled(self) -> list[int]:
        frames = sorted(frame for frame in self.derived.rows if frame >= 0)
        if frames or not self.project.n_frames:
            return frames
        seconds = np.floor((self.times() - self.times()[0]) / 1000)
        return np.flatnonzero(np.diff(seconds, prepend=-1) > 0).tolist()

    def _look(self, frame: int) -> np.ndarray | None:
        shown = self.loop.shown.get(frame)
        return None if shown is None else shown.look

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
        shown = self._of_labels(self.loop.of(index))
        if shown is None:
            return []
        columns = (shown.labels, shown.boxes.round(2).tolist(), shown.score.tolist(), shown.margin.tolist())
        names = ("label", "box", "score", "margin")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _of_labels(self, shown: Shown | None) -> Shown | None:
        """Predictions without those of labels that are gone: the model learns of a merge at its next update."""
        if shown is None:
            return None
        there = {label["id"] for label in self.store.labels()}
        return shown.only([label in there for label in shown.labels])


def _known(value: float) -> float | None:
    return None if value is None or math.isnan(value) else value
