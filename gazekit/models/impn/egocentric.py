"""The generated egocentric videos as the simulated annotator needs them: a frame a fixation, a detector that began,
and what learns by training all of it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence

import numpy as np
import torch

from gazekit.datasets.synthetic_egocentric import EXCLUSIVE, LABELS, EgocentricVideo
from gazekit.models.impn.detections import Detections, LabelledFrame, Predictions
from gazekit.models.impn.detector import Detector, FitReport
from gazekit.models.impn.learner import Learner, UpdateReport
from gazekit.models.impn.simulated_annotator import LabelledVideo

__all__ = ["OnWholeDetector", "WholeDetector", "labelled_video", "start_detector"]


def start_detector(
    detector: Detector, video: EgocentricVideo, n_frames: int, until_s: float, steps: int
) -> FitReport:
    """Train a detector on a few frames, spread evenly over the fixations of the video's beginning.

    Args:
        n_frames: at most as many as there are.
        until_s: end of the beginning.
        steps: of training.
    """
    frames = video.fixations["frame"].to_numpy()
    frames = np.unique(frames[video.t_ms[frames] < min(until_s * 1000, video.labelled_ms)])
    chosen = frames[np.linspace(0, len(frames) - 1, min(n_frames, len(frames))).round().astype(int)]
    pictures = list(video.frames(chosen))
    return detector.fit(
        pictures, [video.boxes_px[i] for i in chosen], [video.labels[i] for i in chosen], steps
    )


def labelled_video(detector: Detector, video: EgocentricVideo) -> tuple[LabelledVideo, float]:
    """What the detector finds in the frame of each fixation, with the truth.

    Returns:
        The video, and the share of its frames that are in the tested part, at its end.
    """
    frames = video.fixations["frame"].to_numpy()
    result = LabelledVideo(
        _detected(detector, video),
        [torch.tensor(video.boxes_px[i], dtype=torch.float32) for i in frames],
        [torch.tensor(video.labels[i]) for i in frames],
        torch.tensor(video.fixations[["x_px", "y_px"]].to_numpy(), dtype=torch.float32),
        LABELS,
        EXCLUSIVE,
    )
    return result, float((frames >= len(video.labelled)).mean())


def _detected(detector: Detector, video: EgocentricVideo) -> list[Detections]:
    return [one for i in video.fixations["frame"] for one in detector.detect([video.read(i)])]


class WholeDetector:
    """All weights of a detector learn from labelled frames, each time from those that it had at first.

    Args:
        detector: stays as it is.
        video: whose frames of fixations are looked at.
        steps: of each training.
    """

    def __init__(self, detector: Detector, video: EgocentricVideo, steps: int) -> None:
        self.detector, self.video, self.steps = detector, video, steps
        self._found: dict[tuple[int, ...], list[Detections]] = {}

    def detections(self, labelled: Sequence[LabelledFrame]) -> list[Detections]:
        """Of the frame of each fixation, by the detector that has learnt from these frames; once for the same ones."""
        numbers = tuple(frame.frame for frame in labelled)
        if numbers not in self._found:
            detector = copy.copy(self.detector)  # `fit` puts new weights into the copy
            frames = self.video.fixations["frame"].to_numpy()[list(numbers)]
            pictures = list(self.video.frames(frames))
            detector.fit(
                pictures,
                [frame.boxes for frame in labelled],
                [frame.labels for frame in labelled],
                self.steps,
            )
            self._found[numbers] = _detected(detector, self.video)
        return self._found[numbers]


class OnWholeDetector:
    """The whole detector alone, or a graph head that is trained anew on it at each update.

    Args:
        whole: the detector, which may be shared.
        n_labels: C.
        seed: of the graph head.
        learns: whether there is a graph head.
    """

    def __init__(self, whole: WholeDetector, n_labels: int, seed: int, learns: bool) -> None:
        self.whole, self.n_labels, self.seed, self.learns = whole, n_labels, seed, learns
        self._found: list[Detections] | None = None
        self._learner = self._new()

    def _new(self) -> Learner:
        return Learner(self.n_labels, self.whole.detector.feature_size, EXCLUSIVE, self.seed)

    def update(self, frames: Sequence[LabelledFrame], steps: int = 100) -> UpdateReport:
        """Train the detector, and the head if there is one."""
        start = time.perf_counter()
        self._found = self.whole.detections(frames)
        report = UpdateReport(True, math.nan, math.nan, 0.0, self.whole.steps, "The detector has learnt.")
        if self.learns:
            self._learner = self._new()
            seen = [frame._replace(detections=self._found[frame.frame], recency=0) for frame in frames]
            report = self._learner.update(seen, steps=steps)
        return report._replace(seconds=time.perf_counter() - start)

    def predict(self, found: Sequence[Detections]) -> list[Predictions]:
        """Of the frames of all fixations; `found` is of the detector as it was at first."""
        return self._learner.predict(found if self._found is None else self._found)
