"""Detections of a frame, the labels that people gave, and the predictions of the model.

Boxes are half-open scene pixels `[x_min, y_min, x_max, y_max]`, origin top-left. Labels are numbers 0 ... C - 1; in
probabilities the background is the last column.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["BACKGROUND", "CANNOT_TELL", "Detections", "LabelledFrame", "Predictions", "check_detections"]

BACKGROUND = -1
"""Label of a box that a person marked as background; it does not change when labels are added."""
CANNOT_TELL = -2
"""Label of a box that a person could not identify: the model learns nothing from it."""


class Detections(NamedTuple):
    """Detections of one frame: tensors on the CPU, detached from the detector.

    Args:
        boxes: [K, 4] pixels.
        probs: [K, C + 1] of the labels and, last, of the background. C may be smaller than the learner's number of
            labels, which only grows.
        features: [K, D] appearance of the regions.
        size_px: width and height of the frame.
    """

    boxes: Tensor
    probs: Tensor
    features: Tensor
    size_px: tuple[float, float]


class LabelledFrame(NamedTuple):
    """Labels that people gave in a frame.

    Args:
        frame: its number. A propagated frame has the number of its keyframe, so that it is held out with it.
        detections: of the frame.
        boxes: [M, 4] that people drew or confirmed, or that were propagated.
        labels: [M] integers 0 ... C - 1, `BACKGROUND` or `CANNOT_TELL`.
        weights: [M] 1 for a person's box, 0.5 for a propagated one.
        recency: updates since the frame last changed; 0 is new feedback.
        complete: whether all objects in the frame are labelled, so that a detection without a box is background. If
            not, the model learns nothing from such a detection.
    """

    frame: int
    detections: Detections
    boxes: Tensor
    labels: Tensor
    weights: Tensor
    recency: int = 0
    complete: bool = True


class Predictions(NamedTuple):
    """Predictions for one frame, without those of the background.

    Args:
        boxes: [n, 4] of the detector.
        label: [n] integers 0 ... C - 1.
        probs: [n, C + 1], the background last. With exclusive labels the label need not be the likeliest one.
        index: [n] rows of the detections.
    """

    boxes: Tensor
    label: Tensor
    probs: Tensor
    index: Tensor

    @property
    def score(self) -> Tensor:
        """[n] probability of the label."""
        return self.probs.gather(1, self.label[:, None])[:, 0]

    @property
    def margin(self) -> Tensor:
        """[n] difference of the two highest probabilities: 0 where the model is undecided."""
        highest = self.probs.topk(2, dim=1).values
        return highest[:, 0] - highest[:, 1]


def check_detections(name: str, found: Detections, n_labels: int, feature_size: int) -> None:
    """Check that detections fit the model.

    Raises:
        TypeError: not floating tensors. ValueError: other shapes, more labels than `n_labels`, values not finite, a
            frame without a size.
    """
    for field in ("boxes", "probs", "features"):
        tensor = getattr(found, field)
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or tensor.dim() != 2:
            raise TypeError(f"{name}: {field} must be a floating tensor [K, ...], got {_kind(tensor)}")
    count, columns = found.probs.shape
    if found.boxes.shape != (count, 4) or found.features.shape != (count, feature_size):
        raise ValueError(
            f"{name}: boxes and features must be [{count}, 4] and [{count}, {feature_size}], "
            f"got {list(found.boxes.shape)} and {list(found.features.shape)}"
        )
    if not 1 <= columns <= n_labels + 1:
        raise ValueError(
            f"{name}: probs must have at most {n_labels + 1} columns, the model's labels and the background, "
            f"got {columns}; a model learns more labels with with_labels()"
        )
    if not (len(found.size_px) == 2 and min(found.size_px) > 0):
        raise ValueError(f"{name}: size_px must be a positive width and height, got {found.size_px}")
    # a sum is finite only if all values are: one pass instead of a mask
    if not all(
        torch.isfinite(part.sum(dtype=torch.float64)) for part in (found.boxes, found.probs, found.features)
    ):
        raise ValueError(f"{name}: boxes, probs and features must be finite")


def _kind(value: object) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
