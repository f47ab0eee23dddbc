"""Densities of the fixations that predict each scanpath, image by image, on a grid of cells.

A density is a sum of one Gaussian per fixation, so that a sum over people is a sum of their maps: each person's
map is made once per image, as a product of two matrices (Gaussians factor into x and y), and summed over who
predicts whom.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gazekit.metrics.ceiling.people import People
from gazekit.metrics.ceiling.predictors import Predictors, check_images
from gazekit.scanpath import Scanpaths

__all__ = ["Blocks", "CentreMaps", "Grid", "check_maps", "model_maps", "own_maps", "predicted_maps"]

_CHUNK_BYTES = 128 * 2**20
_BINS = 512
_UNIFORM_SHARE = 0.01
"""Of every prediction: one surprising fixation must not make a log-likelihood minus infinity."""

Blocks = Iterator[tuple[Tensor, Tensor, float]]
"""Rows [B] of the people, maps [B, H, W] that predict them, all B on one image, and the side of a cell in pixels."""


@dataclass(frozen=True)
class Grid:
    """How densities are made.

    Args:
        sigma_px: standard deviation of the Gaussian; about one degree of visual angle is usual.
        cell_px: side of a cell of the map.
    """

    sigma_px: float
    cell_px: float

    def factors(self, paths: Scanpaths, size_px: Tensor) -> tuple[Tensor, Tensor]:
        """Gaussians of each fixation at the cells' rows [B, H, T] and columns [B, T, W].

        0 where padded, and for fixations off the picture: they carry no information about places in the image.
        """
        inside = ((paths.xy_px >= 0) & (paths.xy_px < size_px)).all(-1) & paths.mask
        xy_px = torch.where(inside[..., None], paths.xy_px, 0.0)
        x, y = (self.axis(xy_px[..., k], size_px[k]) for k in (0, 1))
        return (y * inside[..., None]).transpose(1, 2), x

    def axis(self, at_px: Tensor, length_px: Tensor) -> Tensor:
        """[..., cells] Gaussian of each position [...] at the middle of each cell.

        What falls off the picture is mirrored at its edge; a density of uniform fixations is then uniform.
        """
        middle = (torch.arange(self.cells(length_px)).to(at_px) + 0.5) * self.cell_px
        at_px = at_px[..., None]
        mirrored = (at_px, -at_px, 2 * length_px - at_px)
        return sum(torch.exp(-((x - middle) ** 2) / (2 * self.sigma_px**2)) for x in mirrored)

    def cells(self, length_px: Tensor) -> int:
        return int(torch.ceil(length_px / self.cell_px))


def predicted_maps(people: People, predictors: Predictors, grid: Grid) -> Blocks:
    """Rows [B] of the people with the densities [B, H, W] that predict them, all B on one image.

    A row whose predictors have no fixation has a map of NaN.
    """
    for rows, pairs in _by_image(people, predictors, grid):
        size = people.sizes[people.image_row[rows[0]]]
        used, column = predictors.predictor[pairs].unique(return_inverse=True)
        row = torch.searchsorted(rows, predictors.truth[pairs])
        weights = torch.zeros(len(rows), len(used), dtype=torch.float64)
        weights.index_put_((row, column), torch.ones(len(pairs), dtype=torch.float64), accumulate=True)
        added = _added(weights, predictors.pool[used], size, grid)
        yield rows, _prediction(added), grid.cell_px


class CentreMaps:
    """Densities of everybody's fixations on all other pictures, stretched to the size of this image.

    Fixations are counted in the bins of a lattice that every picture shares; a difference of counts is exact.
    """

    def __init__(self, people: People) -> None:
        self.people = people
        self._everybody = self._counts(torch.arange(len(people)))

    def of(self, image: int, grid: Grid) -> Tensor:
        """[H, W] for one image; NaN if nobody has a fixation on another picture."""
        people, size = self.people, self.people.sizes[image]
        picture = people.picture_row[people.image_row == image][0]
        counts = self._everybody - self._counts(torch.where(people.picture_row == picture)[0])
        middle = (torch.arange(_BINS).double() + 0.5) / _BINS
        x, y = (grid.axis(middle * length, length) for length in size)
        return _prediction((y.T @ counts @ x)[None])[0]

    def blocks(self, grid: Grid) -> Blocks:
        """Those of all images."""
        for image, rows in self.people.of_image():
            yield from _same_map(self.of(image, grid), rows, grid.cell_px)

    def _counts(self, rows: Tensor) -> Tensor:
        """[bins, bins] numbers of fixations of some scanpaths, y first."""
        paths = self.people.scanpaths[rows]
        relative = (paths.xy_px / self.people.sizes[self.people.image_row[rows]][:, None])[paths.mask]
        inside = ((relative >= 0) & (relative < 1)).all(1)
        bins = (relative[inside] * _BINS).long()
        return torch.bincount(bins @ torch.tensor([1, _BINS]), minlength=_BINS**2).view(_BINS, _BINS).double()


def own_maps(people: People, rows: Tensor, grid: Grid) -> Tensor:
    """[B, H, W] densities of the fixations of some people themselves, all on one image."""
    size = people.sizes[people.image_row[rows[0]]]
    return _normalised(_maps(people.scanpaths[rows], size, grid))


def check_maps(people: People, model: Mapping, name: str) -> None:
    """That a model has a map of the right size for each image.

    Raises:
        ValueError: an image without map, another size, or NaN in a map.
    """
    check_images(people, [image in model for image in people.images], f"model {name!r} has no map")
    for image, (width, height) in zip(people.images, people.sizes.tolist(), strict=True):
        values = torch.as_tensor(model[image])
        if tuple(values.shape) != (height, width):
            raise ValueError(
                f"model {name!r}: the map of image {image!r} must have the shape (height, width) of the image, "
                f"({height:g}, {width:g}), got {tuple(values.shape)}"
            )
        if values.isnan().any():
            row, column = values.isnan().nonzero()[0].tolist()
            raise ValueError(
                f"model {name!r}: the map of image {image!r} holds NaN in {int(values.isnan().sum())} pixels, the "
                f"first in row {row}, column {column}"
            )


def model_maps(people: People, model: Mapping) -> Blocks:
    """A model's own maps, one per image."""
    for image, rows in people.of_image():
        saliency = torch.as_tensor(model[people.images[image]]).double()
        yield from _same_map(saliency, rows, 1.0)


