"""Comparison of dissimilarity matrices (RSA) in draws of pictures, and a layer search that is fair.

A matrix is kept as the ranks of its pairs of pictures; a draw gives each pair a weight. A picture drawn c_i times makes
c_i c_j pairs with picture j, and none with its own copies, which would be alike in every model. Ranks follow from the
weights by cumulative sums along one sorting, for many draws at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gazekit.base import Predictor

__all__ = [
    "GivenRDM",
    "Ranked",
    "nested_choice",
    "pair_weights",
    "random_halves",
    "rank_correlations",
    "ranked",
    "upper_pairs",
]

_DRAWS = 64  # at once


class GivenRDM(Predictor):
    """A matrix of dissimilarities that is known without looking at pictures: a category model, another brain.

    Args:
        rdm: [n, n] of the pictures in the order of the data.
        about: one sentence.
        reasons: brain to why it has no score there (it is made of the same responses).
    """

    def __init__(self, rdm: Tensor, about: str, reasons: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.register_buffer("rdm", rdm.double(), persistent=False)
        self.sentence, self.reasons = about, dict(reasons or {})

    @property
    def about(self) -> str:
        return self.sentence

    def rdms(self, data: Any) -> dict[str, Tensor]:
        return {"given": self.rdm}


class Ranked(NamedTuple):
    """M matrices as sorted pairs, all [M, P]: pairs in rising order; for each pair, the place of the first and one
    beyond the place of the last pair that is as large."""

    order: Tensor
    first: Tensor
    beyond: Tensor


def upper_pairs(rdms: Tensor) -> Tensor:
    """[..., n (n - 1) / 2] the dissimilarities above the diagonal, row by row."""
    row, column = torch.triu_indices(rdms.shape[-1], rdms.shape[-1], offset=1)
    return rdms[..., row, column]


def ranked(rdms: Tensor) -> Ranked:
    """Sorted pairs of matrices [M, n, n] without NaN."""
    pairs = upper_pairs(rdms).double().contiguous()
    value, order = pairs.sort(dim=-1, stable=True)
    return Ranked(order, torch.searchsorted(value, pairs), torch.searchsorted(value, pairs, right=True))


def pair_weights(times: Tensor, chosen: Tensor | None = None) -> Tensor:
    """[R, P] how often each pair of different pictures occurs in R draws.

    Args:
        times: [R, n] how often each picture is drawn.
        chosen: [R, n] bool, pairs of these pictures only.
    """
    times = times if chosen is None else times * chosen
    row, column = torch.triu_indices(times.shape[1], times.shape[1], offset=1)
    return times[:, row] * times[:, column]


def rank_correlations(a: Ranked, b: Ranked, weights: Tensor) -> Tensor:
    """[R, M, S] Spearman's correlation of M with S matrices over pairs that occur so often [R, P].

    Ties have mean ranks. NaN where a draw has pairs of one dissimilarity only. Ranks are exact in single precision, the
    correlation to six digits then.
    """
    found = []
    for part in weights.split(_DRAWS):
        x, y = (_standardised(side, part) for side in (a, b))
        found.append(torch.einsum("mrp,srp->rms", x, y).clamp(-1, 1).double())
    return torch.cat(found)


def _standardised(side: Ranked, weights: Tensor) -> Tensor:
    """[M, R, P] ranks of pairs that occur so often [R, P], less their mean, times the weights' roots, of length 1."""
    root, total = weights.sqrt(), weights.sum(1, keepdim=True)
    below = weights.new_zeros(len(weights), weights.shape[1] + 1)
    found = weights.new_empty(len(side.order), *weights.shape)
    for m, places in enumerate(zip(*side, strict=True)):
        order, first, beyond = (place.expand_as(weights) for place in places)
        torch.cumsum(weights.gather(1, order), 1, out=below[:, 1:])
        rank = (below.gather(1, first) + below.gather(1, beyond)) / 2
        rank = (rank - (rank * weights).sum(1, keepdim=True) / total) * root
        found[m] = rank / rank.square().sum(1, keepdim=True).sqrt()
    return found


def random_halves(n: int, splits: int, generator: torch.Generator) -> Tensor:
    """[splits, n] bool, half of n pictures (rounded down) drawn at random."""
    return torch.rand(splits, n, generator=generator).argsort(1) < n // 2


def nested_choice(halves: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """A layer chosen on one half of the pictures and on other subjects, scored on the other half and subject.

    Args:
        halves: two tensors [R, M, S], the correlations of M layers with S subjects within each half.
    Returns:
        [R, S] scores, means over both directions; [2, R, S] layers chosen. With one subject, the layer is chosen on
        that subject's other half. An undefined correlation (NaN) is chosen only where there is no other.
    """
    scores, choices = [], []
    for seen, held_out in (halves, halves[::-1]):
        subjects = seen.shape[-1]
        others = seen if subjects == 1 else seen.sum(-1, keepdim=True) - seen
        choice = others.nan_to_num(nan=-torch.inf).argmax(1)  # [R, S]
        scores.append(held_out.gather(1, choice[:, None])[:, 0])
        choices.append(choice)
    return torch.stack(scores).mean(0), torch.stack(choices)
