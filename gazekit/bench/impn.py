"""Latency of an update after a correction, and of predictions.

Detections are noise; the time depends on their number, not on their content.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gazekit.harness import Case
from gazekit.models.impn import Detections, LabelledFrame, Learner

__all__ = ["Sizes", "cases"]

SIZE_PX = (1600, 1200)
LABELS = 6


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        confirmed: labelled frames, one of them new.
        things: mean number of detections per frame; one case per entry.
        feature_size: feature size of a detection.
        steps: steps of an update.
        predicted: frames predicted at once; the reference predicts `one_by_one` of them.
    """

    confirmed: int = 500
    things: tuple[int, ...] = (6, 20)
    feature_size: int = 256
    steps: int = 100
    predicted: int = 1000
    one_by_one: int = 100


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """An update (tier A: the detector frozen) and predictions, for few and many things per frame; on the CPU.

    Raises:
        ValueError: another device.
    """
    if device != "cpu":
        raise ValueError(f"the graph head learns on the CPU, got device={device!r}")
    sizes = sizes or Sizes()
    return [make(sizes, things) for make in (_update, _predict) for things in sizes.things]


def _update(sizes: Sizes, things: int) -> Case:
    learner = Learner(LABELS, sizes.feature_size, [[0, 1], [2, 3]])
    draw = torch.Generator().manual_seed(things)
    frames = []
    for number, found in enumerate(_frames(sizes, things, sizes.confirmed)):
        labels = torch.randint(LABELS, (len(found.boxes),), generator=draw)
        weights = torch.ones(len(labels))
        frames.append(LabelledFrame(number, found, found.boxes, labels, weights, recency=int(number > 0)))
    return Case(
        f"update of {sizes.steps} steps, {sizes.confirmed} confirmed frames of {things} things",
        lambda: learner.update(frames, steps=sizes.steps),
        unit="update",
        facts=lambda report, _: {"steps": report.steps},
    )


def _predict(sizes: Sizes, things: int) -> Case:
    learner = Learner(LABELS, sizes.feature_size, [[0, 1], [2, 3]])
    frames = _frames(sizes, things, sizes.predicted)
    return Case(
        f"predictions of {sizes.predicted} frames of {things} things",
        lambda: learner.predict(frames),
        items=sizes.predicted,
        unit="frame",
        reference="one frame after the other",
        run_reference=lambda: [learner.predict([frame]) for frame in frames[: sizes.one_by_one]],
        reference_items=min(sizes.one_by_one, sizes.predicted),
    )


def _frames(sizes: Sizes, things: int, count: int) -> list[Detections]:
    draw = torch.Generator().manual_seed(count)
    found = []
    for number in torch.randint(1, 2 * things, (count,), generator=draw).tolist():
        corner = torch.rand(number, 2, generator=draw) * torch.tensor(SIZE_PX) * 0.8
        boxes = torch.cat([corner, corner + 20 + 200 * torch.rand(number, 2, generator=draw)], 1)
        probs = torch.randn(number, LABELS + 1, generator=draw).softmax(1)
        features = torch.randn(number, sizes.feature_size, generator=draw)
        found.append(Detections(boxes, probs, features, SIZE_PX))
    return found
