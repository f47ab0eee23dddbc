"""SceneWalk: attention and inhibition that follow the eye (Engbert et al. 2015; Schwetlick et al. 2020).

Pure functions for the maps, then the model: what it sees -> `SceneWalk.update` per fixation -> `SceneWalk.log_map`.
`fitting.py` maximises its likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths.density import CentreDensity
from gazekit.models.classic_scanpaths.fitting import maximise
from gazekit.models.classic_scanpaths.saliency import Kind, Saliency, cell_areas
from gazekit.scanpaths.cells import CellPredictor
from gazekit.scanpaths.walk import Display, Fixated, WalkState
from gazekit.scene import SceneBatch

__all__ = ["PARAMETERS", "SceneWalk", "choice", "relaxed", "window"]

PARAMETERS = {
    "omega_attention": 10.0,  # per s
    "omega_inhibition": 1.0,  # per s
    "sigma_attention": 0.3,  # of the picture's longer side, like all lengths
    "sigma_inhibition": 0.25,
    "sigma_start": 0.15,  # of the attention around the starting point
    "lambda": 0.8,
    "gamma": 0.4,
    "inhibition": 0.15,  # C_F
    "zeta": 0.05,
    "sigma_shift": 0.05,  # of the post-saccadic window
    "shift": 0.05,  # by how much it lies ahead of the fixation
    "salience": 1.0,  # exponents of the saliency map and of the centre bias in the density
    "centre": 0.7,
}
"""Where the fit starts (near what it finds for OSIE); all are positive."""
POST_S, PRE_S = 0.1, 0.05  # phases at the beginning and the end of a fixation
TINY = 1e-12
FLOOR = 0.01  # of a saliency map, whose zeros may be fixated all the same
QUANTILES = 101


class SceneWalk(CellPredictor):
    """Attention around the eye, times where people look, minus an inhibition that lags behind.

    While the eye rests at x, attention A and inhibition I relax to windows around it,

        A(t) = G_A + exp(-omega_A t) (A(0) - G_A),   G_A ~ density * Gaussian(x, sigma_A), sum 1;   I likewise with
        G_I ~ Gaussian(x, sigma_I), at omega_I.
        u = A^lambda / sum - C_F I^gamma / sum,   negative values 0, divided by its sum,
        p = (1 - zeta) u + zeta uniform

    is the probability of the cell of the next fixation, t the duration of the present one. With `shifts` a fixation
    begins with a phase (.1 s) in which attention is drawn ahead of it along the saccade, by `shift` with its own width,
    and ends with one (.05 s) in which attention is drawn to the next fixation, which is chosen by then. Before the
    first fixation A ~ density * Gaussian(start, sigma_0) and nothing is inhibited. density ~ saliency^a * centre^b, of
    a saliency map and of the `CentreDensity` of the training part. All 13 parameters are fitted: lengths in shares of
    the picture's longer side, rates per s.

    Generated fixations last as long as people's of the training part, drawn independently.

    Source: equations of lschwetlick/SceneWalk_Model (subtractive, both shifts), relaxation included. Deviations: the
    density is made from the picture, where theirs is that of all people on the same picture; the attention before the
    first fixation is ours; a fixation shorter than both phases has no main phase, where theirs then drops the second
    one; by likelihood maximum, where theirs samples a posterior; their location-dependent decay and oculomotor
    potential are not here.

    Args:
        saliency, weights: which map, see `Saliency`.
        shifts: the two shifts of attention.
        steps: of the fit; 0 leaves the parameters at `PARAMETERS`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        saliency: Kind = "attention_center",
        weights: str | None = None,
        shifts: bool = True,
        steps: int = 80,
        across: int = 40,
    ) -> None:
        super().__init__(facts, across)
        self.saliency, self.shifts, self.steps = Saliency.of(saliency, weights), shifts, steps
        self.centre = CentreDensity()
        self.raw = nn.ParameterDict(
            {name: nn.Parameter(_raw(name, value), requires_grad=False) for name, value in PARAMETERS.items()}
        )  # the fit alone asks for gradients
        self.register_buffer("duration_ms", torch.full((QUANTILES,), 250.0))  # quantiles

    def value(self, name: str) -> Tensor:
        """A parameter, by its name in `PARAMETERS`."""
        return self.raw[name].sigmoid() if name == "zeta" else self.raw[name].exp()

    def set(self, **values: float) -> None:
        """Give parameters values of one's own.

        Raises:
            ValueError: an unknown name, a value that is not positive, or zeta not below 1.
        """
        for name, value in values.items():
            if name not in PARAMETERS:
                raise ValueError(
                    f"SceneWalk has no parameter {name!r}, expected some of {', '.join(PARAMETERS)}"
                )
            if not (value > 0 and (name != "zeta" or value < 1)):
                raise ValueError(f"{name} must be positive (zeta below 1), got {value}")
            self.raw[name].data.copy_(_raw(name, value))

    def fit(self, data: Data) -> None:
        """The centre bias and durations in closed form, then all parameters by likelihood, from `PARAMETERS` on."""
        self.saliency.fit(data)
        self.centre.fit(data)
        known = [b.duration_ms[b.mask] for b in data.batches("train") if b.duration_ms is not None]
        seen = torch.cat(known) if known else torch.zeros(0)
        seen = seen[seen.isfinite()].double()
        if len(seen):
            at = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
            self.duration_ms.copy_(seen.quantile(at))
        if self.steps:
            self.set(**PARAMETERS)  # not from what other data gave: they may hold the pictures of a test part
            maximise(self, data, self.steps)

    def look(self, scenes: SceneBatch, grid: Grid) -> Mapping[str, Any]:
        salient = self.saliency.on_cells(scenes, grid).clamp(min=FLOOR).log()
        return {"salience": salient, "centre": self.centre.log_cells(grid).to(salient).expand_as(salient)}

    def log_density(self, display: Display) -> Tensor:
        """[B, C] natural log-probabilities of the density."""
        maps = display.maps
        log = self.value("salience") * maps["salience"] + self.value("centre") * maps["centre"]
        return log.log_softmax(-1)

    def first(self, display: Display, n: int) -> dict[str, Tensor]:
        density = self.log_density(display).exp()
        start = self._window(display.start_xy_px[:, None], "sigma_start", display, density)
        return {
            "density": density,
            "attention": start.expand(-1, n, -1),
            "inhibition": torch.full_like(start, TINY).expand(-1, n, -1),
        }

    def update(
        self, state: WalkState, fixated: Fixated, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        display, memory = state.display, state.memory
        density, attention, inhibition = memory["density"], memory["attention"], memory["inhibition"]
        omega_a, omega_i = self.value("omega_attention"), self.value("omega_inhibition")
        usual = self.duration_ms[QUANTILES // 2]
        rest_s = (torch.where(fixated.duration_ms.isnan(), usual, fixated.duration_ms) / 1000)[..., None]
        here = self._window(fixated.xy_px, "sigma_attention", display, density)
        main_s = rest_s
        if self.shifts and state.step:
            before = state.past_xy_px[..., 0, :]
            attention = relaxed(attention, here, omega_a, PRE_S)
            inhibition = relaxed(
                inhibition, self._window(before, "sigma_inhibition", display), omega_i, PRE_S
            )
            ahead = self._ahead(before, fixated.xy_px, display)
            shifted = self._window(ahead, "sigma_shift", display, density)
            attention = relaxed(attention, shifted, omega_a, rest_s.clamp(max=POST_S))
            main_s = (rest_s - POST_S).clamp(min=0)
        if self.shifts:  # the next choice is made before the last phase
            main_s = (main_s - PRE_S).clamp(min=0)
            rest_s = (rest_s - PRE_S).clamp(min=0)
        attention = relaxed(attention, here, omega_a, main_s)
        target = self._window(fixated.xy_px, "sigma_inhibition", display)
        inhibition = relaxed(inhibition, target, omega_i, rest_s)
        return {"density": density, "attention": attention, "inhibition": inhibition}

    def log_map(self, state: WalkState) -> Tensor:
        areas = cell_areas(state.display.grid).to(state.memory["attention"])
        strength = self.value("inhibition") if state.step else 0.0
        p = choice(
            state.memory["attention"],
            state.memory["inhibition"],
            self.value("lambda"),
            self.value("gamma"),
            strength,
        )
        zeta = self.value("zeta")
        return ((1 - zeta) * p + zeta * areas).log()

    def duration(self, state: WalkState, xy_px: Tensor, generator: torch.Generator) -> Tensor:
        u = torch.rand(xy_px.shape[:-1], generator=generator).to(xy_px) * (QUANTILES - 1)
        low, high = self.duration_ms[u.floor().long()], self.duration_ms[u.ceil().long()]
        return low + (u - u.floor()) * (high - low)

    def _ahead(self, before: Tensor, here: Tensor, display: Display) -> Tensor:
        """[B, n, 2] the place beyond the fixation, along the saccade."""
        saccade = here - before
        along = saccade / saccade.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        return here + along * (self.value("shift") * max(display.grid.size_px))

    def _window(self, xy: Tensor, sigma: str, display: Display, density: Tensor | None = None) -> Tensor:
        grid = display.grid
        weight = cell_areas(grid).to(xy) if density is None else density[:, None]
        return window(xy, self.value(sigma) * max(grid.size_px), grid, weight)


def window(xy: Tensor, sigma_px: Tensor | float, grid: Grid, weight: Tensor) -> Tensor:
    """A Gaussian around points, times a weight, with sum 1.

    Args:
        xy: [B, n, 2] px, which may be off the picture.
        weight: [..., C] positive, broadcasting with [B, n, C].
    Returns:
        [B, n, C].
    """
    sides = []
    for k, axis in enumerate(grid.axes_px):
        log = -((xy[..., k, None] - axis.to(xy)) ** 2) / (2 * sigma_px**2)
        sides.append(
            (log - log.amax(-1, keepdim=True)).exp()
        )  # the largest is 1, however far away the point is
    found = (sides[1][..., :, None] * sides[0][..., None, :]).flatten(-2) * weight
    return found / found.sum(-1, keepdim=True).clamp(min=1e-30)


def relaxed(start: Tensor, target: Tensor, omega: Tensor | float, time_s: Tensor | float) -> Tensor:
    """What a map has become: target + exp(-omega t) (start - target)."""
    return target + torch.exp(-torch.as_tensor(omega * time_s)) * (start - target)


def choice(
    attention: Tensor,
    inhibition: Tensor,
    exponent: Tensor | float,
    gamma: Tensor | float,
    strength: Tensor | float,
) -> Tensor:
    """[..., C] probabilities from two maps: powers with sum 1, subtracted, cut at 0; uniform where nothing is left."""
    attracted = (exponent * attention.clamp(min=TINY).log()).softmax(-1)
    repelled = (gamma * inhibition.clamp(min=TINY).log()).softmax(-1)
    u = (attracted - strength * repelled).clamp(min=0)
    total = u.sum(-1, keepdim=True)
    return torch.where(total > 0, u / total.clamp(min=TINY), 1 / u.shape[-1])


def _raw(name: str, value: float) -> Tensor:
    value = torch.tensor(float(value))
    return value.logit() if name == "zeta" else value.log()
