"""RT-DETRv2 and D-FINE of the package transformers, with weights from a folder on this machine.

The code of both is Apache-2.0; weights have their own licence, read it where you get them. Nothing is downloaded. Both
are trained on many kinds of things already: with real recordings begin here where a `TinyDetector` is not enough.
RT-DETRv2: Lv et al. 2024; D-FINE: Peng et al. 2024.
"""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gazekit.kernels.boxes import nms
from gazekit.models.impn.detections import Detections
from gazekit.models.impn.detector import transformers_models as models
from gazekit.models.impn.detector.tiny import LEAST_SCORE, MOST, OVERLAP
from gazekit.models.impn.detector.training import BATCH, FitReport, checked_picture, checked_truth

__all__ = ["TIERS", "TransformersDetector"]

FORMAT = "gazekit.transformers_detector.1"
_HEADS = "class_embed|bbox_embed|enc_score_head|enc_bbox_head|pre_bbox_head|lqe_layers"
TIERS = {
    "heads": (200, {_HEADS: 5e-5}),
    "all": (300, {"backbone(?!.*embedder)": 1e-5, "^(?!.*backbone)": 1e-4}),
}
"""What learns: steps, and rates of the weights whose names a pattern is found in; "all" is all but the stem."""


class TransformersDetector:
    """A detector of `transformers_models.KINDS`. Its decoder's last hidden states are the features.

    These models give every label its own probability s_c. Here the probability of the background is 1 - max s, and
    max s is shared among the labels as their s. It runs on a GPU where there is one.

    Args:
        labels: names. Where the folder's model knows the same names in this order its class layers are kept, else
            they start anew.
        folder: with `config.json` and `model.safetensors`, as `save_pretrained` writes it.
        side_px: pictures are resized to this square, whatever their form, as these models are trained.
        seed: of new layers and draws.
    Raises:
        ImportError: transformers is not installed.
        FileNotFoundError: no such folder, or no weights in it.
        ValueError: a model of another type, damaged weights; no label, or one twice; a side not of 32 to 2048 px.
    """

    def __init__(
        self, labels: Sequence[str], folder: str | Path, *, side_px: int = 640, seed: int = 0
    ) -> None:
        self._set(labels, side_px, seed)
        self._use(models.from_folder(Path(folder), self.labels, seed))

    def _set(self, labels: Sequence[str], side_px: int, seed: int) -> None:
        self.labels, self.side_px, self.seed = tuple(labels), side_px, seed
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels must be at least one name, each once, got {list(self.labels)}")
        if not 32 <= side_px <= 2048:
            raise ValueError(f"side_px must be 32 to 2048, got {side_px}")

    def _use(self, model: Any) -> None:
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.feature_size = int(model.config.d_model)

    @torch.no_grad()
    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        """As `TinyDetector.detect`."""
        model, found = self.model, []
        for start in range(0, len(frames), BATCH):
            batch = [checked_picture(frames[i], i) for i in range(start, min(start + BATCH, len(frames)))]
            out = model(pixel_values=self._tensor(batch))
            columns = (part.cpu() for part in (out.logits, out.pred_boxes, out.last_hidden_state))
            for frame, *parts in zip(batch, *columns, strict=True):
                found.append(_detections(*parts, (float(frame.shape[1]), float(frame.shape[0]))))
        return found

    def fit(
        self,
        frames: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray | Tensor],
        labels: Sequence[np.ndarray | Tensor],
        steps: int | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float], None] = lambda share: None,
        *,
        tier: str | None = None,
    ) -> FitReport:
        """Fine-tune with the model's own loss; otherwise as `TinyDetector.fit`.

        Deviation: frames with a box that nobody can tell are left out, as these losses cannot ignore a region.

        Args:
            steps: batches of four frames; None: the tier's.
            tier: of `TIERS`: "heads", those of classes and boxes; or "all", which takes a GPU. None: what the machine
                is good for.
        Raises:
            As `TinyDetector.fit`; ValueError: another tier, no frame whose boxes can all be told.
        """
        tier = tier or ("all" if self.model.device.type == "cuda" else "heads")
        if tier not in TIERS:
            raise ValueError(f"tier must be one of {', '.join(TIERS)}, got {tier!r}")
        steps = TIERS[tier][0] if steps is None else steps
        truth = checked_truth(len(frames), boxes, labels, len(self.labels))
        usable = [i for i, own in enumerate(truth) if not len(own.ignored)]
        if not usable or steps < 1:
            raise ValueError(
                f"expected a frame whose boxes can all be told, and a step at least; got {len(usable)}, {steps}"
            )
        model, losses, started = copy.deepcopy(self.model), [], time.perf_counter()
        groups = _learning(model, TIERS[tier][1])
        optimizer = torch.optim.AdamW(groups, weight_decay=1e-4)
        draw = np.random.default_rng((self.seed, 1))
        for step in range(steps):
            if should_stop():
                break
            chosen = draw.permutation(usable)[:BATCH]
            batch = [checked_picture(frames[i], i) for i in chosen]
            targets = [_target(truth[i], frame, model.device) for i, frame in zip(chosen, batch, strict=True)]
            loss = model(pixel_values=self._tensor(batch), labels=targets).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([one for group in groups for one in group["params"]], 0.1)
            optimizer.step()
            losses.append(loss.item())
            progress((step + 1) / steps)
        self.model = model.eval().requires_grad_(False)
        tenth = max(1, len(losses) // 10)
        means = (float(np.mean(part)) if part else np.nan for part in (losses[:tenth], losses[-tenth:]))
        return FitReport(len(losses), time.perf_counter() - started, *means)

    def with_labels(self, labels: Sequence[str]) -> TransformersDetector:
        """The same detector with more labels, which it has yet to learn; what it learnt for the old ones stays.

        Raises:
            ValueError: names that do not begin with the present ones.
        """
        labels = tuple(labels)
        if labels[: len(self.labels)] != self.labels:
            raise ValueError(f"labels are only appended: {list(labels)} must begin with {list(self.labels)}")
        grown = copy.copy(self)
        grown._set(labels, self.side_px, self.seed)
        grown.model = models.with_labels(self.model, labels)
        return grown

    def save(self, path: str | Path) -> None:
        """Write weights and settings as one safetensors file: nothing of it can run when it is read.

        Raises:
            OSError: it cannot be written.
        """
        about = {
            "format": FORMAT,
            "labels": json.dumps(self.labels),
            "settings": json.dumps({"side_px": self.side_px, "seed": self.seed}),
            "config": self.model.config.to_json_string(use_diff=False),
        }
        # layers that share their weights are written one by one
        weights = {name: value.cpu().clone() for name, value in self.model.state_dict().items()}
        try:
            save_file(weights, str(path), about)
        except SafetensorError as error:  # it has no better name for a full disk
            raise OSError(f"{path} cannot be written: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> TransformersDetector:
        """Read what `save` wrote; the folder that it began with is not needed.

        Raises:
            ImportError: transformers is not installed.
            FileNotFoundError: no such file. ValueError: a damaged file, or one of something else.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no file {path}")
        try:
            with safe_open(str(path), "pt") as file:
                about = file.metadata() or {}
                if about.get("format") != FORMAT:
                    raise ValueError(f"its format is {about.get('format')!r}, expected {FORMAT!r}")
                weights = {name: file.get_tensor(name) for name in file.keys()}
            detector = cls.__new__(cls)
            detector._set(json.loads(about["labels"]), **json.loads(about["settings"]))
            detector._use(models.from_settings(json.loads(about["config"]), weights))
            if detector.model.config.num_labels != len(detector.labels):
                raise ValueError(f"it has other labels than {list(detector.labels)}")
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is no detector that TransformersDetector.save wrote: {error}"
            ) from error
        return detector

    def _tensor(self, frames: list[np.ndarray]) -> Tensor:
        size = (self.side_px, self.side_px)
        pictures = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
        return torch.from_numpy(pictures).to(self.model.device).permute(0, 3, 1, 2).float() / 255


def _learning(model: nn.Module, rates: dict[str, float]) -> list[dict[str, Any]]:
    """Groups for an optimiser of the weights that learn; the others are frozen, and so are statistics of batches,
    which are a handful of frames."""
    model.train()
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()
    groups = []
    for pattern, rate in rates.items():
        weights = [one for name, one in model.named_parameters() if re.search(pattern, name)]
        groups.append({"params": [one.requires_grad_() for one in weights], "lr": rate})
    return groups


def _target(truth: Any, frame: np.ndarray, device: torch.device) -> dict[str, Tensor]:
    """Boxes as shares of the picture: middle and sides."""
    size = truth.boxes.new_tensor([frame.shape[1], frame.shape[0]])
    low, high = truth.boxes[:, :2] / size, truth.boxes[:, 2:] / size
    boxes = torch.cat([(low + high) / 2, high - low], 1)
    return {"class_labels": truth.labels.to(device), "boxes": boxes.to(device)}


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
