"""Maps as mass over pixels: made non-negative, and summed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gazekit.metrics.functional import map_blocks
from gazekit.metrics.functional.map_blocks import Blocks
from gazekit.metrics.functional.maps import check_finite, in_numpy, precise, totals

__all__ = ["Mass"]


@dataclass(frozen=True)
class Mass:
    """Maps [R, P], `lowest` [R, 1] to be subtracted or None, a constant to be added, and the `total` [R] then.

    Where nothing is left, the map is not `defined` [R], and ones stand in for it: a score computed from them and
    replaced by NaN afterwards has a derivative of 0, while that of NaN would spoil the sum over a batch.
    """

    rows: Tensor
    lowest: Tensor | None
    added: float
    total: Tensor
    defined: Tensor

    @classmethod
    def of(
        cls,
        name: str,
        rows: Tensor,
        maps: Tensor,
        always: bool = False,
        added: float = 0.0,
        missing: bool = False,
    ) -> Mass:
        """Subtract each map's minimum where it is negative, or `always`, then add the constant `added`.

        Args:
            name: what errors call the maps.
            rows: [R, P] some of `maps` [..., H, W].
            missing: whether maps may be NaN as a whole.
        Raises:
            ValueError: a value that is not finite.
        """
        total, lowest = totals(rows)
        check_finite(name, total, maps, missing)
        moved = torch.ones_like(lowest, dtype=torch.bool) if always else lowest < 0
        lowest = torch.where(moved, lowest, 0)[:, None] if moved.any() else None
        mass = cls(rows, lowest, added, total, torch.ones_like(moved))
        if moved.any() or added:  # summed anew: total - P x lowest would lose digits
            total = mass._sum()
        defined = (total > 0) & total.isfinite()
        if not defined.all():
            rows, total = torch.where(defined[:, None], rows, 1), torch.where(defined, total, 1)
            lowest = None if lowest is None else torch.where(defined[:, None], lowest, 0)
        return cls(rows, lowest, added, total, defined)

    def shifted(self, part: Tensor) -> Tensor:
        """Some values [R, X] of the maps, non-negative."""
        part = part if self.lowest is None else part - self.lowest
        return part + self.added if self.added else part

    def blocks(self) -> Blocks:
        """The maps, non-negative, as NumPy reads them."""
        return Blocks(self.rows.numpy(), None if self.lowest is None else self.lowest.numpy(), self.added)

    def _sum(self) -> Tensor:
        if in_numpy(self.rows):
            return torch.from_numpy(map_blocks.totals(self.blocks())[0])
        return self.shifted(precise(self.rows)).sum(1)
