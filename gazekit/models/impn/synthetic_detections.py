"""Detections of a synthetic egocentric video: a desk with look-alikes, seen by a moving head.

Two tablets and two devices look the same, left and right, and so do their features; a book, and objects without a
label, show where one is. The head pans, tilts, comes nearer and rolls, hands cover objects, the detector misses some
and has false positives. No pictures are drawn: the graph head can be tested in seconds, without a detector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gazekit.models.impn.detections import Detections
from gazekit.models.impn.simulated_annotator import LabelledVideo

__all__ = ["DIFFICULTIES", "NAMES", "Difficulty", "synthetic_detections"]

NAMES = ("tablet-left", "tablet-right", "device-left", "device-right", "book")
LOOKS = np.array([0, 0, 1, 1, 2, 3, 4])  # of the five and of two objects without a label
PLACES = np.array([[-32, -4], [32, -4], [-16, 20], [16, 20], [0, -2], [-6, -26], [22, -24]], float)
SIZES = np.array([[20, 15], [20, 15], [9, 14], [9, 14], [13, 18], [8, 8], [7, 10]], float)
SIZE_PX = (1280, 960)
VIEW = 80.0
FEATURES = 64


@dataclass(frozen=True)
class Difficulty:
    """Args:
    roll_deg: standard deviation of the head's roll.
    pan: standard deviation of where it looks, as a share of the desk's half width.
    moved: standard deviation of the objects' positions, and as much again of their drift until the end of the video, in
        units of a desk 100 wide.
    covered: share of the time that an object is behind a hand.
    missed: share of the visible objects that the detector misses; false: mean number of false positives.
    noise: standard deviation of the features of an object about those of its appearance, whose own is 1.
    confusion: standard deviation of the detector's logits.
    """

    roll_deg: float = 12.0
    pan: float = 0.5
    moved: float = 3.0
    covered: float = 0.1
    missed: float = 0.08
    false: float = 0.7
    noise: float = 1.0
    confusion: float = 1.5


DIFFICULTIES = {
    "easy": Difficulty(5.0, 0.25, 1.0, 0.03, 0.03, 0.3, 0.5, 1.0),
    "medium": Difficulty(),
    "hard": Difficulty(20.0, 0.8, 5.0, 0.2, 0.15, 1.5, 1.5, 2.0),
}


def synthetic_detections(
    seed: int, n_frames: int = 900, difficulty: Difficulty = DIFFICULTIES["medium"]
) -> LabelledVideo:
    """A video of `n_frames` with detections, the truth, and one fixation a frame.

    Four of five fixations are on an object with a label, the others anywhere.

    Args:
        seed: equal seeds give equal videos.
        n_frames: at 15 a second or so.
        difficulty: see `Difficulty`.
    """
    draw = np.random.default_rng(seed)
    boxes, seen = _visible(draw, n_frames, difficulty)
    labelled = np.arange(len(LOOKS)) < len(NAMES)
    found = _detect(draw, boxes, seen, difficulty)
    truth = [
        (torch.tensor(frame[here], dtype=torch.float32), torch.tensor(here.nonzero()[0]))
        for frame, here in zip(boxes, seen & labelled, strict=True)
    ]
    return LabelledVideo(
        detections=found,
        boxes=[box for box, _ in truth],
        labels=[label for _, label in truth],
        fixation_px=_fixations(draw, boxes, seen & labelled),
        names=NAMES,
        exclusive=((0, 1), (2, 3)),
    )


def _smooth(draw: np.random.Generator, n_frames: int, count: int, period: float) -> np.ndarray:
    """[n_frames, count] of variance 1: sums of waves whose periods lie about `period` frames."""
    t = np.arange(n_frames)[:, None, None]
    waves = 8
    periods = period * np.exp(draw.normal(0, 0.5, (count, waves)))
    return np.sin(2 * np.pi * (t / periods + draw.random((count, waves)))).sum(-1) / np.sqrt(waves / 2)


def _visible(draw: np.random.Generator, n_frames: int, how: Difficulty) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [T, O, 4] cut at the frame's border, and whether an object is visible [T, O]."""
    drift = np.linspace(0, 1, n_frames)[:, None, None] * draw.normal(0, how.moved, PLACES.shape)
    place = PLACES + draw.normal(0, how.moved, PLACES.shape) + drift
    gaze = _smooth(draw, n_frames, 2, 150.0) * how.pan * (50.0, 30.0)
    scale = SIZE_PX[0] / VIEW * np.exp(0.2 * _smooth(draw, n_frames, 1, 250.0))[..., None]
    roll = np.radians(how.roll_deg) * _smooth(draw, n_frames, 1, 120.0)[:, 0]
    turn = np.stack([np.cos(roll), -np.sin(roll), np.sin(roll), np.cos(roll)], -1).reshape(-1, 2, 2)
    centre = np.einsum("tij,toj->toi", turn, place - gaze[:, None]) * scale + np.array(SIZE_PX) / 2
    half = np.einsum("tij,oj->toi", np.abs(turn), SIZES / 2) * scale
    whole = np.concatenate([centre - half, centre + half], -1)
    boxes = whole.clip(0, np.array(SIZE_PX * 2, float))
    share = (boxes[..., 2:] - boxes[..., :2]).prod(-1) / (whole[..., 2:] - whole[..., :2]).prod(-1)
    hand = _smooth(draw, n_frames, len(LOOKS), 60.0)
    return boxes, (share > 0.35) & (hand < np.quantile(hand, 1 - how.covered))


