"""A picture as a grid of square cells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid:
    """Square cells over a picture, row by row; those of the last row and column end where the picture ends.

    A picture smaller than a cell is one cell.

    Args:
        size_px: (width, height) of the picture.
        cell_px: side of a cell.
    Raises:
        ValueError: a size that is not positive and finite.
    """

    size_px: tuple[float, float]
    cell_px: float = 32.0

    def __post_init__(self) -> None:
        if len(self.size_px) != 2 or not all(
            math.isfinite(side) and side > 0 for side in (*self.size_px, self.cell_px)
        ):
            raise ValueError(
                f"a grid needs a positive size_px (width, height) and cell_px, got {self.size_px} and {self.cell_px}"
            )

    @classmethod
    def over(cls, size_px: Tensor, cell_px: float = 32.0) -> Grid:
        """The grid of a batch of pictures.

        Args:
            size_px: [S, 2] width and height, all equal.
        Raises:
            ValueError: pictures of different sizes, which have no common grid, or none.
        """
        sizes = size_px.unique(dim=0).tolist()
        if len(sizes) != 1:
            raise ValueError(
                f"pictures of one batch must have one size to be searched on one grid, got {sizes}; "
                "data.batch_size=1 takes them one by one"
            )
        return cls(tuple(sizes[0]), cell_px)

    @property
    def rows(self) -> int:
        return math.ceil(self.size_px[1] / self.cell_px)

    @property
    def columns(self) -> int:
        return math.ceil(self.size_px[0] / self.cell_px)

    def __len__(self) -> int:
        return self.rows * self.columns

    @cached_property
    def axes_px(self) -> tuple[Tensor, Tensor]:
        """Centres of the columns [columns] along x and of the rows [rows] along y."""
        return tuple(_middles(n, self.cell_px, side) for n, side in zip((self.columns, self.rows), self.size_px,
                                                                        strict=True))  # fmt: skip

    @cached_property
    def centres_px(self) -> Tensor:
        """[C, 2] centres of the cells."""
        x, y = self.axes_px
        return torch.stack([x.repeat(self.rows), y.repeat_interleave(self.columns)], -1)

    @cached_property
    def areas_px(self) -> Tensor:
        """[C] areas of the cells in square pixels, float64; cells at the right and the lower edge may be smaller."""
        width, height = (
            (torch.arange(1, n + 1, dtype=torch.float64) * self.cell_px)
            .clamp(max=side)
            .diff(prepend=torch.zeros(1, dtype=torch.float64))
            for n, side in zip((self.columns, self.rows), self.size_px, strict=True)
        )
        return (height[:, None] * width).flatten()

    def cell_of(self, xy_px: Tensor) -> Tensor:
        """[..., 2] points to [...] cells; points off the picture belong to the nearest cell."""
        place = (xy_px / self.cell_px).floor().long()
        column, row = place[..., 0].clamp(0, self.columns - 1), place[..., 1].clamp(0, self.rows - 1)
        return row * self.columns + column

    def distance_px(self, boxes_px: Tensor) -> Tensor:
        """[..., 4] boxes to [..., C] distances of the cells' centres from them, 0 inside."""
        x, y = (axis.to(boxes_px) for axis in self.axes_px)
        left, top, right, bottom = boxes_px[..., None].unbind(-2)
        across = torch.maximum(left - x, x - right).clamp(min=0) ** 2
        down = torch.maximum(top - y, y - bottom).clamp(min=0) ** 2
        return (down[..., :, None] + across[..., None, :]).flatten(-2).sqrt_()

    def within(self, boxes_px: Tensor) -> Tensor:
        """[..., 4] boxes to [..., C]: whether a cell's centre is in the box, which is half-open."""
        x, y = (axis.to(boxes_px) for axis in self.axes_px)
        left, top, right, bottom = boxes_px[..., None].unbind(-2)
        across, down = (x >= left) & (x < right), (y >= top) & (y < bottom)
        return (down[..., :, None] & across[..., None, :]).flatten(-2)

    def touched(self, boxes_px: Tensor) -> Tensor:
        """[..., 4] boxes to [..., C]: whether a cell shares area with the box."""
        x, y = (axis.to(boxes_px) for axis in self.axes_px)
        column, row = torch.arange(len(x)).to(x) * self.cell_px, torch.arange(len(y)).to(y) * self.cell_px
        left, top, right, bottom = boxes_px[..., None].unbind(-2)
        across = (column < right) & (column + self.cell_px > left)
        down = (row < bottom) & (row + self.cell_px > top)
        return (down[..., :, None] & across[..., None, :]).flatten(-2)


def _middles(n: int, cell_px: float, side_px: float) -> Tensor:
    edges = (torch.arange(n + 1, dtype=torch.float32) * cell_px).clamp(max=side_px)
    return (edges[1:] + edges[:-1]) / 2
