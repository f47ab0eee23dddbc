"""Glimpse prediction in closed form: glimpses seen before, weighted by how far from each of them the eye lands.

Not in the source. The contrast of glimpse prediction is linear in the direction of a prediction: it is the mean of
<p / |p|, y> with y = the target less half the mean of the scanpath's other targets and half that of all others, all of
length 1. The best direction is that of the expected y, a regression. A dozen weights that all numbers of an embedding
share can be learned from a few dozen pictures, where nets with a weight for each pair of numbers cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gazekit.base import Data, Predictor
from gazekit.models.glimpse.contrast import SAME_GLIMPSE, cosine_contrast
from gazekit.models.glimpse.objective import Steps, steps_of

__all__ = ["DisplacementRidge", "aims_of"]


class DisplacementRidge(Predictor):
    """Glimpses seen so far, added up with weights of how far each was from where the eye lands, and a ridge regression
    of what that leaves.

        q_t = sum_j c_j sum_{k <= t} exp(-|xy_{t+1} - xy_k|^2 / (2 sigma_j^2)) x_k + c' x_t + c'' mean_{k <= t} x_k
        p_t = q_t + W [q_t ; mean_{k <= t} x_k ; 1]

    with x of length 1 less the mean of training glimpses. c are fitted by least squares on y (see the module), W by
    ridge regression of the rest, with the penalty that has the highest contrast on validation pictures.

    Args:
        facts: of `GlimpseData`.
        sigma_px: widths sigma.
        penalties: that are tried, beside W = 0.
        scanpaths: see `GlimpseRow`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        sigma_px: Sequence[float] = (12, 20, 30, 45, 65, 90, 130, 200),
        penalties: Sequence[float] = (10, 30, 100, 300, 1000),
        scanpaths: str | None = None,
    ) -> None:
        super().__init__(facts)
        self.scanpaths = scanpaths
        size = self.facts.get("size", 1)
        self.penalties = tuple(penalties)
        self.register_buffer("sigma_px", torch.tensor([float(s) for s in sigma_px]))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("weight", torch.zeros(len(sigma_px) + 2))
        self.register_buffer("rest", torch.zeros(2 * size + 1, size))

    def fit(self, data: Data) -> None:
        """Two passes over the training part, and one over validation for each penalty."""
        if self.scanpaths is not None:
            data = data.with_scanpaths(self.scanpaths)
        glimpses, targets = _unit_means(data)
        self.mean.copy_(glimpses)
        gram, product = 0.0, 0.0
        for known in map(steps_of, data.batches("train")):
            x, y = self._terms(known)[known.mask].double(), aims_of(known, targets)[known.mask].double()
            gram, product = (
                gram + torch.einsum("nkd,nld->kl", x, x),
                product + torch.einsum("nkd,nd->k", x, y),
            )
        self.weight.copy_(_solved(gram, product[:, None], 1e-3 * gram.diagonal().mean())[:, 0])
        self.rest.copy_(self._best_rest(data, targets))

    def _best_rest(self, data: Data, targets: Tensor) -> Tensor:
        gram, product = 0.0, 0.0
        for known in map(steps_of, data.batches("train")):
            q, more = self._sum(known)
            x, rest = more[known.mask].double(), (aims_of(known, targets) - q)[known.mask].double()
            gram, product = gram + x.mT @ x, product + x.mT @ rest
        tried = [_solved(gram, product, penalty) for penalty in self.penalties]
        return max([*tried, torch.zeros_like(self.rest)], key=lambda rest: self._contrast(data, rest))

    def _contrast(self, data: Data, rest: Tensor) -> float:
        total = count = 0.0
        for known in map(steps_of, data.batches("val")):
            loss = cosine_contrast(known.target, self._said(known, rest), known.mask).loss
            total, count = total - float(loss) * len(known.mask), count + len(known.mask)
        return total / max(1.0, count)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        return {"glimpse": self._said(steps_of(batch), self.rest)}

    def _said(self, known: Steps, rest: Tensor) -> Tensor:
        q, more = self._sum(known)
        return q + more @ rest

    def _sum(self, known: Steps) -> tuple[Tensor, Tensor]:
        """[B, T, D] q, and [B, T, 2 D + 1] what the ridge regression sees."""
        terms = self._terms(known)
        q = torch.einsum("btkd,k->btd", terms, self.weight)
        return q, torch.cat([q, terms[:, :, -1], torch.ones_like(q[..., :1])], 2)

    def _terms(self, known: Steps) -> Tensor:
        """[B, T, K + 2, D] sums for each width, the present glimpse, the mean of those so far."""
        x = (normalize(known.glimpse, dim=2) - self.mean) * known.mask[..., None]
        landing = known.saccade_px.cumsum(1)
        seen = landing - known.saccade_px
        squared = (landing[:, :, None] - seen[:, None]).square().sum(3)
        steps = x.shape[1]
        past = torch.ones(steps, steps, dtype=torch.bool, device=x.device).tril()
        near = torch.exp(-squared[:, None] / (2 * self.sigma_px[:, None, None].square())) * past
        mean = x.cumsum(1) / torch.arange(1, steps + 1, device=x.device)[:, None]
        return torch.cat([(near @ x[:, None]).transpose(1, 2), x[:, :, None], mean[:, :, None]], 2)


def aims_of(known: Steps, targets: Tensor) -> Tensor:
    """[B, T, D] y of each step: the best direction for the contrast if it were known.

    Args:
        targets: [D] mean of all targets, of length 1 each.
    """
    a = normalize(known.target, dim=2) * known.mask[..., None]
    kept = (a @ a.mT < SAME_GLIMPSE) & known.mask[:, :, None] & known.mask[:, None]
    kept &= ~torch.eye(a.shape[1], dtype=torch.bool, device=a.device)
    same = kept.to(a) @ a / kept.sum(2, keepdim=True).clamp(min=1)
    return (a - same / 2 - targets / 2) * known.mask[..., None]


def _unit_means(data: Data) -> tuple[Tensor, Tensor]:
    """[D] means of training glimpses and of training targets, of length 1 each."""
    sums, counts = [0.0, 0.0], [0, 0]
    for batch in data.batches("train"):
        unit = normalize(batch["glimpse"], dim=2).double() * batch["mask"][..., None]
        for k in (0, 1):  # with and without the first glimpse of each scanpath
            sums[k] = sums[k] + unit[:, k:].sum((0, 1))
            counts[k] += int(batch["mask"][:, k:].sum())
    return tuple((total / max(1, count)).float() for total, count in zip(sums, counts, strict=True))


def _solved(gram: Tensor, product: Tensor, penalty: float | Tensor) -> Tensor:
    return torch.linalg.solve(gram + penalty * torch.eye(len(gram)).to(gram), product).float()
