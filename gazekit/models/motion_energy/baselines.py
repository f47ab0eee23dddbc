"""Rows beside the motion model: no motion, the mean motion, and a standard method of computer vision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data, Predictor

__all__ = ["Farneback", "MeanFlow", "ZeroFlow"]


class ZeroFlow(Predictor):
    """Nothing moves."""

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`flow` of zeros, in the shape of the true flow."""
        return {"flow": torch.zeros_like(batch["true_flow"])}


class MeanFlow(Predictor):
    """The mean flow of training clips, the same for every clip.

    Args:
        facts: `flow_size`, width and height of the flow.
        clips: how many training clips it is the mean of, at most.
    """

    flow: Tensor

    def __init__(self, facts: Mapping[str, Any] | None = None, clips: int = 400) -> None:
        super().__init__(facts)
        if clips < 1:
            raise ValueError(f"clips must be at least 1, got {clips}")
        width, height = (facts or {}).get("flow_size", (0, 0))
        self.clips = clips
        self.register_buffer("flow", torch.full((2, height, width), torch.nan))

    def fit(self, data: Data) -> None:
        """The mean over the first training clips."""
        index = data.parts["train"][: self.clips].tolist()
        total = sum(data.batch(part)["true_flow"].double().sum(0) for part in data.groups(index))
        self.flow.copy_(total / len(index))

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`flow` [B, 2, H, W]."""
        return {"flow": self.flow.expand(len(batch["true_flow"]), -1, -1, -1)}


class Farneback(Predictor):
    """Farneback's dense optical flow of the middle frame and the next one, OpenCV's with its usual settings.

    Source: Farneback 2003 (SCIA, LNCS 2749, 363). Three levels of half the size, windows of `window_px`, polynomials
    over 5 px with sigma 1.2.

    Args:
        window_px: of the averaging.
        iterations: at each level.
    """

    def __init__(
        self, facts: Mapping[str, Any] | None = None, window_px: int = 15, iterations: int = 3
    ) -> None:
        super().__init__(facts)
        self.window_px, self.iterations = window_px, iterations

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`flow` [B, 2, H, W]."""
        import cv2

        frames = (255 * batch["frames"].clamp(0, 1)).round().byte().cpu().numpy()
        middle = frames.shape[1] // 2
        flows = [
            cv2.calcOpticalFlowFarneback(
                clip[middle], clip[middle + 1], None, 0.5, 3, self.window_px, self.iterations, 5, 1.2, 0
            )
            for clip in frames
        ]
        return {"flow": torch.from_numpy(np.stack(flows)).movedim(-1, 1).to(batch["frames"].device)}
