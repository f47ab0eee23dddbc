"""Where the next fixation goes, as probabilities of the cells of a picture: densities of people, and objects spread.

A density is a sum of Gaussians, one per fixation, integrated over each cell (Gaussians factor into x and y) and
scaled to sum 1 on the picture. Fixations on the border of a picture are left out of densities: recordings move
there what lay beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from gazekit.foveation import Grid
from gazekit.scanpath import Scanpaths
from gazekit.scene import SceneBatch

__all__ = ["SIGMAS_PX", "CentreBias", "MapGrid", "ObjectSpread", "gold_standard", "offsets_of"]

SIGMAS_PX = (15, 20, 25, 30, 40, 50, 60, 70)
"""Among which the width of the Gaussians is chosen, by the likelihood of fixations that were left out."""
_UNIFORM_SHARE = 0.01
_BIN_PX = 8.0


class MapGrid(Grid):
    """The cells of maps: their edges, which fixations count, and densities on them."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    def edges(self) -> tuple[Tensor, Tensor]:
        """[columns + 1] and [rows + 1] of the cells, in pixels."""
        rows, columns = self.shape
        of = zip(self.size_px, (columns, rows), strict=True)
        x, y = ((torch.arange(n + 1).double() * self.cell_px).clamp(max=side) for side, n in of)
        return x, y

    def scored(self, paths: Scanpaths) -> Tensor:
        """[B, T] which fixations densities are made of: not the first, which is prescribed, nor those on the border."""
        size = torch.tensor(self.size_px).to(paths.xy_px)
        inside = ((paths.xy_px > 0) & (paths.xy_px < size - 1)).all(-1) & paths.mask
        inside[..., :1] = False
        return inside

    def profiles(self, sigma_px: float, step_px: float = 1.0) -> tuple[Tensor, Tensor]:
        """[bins, columns] and [bins, rows] of Gaussians in the middle of the bins: mass in each cell along x and y."""
        found = []
        for edge, side in zip(self.edges(), self.size_px, strict=True):
            middle = (torch.arange(math.ceil(side / step_px)).double() + 0.5) * step_px
            found.append((0.5 * torch.erf((edge - middle[:, None]) / (sigma_px * math.sqrt(2)))).diff(dim=1))
        return found[0], found[1]

    def maps(self, paths: Scanpaths, profiles: tuple[Tensor, Tensor]) -> Tensor:
        """[B, cells] sums of the Gaussians of each scanpath's fixations (to 1 px); 0 for a scanpath without any."""
        inside, place = self.scored(paths), paths.xy_px.long().clamp(min=0)
        x, y = (one[place[..., k].clamp(max=len(one) - 1)] for k, one in enumerate(profiles))
        return ((y * inside[..., None]).transpose(-1, -2) @ x).flatten(-2)


class CentreBias:
    """Fixations of the training part, on all images but the one that is scored.

    Source: the centre bias of Ruarte et al. 2024 and of the ViSioNS benchmark. Deviation: theirs is of the fixations
    of CAT2000 (free viewing of other pictures), stretched to the size of the picture, which we do not have; this one is
    of the same experiment, and so closer to it.

    Args:
        paths: scanpaths of the training part.
        image: [B] the image that each is on.
    """

    def __init__(self, grid: MapGrid, paths: Scanpaths, image: Tensor) -> None:
        self.images, row = image.unique(return_inverse=True)
        counts = self._counts(grid, paths, row)
        cells, scored = grid.cell_of(paths.xy_px), grid.scored(paths)
        best = -math.inf
        for sigma in SIGMAS_PX:
            x, y = grid.profiles(sigma, _BIN_PX)
            maps = (y.T @ counts @ x).flatten(1)
            others = maps.sum(0) - maps if len(maps) > 1 else maps
            likelihood = float(_log(others)[row].gather(1, cells)[scored].nanmean())
            if sigma == SIGMAS_PX[0] or likelihood > best:  # NaN where no image has others
                best, self.sigma_px, self.of_image = likelihood, sigma, maps

    def density(self, image: int) -> Tensor:
        """[cells] natural log-probabilities."""
        left = self.of_image.sum(0) - self.of_image[self.images == image].sum(0)
        return _log(left)

    def _counts(self, grid: MapGrid, paths: Scanpaths, row: Tensor) -> Tensor:
        """[images, bins along y, bins along x] numbers of fixations, in bins of 8 px."""
        columns, rows = (math.ceil(side / _BIN_PX) for side in grid.size_px)
        scored = grid.scored(paths)
        x, y = (paths.xy_px[scored] / _BIN_PX).long().unbind(-1)
        bins = (row[:, None].expand_as(scored)[scored] * rows + y) * columns + x
        counts = torch.bincount(bins, minlength=len(self.images) * rows * columns).double()
        return counts.view(len(self.images), rows, columns)


