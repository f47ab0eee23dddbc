"""The model of a project: a detector and a learner, their checkpoints, and the detections of frames.

The detector is trained once there are enough confirmed frames, and again when their number has doubled or a new label
has examples, in parallel with everything else. The learner, on top of the frozen detector, is trained at each update,
in seconds. torch is imported when the model is first needed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gazekit.annotate.model import checkpoints
from gazekit.annotate.model.detection_cache import DetectionCache
from gazekit.annotate.model.initial_detectors import TINY, new_detector
from gazekit.annotate.model.predictions import LEAST_SCORE, FramePredictions
from gazekit.annotate.model.training_frames import (
    ALL_HELD_OUT,
    damage_note,
    learner_for,
    readable_frames,
    train_detector,
    training_frames,
)
from gazekit.annotate.model.truth import FrameTruth, label_of, labelled
from gazekit.annotate.model.worker import Job

if TYPE_CHECKING:
    from gazekit.models.impn import Learner
    from gazekit.models.impn.detections import LabelledFrame
    from gazekit.models.impn.detector import Detector
    from gazekit.models.impn.replay import HeldOut

__all__ = ["FIRST", "Model"]

log = logging.getLogger(__name__)
FIRST = 4  # confirmed frames for a first detector
DETECTIONS = "detections.safetensors"  # beside the checkpoints: a cache, not part of a model
TOLERATED_AP = 0.01

Picture = Callable[[int], np.ndarray]  # frame number -> [H, W, 3] uint8 RGB


class _NewDetector(NamedTuple):
    """A trained detector that no learner has used yet."""

    detector: Detector
    key: int
    initial: str


class Model:
    """Detector and learner.

    Args:
        folder: of checkpoints.
        detector, learner: to start from; None: those of the last checkpoint, or none yet.
        initial_detector: what a new detector starts from, as `initial_detectors.checked_detector` returns it. If the
            checkpoint's detector started from another one, a new one is trained once there are enough confirmed frames.
        identity: `Project.identity`, kept with the checkpoints; cached detections belong to this project only.
    Attributes:
        labels: `Store.labels()` of the last update, kept with the checkpoint for transfer to another project.
    """

    def __init__(
        self,
        folder: Path,
        detector: Detector | None = None,
        learner: Learner | None = None,
        initial_detector: str = TINY,
        identity: dict[str, Any] | None = None,
    ) -> None:
        self.folder, self.detector, self.learner = folder, detector, learner
        self.initial_detector = initial_detector
        self.version, self.problem, self._identity = 0, "", identity or {}
        self.labels: list[dict[str, Any]] = []
        self._detections = DetectionCache()
        self._detector_key = 0
        self._written = (0, "")  # the last checkpoint's detector: its key and its identity
        self._detectors = 0  # trained so far; the number is the key of the newest
        self._new: _NewDetector | None = None
        self._trained_on, self._known = 0, frozenset[int]()
        self._initial = self._tried = (
            initial_detector  # of the detector in use; of the last trained, accepted or not
        )
        self._learnt: dict[int, tuple[int, int]] = {}  # frame: (its version, number of the update)
        self._origins: dict[int, int] = {}  # first known origin of each frame: a frame never changes sides
        self._held_out: HeldOut | None = getattr(learner, "held_out", None)
        self._lock = threading.Lock()
        if detector is None and learner is None:
            self._resume()

    @property
    def ready(self) -> bool:
        """Whether it can predict."""
        return self.detector is not None and self.learner is not None

    # --- predicting

    def predict(self, frame: int, picture: Picture, keep: bool = True) -> FramePredictions:
        """The predictions of a frame.

        Args:
            picture: decodes a frame.
            keep: whether its detections are cached for the next update.
        """
        with self._lock:
            version, learner, detector, key = self.version, self.learner, self.detector, self._detector_key
        detections = self._detections.get(detector, key, frame, picture, keep)
        predicted = learner.predict([detections])[0]
        features = detections.features
        appearance = features.mean(0).numpy().astype(np.float32) if keep and len(features) else None
        arrays = [
            part.numpy().astype(np.float32) for part in (predicted.boxes, predicted.score, predicted.margin)
        ]
        sure = arrays[1] >= LEAST_SCORE
        labels = tuple(label_of(column) for column in predicted.label[sure].tolist())
        return FramePredictions(
            version, arrays[0][sure], labels, arrays[1][sure], arrays[2][sure], appearance
        )

    # --- learning

    def learn(
        self,
        truth: Sequence[FrameTruth],
        n_labels: int,
        exclusive: Sequence[Sequence[int]],
        picture: Picture,
        job: Job,
    ) -> tuple[str, float | None]:
        """One update; returns the outcome in words, and the AP on held-out frames, None where unknown."""
        truth, held_out = self._split(truth)
        complete = [t for t in truth if t.complete]
        if n_labels < 1 or not any(len(t.boxes) for t in truth):
            return "Nothing to learn from yet: draw boxes and confirm frames.", None
        new = self._new
        detector, key, initial = new or (self.detector, self._detector_key, self._initial)
        if detector is None and len(complete) >= FIRST and not training_frames(complete, held_out):
            return ALL_HELD_OUT, None
        if detector is None:
            return (
                f"The detector is trained on {FIRST} confirmed frames or more; there are {len(complete)}.",
                None,
            )
        learner = learner_for(None if new is not None else self.learner, detector, n_labels, exclusive)
        learner.held_out = held_out
        frames, damaged = self._labelled_frames(truth, detector, key, learner.updates, picture, job)
        if job.should_stop():
            return "Stopped; the model is unchanged.", None
        job.progress(0.5, f"learning from {len(frames)} frames")
        report = learner.update(
            frames, should_stop=job.should_stop, progress=lambda share: job.progress(0.5 + 0.5 * share)
        )
        if job.should_stop():
            return report.reason, _known(report.held_out_before)
        accuracy = report.held_out_after if report.accepted else report.held_out_before
        reason = report.reason + damage_note(damaged)
        if self._new is new:  # another one may have been trained meanwhile
            self._new = None
        if new is not None and self.ready:
            old = self._present_accuracy(truth, n_labels, exclusive, held_out, picture, job)
            if accuracy < old - TOLERATED_AP:
                return (
                    f"The new detector is worse ({100 * accuracy:.1f} AP), so the old model is kept.",
                    _known(old),
                )
        if new is not None or report.accepted:
            self._initial = initial
            self._accept(detector, key, learner, truth)
        return reason, _known(accuracy)

    def _split(self, truth: Sequence[FrameTruth]) -> tuple[list[FrameTruth], HeldOut]:
        """The frames, each with its first known origin, and the held-out origins, on which neither detector nor learner
        is ever trained: decided here once for both, and saved with the learner."""
        from gazekit.models.impn.replay import HeldOut

        with self._lock:
            truth = [replace(one, origin=self._origins.setdefault(one.frame, one.origin)) for one in truth]
            self._held_out = HeldOut() if self._held_out is None else self._held_out
            self._held_out.meet(one.origin for one in truth)
            return truth, HeldOut(self._held_out.known, self._held_out.kept_out)

    def _present_accuracy(
        self,
        truth: Sequence[FrameTruth],
        n_labels: int,
        exclusive: Sequence[Sequence[int]],
        held_out: HeldOut,
        picture: Picture,
        job: Job,
    ) -> float:
        """AP of the present model on the frames that are held out now; NaN where unknown."""
        tested = [one for one in truth if one.origin in held_out.kept_out and one.complete]
        learner = learner_for(self.learner, self.detector, n_labels, exclusive)
        learner.held_out = held_out
        frames, _ = self._labelled_frames(tested, self.detector, self._detector_key, 0, picture, job)
        return learner.update(frames, steps=0).held_out_before

    def _labelled_frames(
        self,
        truth: Sequence[FrameTruth],
        detector: Detector,
        key: int,
        updates: int,
        picture: Picture,
        job: Job,
    ) -> tuple[list[LabelledFrame], list[int]]:
        """The learner's training data, and the numbers of damaged frames."""
        readable, damaged = readable_frames(
            truth,
            lambda frame: self._detections.get(detector, key, frame, picture),
            job,
            "detecting in labelled frames",
            share=0.5,
        )
        frames = []
        for one, detections in readable:
            version, update = self._learnt.get(one.frame, (-1, updates))
            frames.append(labelled(one, detections, updates - update if version == one.version else 0))
        return frames, damaged

    def wants_detector(self, truth: Sequence[FrameTruth]) -> bool:
        """Whether to train a new detector: the first one, on twice as many frames, for a new label, or from another
        initial detector."""
        truth, held_out = self._split(truth)
        complete = [t for t in truth if t.complete]
        seen = _columns(complete)
        if (
            len(complete) < FIRST
            or not seen
            or not training_frames(complete, held_out)
            or self._new is not None
        ):
            return False
        more = len(complete) >= 2 * self._trained_on or not seen <= self._known
        return self._trained_on == 0 or more or self._tried != self.initial_detector

    def train_detector(self, truth: Sequence[FrameTruth], n_labels: int, picture: Picture, job: Job) -> str:
        """Train a detector for the next update; the present one stays in use. Returns the outcome in words."""
        truth, held_out = self._split(truth)
        complete = [t for t in truth if t.complete]
        if not (frames := training_frames(complete, held_out)):
            return ALL_HELD_OUT
        new, initial = self._untrained_detector(n_labels), self.initial_detector
        damaged = train_detector(new, frames, picture, job)
        if job.should_stop():
            return "Stopped; the detector is unchanged."
        self._detectors += 1
        self._new = _NewDetector(new, self._detectors, initial)
        self._trained_on, self._known, self._tried = len(complete), _columns(complete), initial
        return "The detector was trained." + damage_note(damaged)

    def _untrained_detector(self, n_labels: int) -> Detector:
        """A new one, or a copy of the present one to train further."""
        known = (
            () if self.detector is None or self._initial != self.initial_detector else self.detector.labels
        )
        names = [*known, *(f"label {label_of(column)}" for column in range(len(known), n_labels))]
        return self.detector.with_labels(names) if known else new_detector(names, self.initial_detector)

    def _accept(self, detector: Detector, key: int, learner: Learner, truth: Sequence[FrameTruth]) -> None:
        for one in truth:
            if self._learnt.get(one.frame, (-1, 0))[0] != one.version:
                self._learnt[one.frame] = (one.version, learner.updates - 1)
        with self._lock:
            self.detector, self._detector_key, self.learner = detector, key, learner
            self.version += 1
        self.save()

    # --- on disk

    def save(self) -> None:
        """Write a checkpoint; only the last ten are kept.

        Raises:
            OSError: it cannot be written. The model in memory stays in use.
        """
        about = {"trained_on": self._trained_on, "known": sorted(self._known), "labels": self.labels}
        about |= {"began": self._initial, "tried": self._tried, "of": self._identity}
        with self._lock:
            about["origins"] = sorted(self._origins.items())
        folder = self.folder / f"{self.version:06d}"
        checkpoints.write(folder, self.detector, self.learner, about)
        self._written = (self._detector_key, self._detector_identity(folder))

    def _detector_identity(self, checkpoint: Path) -> str:
        return f"{self._identity.get('project', '')} {checkpoints.digest(checkpoint)}"

    def save_detections(self, frames: Iterable[int]) -> None:
        """Write the detections of these frames by the last checkpoint's detector, for the next start.

        Raises:
            OSError: they cannot be written.
        """
        key, identity = self._written
        if identity:
            self._detections.save(self.folder / DETECTIONS, key, frames, identity)

    def _resume(self) -> None:
        folder, checkpoint, self.problem = checkpoints.newest(self.folder)
        if self.problem:
            log.warning(self.problem)
        if (last := checkpoints.latest(self.folder)) is not None:
            self.version = int(last.name)  # even if it cannot be read: the next version comes after it
        if folder is None:
            return
        self.detector, self.learner, about = checkpoint
        self._trained_on, self._known = about["trained_on"], frozenset(about["known"])
        self._written = (self._detector_key, self._detector_identity(folder))
        self._detections.load(self.folder / DETECTIONS, *self._written)
        self._initial = about.get("began", TINY)
        self._tried = about.get("tried", self._initial)
        self._origins, self._held_out = dict(about.get("origins", ())), self.learner.held_out


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _columns(truth: Sequence[FrameTruth]) -> frozenset[int]:
    return frozenset(column for one in truth for column in one.columns.tolist() if column >= 0)
