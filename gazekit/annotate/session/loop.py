"""The model beside a session: it learns on request, predicts all the time, and never blocks a request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from gazekit.annotate.model.model import Model
from gazekit.annotate.model.predictions import FramePredictions
from gazekit.annotate.model.truth import FrameTruth, column_of, truth_of
from gazekit.annotate.model.worker import Job, Status, Worker
from gazekit.annotate.project import Project
from gazekit.annotate.project.frames import Frames
from gazekit.annotate.project.pictures import Pictures
from gazekit.annotate.session.event_stream import EventStream
from gazekit.errors import RecordingError

__all__ = ["Loop"]

log = logging.getLogger(__name__)
PUBLISH_EVERY = 25  # predicted frames between two messages to the pages


class Loop:
    """Learning and predicting in the background.

    Args:
        project: its store holds the labels.
        model: the model that learns.
        frames: decoded pictures.
        stream: publishes status and predictions to the pages.
        first: frames to predict before all others: those with fixations.
        changed: called with frames that have new predictions.
    Attributes:
        predictions: the newest predictions of each frame.
    """

    def __init__(
        self,
        project: Project,
        model: Model,
        frames: Frames,
        stream: EventStream,
        first: Sequence[int],
        changed: Callable[[Iterable[int]], None],
    ) -> None:
        self._project, self.model, self._frames, self._stream = project, model, frames, stream
        self._first, self._changed = [frame for frame in first if frame >= 0], changed
        self.predictions: dict[int, FramePredictions] = {}
        self.accuracy: float | None = None
        self.history: list[tuple[int, float]] = []
        self._one_at_a_time = threading.Semaphore()
        self.learning = Worker("training", self._publish_status)
        self.detecting = Worker("training", self._publish_status)
        self.predicting = Worker("predicting")
        if model.ready:
            self.predicting.start(self._predict)

    def status(self) -> dict[str, Any]:
        """`state` ("idle", "training", "failed"), `progress`, `eta_s` (or None), `version`, `accuracy` (AP on held-out
        frames or None), `message`."""
        worker = self.detecting if self.detecting.busy and not self.learning.busy else self.learning
        status = worker.status
        message = status.message or self.model.problem
        return status.to_dict() | {
            "message": message,
            "version": self.model.version,
            "accuracy": self.accuracy,
        }

    def update(self) -> None:
        """Learn from all labels; after the running update if there is one."""
        self.learning.start(self._learn)

    def cancel(self) -> None:
        """Stop learning; the model stays as it is."""
        self.learning.cancel()
        self.detecting.cancel()

    def close(self) -> None:
        """Stop all work and wait for its end."""
        workers = (self.detecting, self.learning, self.predicting)
        for worker in workers:
            worker.close()  # for good: an update that is just being accepted starts predicting
        for worker in workers:
            worker.wait()

    def wait(self) -> None:
        """Wait until training has ended; predicting may go on."""
        while self.learning.busy or self.detecting.busy:
            self.learning.wait()
            self.detecting.wait()

    def predict(self, frame: int) -> FramePredictions | None:
        """Predictions of a frame, computed now if outdated and no other call computes any; None without a model."""
        found = self.predictions.get(frame)
        if not self.model.ready or (found is not None and found.version == self.model.version):
            return found
        if not self._one_at_a_time.acquire(blocking=False):
            return found
        try:
            found = self.predictions[frame] = self.model.predict(frame, self._frames.picture)
        except (ValueError, OSError):
            return found  # a damaged frame: the request for its picture reports it
        finally:
            self._one_at_a_time.release()
        self._changed([frame])
        return found

    def _learn(self, job: Job) -> str:
        truth, n_labels, exclusive = self._truth()
        before = self.model.version
        with closing(_Reader(self._project.pictures)) as pictures:
            outcome, accuracy = self.model.learn(truth, n_labels, exclusive, pictures, job)
        if accuracy is not None:
            self.accuracy = accuracy
            self.history.append((sum(one.complete for one in truth), accuracy))
        if self.model.version != before:
            self.predicting.cancel()
            self.predicting.start(self._predict)
        if not job.should_stop() and not self.detecting.busy and self.model.wants_detector(truth):
            self.detecting.start(self._train_detector)
        return outcome

    def _train_detector(self, job: Job) -> str:
        truth, n_labels, _ = self._truth()
        with closing(_Reader(self._project.pictures)) as pictures:
            outcome = self.model.train_detector(truth, n_labels, pictures, job)
        if not job.should_stop():
            self.learning.start(self._learn)
        return outcome

    def _truth(self) -> tuple[list[FrameTruth], int, list[list[int]]]:
        """From the store as it is now: labelled frames, number of labels, groups of exclusive labels."""
        labels = [label for label in self._project.store.labels() if label["id"] > 0]
        groups: dict[str, list[int]] = {}
        for label in labels:
            if label["group"]:
                groups.setdefault(label["group"], []).append(column_of(label["id"]))
        n_labels = max((label["id"] for label in labels), default=0)
        self.model.labels = labels
        return truth_of(self._project.store), n_labels, list(groups.values())

    def _predict(self, job: Job) -> str:
        """All frames, those with fixations first."""
        first, version = set(self._first), self.model.version
        rest = (frame for frame in range(len(self._project.frame_t_ms)) if frame not in first)
        with closing(_Reader(self._project.pictures)) as pictures:
            self._predict_some(self._first, version, pictures, True, job)
            if not job.should_stop() and self.model.version == version:
                self._save_detections()
            self._predict_some(rest, version, pictures, False, job)
        return ""

    def _save_detections(self) -> None:
        try:
            self.model.save_detections(self._first)
        except OSError as error:  # the next start will take longer
            log.warning("detections are not saved: %s", error)

    def _predict_some(
        self, frames: Iterable[int], version: int, pictures: Callable[[int], np.ndarray], keep: bool, job: Job
    ) -> None:
        done: list[int] = []
        for frame in frames:
            if job.should_stop() or self.model.version != version:
                break
            found = self.predictions.get(frame)
            if found is None or found.version != version:
                try:
                    self.predictions[frame] = self.model.predict(frame, pictures, keep)
                except (
                    RecordingError
                ) as error:  # one damaged frame; the request for its picture reports it too
                    log.warning("no predictions: %s", error)
                    continue
                done.append(frame)
            if len(done) >= PUBLISH_EVERY:
                self._publish(done)
                done = []
        self._publish(done)

    def _publish(self, done: list[int]) -> None:
        if done:
            self._changed(done)
            self._stream.publish(
                "predictions", {"version": self.model.version, "frames": [done[0], done[-1]]}
            )

    def _publish_status(self, status: Status) -> None:
        self._stream.publish("model", self.status())


class _Reader:
    """Pictures for a job: a decoder of its own, opened when the first picture is needed."""

    def __init__(self, opener: Callable[[], Pictures]) -> None:
        self._opener = opener
        self._pictures: Pictures | None = None

    def __call__(self, index: int) -> np.ndarray:
        if self._pictures is None:
            self._pictures = self._opener()
        return self._pictures.read(index)

    def close(self) -> None:
        if self._pictures is not None:
            self._pictures.close()
