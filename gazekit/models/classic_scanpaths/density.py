"""Where people look in any picture of a data set."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths.saliency import cell_areas, cell_means

__all__ = ["CentreDensity"]

SIDE = 64
BANDWIDTHS = (0.0215, 0.03, 0.045, 0.065, 0.09)  # of the picture's sides; the first is DeepGaze's for MIT1003
UNIFORM = 0.01


class CentreDensity(nn.Module):
    """A density over the unit square, of the fixations of the training part; uniform before `fit`.

    Args:
        kind: "kde", Gaussians of one width around each fixation, the one of five widths under which the fixations of
            the validation part are most likely (the middle one without such); or "gaussian", one of the mean and the
            variances of the fixations. Either holds 1 % uniform.
    Raises:
        ValueError: an unknown kind.
    """

    def __init__(self, kind: Literal["kde", "gaussian"] = "kde") -> None:
        super().__init__()
        if kind not in ("kde", "gaussian"):
            raise ValueError(f"kind must be 'kde' or 'gaussian', got {kind!r}")
        self.kind = kind
        self.register_buffer("density", torch.full((SIDE, SIDE), 1.0 / SIDE**2))

    def fit(self, data: Data) -> None:
        """Count fixations in 64 x 64 bins. Without a training fixation it stays uniform."""
        counts = _counts(data, "train")
        if not counts.sum() > 0:
            return
        if self.kind == "gaussian":
            self.density.copy_(_mixed(_gaussian(counts)))
            return
        held_out = _counts(data, "val")
        choices = [_mixed(_smooth(counts, width)) for width in BANDWIDTHS]
        score = [float((held_out * choice.log()).sum()) for choice in choices]
        best = max(range(len(score)), key=score.__getitem__) if held_out.sum() > 0 else len(choices) // 2
        self.density.copy_(choices[best])

    def log_cells(self, grid: Grid) -> Tensor:
        """[C] natural log-probabilities of the cells of a grid."""
        return (
            (cell_means(self.density[None], grid)[0] * cell_areas(grid).to(self.density)).log().log_softmax(0)
        )


def _counts(data: Data, part: str) -> Tensor:
    counts = torch.zeros(SIDE * SIDE, dtype=torch.float64)
    for batch in data.batches(part):
        size = batch.scenes.size_px[batch.scene_of_trial][:, None]
        place = (batch.xy_px / size * SIDE).long().clamp(0, SIDE - 1)
        bins = (place[..., 1] * SIDE + place[..., 0])[batch.mask]
        counts += torch.bincount(bins.cpu(), minlength=SIDE * SIDE)
    return counts.view(SIDE, SIDE)


def _smooth(counts: Tensor, width: float) -> Tensor:
    """Gaussians that keep their mass on the picture."""
    at = torch.arange(SIDE).double()
    kernel = torch.exp(-((at[:, None] - at) ** 2) / (2 * (width * SIDE) ** 2))
    kernel = kernel / kernel.sum(0)
    return kernel @ counts @ kernel.T


def _gaussian(counts: Tensor) -> Tensor:
    at = (torch.arange(SIDE).double() + 0.5) / SIDE
    total, factors = counts.sum(), []
    for along in (counts.sum(1), counts.sum(0)):
        mean = (along * at).sum() / total
        variance = (along * (at - mean) ** 2).sum() / total + (1 / SIDE) ** 2  # one fixation has none
        factors.append(torch.exp(-((at - mean) ** 2) / (2 * variance)))
    return factors[0][:, None] * factors[1]


def _mixed(density: Tensor) -> Tensor:
    return ((1 - UNIFORM) * density / density.sum() + UNIFORM / SIDE**2).float()