def gold_standard(grid: MapGrid, paths: Scanpaths, profiles: Mapping[int, tuple[Tensor, Tensor]]) -> Tensor:
    """[B, cells] natural log-probabilities for each of B people on one image, from the fixations of the other people.

    Source: Ruarte et al. 2024, after Kümmerer and Bethge 2021 (arXiv:2102.12239). The width of the Gaussians is chosen
    for each person by how well the others predict one another. Deviation: the choice of widths is coarser than theirs
    (200 from 15 to 70 px), and the first fixations are left out.

    Args:
        profiles: `grid.profiles` of the widths to choose from.
    Returns:
        NaN for a person whose others have no fixations.
    """
    if len(paths) < 2:
        return torch.full((len(paths), math.prod(grid.shape)), torch.nan, dtype=torch.float64)
    cells, scored = grid.cell_of(paths.xy_px), grid.scored(paths)
    others, likelihood = [], []
    for profile in profiles.values():
        maps = grid.maps(paths, profile)
        others.append(maps.sum(0) - maps)
        likelihood.append(_without_both(maps, cells, scored))
    best = torch.stack(likelihood).argmax(0)
    return _log(torch.stack(others)[best, torch.arange(len(paths))])


def _without_both(maps: Tensor, cells: Tensor, scored: Tensor) -> Tensor:
    """[B] log-likelihood of all others' fixations [B, T], each person's from the maps of all but that one and this."""
    at, mass = maps[:, cells], maps.sum(1)  # [B, B, T]: the map of one at the fixations of another
    one = torch.arange(len(maps))
    left = at.sum(0) - at - at[one, one]
    share = left / (mass.sum() - mass[:, None] - mass)[..., None]
    counts = scored & (one[:, None] != one)[..., None] & ~share.isnan()
    return torch.where(counts, share.clamp(min=1e-12).log(), 0.0).sum((1, 2))


class ObjectSpread:
    """Probabilities of objects as probabilities of cells: people fixate near an object, not only its centre.

    Each object's probability is spread by the histogram of where fixations of the training part lay around the centre
    of their object (bins of 8 px, smoothed by a Gaussian of one bin), moved to the object and cut at the picture.

    Args:
        offsets_px: [M, 2] positions of fixations minus the centre of their object.
    """

    def __init__(self, grid: MapGrid, offsets_px: Tensor) -> None:
        self.grid = grid
        reach = [math.ceil(side / _BIN_PX) for side in grid.size_px]
        self.edges = [(torch.arange(2 * n + 1) - n).double() * _BIN_PX for n in reach]
        columns, rows = (len(edge) - 1 for edge in self.edges)
        place = [
            torch.bucketize(offsets_px[:, k].double().contiguous(), self.edges[k], right=True) - 1
            for k in (0, 1)
        ]
        bins = place[1].clamp(0, rows - 1) * columns + place[0].clamp(0, columns - 1)
        counts = torch.bincount(bins, minlength=rows * columns).double().view(rows, columns)
        self.histogram = _blur(rows) @ counts @ _blur(columns)

    def maps(self, log_prob: Tensor, scenes: SceneBatch) -> Tensor:
        """[B, T, cells] natural log-probabilities from those of objects, [B, T, N] (-inf for padding)."""
        centres = scenes.centres_px.double()
        x, y = (self._overlap(centres[..., k], k) for k in (0, 1))  # [B, N, columns or rows, bins]
        near = (y @ self.histogram @ x.transpose(-1, -2)).flatten(-2)
        near = torch.where(scenes.object_mask[..., None], near, 0.0)
        near = near / near.sum(-1, keepdim=True).clamp(min=1e-300)
        return _log(log_prob.double().exp() @ near)

    def _overlap(self, centre_px: Tensor, axis: int) -> Tensor:
        """[B, N, cells, bins] share of each bin around a centre that lies in each cell along one axis."""
        cell, bins = self.grid.edges()[axis], self.edges[axis]
        at = centre_px[..., None, None] + bins
        low = torch.maximum(at[..., :-1], cell[:-1, None])
        high = torch.minimum(at[..., 1:], cell[1:, None])
        return (high - low).clamp(min=0) / _BIN_PX


def offsets_of(
    scenes: SceneBatch, scene_of_trial: Tensor, objects: Tensor, xy_px: Tensor, mask: Tensor
) -> Tensor:
    """[M, 2] positions of all fixations but the first of each trial, minus the centres of their objects."""
    mask = mask.clone()
    mask[:, :1] = False
    centres = scenes.centres_px[scene_of_trial]
    own = centres.gather(1, objects[..., None].expand(-1, -1, 2))
    return (xy_px - own)[mask]


def _blur(bins: int) -> Tensor:
    """[bins, bins] a Gaussian of one bin."""
    steps = torch.arange(bins).double()
    return torch.exp(-((steps[:, None] - steps) ** 2) / 2)


def _log(maps: Tensor) -> Tensor:
    """Natural log-probabilities with a little of the uniform density; NaN where there is no mass at all."""
    density = maps / maps.sum(-1, keepdim=True)
    return ((1 - _UNIFORM_SHARE) * density + _UNIFORM_SHARE / maps.shape[-1]).log()
