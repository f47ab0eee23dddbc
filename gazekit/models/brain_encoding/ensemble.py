"""Encoders of several layers and several runs as one: weights of each voxel from its validation correlations."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Correlations", "member_weights"]


def member_weights(validation_r: Tensor, runs: int, sharpness: float = 40.0) -> Tensor:
    """[M, V] share of each member in the prediction of each voxel; they sum to 1 over members.

    Softmax over layers of sharpness times the validation correlation, averaged over the runs of a layer; all runs of
    a layer share alike. (The release of Adeli et al. 2025 does not divide by the runs, so that its predictions are as
    many times too large.)

    Args:
        validation_r: [M, V], runs of a layer beside each other; NaN = undefined, which counts as 0.
        runs: of each layer.
        sharpness: 40 in the source; 0 gives the mean of all members.
    """
    layers = validation_r.nan_to_num(0.0).unflatten(0, (-1, runs)).mean(1)
    return (sharpness * layers).softmax(0).repeat_interleave(runs, 0) / runs


class Correlations:
    """Correlations of M predictions with V responses, over batches, without missing responses.

    Sums of centred values in double precision: what is added should have a mean near 0 and a deviation near 1.
    """

    def __init__(self) -> None:
        self.sums: Tensor | None = None

    def add(self, prediction: Tensor, response: Tensor) -> None:
        """Add predictions [M, B, V] of responses [B, V], NaN = none."""
        there = response.isfinite()
        y = response.nan_to_num(0.0).double()
        x = prediction.double() * there
        many = there.sum(0).double().expand(len(x), -1)
        sums = torch.stack(
            [
                many,
                x.sum(1),
                y.sum(0).expand_as(many),
                (x * x).sum(1),
                (y * y).sum(0).expand_as(many),
                (x * y).sum(1),
            ]
        )
        self.sums = sums if self.sums is None else self.sums + sums

    def value(self) -> Tensor:
        """[M, V]; NaN where fewer than two responses, or no variation."""
        n, x, y, xx, yy, xy = self.sums
        spread = (n * xx - x * x) * (n * yy - y * y)
        return torch.where(
            spread > 1e-12 * n**4, (n * xy - x * y) / spread.clamp(min=1e-300).sqrt(), torch.nan
        ).float()
