"""Densities of the fixations that predict each scanpath, image by image, on a grid of cells.

A density is a sum of one Gaussian a fixation, so that a sum over people is a sum of their maps: each person's
map is made once an image, as a product of two matrices (Gaussians factor into x and y), and added up by who
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
        """Gaussians of each fixation at the cells' rows [B, H, T] and columns [B, T, W]; 0 where padded."""
        x, y = (self.axis(paths.xy_px[..., k], size_px[k]) for k in (0, 1))
        return (y * paths.mask[..., None]).transpose(1, 2), x

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
        yield rows, _prediction(_add(weights, _maps(predictors.pool[used], size, grid))), grid.cell_px


class CentreMaps:
    """Densities of everybody's fixations on all other images, stretched to the size of this one."""

    def __init__(self, people: People, grid: Grid) -> None:
        self.people, self.grid = people, grid
        self._relative = people.scanpaths.xy_px / people.sizes[people.image_row][:, None]
        self._all: dict[tuple, Tensor] = {}

    def of(self, image: int, rows: Tensor) -> Tensor:
        """[H, W] for one image, on which `rows` are the scanpaths."""
        size = self.people.sizes[image]
        key = tuple(size.tolist())
        if key not in self._all:
            stretched = Scanpaths(self._relative * size, self.people.scanpaths.mask)
            self._all[key] = _map_of_all(stretched, size, self.grid)
        own = _maps(self.people.scanpaths[rows], size, self.grid).sum(0)
        # what is left of a sum after the subtraction can be a little below 0 where nobody else looked
        return _prediction((self._all[key] - own).clamp(min=0)[None])[0]

    def blocks(self) -> Blocks:
        """Those of all images."""
        for image, rows in self.people.of_image():
            yield rows, self.of(image, rows).expand(len(rows), -1, -1), self.grid.cell_px


def own_maps(people: People, rows: Tensor, grid: Grid) -> Tensor:
    """[B, H, W] densities of the fixations of some people themselves, all on one image."""
    size = people.sizes[people.image_row[rows[0]]]
    return _normalised(_maps(people.scanpaths[rows], size, grid))


def check_maps(people: People, model: Mapping, name: str) -> None:
    """That a model has a map of the right size for each image.

    Raises:
        ValueError: an image without map, or another size.
    """
    check_images(people, [image in model for image in people.images], f"model {name!r} has no map")
    for image, (width, height) in zip(people.images, people.sizes.tolist(), strict=True):
        if tuple(model[image].shape) != (height, width):
            raise ValueError(
                f"model {name!r}: the map of image {image!r} must have the shape (height, width) of the image, "
                f"({height:g}, {width:g}), got {tuple(model[image].shape)}"
            )


def model_maps(people: People, model: Mapping) -> Blocks:
    """A model's own maps, one an image."""
    for image, rows in people.of_image():
        saliency = torch.as_tensor(model[people.images[image]]).double()
        yield rows, saliency.expand(len(rows), -1, -1), 1.0


def _by_image(people: People, predictors: Predictors, grid: Grid) -> Iterator[tuple[Tensor, Tensor]]:
    """Truth rows of one image with the pairs that predict them, no more at once than memory allows."""
    order = predictors.truth.argsort(stable=True)
    counts = torch.bincount(predictors.truth, minlength=len(people))
    last = counts.cumsum(0)
    for image, rows in people.of_image():
        width, height = people.sizes[image]
        map_bytes = 8 * grid.cells(width) * grid.cells(height)
        most = max(1, int(counts[rows].max()))
        step = max(1, _CHUNK_BYTES // (map_bytes * (most + 1)))
        for part in rows.sort().values.split(step):
            pairs = [order[last[row] - counts[row] : last[row]] for row in part.tolist()]
            yield part, torch.cat(pairs)


def _maps(paths: Scanpaths, size_px: Tensor, grid: Grid) -> Tensor:
    """[B, H, W] sum of the Gaussians of each scanpath's fixations."""
    longest = int(paths.lengths.max()) if len(paths) else 0
    y, x = grid.factors(Scanpaths(paths.xy_px[:, :longest], paths.mask[:, :longest]), size_px)
    return y @ x


def _map_of_all(paths: Scanpaths, size_px: Tensor, grid: Grid) -> Tensor:
    """[H, W] sum of the Gaussians of very many fixations, some at a time."""
    xy_px = paths.xy_px[paths.mask]
    cells = grid.cells(size_px[0]) + grid.cells(size_px[1])
    total = torch.zeros((), dtype=xy_px.dtype)
    for part in xy_px.split(max(1, _CHUNK_BYTES // (8 * 4 * cells))):
        mask = torch.ones(1, len(part), dtype=torch.bool)
        total = total + _maps(Scanpaths(part[None], mask), size_px, grid)[0]
    return total


def _add(weights: Tensor, maps: Tensor) -> Tensor:
    return (weights @ maps.flatten(1)).unflatten(1, maps.shape[1:])


def _normalised(maps: Tensor) -> Tensor:
    return maps / maps.sum((1, 2), keepdim=True)


def _prediction(maps: Tensor) -> Tensor:
    """Densities with a little of the uniform one."""
    return (1 - _UNIFORM_SHARE) * _normalised(maps) + _UNIFORM_SHARE / maps[0].numel()
