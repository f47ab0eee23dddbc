"""Propagation of boxes through a range of frames in the background, written as one action that can be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np

from gazekit.annotate.model.propagation import Propagated
from gazekit.annotate.model.propagators import propagator_of
from gazekit.annotate.model.worker import Job, Status, Worker
from gazekit.annotate.project import Project
from gazekit.annotate.project.actions import BY_HAND
from gazekit.annotate.session.event_stream import EventStream

__all__ = ["Tracking"]


class Tracking:
    """Propagates boxes of a session, one range at a time.

    Args:
        project: whose boxes are propagated.
        act: `AnnotationSession.act`.
        stream: publishes the status as the event `propagation`.
    """

    def __init__(self, project: Project, act: Callable[..., dict[str, Any]], stream: EventStream) -> None:
        self._project, self._act, self._stream = project, act, stream
        self._propagate: Callable[..., Iterator[Propagated]] | None = None
        self.worker = Worker("propagating", self._publish)

    def start(self, frame: int, stop_frame: int, ids: list[int] | None, author: str, tab: str) -> None:
        """Propagate boxes from a frame to another one (inclusive), forward or backward.

        A box ends where it is lost, and before the next frame in which its object was drawn by hand. If cancelled,
        the frames reached so far are kept.

        Args:
            ids: of boxes; None: all boxes of the frame.
        Raises:
            ValueError: no such boxes; the frame itself; frames outside the video; another propagation is running.
        """
        last = self._project.n_frames - 1
        if not (0 <= frame <= last and 0 <= stop_frame <= last) or stop_frame == frame:
            raise ValueError(f"frame and stop_frame must be two of 0 to {last}, got {frame} and {stop_frame}")
        boxes = self._project.store.frame(frame)["boxes"]
        chosen = [box for box in boxes if ids is None or box["id"] in ids]
        if not chosen or (ids is not None and len(chosen) < len(set(ids))):
            there = [box["id"] for box in boxes]
            raise ValueError(f"frame {frame} has boxes {there}, requested: {'all' if ids is None else ids}")
        if self.worker.busy:
            raise ValueError("a propagation is running; wait for its end or cancel it")
        self.worker.start(lambda job: self._run(job, frame, stop_frame, chosen, author, tab))

    def cancel(self) -> None:
        """Stop; the frames reached so far are kept."""
        self.worker.cancel()

    def close(self) -> None:
        """Stop and wait for the end."""
        self.cancel()
        self.worker.wait()

    def _run(
        self, job: Job, frame: int, stop_frame: int, chosen: list[dict[str, Any]], author: str, tab: str
    ) -> str:
        way = 1 if stop_frame > frame else -1
        ends = [self._end(box["track"], frame, stop_frame, way) for box in chosen]
        found: list[dict[str, Any]] = []
        if self._propagate is None:
            self._propagate = propagator_of(self._project)
        with closing(self._project.pictures()) as pictures:
            first = np.array([box["box"] for box in chosen])
            for one in self._propagate(pictures, frame, first, max(ends, key=lambda end: way * end), way):
                for box, end, sides, score in zip(chosen, ends, one.boxes, one.confidence, strict=True):
                    if score > 0 and way * one.frame < way * end:
                        place = {"frame": one.frame, "track": box["track"], "label": box["label"]}
                        found.append(place | {"box": sides.tolist(), "score": round(float(score), 4)})
                job.progress(abs(one.frame - frame) / abs(stop_frame - frame))
                if job.should_stop():
                    break
        if not found:
            return "all boxes were lost at once: nothing was propagated"
        action = {"op": "boxes.put", "frame": frame, "boxes": found, "source": "propagated"}
        answer = self._act(action, author, tab)
        reached = max((box["frame"] for box in found), key=lambda f: way * f)
        kept = f"; {answer['skipped']} boxes existed already" if answer["skipped"] else ""
        short = "" if reached == stop_frame else f", where the last box was lost (requested: {stop_frame})"
        return f"propagated to frame {reached}{short}{kept}"

    def _end(self, track: int, frame: int, stop_frame: int, way: int) -> int:
        """The first frame that a track is not propagated to."""
        drawn = (
            row["frame"]
            for row in self._project.store.boxes(track)
            if row["keyframe"] and row["source"] in BY_HAND
        )
        between = [f for f in drawn if way * frame < way * f <= way * stop_frame]
        return min(between, key=lambda f: way * f, default=stop_frame + way)

    def _publish(self, status: Status) -> None:
        self._stream.publish("propagation", status.to_dict())
