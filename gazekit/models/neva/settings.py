"""Settings of a NeVA, and the published sets of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["PRESETS", "NevaSettings"]


@dataclass(frozen=True)
class NevaSettings:
    """How fixations are optimised. Lengths "norm" are in units of half the side of the picture, as in the source.

    Args:
        steps: n_opt, steps of the optimisation of one fixation.
        step_norm: eta, length of a step along each axis.
        spread_norm: s of the bump exp(-|p - xi|^2 / s) about a fixation; no square and no factor 2, see `bump_px`.
        kernel_px, sigma_px: of the blur of what has not been seen.
        memory: gamma, share of what was seen that is left after a fixation.
        restarts: where a sample goes on whose step did not lower its loss: "jitter" by up to half a step, or a
            "uniform" draw from the picture.
        size_px: side of the square to which pictures are stretched.
        solver: "gradient" is the published procedure. "scan" minimises the same loss by another search, with a
            stem that all candidates share, see `scan`. `steps`, `step_norm`, `restarts` and `reference_compat` then
            play no part.
        reference_compat: keep, as the released code does, the position one step beyond the one whose loss was best.
    Raises:
        ValueError: a value without meaning.
    """

    steps: int = 20
    step_norm: float = 0.1
    spread_norm: float = 0.15
    kernel_px: int = 5
    sigma_px: float = 5.0
    memory: float = 0.1
    restarts: Literal["jitter", "uniform"] = "jitter"
    size_px: int = 224
    solver: Literal["gradient", "scan"] = "gradient"
    reference_compat: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "step_norm", "spread_norm", "kernel_px", "sigma_px", "size_px"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive, got {value}")
        if not 0 <= self.memory <= 1:
            raise ValueError(f"memory must be from 0 to 1, got {self.memory}")
        for name, known in (("restarts", ("jitter", "uniform")), ("solver", ("gradient", "scan"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, got {getattr(self, name)!r}")

    @property
    def step_px(self) -> float:
        """eta in pixels of the square."""
        return self.step_norm * (self.size_px - 1) / 2

    @property
    def bump_px(self) -> float:
        """Standard deviation of the bump in pixels of the square: 30.5 px for s = 0.15 and 35.3 px for s = 0.2."""
        return math.sqrt(self.spread_norm / 2) * (self.size_px - 1) / 2


PRESETS = {
    "classification": NevaSettings(),
    "clip": NevaSettings(spread_norm=0.2, kernel_px=41, sigma_px=10.0, memory=0.7),
    "nevaclip": NevaSettings(spread_norm=0.2, kernel_px=41, sigma_px=10.0, memory=0.0, restarts="uniform"),
}
"""NeVA's released examples for classification (10 fixations) and with CLIP (3 fixations), and NevaClip (10)."""
