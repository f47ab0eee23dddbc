"""G-Eymol: gaze as a body with inertia, drawn by the contrasts of the picture as by masses (Zanca et al. 2019).

Picture -> 8 features -> masses (their contrasts) in cells -> a trajectory, integrated for all scanpaths together ->
fixations, where it rests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gazekit.models.classic_scanpaths.resting import resting
from gazekit.models.classic_scanpaths.saliency import pictures_of
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths.viewer import Viewer
from gazekit.scene import SceneBatch

__all__ = ["GEymol", "acceleration", "masses", "trajectory"]

SIDE = 224  # work px along the longer side
CELL = 2  # work px: masses are summed in cells of 2 x 2
FPS = 25  # frames per s; all dynamics are in work px and frames
STRENGTH, DRAG = 0.2, 1.5  # alpha of all features together, lambda
BLOCK = 4  # cells: the maximum in the window is that of mass times that of what is free in blocks of 4 x 4
BORDER = 5.0  # work px from the picture's edge that the eye keeps
RETURN_EVERY = 8  # frames between two updates of the inhibition of return: 3 a second
RETURN_KEEPS = 0.9
RETURN_RADIUS, RETURN_BLUR = 35.0, 8.0  # work px; OpenCV's Gaussian of 51 px has the standard deviation 8
REACH_PX, SHORTEST_MS = 25.0, 50.0  # of the dispersion rule, px of the picture


class GEymol(Viewer):
    """Gaze as a body with inertia, drawn by contrasts as by masses (gravitational model of Zanca, Melacci and Gori).

        x'' = sum_i alpha_i sum_p D(p - x) mu_i(p) - lambda x',   D(d) = (m + 1) d / (|d|^2 + m)

    in frames (25 per s) and px of the picture scaled to 224 px, m = n // 10 for a window of n x n px around gaze (n
    odd, the longer side). mu_i is the gradient's length of feature i (R, G, B, intensity, four Gabors), times 1 minus
    the inhibition of return, divided by its maximum in the window; alpha_i = .2 / 8, lambda = 1.5. Every 8 frames
    inhibition becomes min(1, .9 I + g), g a blurred disc around gaze. The start is up to .17 of the shorter side from
    where the eye is, with a velocity of .6 to 1.4 per axis. Fixations are rests of the trajectory, see `resting`; so
    it has durations. It has no likelihood: its only randomness is in the start.

    Scanpaths can be shorter than asked for: the eye may come to rest for good, as on a uniform picture.

    Source: dariozanca/G-Eymol, read for its equations. Deviations: Runge-Kutta steps where theirs are those of an
    adaptive solver with tolerances of .1; Gabor responses keep their sign and are not rounded to bytes; masses are
    summed in cells of 2 x 2 px; the window and its maximum, found in blocks of 8 px, are those at the beginning of a
    frame; discs of inhibition may touch the border; the eye that reaches the border loses its velocity towards it.

    Args:
        steps: of the integration per frame.
        longest_s: of the trajectory, which ends when all scanpaths are long enough.
    Raises:
        ValueError: no step, or no time.
    """

    reasons: Mapping[str, str] = {
        "log_prob": "a deterministic trajectory from a random start has no density on the grid"
    }

    def __init__(
        self, facts: Mapping[str, Any] | None = None, steps: int = 2, longest_s: float = 10.0
    ) -> None:
        super().__init__(facts)
        if steps < 1 or not longest_s > 0:
            raise ValueError(f"steps must be at least 1, longest_s positive, got {steps} and {longest_s}")
        self.steps, self.longest_s = steps, longest_s

    @torch.no_grad()
    def view(self, scenes: SceneBatch, n: int, fixations: int, generator: torch.Generator) -> Scanpaths:
        mass, cell = masses(pictures_of(scenes))
        scale = cell * mass.shape[3] / float(scenes.size_px[0, 0])  # work px per px
        limits = torch.tensor([mass.shape[3], mass.shape[2]]) * cell
        state = _start(scenes.start_xy_px * scale, limits, n, generator)
        path = []
        for position in trajectory(mass, state, cell, self.steps):
            path.append(position / scale)
            if len(path) % FPS == 0 or len(path) >= self.longest_s * FPS:  # once a second: is that enough?
                found = resting(torch.stack(path, 2), 1000 / FPS, REACH_PX, SHORTEST_MS, fixations + 1)
                if found.mask.all() or len(path) >= self.longest_s * FPS:
                    break
        size = scenes.size_px[0].to(found.xy_px)
        xy = found.xy_px.clamp(min=0).minimum(size * (1 - 1e-6))
        keep = slice(0, fixations)  # the last one may have been cut off
        return Scanpaths(xy[:, :, keep], found.mask[..., keep], found.duration_ms[..., keep])


def masses(pictures: Tensor) -> tuple[Tensor, float]:
    """Contrasts of 8 features of pictures, summed in cells.

    Args:
        pictures: uint8 RGB [S, H, W, 3].
    Returns:
        [S, 8, h, w] and the side of a cell in work px, of which the longer side of the picture has 224.
    """
    image = pictures.permute(0, 3, 1, 2).float() / 255
    size = [max(CELL, CELL * round(side * SIDE / max(image.shape[2:]) / CELL)) for side in image.shape[2:]]
    image = F.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)
    grey = (image * torch.tensor([0.299, 0.587, 0.114]).to(image)[:, None, None]).sum(1, keepdim=True)
    oriented = F.conv2d(F.pad(grey, (10, 10, 10, 10), mode="replicate"), _gabors().to(grey))
    features = torch.cat([image, grey, oriented], 1)
    smooth, slope = torch.tensor([1.0, 4, 6, 4, 1]), torch.tensor([-1.0, -2, 0, 2, 1])
    sobel = torch.stack([smooth[:, None] * slope, slope[:, None] * smooth]).to(grey)[:, None]
    flat = F.pad(features.flatten(0, 1)[:, None], (2, 2, 2, 2), mode="replicate")
    contrast = F.conv2d(flat, sobel).norm(dim=1).unflatten(0, features.shape[:2])
    contrast = torch.where(contrast > 1e-3, contrast, 0.0)  # rounding on uniform ground is no contrast
    return F.avg_pool2d(contrast, CELL) * CELL**2, float(CELL)


def trajectory(mass: Tensor, state: Tensor, cell: float, steps: int) -> Iterator[Tensor]:
    """Where gaze is at the end of one frame after the other, without end.

    Args:
        mass: [S, 8, h, w] of cells.
        state: [S, n, 4] position and velocity at the beginning, work px and px per frame.
        cell: side of a cell in work px.
        steps: Runge-Kutta steps per frame.
    Yields:
        [S, n, 2] work px.
    """
    y, x = ((torch.arange(side).to(mass) + 0.5) * cell for side in mass.shape[2:])
    high = torch.tensor([len(x), len(y)]).to(mass) * cell
    border = torch.minimum(torch.full_like(high, BORDER), high / 2)
    inhibition = mass.new_zeros(*state.shape[:2], len(y), len(x))
    most = _most(mass), _most(1 - inhibition)
    for frame in count(1):
        pull = _pull(mass, inhibition, state[..., :2], x, y, most)
        for _ in range(steps):
            state = _runge_kutta(pull, state, x, y, 1 / steps)
            inside = state[..., :2].clamp(border, high - border)
            hit = inside != state[..., :2]
            state = torch.cat([inside, state[..., 2:].masked_fill(hit, 0.0)], -1)
        yield state[..., :2]
        if frame % RETURN_EVERY == 0:
            dx, dy = x - state[..., :1], y - state[..., 1:2]
            away = ((dy**2)[..., :, None] + (dx**2)[..., None, :]).sqrt()
            disc = _edge(away) / _edge(torch.zeros(()).to(away))
            inhibition = (RETURN_KEEPS * inhibition + disc).clamp(max=1)
            most = most[0], _most(1 - inhibition)


def acceleration(pull: Tensor, state: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """[S, n, 2] sum of the pulls of all cells minus the drag; see `GEymol`.

    Args:
        pull: [S, n, h, w] weight of each cell, alpha and normalised masses of all features together.
        state: [S, n, 4].
        x, y: [w], [h] centres of the cells.
    """
    softening = _window(x, y) // 10
    dx, dy = x - state[..., :1], y - state[..., 1:2]
    weight = pull / ((dy**2 + softening)[..., :, None] + (dx**2)[..., None, :])
    of_rows = weight @ torch.stack([dx, torch.ones_like(dx)], -1)  # [S, n, h, 2]: pull along x, and in all
    force = torch.stack([of_rows[..., 0].sum(-1), (of_rows[..., 1] * dy).sum(-1)], -1)
    return (softening + 1) * force - DRAG * state[..., 2:]


def _pull(
    mass: Tensor, inhibition: Tensor, xy: Tensor, x: Tensor, y: Tensor, most: tuple[Tensor, Tensor]
) -> Tensor:
    """[S, n, h, w] masses in the window around gaze, each feature divided by its maximum there.

    Args:
        most: largest masses [S, 8, h', w'] and largest 1 - inhibition [S, n, h', w'] in blocks of 4 x 4 cells.
    """
    cell, half = 2 * float(y[0]), _window(x, y) / 2
    free = (1 - inhibition) * _near(xy, x, y, half)
    blocks = [(torch.arange(side).to(mass) + 0.5) * BLOCK * cell for side in most[0].shape[:-3:-1]]
    free_blocks = (most[1] * _near(xy, *blocks, half + BLOCK * cell / 2)).flatten(2)
    top = torch.stack([(one[:, None] * free_blocks).amax(-1) for one in most[0].flatten(2).unbind(1)], -1)
    share = STRENGTH / mass.shape[1] * cell**2 / top.clamp(min=1e-9)  # [S, n, 8]
    return (share @ mass.flatten(2)).view(free.shape) * free


def _near(xy: Tensor, x: Tensor, y: Tensor, half: float) -> Tensor:
    """[S, n, h, w] whether places are in the square around gaze."""
    return ((y - xy[..., 1:2]).abs() <= half)[..., :, None] & ((x - xy[..., :1]).abs() <= half)[..., None, :]


def _most(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, BLOCK, ceil_mode=True)


def _window(x: Tensor, y: Tensor) -> int:
    """Side n of the window in work px: the longer side of the picture, made odd."""
    return int(max(len(x), len(y)) * float(y[0]) * 2) // 2 * 2 + 1


def _edge(away: Tensor) -> Tensor:
    return 1 + torch.erf((RETURN_RADIUS - away) / (math.sqrt(2) * RETURN_BLUR))


def _runge_kutta(pull: Tensor, state: Tensor, x: Tensor, y: Tensor, dt: float) -> Tensor:
    def change(at: Tensor) -> Tensor:
        return torch.cat([at[..., 2:], acceleration(pull, at, x, y)], -1)

    a = change(state)
    b = change(state + dt / 2 * a)
    c = change(state + dt / 2 * b)
    d = change(state + dt * c)
    return state + dt / 6 * (a + 2 * b + 2 * c + d)


def _start(xy: Tensor, limits: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """[S, n, 4]."""
    place, speed, sign = torch.rand(3, len(xy), n, 2, generator=generator).to(xy)
    offset = (2 * place - 1) * 0.17 * float(limits.min())
    velocity = (0.6 + 0.8 * speed) * torch.where(sign < 0.5, -1.0, 1.0)
    return torch.cat([xy[:, None] + offset, velocity], -1)


def _gabors() -> Tensor:
    """[4, 1, 21, 21] of 0, 45, 90 and 135 degrees: standard deviation 8, wavelength 10, aspect .5, even."""
    at = torch.arange(21.0) - 10
    filters = []
    for angle in (0.0, 0.25, 0.5, 0.75):
        c, s = math.cos(math.pi * angle), math.sin(math.pi * angle)
        along, across = at * c + at[:, None] * s, -at * s + at[:, None] * c
        window = torch.exp(-(along**2 + (0.5 * across) ** 2) / (2 * 8.0**2))
        filters.append(window * torch.cos(2 * math.pi / 10 * along))
    return torch.stack(filters)[:, None]
