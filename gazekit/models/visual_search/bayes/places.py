"""Where people look: by place in the picture, and by distance from the objects of a layout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.scene import SceneBatch

__all__ = ["Places", "mixed_prior"]

SIDE = 48
SIGMA = 0.04  # of the smoothing, of the picture's sides
BINS, BIN = 25, 0.05  # distances from the nearest object's centre, in object spacings
FLOOR = 1 / 15  # share of the uniform distribution in the prior, as in the published searcher


class Places(nn.Module):
    """A prior over cells, fitted in closed form.

    By place: a density of the fixations of the training part, smoothed by a Gaussian of 4 % of the picture's sides. By
    layout: how often people look at a distance from the nearest object's centre, relative to the cells at that
    distance, which is in object spacings. Both are added in logarithms, normalised, and mixed with 1/15 uniform.

    Args:
        layout: whether the objects' places are used. A scene with one object never uses them, since they would give the
            target away.
    """

    def __init__(self, layout: bool = True) -> None:
        super().__init__()
        self.layout = layout
        self.register_buffer("density", torch.full((SIDE, SIDE), 1.0 / SIDE**2))
        self.register_buffer("log_near", torch.zeros(BINS))

    def fit(self, data: Data, cell_px: float) -> None:
        """Count the fixations of the training part. A part without fixations leaves both uniform."""
        counts = self.density.new_zeros(SIDE * SIDE)
        made, offered = self.log_near.new_zeros(BINS), self.log_near.new_zeros(BINS)
        for batch in data.batches("train"):
            scenes, trial = batch.scenes, batch.scene_of_trial
            place = (batch.xy_px / scenes.size_px[trial][:, None] * SIDE).long().clamp(0, SIDE - 1)
            counts += torch.bincount(
                (place[..., 1] * SIDE + place[..., 0])[batch.mask], minlength=SIDE * SIDE
            )
            grid = Grid.over(scenes.size_px, cell_px)
            bins = self._bins(scenes, grid)[trial]
            usable = batch.mask & (scenes.object_mask.sum(1) > 1)[trial][:, None]
            made += torch.bincount(bins.gather(1, grid.cell_of(batch.xy_px))[usable], minlength=BINS)
            share = usable.sum(1, keepdim=True).expand_as(bins) / len(grid)
            offered.index_add_(0, bins.flatten(), share.flatten())
        smooth = torch.exp(
            -((torch.arange(SIDE)[:, None] - torch.arange(SIDE)) ** 2) / (2 * (SIGMA * SIDE) ** 2)
        )
        smooth = (smooth / smooth.sum(0)).to(counts)
        spread = smooth @ (counts.view(SIDE, SIDE) + 1e-2) @ smooth.T
        self.density.copy_(spread / spread.sum())
        self.log_near.copy_(((made + 1) / (offered + 1)).log())

    def _bins(self, scenes: SceneBatch, grid: Grid) -> Tensor:
        """[B, C] bin of the distance of each cell's centre from the nearest object's."""
        spacing = scenes.spacing_px.prod(-1).sqrt()
        away = grid.distance_px(scenes.centres_px.repeat(1, 1, 2))
        away = away.masked_fill(~scenes.object_mask[..., None], torch.inf)
        away = away.amin(1) if away.shape[1] else away.new_full((len(scenes), len(grid)), torch.inf)
        return (away / spacing[:, None] / BIN).clamp(max=BINS - 1).long()

    def log_density(self, scenes: SceneBatch, grid: Grid) -> Tensor:
        """[B, C] normalised."""
        place = (grid.centres_px / torch.tensor(grid.size_px) * SIDE).long().clamp(0, SIDE - 1)
        log = self.density.log()[place[:, 1], place[:, 0]].log_softmax(-1)
        return log.expand(len(scenes), -1)

    def log_layout(self, scenes: SceneBatch, grid: Grid) -> Tensor:
        """[B, C] log-preference for a cell near objects, 0 where the layout is not used."""
        used = self.layout & (scenes.object_mask.sum(1) > 1)
        return self.log_near[self._bins(scenes, grid)] * used[:, None]


def mixed_prior(log_density: Tensor, log_layout: Tensor) -> Tensor:
    """[B, C] log-prior of the two, with its uniform share."""
    both = (log_density + log_layout).softmax(-1)
    return ((1 - FLOOR) * both + FLOOR / both.shape[-1]).log()
