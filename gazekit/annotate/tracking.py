"""Boxes carried through a range of frames in the background, written as one action that can be undone."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np

from gazekit.annotate.actions import BY_HAND
from gazekit.annotate.propagators import propagator_of
from gazekit.annotate.worker import Job, Status, Worker

__all__ = ["Tracking"]


class Tracking:
    """Propagation of a session's boxes; one range at a time.

    Args:
        session: `gazekit.annotate.session.AnnotationSession`; its pages are told by the event `propagation`.
    """

    def __init__(self, session: Any) -> None:
        self._session, self._propagate = session, None
        self.worker = Worker("propagating", self._tell)

    def start(self, frame: int, stop_frame: int, ids: list[int] | None, author: str, tab: str) -> None:
        """Carry boxes from a frame to another one, it included, forward or backward.

        A box ends where it is lost, and before the next frame in which somebody has drawn its thing. Cancelled, it
        keeps what was reached.

        Args:
            ids: of boxes; None: all of the frame.
        Raises:
            ValueError: no such boxes; the frame itself; frames that the video lacks; another range is being carried.
        """
        last = self._session.project.n_frames - 1
        if not (0 <= frame <= last and 0 <= stop_frame <= last) or stop_frame == frame:
            raise ValueError(f"frame and stop_frame must be two of 0 to {last}, got {frame} and {stop_frame}")
        boxes = self._session.store.frame(frame)["boxes"]
        chosen = [box for box in boxes if ids is None or box["id"] in ids]
        if not chosen or (ids is not None and len(chosen) < len(set(ids))):
            there = [box["id"] for box in boxes]
            raise ValueError(
                f"frame {frame} has boxes {there}, to be carried were {'all' if ids is None else ids}"
            )
        if self.worker.busy:
            raise ValueError("a range is being propagated; wait for its end or cancel it")
        self.worker.start(lambda job: self._carry(job, frame, stop_frame, chosen, author, tab))

    def cancel(self) -> None:
        """Stop; what was carried so far is kept."""
        self.worker.cancel()

    def close(self) -> None:
        """Stop and wait for the end."""
        self.cancel()
        self.worker.wait()

    def _carry(
        self, job: Job, frame: int, stop_frame: int, chosen: list[dict[str, Any]], author: str, tab: str
    ) -> str:
        way = 1 if stop_frame > frame else -1
        ends = [self._end(box["track"], frame, stop_frame, way) for box in chosen]
        found: list[dict[str, Any]] = []
        if self._propagate is None:
            self._propagate = propagator_of(self._session.project)
        with closing(self._session.project.pictures()) as pictures:
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
            return "lost at once: nothing was carried"
        action = {"op": "boxes.put", "frame": frame, "boxes": found, "source": "propagated"}
        answer = self._session.act(action, author, tab)
        reached = max((box["frame"] for box in found), key=lambda f: way * f)
        kept = f", {answer['skipped']} boxes were there already" if answer["skipped"] else ""
        short = "" if reached == stop_frame else f", then no box was sure enough (asked for {stop_frame})"
        return f"carried to frame {reached}{short}{kept}"

    def _end(self, track: int, frame: int, stop_frame: int, way: int) -> int:
        """The first frame that a track is not carried to."""
        drawn = (
            row["frame"]
            for row in self._session.store.boxes(track)
            if row["keyframe"] and row["source"] in BY_HAND
        )
        between = [f for f in drawn if way * frame < way * f <= way * stop_frame]
        return min(between, key=lambda f: way * f, default=stop_frame + way)

    def _tell(self, status: Status) -> None:
        self._session.stream.publish("propagation", status.to_dict())
