"""Scores of whole response patterns, for which all stimuli have to be at hand; definitions in `functional`.

Patterns are kept, 8 bytes a value. Their widths are part of the constructor, so that a process without
stimuli knows them as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import values, whole_number
from gazekit.metrics.functional.identification import (
    Similarity,
    identification_accuracy,
    similarity_patterns,
    two_versus_two,
)
from gazekit.metrics.functional.rsa import RSAMethod, rdm, rsa, unit_patterns
from gazekit.metrics.rows_metric import RowsMetric

__all__ = ["RSA", "IdentificationAccuracy", "TwoVersusTwo"]


class PatternMetric(RowsMetric):
    """Keeps two patterns a stimulus, [num_features] of the model and [num_voxels] measured."""

    higher_is_better = True

    def __init__(self, num_features: int, num_voxels: int) -> None:
        widths = whole_number("num_features", num_features, 1), whole_number("num_voxels", num_voxels, 1)
        super().__init__(patterns=sum(widths))
        self.widths = widths

    def add(self, model: Tensor, brain: Tensor, names: tuple[str, str]) -> None:
        """Add n stimuli, [n, num_features] and [n, num_voxels], which errors call by `names`."""
        both = [values(name, side) for name, side in zip(names, (model, brain), strict=True)]
        for name, side, width in zip(names, both, self.widths, strict=True):
            if side.dim() != 2 or side.shape[1] != width:
                raise ValueError(f"{name} must have shape [n, {width}], got {list(side.shape)}")
        if len(both[0]) != len(both[1]):
            raise ValueError(f"{' and '.join(names)} hold {len(both[0])} and {len(both[1])} stimuli")
        self.add_rows("patterns", torch.cat(both, 1))

    def sides(self) -> tuple[Tensor, Tensor]:
        """[N, num_features], [N, num_voxels] of all stimuli."""
        return self.rows("patterns").split(self.widths, 1)

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

    def update(self, model: Tensor, brain: Tensor) -> None:
        """Add n stimuli: the model's patterns [n, num_features], the measured ones [n, num_voxels]."""
        self.add(model, brain, ("model", "brain"))

    def compute(self) -> Tensor:
        """[] the correlation; NaN for fewer than three stimuli, or where a dissimilarity is undefined."""
        model, brain = self.sides()
        return rsa(rdm(model), rdm(brain), self.method)

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

    def __init__(self, num_voxels: int, similarity: Similarity = "pearson") -> None:
        super().__init__(num_voxels, num_voxels)
        self.similarity = similarity
        self.comparable()  # refuses an unknown similarity now

    def update(self, prediction: Tensor, response: Tensor) -> None:
        """Add n stimuli: predicted and measured responses [n, V]."""
        self.add(prediction, response, ("prediction", "response"))

    def compute(self) -> Tensor:
        """[] the fraction, chance 0.5; NaN if no two stimuli can be compared."""
        return type(self).function(*self.sides(), self.similarity)

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
