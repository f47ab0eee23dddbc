"""A generated world of people who look at things: what is where, who looks at what, and how it is drawn.

Each person looks at a thing, at another person's head, or out of the frame. The drawn head and the drawn eyes deviate
from the direction of the gaze (`HEAD_SD_DEG`, `EYE_SD_DEG`), and many things lie close to that direction, so that a
head alone does not tell which. Half of the things are salient, and looked at three times as often as dull ones:
saliency alone does not tell it, either. Heads differ in size, hats and glasses hide eyes, heads are turned away from
the camera, things stand in front of people, and light and noise vary.

Positions are in units of the picture's height, x to the right and y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "EYE_SD_DEG",
    "GRID",
    "HEAD_SD_DEG",
    "Head",
    "Scene",
    "Thing",
    "direct",
    "posterior",
    "sample_scene",
]

HEAD_SD_DEG, EYE_SD_DEG = 8.0, 4.0  # of the drawn direction round the true one, in the picture's plane
OUTSIDE = 0.3  # share of gazes that leave the frame
SALIENT_WEIGHT = 3.0  # how much more often a salient thing is looked at than a dull one or a head
SPREAD = 0.12  # sd of gaze points on a thing, in its sizes
CLEAR_DEG = 20.0  # by which a gaze out of the frame misses everything
GRID = 64  # cells a side of the ideal observer's maps
_ANGLES = np.deg2rad(np.arange(360))


@dataclass
class Thing:
    """Something to look at.

    Args:
        xy: [2] centre.
        size: of its larger side.
        kind: index of its shape.
        colour: [3] RGB.
        salient: whether it stands out.
    """

    xy: np.ndarray
    size: float
    kind: int
    colour: np.ndarray
    salient: bool


@dataclass
class Head:
    """A person.

    Args:
        xy: [2] centre of the head.
        radius: of the head.
        depth: component of the drawn directions towards the camera, -1 to 1.
        look: seed of hair, skin, clothes.
        target: index among the scene's things and then heads; -1: out of frame.
        point: [2] what is looked at; NaN out of frame.
        angle: of the true gaze in the picture's plane, radians, from x to y.
        head_angle, eye_angle: of the drawn head and eyes.
        eyes_visible: whether the drawn eyes can be seen.
    """

    xy: np.ndarray
    radius: float
    depth: float
    look: int
    target: int = -1
    point: np.ndarray = field(default_factory=lambda: np.full(2, np.nan))
    angle: float = 0.0
    head_angle: float = 0.0
    eye_angle: float = 0.0
    eyes_visible: bool = True


@dataclass
class Scene:
    """Things and people in a picture that is `aspect` high sides wide."""

    aspect: float
    things: list[Thing]
    heads: list[Head]
    seed: int

    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Centres [K, 2], sizes [K] and weights [K] of what can be looked at: things, then heads."""
        xy = np.array([t.xy for t in self.things] + [h.xy for h in self.heads])
        size = np.array([t.size for t in self.things] + [1.6 * h.radius for h in self.heads])
        weight = [SALIENT_WEIGHT if t.salient else 1.0 for t in self.things] + [1.0] * len(self.heads)
        return xy, size, np.array(weight)


def sample_scene(seed: int, crowded: bool = False) -> Scene:
    """A scene: the same for the same seed. Crowded ones have six to nine people, where there is room, others one to
    five."""
    draw = np.random.default_rng(seed)
    aspect = draw.uniform(1.0, 1.5)
    wanted = draw.integers(6, 10) if crowded else draw.choice([1, 2, 3, 4, 5], p=[0.1, 0.25, 0.3, 0.2, 0.15])
    heads = _people(draw, aspect, int(wanted))
    things = _things(draw, aspect, heads)
    scene = Scene(aspect, things, heads, seed)
    for k in range(len(heads)):
        direct(draw, scene, k)
    return scene


def _people(draw: np.random.Generator, aspect: float, wanted: int) -> list[Head]:
    heads: list[Head] = []
    for _ in range(30 * wanted):
        if len(heads) == wanted:
            break
        radius = draw.uniform(0.09, 0.16)
        xy = np.array([draw.uniform(0.7 * radius, aspect - 0.7 * radius), draw.uniform(1.2 * radius, 0.78)])
        if all(math.dist(xy, h.xy) > 1.3 * (radius + h.radius) for h in heads):
            heads.append(Head(xy, radius, draw.uniform(-0.45, 0.8), int(draw.integers(1 << 30))))
    return heads


