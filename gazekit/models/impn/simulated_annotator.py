"""A simulated annotator, and how fast models learn from its corrections.

The annotator sees one frame after the other and corrects all errors in it; after every few frames the model is trained.
The time of each action is modelled (`SECONDS`), not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gazekit.kernels.boxes import pairwise_iou
from gazekit.metrics.functional import cohen_kappa, detection_ap, detection_ap_per_class
from gazekit.models.impn.detections import Detections, LabelledFrame, Predictions
from gazekit.models.impn.fixated import fixated_labels

__all__ = [
    "FITS",
    "SECONDS",
    "Corrections",
    "LabelledVideo",
    "corrections",
    "pairs_of",
    "simulate",
]

SECONDS = {"confirm": 0.6, "relabel": 1.5, "move": 3.0, "add": 4.0, "delete": 0.8}
"""Modelled: one key; one key and a click; two clicks; two clicks and a key; one key."""
FITS, NEAR = 0.5, 0.3


class LabelledVideo(NamedTuple):
    """A video of T frames for the simulation.

    Args:
        detections: of each frame.
        boxes, labels: the truth of each frame, [M, 4] and [M].
        fixation_px: [T, 2] one fixation a frame.
        names: of the C labels.
        exclusive: groups of labels that occur at most once in a frame.
    """

    detections: list[Detections]
    boxes: list[Tensor]
    labels: list[Tensor]
    fixation_px: Tensor
    names: tuple[str, ...]
    exclusive: tuple[tuple[int, ...], ...]


class Corrections(NamedTuple):
    """Number of actions of each kind that correct a frame."""

    relabel: int
    move: int
    add: int
    delete: int


class Model(Protocol):
    """`Learner`, or a baseline with its interface."""

    def predict(self, found: Sequence[Detections]) -> list[Predictions]: ...

    def update(self, frames: Sequence[LabelledFrame], steps: int = 100): ...


def corrections(said: Predictions, boxes: Tensor, labels: Tensor) -> Corrections:
    """Number of actions with which an annotator corrects a frame.

    Predicted and true boxes are paired so that the sum of their IoU is largest. A pair of 0.3 or more is relabelled if
    its label is wrong, and moved if its IoU is below 0.5; remaining true boxes are added, remaining predicted ones
    deleted.

    Args:
        said: of the model; boxes [M, 4] and labels [M] are the truth.
    """
    mine, theirs, overlap = pairs_of(said.boxes, boxes)
    wrong = int((said.label[mine] != labels[theirs]).sum())
    moved = int((overlap < FITS).sum())
    return Corrections(wrong, moved, len(boxes) - len(mine), len(said.boxes) - len(mine))


def pairs_of(boxes: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes of the same object: the pairs with the largest sum of IoU, without those below 0.3.

    Args:
        boxes, truth: [n, 4] and [M, 4].
    Returns:
        Rows of `boxes`, rows of `truth`, and the IoU of each pair.
    """
    iou = pairwise_iou(boxes, truth).nan_to_num(0.0)
    mine, theirs = map(torch.as_tensor, linear_sum_assignment(iou.numpy(), maximize=True))
    overlap = iou[mine, theirs]
    near = overlap >= NEAR
    return mine[near], theirs[near], overlap[near]


