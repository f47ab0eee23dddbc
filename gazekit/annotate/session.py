"""The annotation loop without a screen: what the page does over HTTP, as Python calls.

The store is the truth. The session adds what is derived from it and can be made again: pictures, gaze of a frame,
suggestions for fixations, the order of review, and the model that learns in the background.

Example:
    >>> session = AnnotationSession(Project.open("study/p01"))  # doctest: +SKIP
    >>> item = session.queue(limit=1)["items"][0]  # doctest: +SKIP
    >>> session.act({"op": "fixation.label", "fixation": item["id"], "label": 3}, author="ada")  # doctest: +SKIP
    >>> session.update(wait=True)  # doctest: +SKIP
"""

from __future__ import annotations

import logging
import math
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.annotate import timeline
from gazekit.annotate.beginnings import beginning
from gazekit.annotate.derived import Derived
from gazekit.annotate.frames import Frames
from gazekit.annotate.loop import Loop
from gazekit.annotate.model import Model, Shown
from gazekit.annotate.project import Project
from gazekit.annotate.questions import open_fixations, open_frames, ordered
from gazekit.annotate.stream import Stream
from gazekit.annotate.tracking import Tracking
from gazekit.recordings.recording import Gaze, RecordingError

__all__ = ["AnnotationSession"]

log = logging.getLogger(__name__)
RING_DVA = 1.5  # accuracy of head-mounted trackers in the field
UPDATE_EVERY = 10  # newly confirmed frames after which the model learns without being asked
RECENT = 40  # suggestions that tell whether it is time to stop


class AnnotationSession:
    """One project while people work on it. Several threads may call it.

    Args:
        project: what is annotated; not closed with the session.
        detector, learner: to start from; None: those of the project's last checkpoint, or new ones.
    """

    def __init__(self, project: Project, detector: Any = None, learner: Any = None) -> None:
        self.project, self.store, self.stream = project, project.store, Stream()
        self.frames = Frames(project.pictures)
        self.problem = ""
        self._gaze, self.ring_px = self._of_recording()
        self.derived = Derived(
            self.store, self.stream, lambda frame: self._of_labels(self.loop.shown.get(frame)), self.ring_px
        )
        self._unlearnt, self._taken = 0, deque[bool](maxlen=RECENT)
        model = Model(project.checkpoints, detector, learner, beginning(project))
        first = sorted(self.derived.rows)
        self.loop = Loop(project, model, self.frames, self.stream, first, self.derived.refresh)
        self.tracking = Tracking(self)
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

    def close(self) -> None:
        """Stop what runs in the background. What was done is in the store."""
        self.stream.close()
        self.tracking.close()
        self.loop.close()
        self.frames.close()

    # --- looking

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
        """Columns of `Store.fixations`, with `suggestion` (label id) and its `confidence`, None where unknown."""
        found, suggested = self.derived.table()
        found["suggestion"] = [s.label for s in suggested]
        found["confidence"] = [_known(s.confidence) for s in suggested]
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
        """`Store.stats`; `accepted` (share of the last `accepted_of` suggestions that people took, None before any);
        `held_out` [[confirmed frames, AP], ...] of all updates since the session began."""
        taken = list(self._taken)
        share = sum(taken) / len(taken) if taken else None
        more = {"accepted": share, "accepted_of": len(taken), "held_out": list(map(list, self.loop.history))}
        return self.store.stats() | more

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
            `total`, `items` of `Question.to_dict`.
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
        chosen = ordered(questions, order, self._look)[offset : offset + limit]
        return {"total": len(questions), "items": [question.to_dict() for question in chosen]}

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

    # --- acting

    def act(self, action: dict[str, Any], author: str, tab: str = "") -> dict[str, Any]:
        """`Store.act`; the answer has the frame's new `state` too. Other pages are told.

        Raises:
            Conflict, ValueError, StoreError: as `Store.act`.
        """
        answer = self.store.act(action, author, tab)
        if action["op"] in ("fixation.label", "fixation.confirm"):
            self._count_taken(action)
        self.derived.follow()
        if action["op"] == "frame.confirm":
            self._unlearnt += 1
            if self._unlearnt >= UPDATE_EVERY:
                self.update()
        return self._with_state(answer)

    def undo(self, author: str, tab: str = "", nonce: str | None = None) -> dict[str, Any] | None:
        """`Store.undo`, as `act`."""
        return self._stepped(self.store.undo(author, tab, nonce))

    def redo(self, author: str, tab: str = "", nonce: str | None = None) -> dict[str, Any] | None:
        """`Store.redo`, as `act`."""
        return self._stepped(self.store.redo(author, tab, nonce))

    def _stepped(self, answer: dict[str, Any] | None) -> dict[str, Any] | None:
        self.derived.follow()
        return None if answer is None else self._with_state(answer)

    def _with_state(self, answer: dict[str, Any]) -> dict[str, Any]:
        frame = answer["frame"]
        return answer | {"state": None if frame is None else self.store.frame(frame)}

    def _count_taken(self, action: dict[str, Any]) -> None:
        suggested = self.derived.suggestion(action["fixation"]).label
        if suggested is not None:
            self._taken.append(action.get("label") in (None, suggested))

    # --- model, propagation, files

    def update(self, wait: bool = False) -> None:
        """Let the model learn from all that is labelled, in the background.

        Args:
            wait: until it has learnt, the detector too.
        """
        self._unlearnt = 0
        self.loop.update()
        if wait:
            self.loop.wait()

    def cancel(self) -> None:
        """Stop learning and propagating."""
        self.loop.cancel()
        self.tracking.cancel()

    def model_status(self) -> dict[str, Any]:
        """`Loop.status`."""
        return self.loop.status()

    def propagate(
        self, frame: int, stop_frame: int, ids: list[int] | None = None, author: str = "model", tab: str = ""
    ) -> None:
        """Follow boxes of a frame, all by default, to another one, in the background; see `Tracking`."""
        self.tracking.start(frame, stop_frame, ids, author, tab)

    def export(self, format: str, folder: Path) -> Path:
        """Write an export, one file or several in a zip, into a folder; its path.

        Args:
            format: of `gazekit.annotate.exchange`, or "model".
        Raises:
            ValueError: an unknown format, no model yet.
        """
        from gazekit.annotate.files import export

        return export(self.project, self.loop.model, format, folder)

    def import_(self, format: str, path: Path, author: str, tab: str = "") -> dict[str, Any]:
        """Read labels of another tool's file as one action that can be undone.

        Raises:
            ValueError: an unknown format, a file that is none, or not of this recording.
        """
        from gazekit.annotate.files import import_

        answer = import_(self.project, format, path, author, tab)
        self.derived.follow()
        return answer


def _known(value: float) -> float | None:
    return None if value is None or math.isnan(value) else value
