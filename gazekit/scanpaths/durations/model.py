"""How long a fixation lasts, given what is known when it starts: a mixture of log-normals that a small net conditions.

Dataflow: `Timed` -> inputs (`inputs.py`), and who looks -> two hidden layers -> K log-normals. Trained by the exact
likelihood. README.md says what it gains on OSIE and SUN, and what was tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gazekit.scanpaths.durations.base import Durations
from gazekit.scanpaths.durations.baselines import LogNormal, people_of
from gazekit.scanpaths.durations.inputs import CAUSAL, duration_inputs
from gazekit.scanpaths.durations.laws import LogNormalMixture
from gazekit.scanpaths.durations.timed import Timed
from gazekit.schedule import one_cycle

__all__ = ["DurationModel"]

PERSON_WIDTH = 12
UNKNOWN_SHARE = 0.2
"""Of the training fixations that are shown without their person, so that the net learns the population, too."""
FARTHEST = 5.0
"""Standard deviations at which inputs are cut: a picture unlike those of training must not carry the net away."""
RATE, DECAY = 6e-3, 1e-3
BATCH, STEPS = 2048, 32
"""Most fixations of a training step, and fewest steps of an epoch."""


class DurationModel(Durations):
    """A mixture of log-normals whose weights, places and widths depend on what is known when a fixation starts.

    A person who was in training has a vector of their own, which weight decay draws to 0; for anybody else, and where
    nobody is named, it is 0. One model so serves both known people and the population.

    Args:
        observers: number of people in training, whose numbers are `Timed.observer`; 0: nobody is told apart.
        context: width of `Timed.context`; 0: it has none.
        inputs: names of groups of inputs, see `inputs.GROUPS`. All but "outgoing" are causal, and so is the default.
        components: log-normals.
        width: hidden units.
    Raises:
        ValueError: an unknown group of inputs; no component.
    """

    def __init__(
        self,
        observers: int = 0,
        context: int = 0,
        inputs: Sequence[str] = CAUSAL,
        components: int = 3,
        width: int = 96,
    ) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"components must be at least 1, got {components}")
        self.observers, self.context, self.inputs, self.components = (
            observers,
            context,
            tuple(inputs),
            components,
        )
        nobody = torch.zeros(0, 2)
        columns = duration_inputs(Timed.started(nobody, nobody), self.inputs).shape[-1] + context
        self.baseline = LogNormal()
        self.register_buffer("centre", torch.zeros(columns))
        self.register_buffer("spread", torch.ones(columns))
        self.people = nn.Embedding(observers, PERSON_WIDTH) if observers else None
        self.net = nn.Sequential(
            nn.Linear(columns + (PERSON_WIDTH if observers else 0), width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, 3 * components),
        )

    def law(self, timed: Timed) -> LogNormalMixture:
        who = people_of(timed, self.observers)[..., None].expand(timed.mask.shape)
        return self._mixture(self._inputs(timed), who)

    def fit(self, train: Timed, val: Timed | None = None, seed: int = 0, epochs: int = 20) -> None:
        """As `Durations.fit`; with `val`, the weights of the epoch that predicts it best are kept."""
        self.baseline.fit(train)
        values = self._inputs(train)[train.known]
        self.centre.copy_(values.mean(0))
        self.spread.copy_(values.std(0, correction=0).clamp(min=0.05))
        with torch.random.fork_rng(devices=[]):  # what the caller draws afterwards does not depend on this
            torch.manual_seed(seed)
            self._reset()
            self._train(train, val, epochs)
        self.eval()

    def arguments(self, timed: Timed) -> dict[str, Tensor]:
        """What `DurationGain` and `DurationCalibration` take, [B, T] each; chance is the log-normal of training."""
        return {
            "duration_log_prob": self.log_prob(timed),
            # without meaning, but finite, where the duration is unknown
            "duration_log_chance": self.baseline.log_prob(timed).nan_to_num(),
            "duration_cdf": self.cdf(timed),
            "duration_mask": timed.mask,
        }

    def _inputs(self, timed: Timed) -> Tensor:
        """[..., T, F] as they are."""
        found = duration_inputs(timed, self.inputs)
        if not self.context:
            return found
        width = 0 if timed.context is None else timed.context.shape[-1]
        if width != self.context:
            raise ValueError(f"this duration model needs a context of width {self.context}, got {width}")
        return torch.cat([found, timed.context], -1)

    def _mixture(self, inputs: Tensor, who: Tensor) -> LogNormalMixture:
        """Of fixations [...]: inputs [..., F] as they are, and numbers of people, -1 for nobody."""
        inputs = ((inputs - self.centre) / self.spread).clamp(-FARTHEST, FARTHEST)
        if self.people is not None:
            vector = self.people(who.clamp(min=0))
            inputs = torch.cat([inputs, torch.where(who[..., None] >= 0, vector, 0.0)], -1)
        weight, place, width = self.net(inputs).split(self.components, -1)
        location, scale = self.baseline.location, self.baseline.scale
        return LogNormalMixture(
            weight.log_softmax(-1), location + scale * place, scale * width.clamp(-5, 5).exp()
        )

    def _reset(self) -> None:
        """First weights: the components side by side, whatever the inputs."""
        for layer in self.net:
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
        place = torch.linspace(-1, 1, self.components) if self.components > 1 else torch.zeros(1)
        nn.init.zeros_(self.net[-1].weight)
        with torch.no_grad():
            self.net[-1].bias.copy_(torch.cat([0 * place, place, 0 * place]))
        if self.people is not None:
            nn.init.normal_(self.people.weight, std=0.1)

    def _train(self, train: Timed, val: Timed | None, epochs: int) -> None:
        rows, held = self._rows(train), None if val is None else self._rows(val)
        optimizer = torch.optim.AdamW(self.parameters(), lr=RATE, weight_decay=DECAY)
        size = max(1, min(BATCH, len(rows.ms) // STEPS))
        scheduler = one_cycle(optimizer, epochs * -(-len(rows.ms) // size))
        best, kept = torch.inf, None
        for _ in range(epochs):
            for chosen in torch.randperm(len(rows.ms)).split(size):
                part = _Rows(*(values[chosen] for values in rows))
                unnamed = (torch.rand(len(chosen)) < UNKNOWN_SHARE).to(part.who.device)
                optimizer.zero_grad()
                self._loss(part._replace(who=part.who.masked_fill(unnamed, -1))).backward()
                nn.utils.clip_grad_norm_(self.parameters(), 1.0)
                optimizer.step()
                scheduler.step()
            if held is None or not len(held.ms):
                continue
            with torch.no_grad():
                loss = float(self._loss(held))
            if loss < best:
                best, kept = loss, deepcopy(self.state_dict())
        if kept is not None:
            self.load_state_dict(kept)

    def _rows(self, timed: Timed) -> _Rows:
        """What training needs of all fixations whose duration is known: nothing is computed on padding."""
        who = people_of(timed, self.observers)[..., None].expand(timed.mask.shape)
        censored = torch.zeros_like(timed.mask) if timed.censored is None else timed.censored
        return _Rows(*(x[timed.known] for x in (self._inputs(timed), who, timed.duration_ms, censored)))

    def _loss(self, rows: _Rows) -> Tensor:
        law = self._mixture(rows.inputs, rows.who)
        log = law.log_prob(rows.ms)
        if rows.censored.any():
            log = torch.where(rows.censored, law.log_survival(rows.ms), log)
        return -log.mean()


class _Rows(NamedTuple):
    """M fixations: inputs [M, F], people [M], durations [M] in ms, and whether these are all of them [M]."""

    inputs: Tensor
    who: Tensor
    ms: Tensor
    censored: Tensor
