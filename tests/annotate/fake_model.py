"""A detector that is told where things are: the loop is tested without the minute that training takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from gazekit.models.impn.detections import Detections


class KnownBoxes:
    """Finds the boxes that it is given, whatever the picture; unsure of all labels.

    Args:
        boxes: [K, 4], the same in every frame.
    """

    feature_size = 8

    def __init__(self, boxes, labels=("label 1", "label 2")):
        self.boxes, self.labels = torch.as_tensor(np.array(boxes, np.float32)), tuple(labels)
        self.calls = 0

    def detect(self, frames):
        self.calls += len(frames)
        count, columns = len(self.boxes), len(self.labels) + 1
        probs = torch.full((count, columns), 1 / columns)
        return [
            Detections(self.boxes, probs, torch.eye(count, 8), (float(f.shape[1]), float(f.shape[0])))
            for f in frames
        ]

    def fit(self, frames, boxes, labels, steps=1, should_stop=lambda: False, progress=lambda share: None):
        progress(1.0)

    def with_labels(self, labels):
        return KnownBoxes(self.boxes.tolist(), labels)

    def save(self, path):
        Path(path).write_text(json.dumps([self.boxes.tolist(), self.labels]))