def _same_map(saliency: Tensor, rows: Tensor, cell_px: float) -> Blocks:
    """One map for all rows, no more of them at once than memory allows."""
    for part in rows.split(max(1, _CHUNK_BYTES // (8 * saliency.numel()))):
        yield part, saliency.expand(len(part), -1, -1), cell_px


def _by_image(people: People, predictors: Predictors, grid: Grid) -> Iterator[tuple[Tensor, Tensor]]:
    """Truth rows of one image with the pairs that predict them, no more at once than memory allows."""
    order = predictors.truth.argsort(stable=True)
    counts = torch.bincount(predictors.truth, minlength=len(people))
    last = counts.cumsum(0)
    for image, rows in people.of_image():
        width, height = people.sizes[image]
        step = max(1, _CHUNK_BYTES // (8 * grid.cells(width) * grid.cells(height)))
        for part in rows.sort().values.split(step):
            pairs = [order[last[row] - counts[row] : last[row]] for row in part.tolist()]
            yield part, torch.cat(pairs)


def _maps(paths: Scanpaths, size_px: Tensor, grid: Grid) -> Tensor:
    """[B, H, W] sum of the Gaussians of each scanpath's fixations."""
    longest = int(paths.lengths.max()) if len(paths) else 0
    y, x = grid.factors(Scanpaths(paths.xy_px[:, :longest], paths.mask[:, :longest]), size_px)
    return y @ x


def _added(weights: Tensor, pool: Scanpaths, size_px: Tensor, grid: Grid) -> Tensor:
    """[B, H, W] sums of the maps of a pool of scanpaths, weighted [B, pool]; some scanpaths at a time."""
    height, width = grid.cells(size_px[1]), grid.cells(size_px[0])
    total = weights.new_zeros(len(weights), height * width)
    for part in torch.arange(len(pool)).split(max(1, _CHUNK_BYTES // (8 * height * width))):
        total = total + weights[:, part] @ _maps(pool[part], size_px, grid).flatten(1)
    return total.unflatten(1, (height, width))


def _normalised(maps: Tensor) -> Tensor:
    return maps / maps.sum((1, 2), keepdim=True)


def _prediction(maps: Tensor) -> Tensor:
    """Densities with a little of the uniform one."""
    return (1 - _UNIFORM_SHARE) * _normalised(maps) + _UNIFORM_SHARE / maps[0].numel()
