"""The training of `TinyDetector`: checked truth, pictures changed at random, steps that can be interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from gazekit.models.impn.detections import CANNOT_TELL
from gazekit.models.impn.detector.losses import Truth, detector_loss
from gazekit.models.impn.detector.net import STRIDES, TinyNet

__all__ = ["BATCH", "FitReport", "checked_picture", "checked_truth", "padded", "train"]

BATCH = 4


class FitReport(NamedTuple):
    """How a training went: steps made, seconds, mean loss of the first and of the last tenth of them."""

    steps: int
    seconds: float
    loss_before: float
    loss_after: float


def train(
    net: TinyNet,
    frames: Sequence[np.ndarray],
    truth: Sequence[Truth],
    steps: int,
    should_stop: Callable[[], bool],
    progress: Callable[[float], None],
    *,
    learning_rate: float,
    long_side_px: int,
    flip: bool,
    seed: int,
) -> FitReport:
    """See `TinyDetector.fit`; changes `net`."""
    started, losses = time.perf_counter(), []
    optimizer = torch.optim.AdamW(net.parameters(), learning_rate, weight_decay=0.01)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps + 1, pct_start=0.2
    )
    draw, generator = np.random.default_rng((seed, 1)), torch.Generator().manual_seed(seed)
    order: list[int] = []
    for step in range(steps):
        if should_stop():
            break
        while len(order) < BATCH:
            order += draw.permutation(len(frames)).tolist()
        chosen, order = order[:BATCH], order[BATCH:]
        batch = [_varied(checked_picture(frames[i], i), truth[i], draw, long_side_px, flip) for i in chosen]
        pictures, seen = zip(*batch, strict=True)
        loss = detector_loss(net, padded(pictures), seen, generator)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        cycle.step()
        losses.append(loss.item())
        progress((step + 1) / steps)
    tenth = max(1, len(losses) // 10)
    before, after = (float(np.mean(part)) if part else np.nan for part in (losses[:tenth], losses[-tenth:]))
    return FitReport(len(losses), time.perf_counter() - started, before, after)


def _varied(
    frame: np.ndarray, truth: Truth, draw: np.random.Generator, long_side_px: int, flip: bool
) -> tuple[np.ndarray, Truth]:
    """A frame zoomed, moved, perhaps mirrored, lit and coloured at random; boxes of which less than 0.4 is left go."""
    height, width = frame.shape[:2]
    scale = min(1.0, long_side_px / max(height, width))
    size = np.maximum(np.round([width * scale, height * scale]), 1)
    zoom = scale * np.exp(draw.uniform(-0.22, 0.22))
    shift = draw.uniform(0, 1, 2) * (size - zoom * np.array([width, height]))
    mirrored = flip and draw.random() < 0.5
    x = (-zoom, size[0] - shift[0]) if mirrored else (zoom, shift[0])
    # OpenCV puts pixel 0 at 0, we from 0 to 1
    matrix = np.array([[x[0], 0, x[1] + (x[0] - 1) / 2], [0, zoom, shift[1] + (zoom - 1) / 2]])
    picture = cv2.warpAffine(
        frame, matrix, size.astype(int).tolist(), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    light = draw.uniform(0.75, 1.25) * draw.uniform(0.92, 1.08, 3)
    picture = np.clip(picture * light + draw.uniform(-15, 15), 0, 255).astype(np.uint8)

    def moved(boxes: Tensor) -> tuple[Tensor, Tensor]:
        corners = boxes * boxes.new_tensor([x[0], zoom] * 2) + boxes.new_tensor([x[1], shift[1]] * 2)
        corners = corners[:, [2, 1, 0, 3]] if mirrored else corners
        cut = corners.clamp(min=0).minimum(corners.new_tensor(size.tolist() * 2))
        sides, whole = cut[:, 2:] - cut[:, :2], corners[:, 2:] - corners[:, :2]
        return cut, (sides > 2).all(1) & (sides.prod(1) >= 0.4 * whole.prod(1))

    boxes, seen = moved(truth.boxes)
    ignored, rest = (
        moved(truth.ignored)[0],
        boxes[~seen],
    )  # what is hardly visible is neither an object nor background
    ignored = torch.cat([ignored, rest])
    ignored = ignored[(ignored[:, 2:] - ignored[:, :2] > 1).all(1)]
    return picture, Truth(boxes[seen], truth.labels[seen], ignored)


def padded(pictures: Sequence[np.ndarray]) -> Tensor:
    """[B, 3, H, W] of pictures [h, w, 3] uint8, zeros on the right and below to a common multiple of the strides."""
    step = STRIDES[-1]
    height, width = (-(-max(p.shape[axis] for p in pictures) // step) * step for axis in (0, 1))
    batch = torch.zeros(len(pictures), 3, height, width)
    for place, picture in zip(batch, pictures, strict=True):
        values = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)
        place[:, : picture.shape[0], : picture.shape[1]] = (values.float() - 118) / 58
    return batch.to(memory_format=torch.channels_last)


def checked_picture(frame: np.ndarray, number: int) -> np.ndarray:
    """The frame, if it is one.

    Raises:
        TypeError, ValueError: no [H, W, 3] uint8.
    """
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8:
        raise TypeError(
            f"frame {number} must be a NumPy array of uint8, got {getattr(frame, 'dtype', type(frame))}"
        )
    if frame.ndim != 3 or frame.shape[2] != 3 or min(frame.shape) < 1:
        raise ValueError(f"frame {number} must have shape [H, W, 3], got {list(frame.shape)}")
    return frame


def checked_truth(
    n_frames: int, boxes: Sequence[np.ndarray | Tensor], labels: Sequence[np.ndarray | Tensor], n_labels: int
) -> list[Truth]:
    """Boxes and labels of frames.

    Raises:
        ValueError: no frame, other lengths, unknown labels, boxes that are empty or not finite.
    """
    if not n_frames or len(boxes) != n_frames or len(labels) != n_frames:
        raise ValueError(
            f"frames, boxes and labels must be equally many, one at least: {n_frames}, {len(boxes)}, {len(labels)}"
        )
    truth = []
    for number in range(n_frames):
        own = torch.as_tensor(boxes[number], dtype=torch.float32).reshape(-1, 4)
        label = torch.as_tensor(labels[number]).reshape(-1).long()
        if len(own) != len(label):
            raise ValueError(f"frame {number} has {len(own)} boxes and {len(label)} labels")
        if not (own.isfinite().all() and (own[:, :2] < own[:, 2:]).all()):
            raise ValueError(
                f"frame {number}: boxes must be finite, x_min < x_max and y_min < y_max: {own.tolist()}"
            )
        if ((label < CANNOT_TELL) | (label >= n_labels)).any():
            raise ValueError(
                f"frame {number}: labels must be 0 to {n_labels - 1}, -1 or -2, got {label.tolist()}"
            )
        truth.append(Truth.of(own, label))
    return truth
