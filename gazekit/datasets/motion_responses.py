"""Generated responses of brains to clips that move, with the flow to be decoded from them.

A clip has a ground and one or two textured ellipses. Its first frame says something of what follows: an ellipse
lighter than the ground moves to the right more often than to the left, a darker one to the left. The rest of the
motion is in the later frames alone. A voxel pools over a Gaussian field in the picture:

    response = m (normalised motion energy in its field, tuned for a direction) + s (luminance and contrast of the
               first frame in it) + noise

of z-scored parts, with weights of its own; in `static` of the voxels m = 0. A batch:

    response        float32 [B, V]
    frame_features  float32 [B, F], luminance and contrast of the cells of the first frame
    true_flow       float32 [B, 2, g, g], mean over each cell of the flow of the middle frame, px per frame
    group           int64 [B], the clip
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from gazekit.base import Data
from gazekit.datasets.motion_world import Clip, Layer, draw_layers, texture
from gazekit.kernels.motion_energy import motion_energy, scaled_frames, spatial_pairs, temporal_pairs

__all__ = ["DecodingArrays", "MotionResponses", "clip_features", "sample_biased_clip"]

FRAMES = 7
DIRECTIONS = 8
_LEVELS = (0, 2)  # of the pyramid
_CHUNK = 64  # clips drawn and filtered at once
_BIAS = 0.8  # mean of the horizontal speed, towards the side that the luminance says, as a share of the largest speed


class DecodingArrays(NamedTuple):
    """A part at once: response [n, V], frame_features [n, F], true_flow [n, 2, g, g]."""

    response: Tensor
    frame_features: Tensor
    true_flow: Tensor


def sample_biased_clip(draw: np.random.Generator, side_px: int, max_speed: float) -> Clip:
    """A ground that drifts slowly, and one or two ellipses whose luminance hints at where they go."""
    waves = texture(draw, 16, 0.1)
    layers = [Layer(*waves, _turned(draw, 0.2 * max_speed))]
    for _ in range(int(draw.integers(1, 3))):
        light = draw.choice([-1, 1])
        hint = 0.5 * _BIAS * max_speed * np.array([light, 0.0])
        centre, radii = draw.uniform(0.25, 0.75, 2) * side_px, draw.uniform(0.18, 0.3, 2) * side_px
        velocity = hint + _turned(draw, 0.6 * max_speed)
        waves = texture(draw, 16, 0.12)
        layers.append(
            Layer(*waves, velocity, None, tuple(centre), tuple(radii), 0.5 + light * draw.uniform(0.1, 0.25))
        )
    return draw_layers(layers, (side_px, side_px), FRAMES)


def _turned(draw: np.random.Generator, speed: float) -> np.ndarray:
    angle = draw.uniform(0, 2 * np.pi)
    return draw.uniform(0, speed) * np.array([np.cos(angle), np.sin(angle)])


def clip_features(frames: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    """What voxels and decoders can see of clips [B, T, H, W] on a grid.

    Returns:
        motion [B, 32, grid, grid], motion energy over its mean, at two scales and two speeds in `DIRECTIONS`; and
        content [B, 2, grid, grid], mean and standard deviation of the first frame in each cell.
    """
    theta = torch.arange(float(DIRECTIONS)).repeat(2) * 2 * torch.pi / DIRECTIONS
    slow = torch.tensor([0.05, 0.2]).repeat_interleave(DIRECTIONS)
    one = torch.ones(2 * DIRECTIONS)
    pair = spatial_pairs(4 * one, one, 0.12 * one, theta), temporal_pairs(slow, 2.5 * one)
    scaled = scaled_frames(frames, max(_LEVELS) + 1)
    maps = [interpolate(motion_energy(scaled[k], *pair).mean(2), (grid, grid), mode="area") for k in _LEVELS]
    first = frames[:, :1]
    mean = adaptive_avg_pool2d(first, grid)
    spread = (adaptive_avg_pool2d(first.square(), grid) - mean.square()).clamp(min=0).sqrt()
    energy = torch.cat(maps, 1)
    return energy / (energy.mean(1, keepdim=True) + 0.01), torch.cat([mean, spread], 1)


class MotionResponses(Data):
    """Clips and responses; see the module. All clips are drawn, and seen, in `setup`.

    Args:
        clips: of training; scored: of "val" and of "test", each.
        voxels: V.
        static: share of voxels that see no motion.
        noise: standard deviation of the noise of a response, in those of its signal.
        grid: cells a side of the flow.
        side_px: of the clips; max_speed: of the ellipses, px per frame.
        batch_size, split, seed: see `Data`.
        world_seed: other clips and voxels.
    """

    def __init__(
        self,
        clips: int = 1200,
        scored: int = 300,
        voxels: int = 400,
        static: float = 0.4,
        noise: float = 1.5,
        grid: int = 8,
        side_px: int = 48,
        max_speed: float = 2.5,
        batch_size: int = 256,
        split: str = "test",
        seed: int = 0,
        world_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        if min(clips, scored, voxels, grid) < 1 or not 0 <= static <= 1 or not noise >= 0:
            raise ValueError("data: counts must be at least 1, static from 0 to 1, noise at least 0")
        self.counts = {"train": clips, "val": scored, "test": scored}
        if split not in self.counts:
            raise ValueError(f"data.split must be one of {', '.join(self.counts)}, got {split!r}")
        self.voxels, self.static, self.noise = voxels, static, noise
        self.grid, self.side_px, self.max_speed, self.world_seed = grid, side_px, max_speed, world_seed

    def setup(self, stage: str | None = None) -> None:
        """Draw all clips and what the voxels say to them, once."""
        starts = np.cumsum([0, *self.counts.values()])
        self.parts = {
            name: np.arange(a, b) for name, a, b in zip(self.counts, starts[:-1], starts[1:], strict=True)
        }
        parts = [(*clip_features(frames, self.grid), flow) for frames, flow in self._clips(int(starts[-1]))]
        motion, content, flow = (torch.cat(x) for x in zip(*parts, strict=True))
        self.arrays_of_all = DecodingArrays(self._responses(motion, content), content.flatten(1), flow)

    def clip(self, index: int) -> Clip:
        """One clip, drawn again."""
        draw = np.random.default_rng([self.world_seed, 1, index])
        return sample_biased_clip(draw, self.side_px, self.max_speed)

    def _clips(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Frames [b, T, H, W] and flow on the grid [b, 2, g, g], some clips at a time."""
        for start in range(0, number, _CHUNK):
            clips = [self.clip(i) for i in range(start, min(number, start + _CHUNK))]
            flow = torch.from_numpy(np.stack([clip.flow for clip in clips]))
            yield torch.from_numpy(np.stack([c.frames for c in clips])), adaptive_avg_pool2d(flow, self.grid)

    def _responses(self, motion: Tensor, content: Tensor) -> Tensor:
        """[n, V] of [n, U, g, g] and [n, 2, g, g]."""
        draw = np.random.default_rng([self.world_seed, 2])
        centre, sigma = draw.uniform(0, self.grid, (self.voxels, 2)), draw.uniform(0.6, 1.5, self.voxels)
        cell = np.arange(self.grid) + 0.5
        away = (cell - centre[..., None]) ** 2  # [V, 2, g]
        field = np.exp(-(away[:, 1, :, None] + away[:, 0, None]) / (2 * sigma[:, None, None] ** 2))
        field = torch.from_numpy(field / field.sum((1, 2), keepdims=True)).float().flatten(1)  # [V, g g]
        parts = []
        tuning = self._tuning(draw, motion.shape[1]), draw.normal(0, 1, (self.voxels, content.shape[1]))
        for maps, weight in zip((motion, content), map(torch.from_numpy, tuning), strict=True):
            filters = weight.float()[:, :, None] * field[:, None]  # [V, U, g g]
            part = maps.flatten(1) @ filters.flatten(1).T
            parts.append((part - part.mean(0)) / part.std(0).clamp(min=1e-6))
        moved = torch.from_numpy(draw.uniform(0.3, 1, self.voxels)).float()
        moved[: round(self.static * self.voxels)] = 0
        signal = moved * parts[0] + (1 - moved) * parts[1]
        noise = torch.from_numpy(draw.normal(0, self.noise, signal.shape)).float()
        return signal / signal.std(0).clamp(min=1e-6) + noise

    def _tuning(self, draw: np.random.Generator, units: int) -> np.ndarray:
        """[V, units] cosines around a preferred direction, with a little of anything."""
        theta = np.arange(units) % DIRECTIONS * 2 * np.pi / DIRECTIONS
        preferred = draw.uniform(0, 2 * np.pi, (self.voxels, 1))
        return np.cos(theta - preferred) + 0.3 * draw.normal(0, 1, (self.voxels, units))

    def arrays(self, part: str) -> DecodingArrays:
        """All of a part."""
        return DecodingArrays(*(x[torch.from_numpy(self.parts[part])] for x in self.arrays_of_all))

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """The clips with these indices; see the module."""
        index = torch.as_tensor(list(index))
        return {name: x[index] for name, x in self.arrays_of_all._asdict().items()} | {"group": index}

    def facts(self) -> dict[str, Any]:
        return {
            "voxels": self.voxels,
            "frame_features": self.arrays_of_all.frame_features.shape[1],
            "flow_size": [self.grid, self.grid],
        }

    def about(self) -> dict[str, Any]:
        return {
            "name": "motion_responses",
            "split": self.split,
            "clips": len(self.parts[self.split]),
            "voxels": self.voxels,
            "voxels_without_motion": round(self.static * self.voxels),
            "noise": self.noise,
            "notes": ["responses are generated: motion energy and content of the first frame, with noise"],
        }
