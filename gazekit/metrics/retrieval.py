"""Retrieval of pictures by brains and of brains by pictures; the definition is in `functional`."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.retrieval import RETRIEVAL_PARTS, retrieval_probabilities, retrieval_top_k
from gazekit.metrics.functional.rsa import unit_patterns
from gazekit.metrics.representation import PatternMetric
from gazekit.metrics.score import Score

__all__ = ["Retrieval"]


class Retrieval(PatternMetric):
    """`functional.retrieval_top_k` over the pictures of all batches.

    Args:
        width: D of both embeddings.
        k: how many of the most similar ones count.
        among: pictures to choose from.

    Pictures with a zero embedding or a NaN are left out and counted in `undefined`; fewer than `among` are NaN.

    Example:
        >>> import torch
        >>> metric = Retrieval(width=3, among=2)
        >>> metric.update(torch.eye(3)[[0, 2]], torch.eye(3)[[0, 1]])
        >>> metric.update(torch.eye(3)[[1]], torch.eye(3)[[2]])
        >>> metric.compute()
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    parts = RETRIEVAL_PARTS

    def __init__(self, width: int, k: int = 1, among: int = 300) -> None:
        super().__init__(width, width)
        self.k, self.among = k, among
        retrieval_probabilities(torch.zeros(0, 1), torch.zeros(0, 1), k, among)  # refuses wrong numbers now

    def update(
        self, brain_embedding: Tensor, picture_embedding: Tensor, group: ArrayLike | None = None
    ) -> None:
        """Add n pictures.

        Args:
            brain_embedding: [n, D] what a model makes of the brain's responses.
            picture_embedding: [n, D] of the pictures, in the same space.
            group: [n] integer ids of what they belong to (pictures, runs).
        """
        self.add(brain_embedding, picture_embedding, ("brain_embedding", "picture_embedding"), group)

    def compute(self) -> Tensor:
        """[2] the share of pictures found, and of brains; chance k / among."""
        return retrieval_top_k(*self.sides(), self.k, self.among)

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Score]:
        """Shares with percentile bootstrap intervals; `n` and `undefined` count pictures.

        The bootstrap draws pictures (groups) to be looked for; those to choose from stay. Call it on all processes.
        """
        with self.sync_context():
            unit, units = self.units()
            found = retrieval_probabilities(*self.sides(), self.k, self.among)
            count, undefined = self.count, int(self.undefined)
        known = ~found.isnan()
        top, bottom = (
            x.new_zeros(units, 2).index_add_(0, unit, x) for x in (found.nan_to_num(0.0), known.to(found))
        )
        bounds = bootstrap_interval(top, bottom, n_resamples=n_resamples, level=level, seed=seed)
        return {
            part: Score.of(values, count - undefined, undefined)
            for part, *values in zip(self.parts, *bounds, strict=True)
        }

    def comparable(self) -> tuple[Tensor, Tensor]:
        return tuple(unit_patterns(side, centred=False) for side in self.sides())
