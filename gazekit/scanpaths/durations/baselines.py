"""Durations without conditions: what a model must beat."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.scanpaths.durations.base import Durations, known_ms
from gazekit.scanpaths.durations.laws import GammaLaw, LogNormalMixture
from gazekit.scanpaths.durations.timed import Timed

__all__ = ["Gamma", "LogNormal", "PersonLogNormal"]

NARROWEST = 1e-3
"""Of the spread of log ms: equal durations would have a density without bound."""


class LogNormal(Durations):
    """One log-normal for all fixations, by maximum likelihood: what `DurationGain` compares with."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("location", torch.tensor(5.3))
        self.register_buffer("scale", torch.tensor(0.55))

    def fit(self, train: Timed, val: Timed | None = None, seed: int = 0) -> None:
        log = known_ms(train).log()
        self.location.copy_(log.mean())
        self.scale.copy_(log.std(correction=0).clamp(min=NARROWEST))

    def law(self, timed: Timed) -> LogNormalMixture:
        location, scale = (x.expand(*timed.mask.shape, 1) for x in (self.location, self.scale))
        return LogNormalMixture(torch.zeros_like(location), location, scale)


class Gamma(Durations):
    """One gamma distribution for all fixations, by maximum likelihood (Newton's steps on its shape)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shape", torch.tensor(4.0))
        self.register_buffer("rate", torch.tensor(0.02))

    def fit(self, train: Timed, val: Timed | None = None, seed: int = 0) -> None:
        ms = known_ms(train)
        gap = (ms.mean().log() - ms.log().mean()).clamp(min=NARROWEST**2)
        shape = (3 - gap + ((gap - 3).square() + 24 * gap).sqrt()) / (12 * gap)  # Minka 2002
        for _ in range(20):
            slope = 1 / shape - torch.polygamma(1, shape)
            shape = shape - (shape.log() - torch.digamma(shape) - gap) / slope
        self.shape.copy_(shape)
        self.rate.copy_(shape / ms.mean())

    def law(self, timed: Timed) -> GammaLaw:
        return GammaLaw(self.shape.expand(timed.mask.shape), self.rate.expand(timed.mask.shape))


class PersonLogNormal(Durations):
    """One log-normal for each person; means and log spreads are shrunk towards the population's.

    Shrinkage is that of a random effect: the weight of a person's own value is v / (v + s^2 / n), v its variance
    between people and s^2 / n its error in n fixations. The law of an unknown person is the population's.

    Args:
        observers: number of people.
    """

    def __init__(self, observers: int) -> None:
        super().__init__()
        self.everybody = LogNormal()
        self.register_buffer("location", torch.zeros(observers))
        self.register_buffer("scale", torch.ones(observers))

    def fit(self, train: Timed, val: Timed | None = None, seed: int = 0) -> None:
        self.everybody.fit(train)
        people = len(self.location)
        log = known_ms(train).log()
        who = people_of(train, people)[..., None].expand(train.mask.shape)[train.known]
        log, who = log[who >= 0], who[who >= 0]
        count = torch.bincount(who, minlength=people).double()

        def mean(values: Tensor) -> Tensor:
            return values.new_zeros(people).index_add_(0, who, values) / count.clamp(min=1)

        own = mean(log)
        spread = mean((log - own[who]).square()).sqrt().clamp(min=NARROWEST)
        place, width = self.everybody.location.double(), self.everybody.scale.double()
        error = spread.square() / count.clamp(min=1)
        self.location.copy_(_shrunk(own, place, error, count))
        # the error of a log standard deviation is 1 / sqrt(2 n)
        self.scale.copy_(_shrunk(spread.log(), width.log(), 0.5 / count.clamp(min=1), count).exp())

    def law(self, timed: Timed) -> LogNormalMixture:
        who = people_of(timed, len(self.location))[..., None].expand(timed.mask.shape)[..., None]
        law = self.everybody.law(timed)
        if not len(self.location):
            return law
        location, scale = (
            torch.where(who >= 0, own[who.clamp(min=0)], all_of)
            for own, all_of in ((self.location, law.location), (self.scale, law.scale))
        )
        return LogNormalMixture(law.log_weight, location, scale)


def people_of(timed: Timed, count: int) -> Tensor:
    """[...] numbers of the observers, -1 where nobody is named, or where none of `count` is told apart.

    Raises:
        ValueError: a number of nobody in training.
    """
    who = timed.observer
    if who is None or not count:
        return torch.full(timed.mask.shape[:-1], -1, device=timed.mask.device)
    if who.numel() and (int(who.max()) >= count or int(who.min()) < -1):
        raise ValueError(
            f"observer must be a number from 0 to {count - 1} of those in training, or -1 for anybody else; "
            f"got {int(who.min())} to {int(who.max())}"
        )
    return who


def _shrunk(own: Tensor, common: Tensor, error: Tensor, count: Tensor) -> Tensor:
    """Own values drawn to the common one; it is all there is for people without fixations."""
    seen = count > 0
    between = (
        ((own - common).square() - error)[seen].mean().clamp(min=0) if seen.any() else error.new_zeros(())
    )
    weight = torch.where(seen, between / (between + error), 0.0)
    return common + weight * (own - common)