def _detect(
    draw: np.random.Generator, boxes: np.ndarray, seen: np.ndarray, how: Difficulty
) -> list[Detections]:
    """All frames at once, then cut into frames."""
    frame, thing = (seen & (draw.random(seen.shape) >= how.missed)).nonzero()
    box = boxes[frame, thing]
    extent = np.tile(box[:, 2:] - box[:, :2], 2)
    box = box + draw.normal(0, 0.03, box.shape) * extent
    false = draw.poisson(how.false, len(seen))
    corner = draw.random((false.sum(), 2)) * np.array(SIZE_PX) * 0.85
    wrong = np.concatenate([corner, corner + draw.uniform(40, 300, corner.shape)], 1)
    box = np.concatenate([box, wrong]).clip(0, np.array(SIZE_PX * 2, float))
    frame = np.concatenate([frame, np.arange(len(seen)).repeat(false)])
    look = np.concatenate([LOOKS[thing], draw.integers(LOOKS.max() + 1, size=len(wrong))])
    thing = np.concatenate([thing, np.full(len(wrong), len(LOOKS))])
    clear = np.where(thing < len(LOOKS), 1.0, 0.4)[:, None]  # false positives resemble an object a little
    prototype = draw.normal(0, 1, (LOOKS.max() + 1, FEATURES))
    feature = clear * prototype[look] + draw.normal(0, how.noise, (len(look), FEATURES))
    probs = _belief(draw, look, clear, how)
    order = draw.permutation(len(frame))
    order = order[frame[order].argsort(kind="stable")]
    ends = np.bincount(frame, minlength=len(seen)).cumsum()[:-1]
    columns = (torch.tensor(column[order], dtype=torch.float32) for column in (box, probs, feature))
    parts = zip(*(column.tensor_split(ends.tolist()) for column in columns), strict=True)
    return [Detections(*part, SIZE_PX) for part in parts]


def _belief(draw: np.random.Generator, look: np.ndarray, clear: np.ndarray, how: Difficulty) -> np.ndarray:
    """[N, C + 1] the detector knows appearances fairly well, and does not distinguish left from right."""
    looks = 3.0 * clear * np.eye(LOOKS.max() + 1)[look] + draw.normal(
        0, how.confusion, (len(look), LOOKS.max() + 1)
    )
    named = looks[:, LOOKS[: len(NAMES)]] + draw.normal(0, 0.3, (len(look), len(NAMES)))
    logits = np.concatenate([named, looks[:, LOOKS[len(NAMES)] :].max(1, keepdims=True)], 1)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def _fixations(draw: np.random.Generator, boxes: np.ndarray, seen: np.ndarray) -> torch.Tensor:
    chosen = (draw.random(seen.shape) * seen).argmax(1)
    box = boxes[np.arange(len(boxes)), chosen]
    on = box[:, :2] + draw.uniform(0.15, 0.85, (len(boxes), 2)) * (box[:, 2:] - box[:, :2])
    anywhere = draw.random((len(boxes), 2)) * np.array(SIZE_PX)
    look_at = seen.any(1) & (draw.random(len(boxes)) < 0.8)
    return torch.tensor(np.where(look_at[:, None], on, anywhere), dtype=torch.float32)
