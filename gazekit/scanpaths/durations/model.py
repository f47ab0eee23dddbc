"""How long a fixation lasts, given what is known when it starts: a mixture of log-normals that a small net conditions.

Dataflow: `Timed` -> inputs (`inputs.py`), and who looks -> two hidden layers -> K log-normals. Trained by the exact
likelihood. README.md says what it gains on OSIE and SUN, and what was tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

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
"""Of the training scanpaths that are shown without their person, so that the net learns the population, too."""
FARTHEST = 5.0
"""Standard deviations at which inputs are cut: a picture unlike those of training must not carry the net away."""
RATE, DECAY, BATCH = 3e-3, 1e-3, 256


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
        inputs = ((self._inputs(timed) - self.centre) / self.spread).clamp(-FARTHEST, FARTHEST)
        if self.people is not None:
            inputs = torch.cat([inputs, self._person(timed)], -1)
        weight, place, width = self.net(inputs).split(self.components, -1)
        location, scale = self.baseline.location, self.baseline.scale
        return LogNormalMixture(
            weight.log_softmax(-1), location + scale * place, scale * width.clamp(-5, 5).exp()
        )

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

    def _person(self, timed: Timed) -> Tensor:
        """[..., T, PERSON_WIDTH]."""
        who = people_of(timed, self.observers)[..., None]
        vector = torch.where(who >= 0, self.people(who.clamp(min=0))[..., 0, :], 0.0)
        return vector[..., None, :].expand(*timed.mask.shape, -1)

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
        rows = train.known.any(-1).nonzero()[:, 0]
        steps = epochs * -(-len(rows) // BATCH)
        optimizer = torch.optim.AdamW(self.parameters(), lr=RATE, weight_decay=DECAY)
        scheduler = one_cycle(optimizer, steps)
        best, kept = torch.inf, None
        for _ in range(epochs):
            self.train()
            for chosen in rows[torch.randperm(len(rows))].split(BATCH):
                optimizer.zero_grad()
                self._loss(_some_unknown(train.select(chosen))).backward()
                nn.utils.clip_grad_norm_(self.parameters(), 1.0)
                optimizer.step()
                scheduler.step()
            if val is not None and val.known.any():
                self.eval()
                with torch.no_grad():
                    loss = float(self._loss(val))
                if loss < best:
                    best, kept = loss, deepcopy(self.state_dict())
        if kept is not None:
            self.load_state_dict(kept)

    def _loss(self, timed: Timed) -> Tensor:
        return -self.log_prob(timed)[timed.known].mean()


def _some_unknown(timed: Timed) -> Timed:
    """With some of the people unnamed."""
    if timed.observer is None:
        return timed
    hidden = torch.rand(timed.observer.shape) < UNKNOWN_SHARE
    return replace(timed, observer=timed.observer.masked_fill(hidden.to(timed.observer.device), -1))
