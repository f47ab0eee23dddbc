"""Scores of whole response patterns, for which all stimuli are needed at once; definitions in `functional`.

Patterns are kept, 8 bytes per value. Their widths are part of the constructor, so that a process without
stimuli knows them as well.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_statistic
from gazekit.metrics.functional.arguments import ArrayLike, values, whole_number
from gazekit.metrics.functional.identification import (
    Similarity,
    comparisons_won,
    identification_accuracy,
    similarity_patterns,
    two_versus_two,
)
from gazekit.metrics.functional.rsa import RSAMethod, rdm, rsa, rsa_of_draw, unit_patterns
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.renamed import renamed
from gazekit.metrics.score import Score

__all__ = ["RSA", "IdentificationAccuracy", "TwoVersusTwo"]


class PatternMetric(GroupedMetric):
    """Keeps two patterns per stimulus, [num_features] of the model and [num_voxels] measured."""

    higher_is_better = True

    def __init__(self, num_features: int, num_voxels: int) -> None:
        widths = whole_number("num_features", num_features, 1), whole_number("num_voxels", num_voxels, 1)
        super().__init__("patterns", patterns=sum(widths))
        self.widths = widths

    def add(self, model: Tensor, brain: Tensor, names: tuple[str, str], group: ArrayLike | None) -> None:
        """Add n stimuli, [n, num_features] and [n, num_voxels], which errors call by `names`."""
        both = [values(name, side) for name, side in zip(names, (model, brain), strict=True)]
        for name, side, width in zip(names, both, self.widths, strict=True):
            if side.dim() != 2 or side.shape[1] != width:
                raise ValueError(f"{name} must have shape [n, {width}], got {list(side.shape)}")
        if len(both[0]) != len(both[1]):
            raise ValueError(f"{' and '.join(names)} hold {len(both[0])} and {len(both[1])} stimuli")
        self.add_grouped(torch.cat(both, 1), group)

    def sides(self) -> tuple[Tensor, Tensor]:
        """[N, num_features], [N, num_voxels] of all stimuli."""
        return self.rows("patterns").split(self.widths, 1)

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Score:
        """The value with its percentile bootstrap interval; `n` and `undefined` count stimuli.

        The bootstrap draws whole groups, or single stimuli if there are no groups. A stimulus that is drawn twice is
        not compared with its copy. Each draw takes about as long as `compute`. Call it on all processes.
        """
        with self.sync_context():
            unit, units = self.units()
            drawn, count, undefined = self.drawn(), self.count, int(self.undefined)
        found = bootstrap_statistic(
            lambda counts: drawn(counts[:, unit.cpu()]), units, n_resamples, level, seed, 32 * count
        )
        return Score.of(found, count - undefined, undefined)

    def drawn(self) -> Callable[[Tensor], Tensor]:
        """A function from how often each stimulus is drawn, [R, N], to values [R]."""
        raise NotImplementedError

    @property
    def undefined(self) -> Tensor:
        """[] number of stimuli of this process with a pattern that compares with none (constant, NaN)."""
        return torch.stack([side.isnan().any(1) for side in self.comparable()]).any(0).sum()

    def comparable(self) -> tuple[Tensor, Tensor]:
        """Both sides [N, ...] with NaN where a pattern compares with none."""
        raise NotImplementedError


class RSA(PatternMetric):
    """`functional.rsa` of the dissimilarities (`functional.rdm`) of all stimuli in a model and in a brain.

    Args:
        num_features: of the model's patterns.
        num_voxels: of the measured patterns.
        method: "spearman", "kendall_tau_a" or "pearson".

    One stimulus without a dissimilarity (a constant pattern) makes the score NaN; `undefined` counts them.

    Example:
        >>> import torch
        >>> metric = RSA(num_features=3, num_voxels=4)
        >>> metric.update(torch.eye(3)[[0, 0]], torch.eye(4)[[0, 1]] + torch.eye(4)[[3, 3]])
        >>> metric.update(torch.eye(3)[[1, 2]], torch.eye(4)[[2, 2]] + torch.eye(4)[[0, 1]])
        >>> metric.compute()
        tensor(0.3162, dtype=torch.float64)
    """

    def __init__(self, num_features: int, num_voxels: int, method: RSAMethod = "spearman") -> None:
        super().__init__(num_features, num_voxels)
        self.method = method
        rsa(torch.eye(3), torch.eye(3), method)  # refuses unknown methods now

    @renamed(model="model_patterns", brain="brain_patterns")
    def update(self, model_patterns: Tensor, brain_patterns: Tensor, group: ArrayLike | None = None) -> None:
        """Add n stimuli.

        Args:
            model_patterns: [n, num_features] the model's responses.
            brain_patterns: [n, num_voxels] the measured ones.
            group: [n] integer ids of what the stimuli belong to (categories, runs).
        """
        self.add(model_patterns, brain_patterns, ("model_patterns", "brain_patterns"), group)

    def compute(self) -> Tensor:
        """[] the correlation; NaN for fewer than three stimuli, or where a dissimilarity is undefined."""
        model, brain = self.sides()
        return rsa(rdm(model), rdm(brain), self.method)

    def drawn(self) -> Callable[[Tensor], Tensor]:
        matrices = [rdm(side) for side in self.sides()]

        def values_of(counts: Tensor) -> Tensor:
            times = counts.long().to(matrices[0].device)
            return torch.stack([rsa_of_draw(*matrices, row, self.method) for row in times])

        return values_of

    def comparable(self) -> tuple[Tensor, Tensor]:
        return tuple(unit_patterns(side, centred=True) for side in self.sides())


class TwoVersusTwo(PatternMetric):
    """`functional.two_versus_two` over all pairs of the stimuli of all batches.

    Args:
        num_voxels: V.
        similarity: "pearson" or "cosine".

    Stimuli whose similarity is undefined are left out and counted in `undefined`.

    Example:
        >>> import torch
        >>> metric = TwoVersusTwo(num_voxels=3)
        >>> metric.update(torch.eye(3)[[0, 2]], torch.eye(3)[[0, 1]])
        >>> metric.update(torch.eye(3)[[1]], torch.eye(3)[[2]])
        >>> metric.compute()
        tensor(0.6667, dtype=torch.float64)
    """

    function = staticmethod(two_versus_two)
    swapped = True

    def __init__(self, num_voxels: int, similarity: Similarity = "pearson") -> None:
        super().__init__(num_voxels, num_voxels)
        self.similarity = similarity
        self.comparable()  # refuses an unknown similarity now

    def update(self, prediction: Tensor, response: Tensor, group: ArrayLike | None = None) -> None:
        """Add n stimuli.

        Args:
            prediction: [n, V] predicted responses.
            response: [n, V] measured ones.
            group: [n] integer ids of what the stimuli belong to (categories, runs).
        """
        self.add(prediction, response, ("prediction", "response"), group)

    def compute(self) -> Tensor:
        """[] the fraction, chance 0.5; NaN if no two stimuli can be compared."""
        return type(self).function(*self.sides(), self.similarity)

    def drawn(self) -> Callable[[Tensor], Tensor]:
        patterns = self.comparable()
        return lambda counts: comparisons_won(*patterns, counts.to(patterns[0]), self.swapped)

    def comparable(self) -> tuple[Tensor, Tensor]:
        return similarity_patterns(*self.sides(), self.similarity)


class IdentificationAccuracy(TwoVersusTwo):
    """`functional.identification_accuracy` over the stimuli of all batches.

    Args:
        num_voxels: V.
        similarity: "pearson" or "cosine".

    Stimuli whose similarity is undefined are left out and counted in `undefined`.

    Example:
        >>> import torch
        >>> metric = IdentificationAccuracy(num_voxels=3)
        >>> metric.update(torch.eye(3)[[0, 2, 1]], torch.eye(3))
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    function = staticmethod(identification_accuracy)
    swapped = False
