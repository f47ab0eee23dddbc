"""Generated clips of motion with exact truth (`motion_world`), drawn when they are asked for.

    data = MotionStimuli(clips=100)
    data.setup()
    batch = data.batch([0, 1])       # frames [B, T, H, W], true_flow [B, 2, H, W], condition [B], group [B]

Kinds, in turn: "scene" (a textured background and up to three textured ellipses over it, drifting, turning and
growing), "grating", "plaid", "dots" (of any coherence from .4 to 1). The part "illusions" has "reverse_phi" and
"drift_balanced", which nothing is trained on. Luminance is around 0.5, flow in pixels per frame, v downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from gazekit.base import Data
from gazekit.datasets.motion_world import (
    Clip,
    Layer,
    draw_layers,
    drift_balanced,
    plaid,
    random_dots,
    reverse_phi,
    texture,
)

__all__ = ["ILLUSIONS", "KINDS", "MotionStimuli", "sample_clip"]

KINDS = ("scene", "grating", "plaid", "dots")
ILLUSIONS = ("reverse_phi", "drift_balanced")
_PARTS = {"train": 1, "val": 2, "test": 3, "illusions": 4}
_NOISE = 0.01  # standard deviation of the luminance of each pixel


def sample_clip(
    draw: np.random.Generator, kind: str, size_px: tuple[int, int], frames: int, max_speed: float
) -> Clip:
    """A clip of one of `KINDS` or `ILLUSIONS` with random parameters and speeds up to `max_speed` px per frame."""
    clip = _SAMPLERS[kind](draw, size_px, frames, max_speed)
    noise = draw.normal(0, _NOISE, clip.frames.shape).astype(np.float32)
    return Clip(clip.frames + noise, clip.flow)


def _velocity(draw: np.random.Generator, max_speed: float) -> np.ndarray:
    angle = draw.uniform(0, 2 * np.pi)
    return draw.uniform(0, max_speed) * np.array([np.cos(angle), np.sin(angle)])


def _scene(draw: np.random.Generator, size_px: tuple[int, int], frames: int, max_speed: float) -> Clip:
    layers = []
    for k in range(1 + int(draw.integers(1, 4))):
        centre = tuple(draw.uniform(0.15, 0.85, 2) * size_px) if k else (size_px[0] / 2, size_px[1] / 2)
        radii = tuple(draw.uniform(0.12, 0.3, 2) * min(size_px)) if k else None
        turn, grow = draw.normal(0, 0.015, 2)
        rates = np.array([[grow, -turn], [turn, grow]])
        waves = texture(draw, 24, draw.uniform(0.05, 0.2))
        mean = 0.5 + draw.uniform(-0.15, 0.15)
        layers.append(Layer(*waves, _velocity(draw, max_speed), rates, centre, radii, mean))
    return draw_layers(layers, size_px, frames)


def _grating(draw: np.random.Generator, size_px: tuple[int, int], frames: int, max_speed: float) -> Clip:
    spatial, speed = np.exp(draw.uniform(np.log(0.04), np.log(0.15))), draw.uniform(0, max_speed)
    temporal = min(spatial * speed, 0.25)
    angle, phase = draw.uniform(0, 2 * np.pi, 2)
    return plaid(size_px, frames, [spatial], [temporal], [angle], [phase], draw.uniform(0.2, 0.9))


def _plaid(draw: np.random.Generator, size_px: tuple[int, int], frames: int, max_speed: float) -> Clip:
    velocity = _velocity(draw, max_speed)
    spatial = np.exp(draw.uniform(np.log(0.04), np.log(0.15), 2))
    theta = draw.uniform(0, 2 * np.pi) + np.array([0, draw.uniform(np.pi / 4, 3 * np.pi / 4)])
    temporal = spatial * (np.stack([np.cos(theta), np.sin(theta)], 1) @ velocity)
    phase = draw.uniform(0, 2 * np.pi, 2)
    return plaid(size_px, frames, [*spatial], [*temporal], [*theta], [*phase], draw.uniform(0.4, 0.9))


def _dots(draw: np.random.Generator, size_px: tuple[int, int], frames: int, max_speed: float) -> Clip:
    velocity, coherence = _velocity(draw, max_speed), draw.uniform(0.4, 1)
    return random_dots(draw, size_px, frames, velocity, coherence, draw.uniform(0.01, 0.04))


def _reverse_phi(draw: np.random.Generator, size_px: tuple[int, int], frames: int, max_speed: float) -> Clip:
    spatial = draw.uniform(0.05, 0.1)
    temporal = draw.uniform(0.1, 0.2)  # steps of less than a quarter of a cycle
    angle, phase = draw.uniform(0, 2 * np.pi, 2)
    return reverse_phi(plaid(size_px, frames, [spatial], [temporal], [angle], [phase]))


def _balanced(draw: np.random.Generator, size_px: tuple[int, int], frames: int, max_speed: float) -> Clip:
    angle, speed = draw.uniform(0, 2 * np.pi), draw.uniform(0.5, max_speed)
    velocity = speed * np.array([np.cos(angle), np.sin(angle)])
    return drift_balanced(draw, size_px, frames, velocity, draw.uniform(0.04, 0.08))


_SAMPLERS: dict[str, Callable[..., Clip]] = {
    "scene": _scene,
    "grating": _grating,
    "plaid": _plaid,
    "dots": _dots,
    "reverse_phi": _reverse_phi,
    "drift_balanced": _balanced,
}


class MotionStimuli(Data):
    """Generated clips; see the module.

    Args:
        clips: of training; scored: of "val", of "test" and of "illusions", each.
        size_px: width and height.
        frames: of a clip, odd.
        max_speed: in px per frame.
        batch_size, split, seed: see `Data`.
        world_seed: other clips of the same kind.
    """

    def __init__(
        self,
        clips: int = 20_000,
        scored: int = 160,
        size_px: Sequence[int] = (48, 48),
        frames: int = 11,
        max_speed: float = 2.5,
        batch_size: int = 8,
        split: str = "test",
        seed: int = 0,
        world_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        if min(clips, scored, *size_px) < 1 or len(size_px) != 2:
            raise ValueError("data.clips, data.scored and both sides of data.size_px must be at least 1")
        if frames < 3 or not frames % 2:
            raise ValueError(f"data.frames must be odd and at least 3, got {frames}")
        if split not in _PARTS:
            raise ValueError(f"data.split must be one of {', '.join(_PARTS)}, got {split!r}")
        self.counts = {"train": clips, **dict.fromkeys(("val", "test", "illusions"), scored)}
        self.size_px, self.frames = (int(size_px[0]), int(size_px[1])), frames
        self.max_speed, self.world_seed = max_speed, world_seed

    def setup(self, stage: str | None = None) -> None:
        """Nothing is drawn yet."""
        starts = np.cumsum([0, *self.counts.values()])
        self.parts = {
            name: np.arange(a, b) for name, a, b in zip(self.counts, starts[:-1], starts[1:], strict=True)
        }

    def clip(self, index: int) -> tuple[Clip, str]:
        """A clip and its kind."""
        part = next(name for name, numbers in self.parts.items() if numbers[0] <= index <= numbers[-1])
        number = int(index - self.parts[part][0])
        kinds = ILLUSIONS if part == "illusions" else KINDS
        draw = np.random.default_rng([self.world_seed, _PARTS[part], number])
        kind = kinds[number % len(kinds)]
        return sample_clip(draw, kind, self.size_px, self.frames, self.max_speed), kind

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """The clips with these indices; see the module."""
        clips, kinds = zip(*(self.clip(int(i)) for i in index), strict=True)
        names = (*KINDS, *ILLUSIONS)
        return {
            "frames": torch.from_numpy(np.stack([clip.frames for clip in clips])),
            "true_flow": torch.from_numpy(np.stack([clip.flow for clip in clips])),
            "condition": torch.tensor([names.index(kind) for kind in kinds]),
            "group": torch.tensor([int(i) for i in index]),
        }

    def facts(self) -> dict[str, Any]:
        return {
            "conditions": [*KINDS, *ILLUSIONS],
            "frames": self.frames,
            "flow_size": list(self.size_px),
            "max_speed": self.max_speed,
        }

    def about(self) -> dict[str, Any]:
        return {
            "name": "motion_stimuli",
            "split": self.split,
            "clips": len(self.parts[self.split]),
            **self.facts(),
        }
