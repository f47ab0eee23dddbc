"""RT-DETRv2 and D-FINE of the package transformers, with weights from a folder on this machine.

The code of both is Apache-2.0; weights have their own licence, read it where you get them. Nothing is downloaded. Both
are trained on many kinds of things already: with real recordings begin here where a `TinyDetector` is not enough.
RT-DETRv2: Lv et al. 2024; D-FINE: Peng et al. 2024.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

import gazekit.kernels
from gazekit.kernels.boxes import nms
from gazekit.models.impn.detections import Detections
from gazekit.models.impn.detector.tiny import LEAST_SCORE, MOST, OVERLAP
from gazekit.models.impn.detector.training import BATCH, FitReport, checked_picture, checked_truth

__all__ = ["KINDS", "TransformersDetector"]

KINDS = ("rt_detr_v2", "d_fine")
"""Model types that are known to work here."""


class TransformersDetector:
    """A detector of `KINDS`. Its decoder's last hidden states are the features.

    These models give every label its own probability s_c. Here the probability of the background is 1 - max s, and
    max s is shared among the labels as their s.

    Args:
        labels: names. Where the folder's model knows the same names in this order its class layers are kept, else
            they start anew.
        folder: with `config.json` and `model.safetensors`, as `save_pretrained` writes it.
        side_px: pictures are resized to this square, whatever their form, as these models are trained.
        seed: of new layers and draws.
    Raises:
        ImportError: transformers is not installed.
        FileNotFoundError: no such folder, or no weights in it.
        ValueError: a model of another type; no label, or one twice.
    """

    def __init__(
        self, labels: Sequence[str], folder: str | Path, *, side_px: int = 640, seed: int = 0
    ) -> None:
        self.labels, self.folder, self.side_px, self.seed = tuple(labels), Path(folder), side_px, seed
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels must be at least one name, each once, got {list(self.labels)}")
        self.model = _load(self.folder, self.labels, seed)
        self.feature_size = int(self.model.config.d_model)

    @torch.no_grad()
    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        """As `TinyDetector.detect`."""
        model, found = self.model, []
        for start in range(0, len(frames), BATCH):
            batch = [checked_picture(frames[i], i) for i in range(start, min(start + BATCH, len(frames)))]
            out = model(pixel_values=self._tensor(batch))
            for frame, *parts in zip(batch, out.logits, out.pred_boxes, out.last_hidden_state, strict=True):
                found.append(_detections(*parts, (float(frame.shape[1]), float(frame.shape[0]))))
        return found

    def fit(
        self,
        frames: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray | Tensor],
        labels: Sequence[np.ndarray | Tensor],
        steps: int = 200,
        should_stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float], None] = lambda share: None,
        *,
        learning_rate: float = 1e-4,
    ) -> FitReport:
        """Fine-tune all but the backbone with the model's own loss; otherwise as `TinyDetector.fit`.

        Deviation: frames with a box that nobody can tell are left out, as these losses cannot ignore a region.
        """
        truth = checked_truth(len(frames), boxes, labels, len(self.labels))
        usable = [i for i, own in enumerate(truth) if not len(own.ignored)]
        if not usable or steps < 1:
            raise ValueError(
                f"expected a frame whose boxes can all be told, and a step at least; got {len(usable)}, {steps}"
            )
        model, losses, started = copy.deepcopy(self.model).train(), [], time.perf_counter()
        for name, weights in model.named_parameters():
            weights.requires_grad_("backbone" not in name)
        learnt = [weights for weights in model.parameters() if weights.requires_grad]
        optimizer = torch.optim.AdamW(learnt, learning_rate, weight_decay=1e-4)
        draw = np.random.default_rng((self.seed, 1))
        for step in range(steps):
            if should_stop():
                break
            chosen = draw.permutation(usable)[:BATCH]
            batch = [checked_picture(frames[i], i) for i in chosen]
            targets = [_target(truth[i], frame) for i, frame in zip(chosen, batch, strict=True)]
            loss = model(pixel_values=self._tensor(batch), labels=targets).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learnt, 0.1)
            optimizer.step()
            losses.append(loss.item())
            progress((step + 1) / steps)
        self.model = model.eval().requires_grad_(False)
        tenth = max(1, len(losses) // 10)
        means = (float(np.mean(part)) if part else np.nan for part in (losses[:tenth], losses[-tenth:]))
        return FitReport(len(losses), time.perf_counter() - started, *means)

    def with_labels(self, labels: Sequence[str]) -> TransformersDetector:
        """A detector with more labels from the folder's weights: what was learnt since is for the old ones only, so
        fit it anew.

        Raises:
            ValueError: names that do not begin with the present ones.
        """
        labels = tuple(labels)
        if labels[: len(self.labels)] != self.labels:
            raise ValueError(f"labels are only appended: {list(labels)} must begin with {list(self.labels)}")
        return TransformersDetector(labels, self.folder, side_px=self.side_px, seed=self.seed)

    def save(self, path: str | Path) -> None:
        """Write a folder that the class can be made from again."""
        self.model.save_pretrained(str(path))

    def _tensor(self, frames: list[np.ndarray]) -> Tensor:
        size = (self.side_px, self.side_px)
        pictures = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def hide_our_kernels() -> None:
    """Before transformers is imported: it takes any package `kernels` for one that it knows, and in a checkout Python
    may find our folder of that name."""
    spec = find_spec("kernels")
    if spec is not None and spec.origin == gazekit.kernels.__file__:
        sys.modules["kernels"] = None


def _load(folder: Path, labels: tuple[str, ...], seed: int) -> Any:
    hide_our_kernels()
    try:
        from transformers import AutoModelForObjectDetection
    except ImportError as error:
        raise ImportError(
            "TransformersDetector needs the package transformers: pip install transformers"
        ) from error
    if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"{folder} must hold config.json and model.safetensors of RT-DETRv2 or D-FINE; nothing is downloaded"
        )
    try:
        config = json.loads((folder / "config.json").read_text())
        kind = config.get("model_type")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{folder / 'config.json'}: no JSON object ({error})") from error
    if kind not in KINDS:
        raise ValueError(
            f"{folder / 'config.json'}: model_type must be one of {', '.join(KINDS)}, got {kind!r}"
        )
    names = {"id2label": dict(enumerate(labels)), "label2id": {name: k for k, name in enumerate(labels)}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForObjectDetection.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            **names,
        )
    return model.eval().requires_grad_(False)


def _target(truth: Any, frame: np.ndarray) -> dict[str, Tensor]:
    """Boxes as shares of the picture: middle and sides."""
    size = truth.boxes.new_tensor([frame.shape[1], frame.shape[0]])
    low, high = truth.boxes[:, :2] / size, truth.boxes[:, 2:] / size
    return {"class_labels": truth.labels, "boxes": torch.cat([(low + high) / 2, high - low], 1)}


def _detections(logits: Tensor, shares: Tensor, hidden: Tensor, size_px: tuple[float, float]) -> Detections:
    size = logits.new_tensor(size_px)
    middle, half = shares[:, :2] * size, shares[:, 2:] * size / 2
    boxes = torch.cat([(middle - half).clamp(min=0), (middle + half).minimum(size)], 1)
    score = logits.sigmoid()
    thing = score.amax(1)
    probs = torch.cat(
        [score / score.sum(1, keepdim=True).clamp(min=1e-9) * thing[:, None], 1 - thing[:, None]], 1
    )
    rows = ((thing >= LEAST_SCORE) & (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)).nonzero()[:, 0]
    rows = rows[nms(boxes[rows], thing[rows], OVERLAP)[:MOST]]
    return Detections(boxes[rows], probs[rows], hidden[rows], size_px)
