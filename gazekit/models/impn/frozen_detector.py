"""A detector as a part of a system: its weights are state, what it found in a frame is found once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from gazekit.base import Data
from gazekit.models.impn.detections import Detections
from gazekit.models.impn.detector.net import TinyNet
from gazekit.models.impn.detector.tiny import TinyDetector

__all__ = ["FrozenDetector"]

_trained: WeakKeyDictionary[Data, dict[int, dict[str, Tensor]]] = WeakKeyDictionary()
_found: WeakKeyDictionary[Any, dict[tuple[str, int], Detections]] = WeakKeyDictionary()


class FrozenDetector(nn.Module):
    """A `TinyDetector` whose weights no optimiser changes. It works on the CPU, wherever the system is.

    Detectors with equal weights (of a system and of its baselines) share what they found in the frames of a video.

    Args:
        labels: names.
    """

    feature_size = TinyDetector.feature_size

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.net = TinyNet(len(self.labels), feature_size=self.feature_size).requires_grad_(False)
        self._ready: tuple[str, TinyDetector] | None = None
        self.register_load_state_dict_post_hook(lambda module, _: setattr(module, "_ready", None))

    def fit(self, data: Data, steps: int) -> None:
        """Train on the part "detector" of the data, from first weights of the seed of the data.

        What shares the data shares the training.

        Args:
            steps: of the optimiser, see `TinyDetector.fit`.
        """
        states = _trained.setdefault(data, {})
        if steps not in states:
            batch = data.batch(data.parts["detector"].tolist())
            detector = TinyDetector(self.labels, seed=data.seed)
            pictures = [batch["frames"].read(frame) for frame in batch["frame"].tolist()]
            truth = batch["truth"]
            detector.fit(pictures, [t["boxes"] for t in truth], [t["labels"] for t in truth], steps)
            states[steps] = {name: weights.clone() for name, weights in detector.net.state_dict().items()}
        self.load_state_dict({f"net.{name}": weights for name, weights in states[steps].items()})

    def detections(self, frames: Any, numbers: Sequence[int]) -> list[Detections]:
        """What is in frames of a video.

        Args:
            frames: has `read(number)`; remembered by identity while it lives.
            numbers: of the frames.
        """
        key, detector = self._with_checksum()
        known = _found.setdefault(frames, {})
        for number in numbers:
            if (key, number) not in known:
                known[key, number] = detector.detect([frames.read(number)])[0]
        return [known[key, number] for number in numbers]

    @property
    def detector(self) -> TinyDetector:
        """One with these weights."""
        return self._with_checksum()[1]

    def _with_checksum(self) -> tuple[str, TinyDetector]:
        """A checksum of the weights, and a detector that has them."""
        if self._ready is None:
            state = {name: weights.detach().cpu() for name, weights in self.net.state_dict().items()}
            checksum = hashlib.sha256()
            for weights in state.values():
                checksum.update(weights.contiguous().numpy().tobytes())
            detector = TinyDetector(self.labels)
            detector.net.load_state_dict(state)
            self._ready = checksum.hexdigest(), detector
        return self._ready
