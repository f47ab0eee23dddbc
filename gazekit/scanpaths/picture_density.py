"""Where people look in pictures, as probabilities of the cells of one grid: the centre bias, and other people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gazekit.foveation import Grid

__all__ = ["CELL_WIDTHS", "FixationCounts", "smoothed"]

CELL_WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
"""Standard deviations in cells among which the width of a density is chosen, by the likelihood of what is left out."""
_UNIFORM_SHARE = 0.01
_CENTRE_SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)


def smoothed(counts: Tensor, rows: int, width: float) -> Tensor:
    """[..., C] counts, each spread by a Gaussian of `width` cells that keeps its mass on the grid."""
    columns = counts.shape[-1] // rows
    down, across = (_kernel(n, width).to(counts) for n in (rows, columns))
    return (down @ counts.unflatten(-1, (rows, columns)) @ across.T).flatten(-2)


@dataclass(frozen=True, eq=False)
class FixationCounts:
    """People's fixations by picture, person and cell.

    Args:
        cell: [F] cell of each fixation; picture: [F] from 0 to `pictures` - 1; person: [F] of a picture's scanpath.
        rows, cells: of the grid.
    """

    cell: Tensor
    picture: Tensor
    person: Tensor
    pictures: int
    rows: int
    cells: int

    @classmethod
    def of(cls, grid: Grid, xy_px: Sequence[Tensor], picture: Sequence[int], pictures: int) -> FixationCounts:
        """From scanpaths [T, 2] in pixels and the picture that each is on."""
        cell = [grid.cell_of(torch.as_tensor(xy, dtype=torch.float64)) for xy in xy_px]
        lengths = torch.tensor([len(c) for c in cell], dtype=torch.long)
        return cls(
            torch.cat(cell) if cell else torch.zeros(0, dtype=torch.long),
            torch.as_tensor(list(picture), dtype=torch.long).repeat_interleave(lengths),
            torch.arange(len(cell)).repeat_interleave(lengths),
            pictures,
            grid.rows,
            len(grid),
        )

    def by_picture(self) -> Tensor:
        """[pictures, C] numbers of fixations."""
        place = self.picture * self.cells + self.cell
        return torch.bincount(place, minlength=self.pictures * self.cells).double().view(self.pictures, -1)

    def centre_bias(self) -> tuple[Tensor, float]:
        """[C] natural log-probabilities of all pictures together, and the width that predicts left-out pictures best.

        Without a fixation it is uniform.
        """
        _, width = self.leave_one_out()
        return _log(smoothed(self.by_picture().sum(0), self.rows, width)), width

    def leave_one_out(self) -> tuple[Tensor, float]:
        """[pictures, C] natural log-probabilities of the fixations on all other pictures, and the best width."""
        counts = self.by_picture()
        best, found, chosen = -math.inf, None, CELL_WIDTHS[-1]
        for width in CELL_WIDTHS:
            maps = smoothed(counts, self.rows, width)
            log = _log(maps.sum(0) - maps if self.pictures > 1 else maps)
            likelihood = float((log * counts).sum())
            if found is None or likelihood > best:
                best, found, chosen = likelihood, log, width
        return found, chosen

    def other_people(self) -> Tensor:
        """[F] natural log-probability of each fixation from the other people on its picture, without its history.

        Their fixations as a density, mixed with the leave-one-picture-out centre bias; width and share are those of the
        highest likelihood. On a picture with one person it is the centre bias.
        """
        if not len(self.cell):
            return self.cell.double()
        centre = self.leave_one_out()[0][self.picture, self.cell]
        scanpaths = int(self.person.max()) + 1
        own = torch.bincount(self.person * self.cells + self.cell, minlength=scanpaths * self.cells)
        own = own.view(scanpaths, -1).double()
        picture_of = torch.zeros(scanpaths, dtype=torch.long).index_put_((self.person,), self.picture)
        others = self.by_picture()[picture_of] - own
        best, found = -math.inf, centre
        for width in CELL_WIDTHS:
            maps = smoothed(others, self.rows, width)
            total = maps.sum(1, keepdim=True)
            density = torch.where(total > 0, maps / total, 0.0)[self.person, self.cell]
            alone = (total[:, 0] == 0)[self.person]
            for share in _CENTRE_SHARES:
                log = torch.where(alone, centre, ((1 - share) * density + share * centre.exp()).log())
                if float(log.sum()) > best:
                    best, found = float(log.sum()), log
        return found


def _log(maps: Tensor) -> Tensor:
    """Of maps [..., C], normalised and mixed with a little of the uniform distribution."""
    total, even = maps.sum(-1, keepdim=True), 1 / maps.shape[-1]
    share = torch.where(total > 0, maps / total.clamp(min=1e-300), even)
    return ((1 - _UNIFORM_SHARE) * share + _UNIFORM_SHARE * even).log()


def _kernel(n: int, width: float) -> Tensor:
    place = torch.arange(n, dtype=torch.float64)
    kernel = torch.exp(-((place[:, None] - place) ** 2) / (2 * width**2))
    return kernel / kernel.sum(0)
