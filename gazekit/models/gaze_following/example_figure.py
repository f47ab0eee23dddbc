"""Pictures of a part with what a system says of its people, beside the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure

from gazekit.drawing.gaze import DrawnGaze, draw_gaze

__all__ = ["example_figure"]

COLUMNS, ROWS = 4, 2
WIDTH_PX = 420


def example_figure(batch: Mapping[str, Any], said: Mapping[str, Any]) -> Figure:
    """The first pictures of a batch: rays or cones as predicted, a white cross at each person's true target.

    Args:
        batch: of `gazekit.datasets.gaze_targets`.
        said: of `GazeFollower.predict`.
    """
    shown = min(COLUMNS * ROWS, len(batch["image"]))
    figure = Figure(figsize=(3 * COLUMNS, 2.5 * -(-shown // COLUMNS)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(-(-shown // COLUMNS), COLUMNS)).ravel()
    for axis in axes:
        axis.set_axis_off()
    for k, axis in zip(range(shown), axes, strict=False):
        axis.imshow(_drawn(batch, said, k))
    return figure


def _drawn(batch: Mapping[str, Any], said: Mapping[str, Any], k: int) -> np.ndarray:
    people = (batch["picture"] == k).nonzero()[:, 0].tolist()
    width, height = batch["size_px"][people[0]].tolist() if people else (1, 1)
    size = np.array([WIDTH_PX, round(WIDTH_PX * height / width)])
    image = cv2.resize(
        batch["image"][k].permute(1, 2, 0).numpy(), size.tolist(), interpolation=cv2.INTER_LINEAR
    )
    drawn = []
    for number, p in enumerate(people):
        score = float(said["scores"][p])
        target = np.full(2, np.nan) if score < 0.5 else said["predicted_norm"][p].numpy() * size
        drawn.append(
            DrawnGaze(
                batch["head_norm"][p].numpy() * np.tile(size, 2),
                batch["eye_norm"][p].numpy() * size,
                said["predicted_direction_xy"][p].numpy(),
                target,
                score,
                str(number + 1),
                number,
                said["heatmap"][p].numpy(),
            )
        )
    image = draw_gaze(image, drawn)
    for p in people:
        if batch["labels"][p] == 1:
            x, y = (batch["point_norm"][p].numpy() * size).round().astype(int).tolist()
            cv2.drawMarker(image, (x, y), (255, 255, 255), cv2.MARKER_TILTED_CROSS, 16, 3)
    return image
