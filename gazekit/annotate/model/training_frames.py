"""The frames that detector and learner are trained on: labelled ones whose pictures can be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from gazekit.annotate.model.truth import FrameTruth
from gazekit.annotate.model.worker import Job
from gazekit.errors import RecordingError

if TYPE_CHECKING:
    from gazekit.models.impn import Learner
    from gazekit.models.impn.detector import Detector
    from gazekit.models.impn.replay import HeldOut

__all__ = [
    "ALL_HELD_OUT",
    "damage_note",
    "learner_for",
    "readable_frames",
    "train_detector",
    "training_frames",
]

MOST_FRAMES = 200  # confirmed frames that a detector is trained on
LONG_SIDE_PX = 640  # of pictures kept while it is trained
ALL_HELD_OUT = (
    "All confirmed frames are held out for testing: draw boxes in other frames too, and confirm them."
)
Content = TypeVar("Content")


def training_frames(complete: Sequence[FrameTruth], held_out: HeldOut) -> list[FrameTruth]:
    """Confirmed frames whose origin is not held out."""
    return [one for one in complete if one.origin not in held_out.kept_out]


def readable_frames(
    truth: Sequence[FrameTruth], read: Callable[[int], Content], job: Job, message: str, share: float = 1.0
) -> tuple[list[tuple[FrameTruth, Content]], list[int]]:
    """Frames, each with what `read` returns for it, and the numbers of damaged frames.

    Args:
        message: shown as the job's status.
        share: of the job's work. A cancelled job returns the frames read so far.
    Raises:
        RecordingError, OSError: no frame can be read.
    """
    found, damaged, problem = [], [], None
    for done, one in enumerate(truth):
        if job.should_stop():
            break
        job.progress(share * done / len(truth), message if done == 0 else None, last=False)
        try:
            found.append((one, read(one.frame)))
        except (RecordingError, OSError) as error:
            damaged.append(one.frame)
            problem = error
    if problem is not None and not found:
        raise problem
    return found, damaged


def damage_note(damaged: Sequence[int]) -> str:
    """A sentence about frames that cannot be read, with a leading space; "" if there are none."""
    if not damaged:
        return ""
    some = ", ".join(map(str, damaged[:3])) + (", ..." if len(damaged) > 3 else "")
    one = len(damaged) == 1
    what = (
        "1 labelled frame cannot be read and was"
        if one
        else f"{len(damaged)} labelled frames cannot be read and were"
    )
    return f" {what} left out: {some}."


def train_detector(
    detector: Detector, truth: Sequence[FrameTruth], picture: Callable[[int], np.ndarray], job: Job
) -> list[int]:
    """Train a detector on at least one frame, at most 200 spread evenly. A cancelled job leaves it partly trained or
    untrained.

    Returns:
        The numbers of damaged frames, which are skipped.
    Raises:
        RecordingError, OSError: no frame can be read.
    """
    picked = [truth[i] for i in np.unique(np.linspace(0, len(truth) - 1, MOST_FRAMES).astype(int))]
    seen, damaged = readable_frames(
        picked, lambda i: _downscaled(picture(i)), job, "reading confirmed frames"
    )
    if job.should_stop():
        return damaged
    job.progress(0.0, f"training the detector on {len(seen)} confirmed frames")
    detector.fit(
        [small for _, (small, _) in seen],
        [one.boxes * scale for one, (_, scale) in seen],
        [one.columns for one, _ in seen],
        should_stop=job.should_stop,
        progress=job.progress,
    )
    return damaged


def learner_for(
    learner: Learner | None, detector: Detector, n_labels: int, exclusive: Sequence[Sequence[int]]
) -> Learner:
    """A copy of a learner extended to all labels; a new one for this detector if there is none."""
    if learner is None:
        from gazekit.models.impn import Learner

        return Learner(n_labels, detector.feature_size, exclusive)
    return learner.with_labels(max(n_labels, learner.n_labels), exclusive)


def _downscaled(picture: np.ndarray) -> tuple[np.ndarray, float]:
    scale = min(1.0, LONG_SIDE_PX / max(picture.shape[:2]))
    if scale == 1.0:
        return picture, scale
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale
