"""Constrained Levy exploration: long jumps with Cauchy lengths, kept if they lead to salient places."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gazekit.base import Data
from gazekit.models.classic_scanpaths.saliency import Kind, Saliency
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths.viewer import Viewer
from gazekit.scene import SceneBatch

__all__ = ["ConstrainedLevy", "accepted", "candidates"]

STEP = 0.1  # of the Langevin equation
SHARE = 0.5  # of the potential and of the jump
DAMPING = 0.01  # of the potential
WINDOW = math.pi  # windowed saliency: the sum of exp(-d^2), d in px, times a map that is smooth at that scale
TRIES = 100  # of one fixation, after which the eye stays


class ConstrainedLevy(Viewer):
    """A Levy flight over the saliency map: Cauchy jumps, of which salient ones are kept (Boccignone and Ferraro 2004).

    With saliency s in [0, 100] and the potential V = 100 exp(-.01 s), 50 candidates
    x' = x + .1 (-.5 grad V + .5 r (cos theta, sin theta)) are drawn, r Cauchy of scale (2 F)^2 px with F a sixth of the
    picture's shorter side, theta uniform. The one with the largest saliency goes through a Metropolis step: it is taken
    if the windowed saliency rises by dS > 0, else with probability exp(dS / 25). A refused one is no fixation: new
    candidates are drawn, up to 100 times, then the eye stays. It has no likelihood: the candidates' competition and the
    refusals have no closed form. It has no durations.

    Source: phuselab/CLE (Boccignone and Ferraro 2004, 2012), read for its equations. Deviations: the gradient is the
    central difference (theirs adds the differences to both neighbours, which is a curvature, and reads it at one
    coordinate only); the window is also used near the border; theirs adds the last direction to theta, which
    does not change a uniform angle; refused jumps are stored there as another fixation of the same place.

    Args:
        saliency, weights: which map, see `Saliency`.
        draws: candidates.
        temperature: of the Metropolis step, in units of windowed saliency.
    Raises:
        ValueError: no candidate, or a temperature that is not positive.
    """

    reasons: Mapping[str, str] = {
        "log_prob": "the best of 50 candidates after refusals has no closed likelihood"
    }

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        saliency: Kind = "attention_center",
        weights: str | None = None,
        draws: int = 50,
        temperature: float = 25.0,
    ) -> None:
        super().__init__(facts)
        if draws < 1 or not temperature > 0:
            raise ValueError(f"draws must be at least 1, temperature positive, got {draws} and {temperature}")
        self.saliency, self.draws, self.temperature = Saliency.of(saliency, weights), draws, temperature

    def fit(self, data: Data) -> None:
        self.saliency.fit(data)

    @torch.no_grad()
    def view(self, scenes: SceneBatch, n: int, fixations: int, generator: torch.Generator) -> Scanpaths:
        size = scenes.size_px[0]
        salient = _spread(self.saliency(scenes))
        ground = torch.cat([salient, *_slopes(salient, size)], 1)  # [S, 3, h, w]
        xy = scenes.start_xy_px[:, None].expand(-1, n, -1)
        path = []
        for _ in range(fixations):
            xy = self._next(ground, xy, size, generator)
            path.append(xy)
        found = torch.stack(path, 2)
        return Scanpaths(found, torch.ones(found.shape[:-1], dtype=torch.bool, device=found.device))

    def _next(self, ground: Tensor, xy: Tensor, size: Tensor, generator: torch.Generator) -> Tensor:
        here = _read(ground, xy, size)  # [S, n, 3]
        found, open_ = xy.clone(), torch.ones(xy.shape[:2], dtype=torch.bool, device=xy.device)
        for _ in range(TRIES):
            tried = candidates(xy, here[..., 1:], size, self.draws, generator)  # [S, n, K, 2]
            inside = ((tried >= 0) & (tried < size)).all(-1)
            there = _read(ground, tried.flatten(1, 2), size).unflatten(1, tried.shape[1:3])
            best = there[..., 0].masked_fill(~inside, -torch.inf).argmax(-1, keepdim=True)
            gain = WINDOW * (there[..., 0].gather(-1, best)[..., 0] - here[..., 0])
            taken = open_ & inside.any(-1) & accepted(gain, self.temperature, generator)
            chosen = tried.gather(2, best[..., None].expand(-1, -1, -1, 2))[:, :, 0]
            found[taken] = chosen[taken]
            open_ = open_ & ~taken
            if not open_.any():
                break
        return found


def candidates(xy: Tensor, slope: Tensor, size: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Where the eye could go next, also off the picture.

    Args:
        xy: [S, n, 2] px.
        slope: [S, n, 2] gradient of the potential there, per px.
        size: [2] width and height of the picture in px.
    Returns:
        [S, n, draws, 2] px.
    """
    reach = (2 * float(size.min()) / 6) ** 2
    u, v = torch.rand(2, *xy.shape[:2], draws, generator=generator, dtype=torch.float64)
    length = reach * torch.tan(math.pi * (u - 0.5))
    theta = 2 * math.pi * v
    jump = length[..., None] * torch.stack([theta.cos(), theta.sin()], -1)
    return xy[..., None, :] + STEP * SHARE * (jump.to(xy) - slope[..., None, :])


def accepted(gain: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """[...] bool: whether a gain [...] passes the Metropolis step, with probability min(1, exp(gain / temperature))."""
    u = torch.rand(gain.shape, generator=generator).to(gain)
    return u < (gain / temperature).exp()


def _spread(maps: Tensor) -> Tensor:
    """[S, 1, h, w] from 0 to 100; 0 for a constant map."""
    low = maps.amin((1, 2), keepdim=True)
    span = maps.amax((1, 2), keepdim=True) - low
    return torch.where(span > 0, 100 * (maps - low) / span.clamp(min=1e-30), 0.0)[:, None]


def _slopes(salient: Tensor, size: Tensor) -> list[Tensor]:
    """Gradient of the potential along x and y, per px of the picture."""
    potential = 100 * torch.exp(-DAMPING * salient)
    padded = F.pad(potential, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2 * (salient.shape[3] / float(size[0]))
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2 * (salient.shape[2] / float(size[1]))
    return [across, down]


def _read(maps: Tensor, xy: Tensor, size: Tensor) -> Tensor:
    """[S, K, h, w] maps over the picture at [S, n, 2] px, interpolated: [S, n, K]. Off the picture: its border."""
    at = (2 * xy / size - 1)[:, :, None]  # [S, n, 1, 2]
    found = F.grid_sample(maps, at.to(maps), mode="bilinear", padding_mode="border", align_corners=False)
    return found[..., 0].transpose(1, 2)