def _things(draw: np.random.Generator, aspect: float, heads: list[Head]) -> list[Thing]:
    things: list[Thing] = []
    for _ in range(draw.integers(4, 8)):
        for _ in range(20):
            size = draw.uniform(0.1, 0.19)
            xy = np.array(
                [draw.uniform(0.4 * size, aspect - 0.4 * size), draw.uniform(0.4 * size, 1 - 0.4 * size)]
            )
            free = all(math.dist(xy, t.xy) > 0.75 * (size + t.size) for t in things)
            if free and all(math.dist(xy, h.xy) > 1.15 * h.radius + 0.5 * size for h in heads):
                things.append(Thing(xy, size, int(draw.integers(6)), np.zeros(3), bool(draw.random() < 0.5)))
                break
    return things


def direct(draw: np.random.Generator, scene: Scene, k: int) -> None:
    """Choose what person k looks at, and how it is drawn."""
    head = scene.heads[k]
    xy, size, weight = scene.places()
    weight[len(scene.things) + k] = 0
    outside = draw.random() < OUTSIDE
    free = _free_angles(scene, k)
    if outside and free.any():
        head.angle = float(_ANGLES[draw.choice(np.flatnonzero(free))] + np.deg2rad(draw.uniform(-0.5, 0.5)))
    else:
        head.target = int(draw.choice(len(weight), p=weight / weight.sum()))
        for _ in range(20):
            head.point = xy[head.target] + draw.normal(0, SPREAD, 2) * size[head.target]
            if (head.point > 0.005).all() and (head.point < np.array([scene.aspect, 1]) - 0.005).all():
                break
        head.point = np.clip(head.point, 0.005, np.array([scene.aspect, 1]) - 0.005)
        head.angle = float(np.arctan2(*(head.point - head.xy)[::-1]))
    head.head_angle = head.angle + np.deg2rad(HEAD_SD_DEG) * draw.normal()
    head.eye_angle = head.angle + np.deg2rad(EYE_SD_DEG) * draw.normal()
    head.eyes_visible = head.depth > 0.05 and bool(np.random.default_rng(head.look).random() > 0.15)


def _free_angles(scene: Scene, k: int) -> np.ndarray:
    """[360] whether a gaze of person k at each angle misses everything by `CLEAR_DEG`."""
    xy, _, _ = scene.places()
    away = np.delete(xy, len(scene.things) + k, 0) - scene.heads[k].xy
    apart = np.abs(_turn(np.arctan2(away[:, 1], away[:, 0])[:, None] - _ANGLES))
    return (apart > np.deg2rad(CLEAR_DEG)).all(0)


def posterior(scene: Scene, k: int) -> tuple[np.ndarray, float]:
    """What can be known about the gaze of person k from the drawn head and eyes, by somebody who knows this world.

    Bayes' rule over the cells of a grid and "out of frame". The prior of cells is the density of gaze points on things
    and heads; the likelihood of a cell that of the drawn angles given the angle from the head to the cell. Out of
    frame, all angles that miss everything are equally probable.

    Returns:
        [GRID, GRID] probability of each cell given that the target is in the frame, and the probability that it is.
    """
    head = scene.heads[k]
    xy, size, weight = scene.places()
    weight[len(scene.things) + k] = 0
    free = _free_angles(scene, k)
    share = OUTSIDE if free.any() else 0.0
    x = (np.arange(GRID) + 0.5) / GRID * scene.aspect
    y = (np.arange(GRID) + 0.5) / GRID
    sd = SPREAD * size
    along_x = np.exp(-(((x - xy[:, :1]) / sd[:, None]) ** 2) / 2)
    along_y = np.exp(-(((y - xy[:, 1:]) / sd[:, None]) ** 2) / 2)
    total = along_x.sum(1) * along_y.sum(1)
    prior = np.einsum("k,ky,kx->yx", weight / weight.sum() / np.where(total > 0, total, 1), along_y, along_x)
    angle = np.arctan2(y[:, None] - head.xy[1], x[None] - head.xy[0])
    joint = (1 - share) * prior * _drawn(head, angle)
    out = share * (_drawn(head, _ANGLES) * free).sum() / max(1, free.sum())
    inside = joint.sum()
    return joint / inside, float(inside / (inside + out))


def _drawn(head: Head, angle: np.ndarray) -> np.ndarray:
    """Likelihood of the drawn head and, if they can be seen, eyes, for true angles of the gaze."""
    likelihood = np.exp(-((_turn(head.head_angle - angle) / np.deg2rad(HEAD_SD_DEG)) ** 2) / 2)
    if head.eyes_visible:
        likelihood = likelihood * np.exp(-((_turn(head.eye_angle - angle) / np.deg2rad(EYE_SD_DEG)) ** 2) / 2)
    return likelihood + 1e-12


def _turn(angle: np.ndarray) -> np.ndarray:
    """Angles in [-pi, pi)."""
    return (np.asarray(angle) + np.pi) % (2 * np.pi) - np.pi
