"""The generated egocentric videos as the simulated annotator needs them: a frame a fixation, a detector that began."""

from __future__ import annotations

import numpy as np
import torch

from gazekit.datasets.synthetic_egocentric import EXCLUSIVE, LABELS, EgocentricVideo
from gazekit.models.impn.detector import Detector, FitReport
from gazekit.models.impn.simulate import LabelledVideo

__all__ = ["labelled_video", "start_detector"]


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
    found = [one for i in frames for one in detector.detect([video.read(i)])]
    result = LabelledVideo(
        found,
        [torch.tensor(video.boxes_px[i], dtype=torch.float32) for i in frames],
        [torch.tensor(video.labels[i]) for i in frames],
        torch.tensor(video.fixations[["x_px", "y_px"]].to_numpy(), dtype=torch.float32),
        LABELS,
        EXCLUSIVE,
    )
    return result, float((frames >= len(video.labelled)).mean())
