"""Bayesian searchers: a posterior over the target's place, and a rule of where to look next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.models.visual_search.bayes import rules
from gazekit.models.visual_search.bayes.cells import FOVEA, CellPredictor, visibility
from gazekit.models.visual_search.bayes.fitting import fit_readout
from gazekit.models.visual_search.bayes.readout import READOUTS
from gazekit.models.visual_search.bayes.state import Display, WalkState
from gazekit.scanpaths.walk import Fixated
from gazekit.scene import TrialBatch

__all__ = ["Searcher"]

RULES = ("greedy", "elm", "ideal")
PEAK = 9.0
"""Detectability where the eye is: 3 squared, as published."""


class Searcher(CellPredictor):
    """A Bayesian searcher on a grid of cells.

    At each fixation f every cell gives evidence e = mu + sigma N(0, 1) about each memorised object,
    mu = (m (v + 1/2) + s (3/2 - v)) / 2, m = +-1/2 for present or absent, s the similarity, sigma = 1 / (3 v + 4),
    which is weighted by the visibility and added: L <- forget L + W, log p = L - logsumexp L, L = log prior at the
    start. The memorised object whose posterior has the least entropy is looked for, by one of three rules (`rules`).

    Source: Bujia et al. 2022 (nnIBS, the ELM rule), Ruarte et al. 2024 (elm_base, elm_final); NeuroLIAA/ruarte-hs-2024.
    Deviations: README.

    Args:
        rule: greedy | elm | ideal.
        periphery: exponent a of the visibility g^a of the periphery.
        filtered: W = 9 max(v_f e, v_p e) and v = v_f in mu, so that the periphery attracts and only the fovea (g^2)
            rejects; else W = 9 v_f e and v = v_p in mu.
        memory: fixations after which evidence and prior have faded to 1 / e; None: they do not.
        knows_target: in hybrid search, that it is the first of the memorised objects that is shown.
        readout: raw | length | people: from its decision to people's probabilities, see `readout`. With "people" its
            own searches are draws; with the others it looks where the rule says, and the noise of the evidence makes
            searches differ. Expectations of people's next fixation are without noise.
        steps: of the fit of the readout.
    Raises:
        ValueError: an unknown rule or readout, or a memory that is not positive.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        rule: str = "elm",
        periphery: float = 0.2,
        filtered: bool = True,
        memory: float | None = 8.0,
        knows_target: bool = False,
        readout: str = "length",
        steps: int = 300,
        cell_px: float = 32.0,
        layout: bool = True,
    ) -> None:
        super().__init__(facts, cell_px, layout)
        for name, value, known in (("rule", rule, RULES), ("readout", readout, tuple(READOUTS))):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        if memory is not None and memory <= 0:
            raise ValueError(f"memory must be a positive number of fixations or null, got {memory}")
        self.rule, self.periphery, self.filtered, self.knows_target = rule, periphery, filtered, knows_target
        self.kept = 1.0 if memory is None else math.exp(-1 / memory)
        self.steps = steps
        self.draws = readout == "people"
        self.readout = READOUTS[readout]()

    @property
    def about(self) -> str:
        memory = "perfect memory" if self.kept == 1 else f"memory of {-1 / math.log(self.kept):.3g} fixations"
        return f"A Bayesian searcher on a grid of cells: rule {self.rule}, periphery {self.periphery:g}, {memory}."

    def fit(self, data: Data) -> None:
        """The densities in closed form, then the readout by a short training on the training part."""
        super().fit(data)
        fit_readout(self, data, self.steps)

    def first(self, display: Display, n: int) -> Tensor:
        """[B, n, M, C] the unnormalised log-posterior of each memorised object: the prior."""
        m = display.similarity.shape[1]
        return display.log_prior[:, None, None].repeat(1, n, m, 1)

    def update(self, state: WalkState, fixated: Fixated, generator: torch.Generator | None) -> Tensor:
        display = state.display
        seen = visibility(display.grid)
        fovea, periphery = (seen.seen_from(fixated.cell, exponent) for exponent in (FOVEA, self.periphery))
        noise = 0.0
        if generator is not None:
            noise = torch.randn(state.memory.shape, generator=generator).to(state.memory)
        similarity, present = display.similarity[:, None], display.present[:, None]
        more = evidence(similarity, present, fovea[:, :, None], periphery[:, :, None], self.filtered, noise)
        return self.kept * state.memory + more

    def posterior(self, state: WalkState) -> Tensor:
        """[B, n, C] log-posterior of the object that is looked for."""
        log = state.memory.log_softmax(-1)
        if self.knows_target or log.shape[2] == 1:
            return log[:, :, 0]
        order = (log.exp() * log).sum(-1)  # minus the entropy
        order = order.masked_fill(~state.display.memory_mask[:, None], -torch.inf)
        chosen = order.argmax(-1)[..., None, None].expand(-1, -1, 1, log.shape[-1])
        return log.gather(2, chosen)[:, :, 0]

    def decision(self, log_posterior: Tensor, state: WalkState) -> Tensor:
        """[B, n, C] logarithm of the rule's decision variable."""
        if self.rule == "greedy":
            return log_posterior
        seen = visibility(state.display.grid)
        if self.rule == "elm":
            return rules.elm(log_posterior, seen)
        return rules.ideal(log_posterior.flatten(0, 1), seen, PEAK, self.periphery).view_as(log_posterior)

    def log_map(self, state: WalkState) -> Tensor:
        if state.step == 0:
            return state.display.log_prior[:, None].expand(-1, state.here.shape[1], -1)
        log_posterior = self.posterior(state)
        return self.readout(self.decision(log_posterior, state), log_posterior, state)

    def choose(self, state: WalkState, generator: torch.Generator) -> Tensor:
        if self.draws:
            return super().choose(state, generator)
        return self.decision(self.posterior(state), state).argmax(-1)


def evidence(
    similarity: Tensor,
    present: Tensor,
    fovea: Tensor,
    periphery: Tensor,
    filtered: bool,
    noise: Tensor | float,
) -> Tensor:
    """[..., C] weighted evidence W of one fixation, see `Searcher`.

    Args:
        similarity, present: [..., C].
        fovea, periphery: [..., C] visibilities in [0, 1] from the fixation.
        noise: [..., C] standard normal draws; 0 for the expected evidence.
    """
    v = fovea if filtered else periphery
    mean = (torch.where(present, 0.5, -0.5) * (v + 0.5) + similarity * (1.5 - v)) / 2
    e = mean + noise / (3 * periphery + 4)
    return PEAK * (torch.maximum(fovea * e, periphery * e) if filtered else fovea * e)


def log_likelihood(model: CellPredictor, batch: TrialBatch) -> Tensor:
    """[] mean natural log-probability of people's fixations after the first; NaN if there are none."""
    total, count = batch.xy_px.new_zeros(()), 0
    for step, rows, state in model.along(batch, 0):
        if step:
            cell = state.display.grid.cell_of(batch.xy_px[rows, step])
            total = total + model.log_map(state)[:, 0].gather(1, cell[:, None]).sum()
            count += len(rows)
    return total / count if count else total * torch.nan
