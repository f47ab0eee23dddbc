"""The simulated world of `synthetic_egocentric`: places with objects, a moving camera, an occluding hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["DIFFICULTIES", "EXCLUSIVE", "LABELS", "Difficulty", "World"]

LABELS = ("tablet-left", "tablet-right", "device-left", "device-right", "book")
EXCLUSIVE = ((0, 1), (2, 3))
"""Twin labels: they look the same, and each occurs at most once per frame."""

BASE_PX = 320, 240  # picture size at which one world unit is one pixel
SPACING = 800.0  # between places: far enough apart that no picture shows objects of two
MOVE_S = 0.7  # duration of a turn to the next place
_CENTRE = np.array([(-88, -12), (88, -12), (-88, 38), (88, 38), (0, 10)], float)
_SIZE = np.array([(34, 46), (34, 46), (30, 22), (30, 22), (42, 34)], float)
_NOWHERE = -1e5
_HAND, _SLEEVE = (172, 128, 104), (70, 74, 96)


@dataclass(frozen=True)
class Difficulty:
    """Difficulty settings of a video.

    Args:
        pan_px, zoom, roll_deg: range of the camera's deviation, twice the SD, in position, magnification and
            roll.
        tilt_deg: rotation of the arrangement at a place; half of it, in per cent, is the stretch.
        exposure_ms: exposure time of a frame, over which motion blurs it.
        occluded_share: share of time in which a hand may cover objects.
        dropped_share: share of frames that the camera drops.
        clutter: number of unlabelled things at each place.
        noise: SD of the noise of each pixel, out of 255.
        book_share: share of places with the book (always at the first); without it only the other workplace
            tells the twins apart.
    """

    pan_px: float
    zoom: float
    roll_deg: float
    tilt_deg: float
    exposure_ms: float
    occluded_share: float
    dropped_share: float
    clutter: int
    noise: float
    book_share: float = 1.0


DIFFICULTIES = {
    "easy": Difficulty(40, 0.10, 4, 3, 0, 0.0, 0.0, 6, 2),
    "medium": Difficulty(100, 0.18, 12, 8, 12, 0.25, 0.02, 14, 4, 0.6),
    "hard": Difficulty(130, 0.25, 25, 14, 28, 0.45, 0.05, 24, 7, 0.5),
}


class World:
    """Places on a long wall, all with the same objects, seen by a moving camera.

    Args:
        duration_s: duration of the walk, which stays `stay_s` at each place.
        difficulty: see `Difficulty`.
        size_px: (width, height) of the pictures.
        draw: random number generator.
    """

    def __init__(
        self,
        duration_s: float,
        difficulty: Difficulty,
        size_px: tuple[int, int],
        draw: np.random.Generator,
        stay_s: float = 4.0,
    ) -> None:
        self.difficulty, self.size_px, self.stay_s = difficulty, size_px, stay_s
        self.scale = size_px[0] / BASE_PX[0]  # picture pixels per unit at zoom 1
        self._fine = min(self.scale, 2.0)  # wall pixels per unit
        self.n_places = max(1, int(np.ceil(duration_s / stay_s)))
        self.corners = np.stack([self._arrange(draw, place) for place in range(self.n_places)])
        self._wall = self._paint(draw)
        self._paths = {
            name: _wander(draw) for name in ("x", "y", "zoom", "roll", "hand_x", "hand_y", "hand", "light")
        }
        self._stand = 0.6 * difficulty.pan_px * draw.uniform(-1, 1, self.n_places)  # beside a place's middle
        self._tint = draw.uniform(0.85, 1.1, (self.n_places, 3))

    def place(self, t_s: float) -> int:
        """Index of the place where the camera is, or to which it is turning."""
        return min(int(t_s / self.stay_s), self.n_places - 1)

    def _arrived(self, t_s: float) -> float:
        """From 0 at the previous place to 1 at `place`."""
        place = self.place(t_s)
        return 1.0 if place == 0 else _smooth(min((t_s - place * self.stay_s) / MOVE_S, 1.0))

    def nearest(self, t_s: float) -> int:
        """The place in front of the camera; from halfway through a turn it is the next one."""
        return self.place(t_s) - (self._arrived(t_s) < 0.5)

    def is_moving(self, start_s: float, end_s: float) -> bool:
        """Whether the camera turns to another place at any time in between."""
        place = self.place(end_s)
        return place > 0 and start_s < place * self.stay_s + MOVE_S

    def camera(self, t_s: float) -> np.ndarray:
        """[2, 3] matrix from the world to the picture."""
        d, path = self.difficulty, {name: follow(t_s) for name, follow in self._paths.items()}
        place, arrived = self.place(t_s), self._arrived(t_s)
        middle = np.arange(self.n_places) * SPACING + self._stand
        x = arrived * middle[place] + (1 - arrived) * middle[place - 1] + d.pan_px * path["x"]
        centre = np.array([x, 16 + 0.5 * d.pan_px * path["y"]])
        zoom = self.scale * np.exp(d.zoom * path["zoom"])
        angle = np.deg2rad(d.roll_deg * path["roll"])
        turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.column_stack([turn, np.array(self.size_px) / 2 - turn @ centre])

    def quads(self, t_s: float) -> np.ndarray:
        """[5, 4, 2] corners of the nearest place's objects in picture coordinates; they may lie outside."""
        camera = self.camera(t_s)
        return self.corners[self.nearest(t_s)] @ camera[:, :2].T + camera[:, 2]

    def hand(self, t_s: float) -> np.ndarray | None:
        """[H, W] bool, pixels covered by the hand; None while it is absent."""
        share = self.difficulty.occluded_share
        if share == 0 or self._paths["hand"](t_s) < 1 - 2 * share:
            return None
        mask = np.zeros(self.size_px[::-1], np.uint8)
        self._draw_hand(mask, t_s, 1, 1)
        return mask > 0

    def picture(self, t_s: float, draw: np.random.Generator) -> np.ndarray:
        """[H, W, 3] uint8 frame whose exposure is centred on a time."""
        exposure = self.difficulty.exposure_ms / 1000
        times = t_s + exposure * (np.linspace(-0.5, 0.5, 5) if exposure else np.zeros(1))
        place, arrived = self.place(t_s), self._arrived(t_s)
        tint = arrived * self._tint[place] + (1 - arrived) * self._tint[place - 1]
        light = tint * (1 + 0.12 * self._paths["light"](t_s))
        total = np.mean([self._sharp(max(t, 0.0)) for t in times], 0) * light
        return np.clip(total + draw.normal(0, self.difficulty.noise, total.shape), 0, 255).astype(np.uint8)

    def _sharp(self, t_s: float) -> np.ndarray:
        camera = self.camera(t_s)
        picture_of_wall = np.column_stack(
            [camera[:, :2] / self._fine, camera @ [-SPACING / 2, -SPACING / 2, 1]]
        )
        picture = cv2.warpAffine(
            self._wall, picture_of_wall, self.size_px, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        if self.hand(t_s) is not None:
            self._draw_hand(picture, t_s, _HAND, _SLEEVE)
        return picture.astype(np.float32)

    def _draw_hand(self, picture: np.ndarray, t_s: float, hand, sleeve) -> None:
        width, height = self.size_px
        x = width * (0.5 + 0.4 * self._paths["hand_x"](t_s))
        y = height * (0.6 + 0.25 * self._paths["hand_y"](t_s))
        thick = round(34 * self.scale)
        cv2.line(picture, (round(x), round(y)), (round(x + 0.25 * width), height + thick), sleeve, thick)
        axes = round(30 * self.scale), round(22 * self.scale)
        cv2.ellipse(picture, (round(x), round(y)), axes, -50, 0, 360, hand, -1)

    def _arrange(self, draw: np.random.Generator, place: int) -> np.ndarray:
        """[5, 4, 2] corners in the world."""
        tilt = self.difficulty.tilt_deg
        centre = (_CENTRE + draw.uniform(-7, 7, _CENTRE.shape)) * (1 + draw.uniform(-1, 1, 2) * tilt / 200)
        half = _SIZE / 2 * draw.uniform(0.92, 1.08)
        corners = centre[:, None] + half[:, None] * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        angle = np.deg2rad(draw.uniform(-tilt, tilt))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = corners @ turn.T + [place * SPACING, 0]
        if draw.random() >= self.difficulty.book_share and place > 0:
            corners[LABELS.index("book")] = _NOWHERE
        return corners

    def _paint(self, draw: np.random.Generator) -> np.ndarray:
        """[H, W, 3] the whole wall, from half a spacing left of the first place and above it."""
        height, width = round(SPACING * self._fine), round(SPACING * self.n_places * self._fine)
        coarse = draw.uniform(120, 205, (18, 18 * self.n_places, 3)).astype(np.float32)
        coarse = 0.35 * coarse + 0.65 * coarse.mean(2, keepdims=True)
        wall = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        wall = np.clip(wall, 0, 255).astype(np.uint8)
        for _ in range(self.difficulty.clutter * self.n_places):
            at = draw.uniform(0, 1, 2) * [width, height * 0.6] + [0, height * 0.2]
            _clutter(wall, draw, at, self._fine)
        for quads in self.corners:
            screen = draw.uniform(60, 220, (4, 3))  # the same on both twins
            for label in np.flatnonzero(quads[:, 0, 0] > _NOWHERE):
                _object(wall, label, (quads[label] + SPACING / 2) * self._fine, screen)
        return wall


def _wander(draw: np.random.Generator) -> Callable[[float], float]:
    """A smooth path, mostly between -1 and 1 (SD 0.5): three sines of 0.1 to 0.7 Hz."""
    rate = draw.uniform([0.1, 0.2, 0.45], [0.2, 0.45, 0.7])
    phase, weight = draw.uniform(0, 2 * np.pi, 3), np.array([0.55, 0.4, 0.25])
    return lambda t_s: float(weight @ np.sin(2 * np.pi * rate * t_s + phase))


def _smooth(x: float) -> float:
    return x * x * (3 - 2 * x)


def _clutter(wall: np.ndarray, draw: np.random.Generator, at: np.ndarray, fine: float) -> None:
    ink = tuple(int(v) for v in draw.integers(70, 215, 3))
    half = draw.uniform(6, 26, 2) * fine
    if draw.random() < 0.5:
        corners = cv2.boxPoints((at.tolist(), (2 * half).tolist(), float(draw.uniform(0, 90))))
        cv2.fillPoly(wall, [np.round(corners).astype(np.int32)], ink, cv2.LINE_AA)
    else:
        axes = [round(v) for v in half]
        cv2.ellipse(wall, np.round(at).astype(int).tolist(), axes, 0, 0, 360, ink, -1, cv2.LINE_AA)


def _object(wall: np.ndarray, label: int, quad: np.ndarray, screen: np.ndarray) -> None:
    """Draw one object; `quad` [4, 2] are its corners in the wall's pixels."""

    def fill(ink, x0: float, y0: float, x1: float, y1: float) -> None:
        share = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        points = quad[0] + share[:, :1] * (quad[1] - quad[0]) + share[:, 1:] * (quad[3] - quad[0])
        cv2.fillPoly(wall, [np.round(points * 16).astype(np.int32)], [int(v) for v in ink], cv2.LINE_AA, 4)

    if LABELS[label].startswith("tablet"):
        fill((28, 30, 36), 0, 0, 1, 1)
        fill((208, 224, 240), 0.1, 0.08, 0.9, 0.9)
        for k, ink in enumerate(screen):
            fill(
                ink,
                0.2 + 0.34 * (k % 2),
                0.18 + 0.32 * (k // 2),
                0.46 + 0.34 * (k % 2),
                0.42 + 0.32 * (k // 2),
            )
    elif LABELS[label].startswith("device"):
        fill((96, 150, 110), 0, 0, 1, 1)
        fill((24, 44, 30), 0.1, 0.18, 0.6, 0.82)
        fill((226, 196, 60), 0.7, 0.25, 0.9, 0.5)
    else:
        fill((168, 44, 48), 0, 0, 1, 1)
        fill((120, 26, 34), 0, 0, 0.12, 1)
        fill((240, 226, 190), 0.28, 0.2, 0.86, 0.34)
        fill((240, 226, 190), 0.28, 0.46, 0.7, 0.54)
