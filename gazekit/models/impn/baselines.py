"""Learners with the interface of the graph model that lack a part of it, for the simulated annotator.

`LinearHead` trains the detector's last layer on the same corrections, an `IMPNNet` without messages classifies each box
alone, `Tracker` propagates labels from frame to frame by overlap.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from gazekit.kernels.boxes import pairwise_iou
from gazekit.models.impn.detections import Detections, LabelledFrame, Predictions
from gazekit.models.impn.learner import Learner, UpdateReport
from gazekit.models.impn.net import IMPNNet, LinearHead, Parts
from gazekit.models.impn.simulated_annotator import LabelledVideo, Model

__all__ = ["MODELS", "Tracker"]


class Tracker:
    """Labels are propagated from labelled frames to the detections that overlap most; nothing is learned.

    Frames before the first labelled one have no labels, and an object is lost after 15 frames without a detection.

    Args:
        n_labels: C.
    """

    LEAST_IOU, PATIENCE = 0.3, 15

    def __init__(self, n_labels: int) -> None:
        self.n_labels = n_labels
        self.known: dict[int, LabelledFrame] = {}

    def update(self, frames: Sequence[LabelledFrame], steps: int = 100) -> UpdateReport:
        """Remember the frames."""
        start = time.perf_counter()
        self.known = {frame.frame: frame for frame in frames}
        return UpdateReport(True, math.nan, math.nan, time.perf_counter() - start, 0, "Remembered.")

    def predict(self, found: Sequence[Detections]) -> list[Predictions]:
        """Labels of all frames of a video, from frame 0 on."""
        box, label, age = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0)
        said = []
        for number, frame in enumerate(found):
            if number in self.known:
                truth = self.known[number]
                box, label, age = truth.boxes, truth.labels, torch.zeros(len(truth.labels))
            iou = pairwise_iou(box, frame.boxes).nan_to_num(0.0)
            track, row = map(torch.as_tensor, linear_sum_assignment(iou.numpy(), maximize=True))
            near = iou[track, row] >= self.LEAST_IOU
            track, row = track[near], row[near]
            probs = nn.functional.one_hot(label[track], self.n_labels + 1).float()
            said.append(Predictions(frame.boxes[row], label[track], probs, row))
            box, age = box.clone(), age + 1
            box[track], age[track] = frame.boxes[row], 0.0
            alive = age <= self.PATIENCE
            box, label, age = box[alive], label[alive], age[alive]
        return said


def _learner(make_net: Callable[[int, int], nn.Module], video: LabelledVideo, seed: int) -> Learner:
    size = video.detections[0].features.shape[1]
    return Learner(len(video.names), size, video.exclusive, seed, make_net=make_net)


MODELS: dict[str, Callable[[LabelledVideo, int], Model]] = {
    "graph": partial(_learner, IMPNNet),
    "sage": partial(_learner, partial(IMPNNet, mixer="sage")),
    "detector": partial(_learner, LinearHead),
    "per box": partial(_learner, partial(IMPNNet, parts=Parts(messages=False))),
    "no edge features": partial(_learner, partial(IMPNNet, parts=Parts(edge_features=False))),
    "no p": partial(_learner, partial(IMPNNet, parts=Parts(probs=False))),
    "no q": partial(_learner, partial(IMPNNet, parts=Parts(position=False))),
    "tracker": lambda video, seed: Tracker(len(video.names)),
}
"""Makers of the compared models by name. The frozen detector is the first point of every curve but the tracker's."""
