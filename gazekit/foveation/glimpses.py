"""Glimpses: what is cut out of a picture around each fixation."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.foveation.pictures import Transform

__all__ = ["GlimpseSampler"]


class GlimpseSampler:
    """Square crops around fixations; what lies outside the picture is 0.

    The rule of the glimpse prediction network (arXiv 2511.12715, released code): a crop of g rows and columns begins
    floor(g / 2) pixels before the fixation, in a canvas of zeros. It is exact for fixations at whole pixels. Between
    them the four neighbouring crops are mixed linearly.

    Args:
        glimpse_px: g, side of a glimpse.
        transform: what the eye sees of the picture from each fixation, such as `GeislerPerry`, before it is cut; a
            glimpse of twice the picture's longer side then holds all of it, centred on the fixation. None cuts the
            picture itself.
    Raises:
        ValueError: glimpse_px below 1.

    Example:
        >>> GlimpseSampler.of_degrees(width_px=256, width_dva=8.4).glimpse_px
        91
    """

    def __init__(self, glimpse_px: int, transform: Transform | None = None) -> None:
        if int(glimpse_px) != glimpse_px or glimpse_px < 1:
            raise ValueError(f"glimpse_px must be a whole number of at least 1, got {glimpse_px!r}")
        self.glimpse_px, self.transform = int(glimpse_px), transform

    @classmethod
    def of_degrees(cls, width_px: float, width_dva: float, glimpse_dva: float = 3.0) -> GlimpseSampler:
        """Glimpses of so many degrees, rounded to whole pixels; 3 degrees are about as wide as the cones' density at
        half of its maximum.

        Args:
            width_px, width_dva: of a picture as it was shown.
        """
        if not (width_px > 0 and width_dva > 0 and glimpse_dva > 0):
            raise ValueError(
                f"width_px, width_dva and glimpse_dva must be above 0, got {width_px}, {width_dva}, {glimpse_dva}"
            )
        return cls(max(1, round(glimpse_dva * width_px / width_dva)))

    def __call__(self, pictures: Tensor, xy_px: Tensor) -> Tensor:
        """Glimpses of pictures.

        Args:
            pictures: [S, H, W, C], uint8 or floating.
            xy_px: [S, T, 2] fixations; NaN = none (padding), whose glimpse is 0. They may lie outside the picture.
        Returns:
            [S, T, g, g, C] in the type of the pictures; between whole pixels uint8 is rounded.
        Raises:
            ValueError: shapes that do not fit together.
        """
        if pictures.dim() != 4 or xy_px.dim() != 3 or xy_px.shape[2] != 2 or len(pictures) != len(xy_px):
            raise ValueError(
                f"expected pictures [S, H, W, C] and xy_px [S, T, 2], got {list(pictures.shape)}, {list(xy_px.shape)}"
            )
        there = xy_px.isfinite().all(2)
        if self.transform is not None:
            seen = self._transformed(pictures, xy_px, there)
            return GlimpseSampler(self.glimpse_px)(seen, xy_px.flatten(0, 1)[:, None]).view(
                *xy_px.shape[:2], self.glimpse_px, self.glimpse_px, pictures.shape[3]
            )
        limit = 4 * (self.glimpse_px + max(pictures.shape[1:3]))  # far outside: all 0 there
        place = xy_px.nan_to_num().where(there[..., None], 0.0).clamp(-limit, limit)
        corner = place.floor()
        rest = place - corner
        corner = corner.long()
        if not rest.any():
            found = self._cut(pictures, corner)
        else:
            found = self._mixed(pictures, corner, rest)
        return found * there[:, :, None, None, None].to(found.dtype)

    def _transformed(self, pictures: Tensor, xy_px: Tensor, there: Tensor) -> Tensor:
        """[S * T, H, W, C] each picture as seen from each of its fixations."""
        centre = torch.tensor(pictures.shape[2:0:-1]).to(xy_px) / 2
        points = xy_px.where(there[..., None], centre)
        if not pictures.is_floating_point():
            return self.transform(pictures, points).flatten(0, 1)
        return self.transform(pictures.movedim(-1, 1), points).movedim(2, -1).flatten(0, 1)

    def _mixed(self, pictures: Tensor, corner: Tensor, rest: Tensor) -> Tensor:
        kind = pictures.dtype
        rest = rest.to(pictures if kind.is_floating_point else torch.float32)
        found: Tensor | float = 0.0
        for dy in (0, 1):
            for dx in (0, 1):
                step = torch.tensor([dx, dy], device=corner.device)
                share = (rest if dx else 1 - rest)[..., 0] * (rest if dy else 1 - rest)[..., 1]
                found = found + share[:, :, None, None, None] * self._cut(pictures, corner + step)
        return found.to(kind) if kind.is_floating_point else found.round().to(kind)

    def _cut(self, pictures: Tensor, xy: Tensor) -> Tensor:
        """Crops at whole pixels [S, T, 2]."""
        reach = torch.arange(self.glimpse_px, device=xy.device) - self.glimpse_px // 2
        columns, rows = (xy[..., axis, None] + reach for axis in (0, 1))  # [S, T, g]
        height, width = pictures.shape[1:3]
        seen = ((rows >= 0) & (rows < height))[..., None] & ((columns >= 0) & (columns < width))[..., None, :]
        picture = torch.arange(len(pictures), device=xy.device)[:, None, None, None]
        found = pictures[
            picture, rows.clamp(0, height - 1)[..., None], columns.clamp(0, width - 1)[..., None, :]
        ]
        return found * seen[..., None].to(found.dtype)