def simulate(
    make_video: Callable[[int], LabelledVideo],
    models: Mapping[str, Callable[[LabelledVideo, int], Model]],
    seeds: Sequence[int],
    n_labelled: int = 100,
    every: int = 10,
    steps: int = 100,
    test_share: float = 0.4,
    progress: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """Curves of all models on videos of all seeds.

    The first part of a video is labelled, `n_labelled` frames spread evenly over it in an order that visits all of it
    early, the same for all models. The last part is the test: neighbouring frames are alike, so that a random split
    would test on what was trained.

    Args:
        make_video: of a seed.
        models: name to a function that makes one for a video and a seed.
        seeds: one run each.
        n_labelled: number of frames that the annotator corrects.
        every: number of frames after which the model is trained.
        steps: of each update.
        test_share: of the video, at its end.
        progress: called with a text at each model.
    Returns:
        One row a model, seed and update, the first before anything is labelled: model, seed, frames, corrections,
        actions (with the confirmations), annotator_s (modelled), update_s (of the last update), accepted,
        fixation_accuracy, kappa, AP50, AP and "AP NAME" of each label, all on the test part.
    Raises:
        ValueError: more frames to label than there are before the test part.
    """
    rows = []
    for seed in seeds:
        video = make_video(seed)
        for name, make in models.items():
            progress(f"seed {seed}, {name}")
            curve = _run(make(video, seed), video, n_labelled, every, steps, test_share)
            rows += [{"model": name, "seed": seed, **point} for point in curve]
    return pd.DataFrame(rows)


def _run(
    model: Model, video: LabelledVideo, n_labelled: int, every: int, steps: int, test_share: float
) -> list[dict]:
    first_test = round(len(video.detections) * (1 - test_share))
    if not 0 < n_labelled <= first_test:
        raise ValueError(
            f"n_labelled must be at least 1 and at most {first_test}, the frames before the test, "
            f"got {n_labelled}"
        )
    queue = _queue(first_test, n_labelled)
    spent = {"frames": 0, "corrections": 0, "actions": 0, "annotator_s": 0.0}
    labelled: list[LabelledFrame] = []
    said = model.predict(video.detections)
    points = [spent | {"update_s": 0.0, "accepted": True} | _scores(video, said, first_test)]
    for start in range(0, len(queue), every):
        labelled = [frame._replace(recency=1) for frame in labelled]
        for number in queue[start : start + every]:
            boxes, labels = video.boxes[number], video.labels[number]
            done = corrections(said[number], boxes, labels)
            spent["frames"] += 1
            spent["corrections"] += sum(done)
            spent["actions"] += sum(done) + 1
            spent["annotator_s"] += SECONDS["confirm"] + sum(
                SECONDS[kind] * count for kind, count in done._asdict().items()
            )
            detections = video.detections[number]
            labelled.append(LabelledFrame(number, detections, boxes, labels, torch.ones(len(boxes))))
        report = model.update(labelled, steps=steps)
        said = model.predict(video.detections)
        facts = {"update_s": report.seconds, "accepted": report.accepted}
        points.append(spent | facts | _scores(video, said, first_test))
    return points


def _queue(n_frames: int, n_labelled: int) -> list[int]:
    """Frames spread evenly, in an order whose first frames are spread well, too: multiples of the golden ratio."""
    place = (torch.arange(n_labelled, dtype=torch.float64) * 0.6180339887498949) % 1
    rank = place.argsort().argsort()
    return ((rank + 0.5) / n_labelled * n_frames).long().tolist()


def _scores(video: LabelledVideo, said: Sequence[Predictions], first: int) -> dict[str, float]:
    said, boxes, labels = said[first:], video.boxes[first:], video.labels[first:]
    xy = video.fixation_px[first:]
    true = fixated_labels(xy, boxes, labels)
    found = fixated_labels(xy, [one.boxes for one in said], [one.label for one in said])
    predicted = [{"boxes": one.boxes, "scores": one.score, "labels": one.label} for one in said]
    truth = [{"boxes": box, "labels": label} for box, label in zip(boxes, labels, strict=True)]
    ap = detection_ap(predicted, truth)
    per_class = zip(*(column.tolist() for column in detection_ap_per_class(predicted, truth)), strict=True)
    return {
        "fixation_accuracy": float((true == found).double().mean()),
        "kappa": float(cohen_kappa(true, found)),
        "AP50": float(ap[1]),
        "AP": float(ap[0]),
        **{f"AP {video.names[label]}": value for label, value in per_class},
    }
