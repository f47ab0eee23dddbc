"""What detector and learner learn from: the labelled frames whose pictures can be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import cv2
import numpy as np

from gazekit.annotate.truth import FrameTruth
from gazekit.annotate.worker import Job
from gazekit.errors import RecordingError

__all__ = ["ALL_HELD_OUT", "grown", "left_out", "lessons", "readable", "teach"]

MOST = 200  # confirmed frames that a detector is trained on
LONG_SIDE_PX = 640  # of pictures kept while it is trained
ALL_HELD_OUT = (
    "All confirmed frames are held out to measure with: draw boxes in others too, and confirm them."
)
Thing = TypeVar("Thing")


def lessons(complete: Sequence[FrameTruth], held_out: Any) -> list[FrameTruth]:
    """Confirmed frames without those of `HeldOut` origins."""
    return [one for one in complete if one.origin not in held_out.kept_out]


def readable(
    truth: Sequence[FrameTruth], read: Callable[[int], Thing], job: Job, message: str, share: float = 1.0
) -> tuple[list[tuple[FrameTruth, Thing]], list[int]]:
    """Frames, each with what `read` makes of it, and the numbers of those that are damaged.

    Args:
        message: what the job says it is doing, before another part.
        share: of the job's work; stopped, it returns what there is.
    Raises:
        RecordingError, OSError: none can be read.
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


def left_out(damaged: Sequence[int]) -> str:
    """A sentence on frames that cannot be read, with a space before it; "" without any."""
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


def teach(
    detector: Any, truth: Sequence[FrameTruth], picture: Callable[[int], np.ndarray], job: Job
) -> list[int]:
    """Train a detector on frames, one at least, spread evenly if there are more than 200. Stopped, it is trained in
    part or not.

    Returns:
        The numbers of damaged frames, which are left out.
    Raises:
        RecordingError, OSError: none can be read.
    """
    picked = [truth[i] for i in np.unique(np.linspace(0, len(truth) - 1, MOST).astype(int))]
    seen, damaged = readable(picked, lambda i: _shrunk(picture(i)), job, "reading confirmed frames")
    if job.should_stop():
        return damaged
    job.progress(0.0, f"the detector learns from {len(seen)} confirmed frames")
    detector.fit(
        [small for _, (small, _) in seen],
        [one.boxes * scale for one, (_, scale) in seen],
        [one.columns for one, _ in seen],
        should_stop=job.should_stop,
        progress=job.progress,
    )
    return damaged


def grown(learner: Any, detector: Any, n_labels: int, exclusive: Sequence[Sequence[int]]) -> Any:
    """A copy of a `Learner` that knows all labels; without one a new one for this detector."""
    if learner is None:
        from gazekit.models.impn import Learner

        return Learner(n_labels, detector.feature_size, exclusive)
    return learner.with_labels(max(n_labels, learner.n_labels), exclusive)


def _shrunk(picture: np.ndarray) -> tuple[np.ndarray, float]:
    scale = min(1.0, LONG_SIDE_PX / max(picture.shape[:2]))
    if scale == 1.0:
        return picture, scale
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale
