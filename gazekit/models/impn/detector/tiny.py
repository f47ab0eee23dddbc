"""`TinyDetector`: finds a project's own things after a minute of training on a CPU, from nothing but its labels."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gazekit.kernels.boxes import nms
from gazekit.models.impn.assignment import look_alike_groups
from gazekit.models.impn.detections import Detections
from gazekit.models.impn.detector.losses import proposals
from gazekit.models.impn.detector.net import TinyNet, apply_deltas
from gazekit.models.impn.detector.training import (
    BATCH,
    FitReport,
    checked_picture,
    checked_truth,
    padded,
    train,
)

__all__ = ["TinyDetector"]

LEAST_SCORE, OVERLAP, MOST = 0.05, 0.7, 40
_FORMAT = "gazekit.tiny_detector.1"


class TinyDetector:
    """A two-stage detector of 1.4 million parameters (`net.TinyNet`), trained from scratch.

    A picture whose longer side exceeds `long_side_px` is shrunk to it first; things should have 12 px or more then.
    From nothing it learns things whose looks vary little, as those of one recording do, from tens of labelled frames.
    For many wearers and rooms, or kinds of things that look different from one another, take a detector with
    trained weights.

    Args:
        labels: names.
        long_side_px: see above.
        flip: mirror half of the pictures in training; refused where labels are pairs of left and right.
        seed: of the first weights and all draws.
    Raises:
        ValueError: no label, one twice, a side below 64 px, `flip` with left and right.
    """

    feature_size = 128

    def __init__(
        self, labels: Sequence[str], *, long_side_px: int = 320, flip: bool = False, seed: int = 0
    ) -> None:
        self.labels = tuple(labels)
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels must be at least one name, each once, got {list(self.labels)}")
        if flip and look_alike_groups(self.labels):
            raise ValueError(
                "flip must be False with labels of left and right things: in a mirror a left one is a right one"
            )
        if long_side_px < 64:
            raise ValueError(f"long_side_px must be at least 64, got {long_side_px}")
        self.long_side_px, self.flip, self.seed = long_side_px, flip, seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = _ready(TinyNet(len(self.labels), feature_size=self.feature_size))

    @torch.no_grad()
    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        """What is in frames: each region once, with the probabilities of all labels, the likeliest thing first.

        Left out are regions whose probability of being any thing is below 0.05, and those that overlap a likelier one
        by an IoU above 0.7; 40 at most stay. While `fit` runs in another thread the weights are those before it.

        Args:
            frames: [H, W, 3] uint8 RGB each.
        Raises:
            TypeError, ValueError: other frames.
        """
        net, found = self.net, []
        for start in range(0, len(frames), BATCH):
            batch = [checked_picture(frames[i], i) for i in range(start, min(start + BATCH, len(frames)))]
            alike = [batch] if len({frame.shape for frame in batch}) == 1 else [[frame] for frame in batch]
            found += [one for part in alike for one in self._detect(net, part)]
        return found

    def _detect(self, net: TinyNet, frames: list[np.ndarray]) -> list[Detections]:
        height, width = frames[0].shape[:2]
        scale = min(1.0, self.long_side_px / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        if scale < 1:
            frames = [cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA) for frame in frames]
        level, dense = net(padded(frames))
        regions = [proposals(dense, k, size, LEAST_SCORE, 60) for k in range(len(frames))]
        features, logits, deltas = net.regions(level, regions)
        boxes = apply_deltas(torch.cat(regions), deltas)
        boxes = boxes * torch.tensor([width / size[1], height / size[0]]).repeat(2)
        boxes = boxes.clamp(min=0).minimum(torch.tensor([width, height]).repeat(2))
        counts = [len(part) for part in regions]
        parts = zip(boxes.split(counts), logits.softmax(1).split(counts), features.split(counts), strict=True)
        return [_best(*part, (float(width), float(height))) for part in parts]

    def fit(
        self,
        frames: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray | Tensor],
        labels: Sequence[np.ndarray | Tensor],
        steps: int = 200,
        should_stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float], None] = lambda share: None,
        *,
        learning_rate: float = 2e-3,
    ) -> FitReport:
        """Go on learning, from frames on which everything is labelled. An error leaves the detector as it was.

        AdamW, one cycle, batches of four frames that are brightened, coloured, zoomed (0.8 to 1.25) and moved at
        random. Until the end `detect` uses the weights of before.

        Args:
            frames: [H, W, 3] uint8 RGB each, read when they are needed: any sequence does.
            boxes: for each frame [M, 4] pixels; a frame without boxes has nothing in it.
            labels: for each frame [M], 0 ... C - 1, `BACKGROUND`, or `CANNOT_TELL`: nothing is learnt there.
            steps: batches.
            should_stop: asked before each step; what was learnt until then is kept.
            progress: told the share that is done, 0 to 1.
            learning_rate: the highest of the cycle.
        Raises:
            TypeError, ValueError: frames, boxes or labels that are none or do not belong together, no step.
        """
        truth = checked_truth(len(frames), boxes, labels, len(self.labels))
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        net = copy.deepcopy(self.net).train().requires_grad_(True)
        how = {"long_side_px": self.long_side_px, "flip": self.flip, "seed": self.seed}
        report = train(net, frames, truth, steps, should_stop, progress, learning_rate=learning_rate, **how)
        self.net = _ready(net)
        return report

    def with_labels(self, labels: Sequence[str]) -> TinyDetector:
        """The same detector with more labels, which it has yet to learn.

        Raises:
            ValueError: names that do not begin with the present ones.
        """
        labels = tuple(labels)
        if labels[: len(self.labels)] != self.labels:
            raise ValueError(f"labels are only appended: {list(labels)} must begin with {list(self.labels)}")
        grown = TinyDetector(labels, **self._settings())
        state, rows = (
            grown.net.state_dict(),
            [*range(len(self.labels)), len(labels)],
        )  # the background stays last
        for name, value in self.net.state_dict().items():
            state[name][rows if name.startswith("classes.") else slice(None)] = value
        return grown

    def _settings(self) -> dict:
        return {"long_side_px": self.long_side_px, "flip": self.flip, "seed": self.seed}

    def save(self, path: str | Path) -> None:
        """Write weights and settings as safetensors: nothing of the file can run when it is read."""
        about = {
            "format": _FORMAT,
            "labels": json.dumps(self.labels),
            "settings": json.dumps(self._settings()),
        }
        save_file(
            {name: value.contiguous() for name, value in self.net.state_dict().items()}, str(path), about
        )

    @classmethod
    def load(cls, path: str | Path) -> TinyDetector:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: no such file. ValueError: a damaged file, or one of something else.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no file {path}")
        try:
            with safe_open(str(path), "pt") as file:
                about = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}
            if about.get("format") != _FORMAT:
                raise ValueError(f"its format is {about.get('format')!r}, expected {_FORMAT!r}")
            detector = cls(json.loads(about["labels"]), **json.loads(about["settings"]))
            detector.net.load_state_dict(weights)
        except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"{path} is no detector that TinyDetector.save wrote: {error}") from error
        return detector


def _ready(net: TinyNet) -> TinyNet:
    """For `detect`."""
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _best(boxes: Tensor, probs: Tensor, features: Tensor, size_px: tuple[float, float]) -> Detections:
    thing = 1 - probs[:, -1]
    rows = ((thing >= LEAST_SCORE) & (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)).nonzero()[:, 0]
    rows = rows[nms(boxes[rows], thing[rows], OVERLAP)[:MOST]]
    return Detections(boxes[rows], probs[rows], features[rows], size_px)
