"""The model of a project: a detector and a learner, their checkpoints, and what was detected in frames.

The detector is trained when there are enough confirmed frames for the first time, and again when there are twice as
many or a new label has examples, beside everything else; the learner, on the frozen detector, at each update, in
seconds. torch is imported when the model is first needed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.annotate import checkpoints
from gazekit.annotate.beginnings import TINY, new_detector
from gazekit.annotate.found import Found
from gazekit.annotate.lessons import ALL_HELD_OUT, grown, left_out, lessons, readable, teach
from gazekit.annotate.shown import Shown
from gazekit.annotate.truth import FrameTruth, label_of, labelled
from gazekit.annotate.worker import Job

__all__ = ["Model"]

log = logging.getLogger(__name__)
FIRST = 4  # confirmed frames for a first detector
FOUND = "detections.safetensors"  # beside the checkpoints: no part of a model
TOLERATED_AP = 0.01
LEAST_SCORE = 0.2  # of what is shown and suggested


class Model:
    """Detector and learner.

    Args:
        folder: of checkpoints.
        detector, learner: to start from; None: those of the last checkpoint, or none yet.
        beginning: what a new detector is, as `beginnings.checked` returns it. If the checkpoint's began as another
            one, a new one is trained when there are enough confirmed frames.
        identity: `Project.identity`, kept with the checkpoints; what was detected is of this project only.
    Attributes:
        labels: `Store.labels()` of the last update, kept with the checkpoint for those who take it along.
    """

    def __init__(
        self,
        folder: Path,
        detector: Any = None,
        learner: Any = None,
        beginning: str = TINY,
        identity: dict[str, Any] | None = None,
    ) -> None:
        self.folder, self.detector, self.learner, self.beginning = folder, detector, learner, beginning
        self.version, self.problem, self._identity = 0, "", identity or {}
        self.labels: list[dict[str, Any]] = []
        self._found = Found()
        self._detector_version = 0
        self._written = (0, "")  # the last checkpoint's detector: its number and what it is known by
        self._detectors = 0  # trained so far, each with a number
        self._new: tuple[Any, int, str] | None = (
            None  # a detector without a learner yet, its number, how it began
        )
        self._trained_on, self._known = 0, frozenset[int]()
        self._began = self._tried = (
            beginning  # of the detector in use; of the last one trained, refused or not
        )
        self._learnt: dict[int, tuple[int, int]] = {}  # frame: (version of it, number of the update)
        self._origins: dict[int, int] = {}  # of each frame as it was first met: a frame never changes sides
        self._split: Any = getattr(learner, "held_out", None)
        self._lock = threading.Lock()
        if detector is None and learner is None:
            self._resume()

    @property
    def ready(self) -> bool:
        """Whether it can predict."""
        return self.detector is not None and self.learner is not None

    # --- predicting

    def predict(self, frame: int, picture: Callable[[int], np.ndarray], keep: bool = True) -> Shown:
        """What the model says of a frame.

        Args:
            picture: decodes a frame.
            keep: its detections, for the next update.
        """
        with self._lock:
            version, learner, detector, key = (
                self.version,
                self.learner,
                self.detector,
                self._detector_version,
            )
        found = self._found.of(detector, key, frame, picture, keep)
        said = learner.predict([found])[0]
        look = found.features.mean(0).numpy().astype(np.float32) if keep and len(found.features) else None
        arrays = [part.numpy().astype(np.float32) for part in (said.boxes, said.score, said.margin)]
        sure = arrays[1] >= LEAST_SCORE
        labels = tuple(label_of(column) for column in said.label[sure].tolist())
        return Shown(version, arrays[0][sure], labels, arrays[1][sure], arrays[2][sure], look)

    # --- learning

    def learn(
        self,
        truth: Sequence[FrameTruth],
        n_labels: int,
        exclusive: Sequence[Sequence[int]],
        picture: Callable[[int], np.ndarray],
        job: Job,
    ) -> tuple[str, float | None]:
        """One update; returns what happened in words, and the AP on held-out frames, None where unknown."""
        truth, held_out = self._divided(truth)
        complete = [t for t in truth if t.complete]
        if n_labels < 1 or not any(len(t.boxes) for t in truth):
            return "Nothing to learn from yet: draw boxes and confirm frames.", None
        new = self._new
        detector, key, began = (self.detector, self._detector_version, self._began) if new is None else new
        if detector is None and len(complete) >= FIRST and not lessons(complete, held_out):
            return ALL_HELD_OUT, None
        if detector is None:
            return f"The detector learns from {FIRST} confirmed frames; there are {len(complete)}.", None
        learner = grown(None if new is not None else self.learner, detector, n_labels, exclusive)
        learner.held_out = held_out
        frames, damaged = self._labelled_frames(truth, detector, key, learner.updates, picture, job)
        if job.should_stop():
            return "Stopped; the model is the old one.", None
        job.progress(0.5, f"learning from {len(frames)} frames")
        report = learner.update(
            frames, should_stop=job.should_stop, progress=lambda share: job.progress(0.5 + 0.5 * share)
        )
        if job.should_stop():
            return report.reason, _known(report.held_out_before)
        accuracy = report.held_out_after if report.accepted else report.held_out_before
        reason = report.reason + left_out(damaged)
        if self._new is new:  # another one may have learnt meanwhile
            self._new = None
        if new is not None and self.ready:
            old = self._old_accuracy(truth, n_labels, exclusive, held_out, picture, job)
            if accuracy < old - TOLERATED_AP:
                return (
                    f"Worse with a new detector ({100 * accuracy:.1f} AP), so the old model stays.",
                    _known(old),
                )
        if new is not None or report.accepted:
            self._began = began
            self._accept(detector, key, learner, truth)
        return reason, _known(accuracy)

    def _divided(self, truth: Sequence[FrameTruth]) -> tuple[list[FrameTruth], Any]:
        """The frames, each with the origin that it was first met with, and the `HeldOut` origins that neither detector
        nor learner is ever trained on: decided here once for both, and saved with the learner."""
        from gazekit.models.impn.replay import HeldOut

        with self._lock:
            truth = [replace(one, origin=self._origins.setdefault(one.frame, one.origin)) for one in truth]
            self._split = HeldOut() if self._split is None else self._split
            self._split.meet(one.origin for one in truth)
            return truth, HeldOut(self._split.known, self._split.kept_out)

    def _old_accuracy(
        self,
        truth: Sequence[FrameTruth],
        n_labels: int,
        exclusive: Sequence[Sequence[int]],
        held_out: Any,
        picture: Callable[[int], np.ndarray],
        job: Job,
    ) -> float:
        """AP of the present model on the frames that are held out now; NaN where unknown."""
        judged = [one for one in truth if one.origin in held_out.kept_out and one.complete]
        learner = grown(self.learner, self.detector, n_labels, exclusive)
        learner.held_out = held_out
        frames, _ = self._labelled_frames(judged, self.detector, self._detector_version, 0, picture, job)
        return learner.update(frames, steps=0).held_out_before

    def _labelled_frames(
        self,
        truth: Sequence[FrameTruth],
        detector: Any,
        key: int,
        updates: int,
        picture: Callable[[int], np.ndarray],
        job: Job,
    ) -> tuple[list[Any], list[int]]:
        """What the learner takes, and the numbers of damaged frames."""
        found, damaged = readable(
            truth,
            lambda frame: self._found.of(detector, key, frame, picture),
            job,
            "looking at labelled frames",
            share=0.5,
        )
        frames = []
        for one, detections in found:
            version, update = self._learnt.get(one.frame, (-1, updates))
            frames.append(labelled(one, detections, updates - update if version == one.version else 0))
        return frames, damaged

    def wants_detector(self, truth: Sequence[FrameTruth]) -> bool:
        """Whether a new detector is worth its training: enough frames at last, twice as many, a new label, or it is to
        begin as another one."""
        truth, held_out = self._divided(truth)
        complete = [t for t in truth if t.complete]
        seen = _columns(complete)
        if len(complete) < FIRST or not seen or not lessons(complete, held_out) or self._new is not None:
            return False
        more = len(complete) >= 2 * self._trained_on or not seen <= self._known
        return self._trained_on == 0 or more or self._tried != self.beginning

    def train_detector(
        self, truth: Sequence[FrameTruth], n_labels: int, picture: Callable[[int], np.ndarray], job: Job
    ) -> str:
        """Train a detector for the next update; the present one is used meanwhile. Returns how it ended, in words."""
        truth, held_out = self._divided(truth)
        complete = [t for t in truth if t.complete]
        if not (taught := lessons(complete, held_out)):
            return ALL_HELD_OUT
        new, began = self._unlearnt_detector(n_labels), self.beginning
        damaged = teach(new, taught, picture, job)
        if job.should_stop():
            return "Stopped; the detector is the old one."
        self._detectors += 1
        self._new = (new, self._detectors, began)
        self._trained_on, self._known, self._tried = len(complete), _columns(complete), began
        return "The detector has learnt." + left_out(damaged)

    def _unlearnt_detector(self, n_labels: int) -> Any:
        """A new one, or a copy of the present one that learns on."""
        known = () if self.detector is None or self._began != self.beginning else self.detector.labels
        names = [*known, *(f"label {label_of(column)}" for column in range(len(known), n_labels))]
        return self.detector.with_labels(names) if known else new_detector(names, self.beginning)

    def _accept(self, detector: Any, key: int, learner: Any, truth: Sequence[FrameTruth]) -> None:
        for one in truth:
            if self._learnt.get(one.frame, (-1, 0))[0] != one.version:
                self._learnt[one.frame] = (one.version, learner.updates - 1)
        with self._lock:
            self.detector, self._detector_version, self.learner = detector, key, learner
            self.version += 1
        self.save()

    def save(self) -> None:
        """Write a checkpoint; the older ones beyond ten go.

        Raises:
            OSError: it cannot be written. The model in memory is used all the same.
        """
        about = {"trained_on": self._trained_on, "known": sorted(self._known), "labels": self.labels}
        about |= {"began": self._began, "tried": self._tried, "of": self._identity}
        with self._lock:
            about["origins"] = sorted(self._origins.items())
        folder = self.folder / f"{self.version:06d}"
        checkpoints.write(folder, self.detector, self.learner, about)
        self._written = (self._detector_version, self._known_by(folder))

    def _known_by(self, checkpoint: Path) -> str:
        return f"{self._identity.get('project', '')} {checkpoints.digest(checkpoint)}"

    def keep_found(self, frames: Iterable[int]) -> None:
        """Write what the last checkpoint's detector found in these frames, so that a restart need not look again.

        Raises:
            OSError: it cannot be written.
        """
        key, known_by = self._written
        if known_by:
            self._found.save(self.folder / FOUND, key, frames, known_by)

    def _resume(self) -> None:
        folder, parts, self.problem = checkpoints.newest(self.folder)
        if self.problem:
            log.warning(self.problem)
        if (last := checkpoints.latest(self.folder)) is not None:
            self.version = int(last.name)  # also of one that cannot be read: the next one comes after it
        if folder is None:
            return
        self.detector, self.learner, about = parts
        self._trained_on, self._known = about["trained_on"], frozenset(about["known"])
        self._written = (self._detector_version, self._known_by(folder))
        self._found.load(self.folder / FOUND, *self._written)
        self._began = about.get("began", TINY)
        self._tried = about.get("tried", self._began)
        self._origins, self._split = dict(about.get("origins", ())), self.learner.held_out


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _columns(truth: Sequence[FrameTruth]) -> frozenset[int]:
    return frozenset(column for one in truth for column in one.columns.tolist() if column >= 0)
