"""A generated world of lit things, and the diets that differ in how they are lit and laid: what a net grows up with.

Search asymmetries are said to follow from what a visual system has seen (Gupta et al. 2021): people expect light from
above. To test it, the same scenes are shown under several diets, which change the direction of the light, the
orientation of things, or the finished picture (`diet_manipulations`), and nothing else: all random numbers of a scene
are drawn before the diet is asked.

A scene is textured ground with `OBJECTS` objects that hide each other, the last one on top near the middle. That one is
to be named, as in ImageNet by one label out of `CLASSES`, all equally frequent. Six of them are solids in two reliefs,
bump and dent: under light from anywhere these look the same, so only a net that has learned where light comes from can
name them, as people do. The others are marks, flat strokes that differ in their contours: straight or bent, and how two
of them meet. The objects around have natural frequencies of our choice (`AROUND`): more bumps than dents, more straight
strokes than bent ones, T-junctions more often than corners and crossings; what hides something makes more T-junctions.

Lengths are pixels. Directions are degrees counter-clockwise from the right of the picture: 90 is up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

__all__ = ["CLASSES", "DIETS", "MARKS", "OBJECTS", "SOLIDS", "Diet", "Scenes", "sample_scenes"]

SOLIDS = ("ellipsoid", "capsule", "box")
MARKS = ("line", "arc", "corner", "tee", "cross")
CLASSES = (*(f"{solid} {relief}" for solid in SOLIDS for relief in ("bump", "dent")), *MARKS)
AROUND = (0.12, 0.05, 0.12, 0.05, 0.12, 0.05, 0.25, 0.10, 0.04, 0.07, 0.03)
"""Frequency of each class among the objects that are not to be named."""
OBJECTS = 4
VERTICAL, HORIZONTAL = 0.45, 0.25  # shares of objects that stand or lie; the rest has any orientation
UPRIGHT_SD_DEG, LIGHT_SD_DEG = 5.0, 20.0


@dataclass(frozen=True)
class Diet:
    """What a net is shown.

    Args:
        light_deg: mean direction that the light comes from; None for uniformly random.
        upright: whether things stand or lie more often than they lean; else all orientations are equally frequent.
        manipulation: of finished pictures, see `diet_manipulations`.
    """

    light_deg: float | None = 90.0
    upright: bool = True
    manipulation: str = "none"


DIETS = {
    "natural": Diet(),
    "below": Diet(light_deg=270.0),
    "side": Diet(light_deg=180.0),
    "uniform": Diet(light_deg=None, upright=False),
    "rotated": Diet(manipulation="rotate"),
    "fisheye": Diet(manipulation="fisheye"),
    "lines": Diet(manipulation="lines"),
}
"""Light is from above, from below, from the left ("side"), or from anywhere over things of any orientation ("uniform",
the control without directions). "rotated" turns whole pictures by 90 degrees, light and contours alike; "side" turns
the light alone."""


@dataclass(frozen=True)
class Scenes:
    """B scenes of K objects, in the order in which they hide what is before them.

    Args:
        kind: [B, K] index among `CLASSES`; the last column is the label.
        xy: [B, K, 2] places, y down.
        half_px: [B, K, 2] half width and half height, before the turn; of marks half the width and the length of the
            stroke.
        turn_deg: [B, K] by which the upright object is turned.
        albedo: [B, K] share of light sent back.
        stroke: [B, K, 3] uniform numbers that shape marks and edges, see `diet_drawing`.
        light: [B, 3] unit vectors to the light, x right, y down, z towards the eye.
        ambient: [B] light from everywhere, as a share of all.
        ground: [B] albedo.
        texture: [B] contrast of the texture of the ground.
        noise_seed: of the texture and the noise.
    """

    kind: Tensor
    xy: Tensor
    half_px: Tensor
    turn_deg: Tensor
    albedo: Tensor
    stroke: Tensor
    light: Tensor
    ambient: Tensor
    ground: Tensor
    texture: Tensor
    noise_seed: int

    def __len__(self) -> int:
        return len(self.kind)

    def part(self, start: int, stop: int) -> Scenes:
        """Some of the scenes, with a texture of their own."""
        kept = {name: value[start:stop] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **kept, noise_seed=self.noise_seed + start)


def sample_scenes(seed: int, many: int, diet: Diet, size_px: int = 64) -> Scenes:
    """Scenes of square pictures: with one seed the same for every diet, but for light and orientations."""
    draw = np.random.default_rng(seed)
    shape = many, OBJECTS
    kind = draw.choice(len(CLASSES), shape, p=AROUND)
    kind[:, -1] = draw.integers(len(CLASSES), size=many)
    away = np.where(
        np.arange(OBJECTS) < OBJECTS - 1, draw.uniform(0.28, 0.6, shape), draw.uniform(0, 0.06, shape)
    )
    angle = draw.uniform(0, 2 * np.pi, shape)
    xy = size_px * (0.5 + away[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1))
    light_deg = _light(diet, draw.normal(0, LIGHT_SD_DEG, many), draw.uniform(0, 360, many))
    turn_deg = _turn(
        diet, draw.random(shape), draw.normal(0, UPRIGHT_SD_DEG, shape), draw.uniform(0, 180, shape)
    )
    albedo, ground = draw.uniform(0.05, 1, shape), draw.uniform(0.05, 1, many)
    albedo[:, -1] = (ground + draw.uniform(0.25, 0.75, many) * 0.95 - 0.05) % 0.95 + 0.05
    values = {
        "kind": kind,
        "xy": xy,
        "half_px": _halves(draw, kind, size_px),
        "turn_deg": turn_deg,
        "albedo": albedo,
        "stroke": draw.random((*shape, 3)),
        "light": _vectors(light_deg, draw.uniform(25, 55, many)),
        "ambient": draw.uniform(0.1, 0.35, many),
        "ground": ground,
        "texture": draw.uniform(0, 0.25, many),
    }
    made = {name: torch.from_numpy(np.asarray(value)) for name, value in values.items()}
    made = {name: value.float() if value.is_floating_point() else value for name, value in made.items()}
    return Scenes(**made, noise_seed=int(draw.integers(2**31)))


def _light(diet: Diet, away_deg: np.ndarray, any_deg: np.ndarray) -> np.ndarray:
    return any_deg if diet.light_deg is None else diet.light_deg + away_deg


def _turn(diet: Diet, share: np.ndarray, away_deg: np.ndarray, any_deg: np.ndarray) -> np.ndarray:
    if not diet.upright:
        return any_deg
    upright_deg = np.where(share < VERTICAL, 0.0, 90.0) + away_deg
    return np.where(share < VERTICAL + HORIZONTAL, upright_deg, any_deg)


def _halves(draw: np.random.Generator, kind: np.ndarray, size_px: int) -> np.ndarray:
    """[B, K, 2] half width and half height: solids are higher than wide, capsules most."""
    big = draw.uniform(0.12, 0.30, kind.shape) * size_px
    slim = draw.random(kind.shape)
    thin = draw.uniform(0.02, 0.06, kind.shape) * size_px
    narrow = np.where(kind // 2 == SOLIDS.index("capsule"), 0.4 + 0.3 * slim, 0.65 + 0.35 * slim)
    is_mark = kind >= 2 * len(SOLIDS)
    return np.stack([np.where(is_mark, thin, big * narrow), np.where(is_mark, 0.1 * size_px + big, big)], -1)


def _vectors(azimuth_deg: np.ndarray, elevation_deg: np.ndarray) -> np.ndarray:
    """[B, 3] with y down."""
    azimuth, elevation = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), -flat * np.sin(azimuth), np.sin(elevation)], -1)
