"""Maps as mass over pixels: made non-negative, and summed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gazekit.metrics.functional.maps import check_finite, pieces, totals

__all__ = ["Mass"]


@dataclass(frozen=True)
class Mass:
    """Maps [R, P], `lowest` [R] to be subtracted or None, a constant to be added, and the `total` [R] then.

    The total is NaN where nothing is left.
    """

    rows: Tensor
    lowest: Tensor | None
    added: float
    total: Tensor

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
        mass = cls(rows, torch.where(moved, lowest, 0)[:, None] if moved.any() else None, added, total)
        if moved.any() or added:  # summed anew: total - P x lowest would lose digits
            total = torch.stack([mass.shifted(part).sum(1) for (part,) in pieces(rows)]).sum(0)
        return cls(rows, mass.lowest, added, torch.where(total > 0, total, torch.nan))

    def shifted(self, part: Tensor) -> Tensor:
        """A piece [R, p] of the maps, non-negative."""
        part = part if self.lowest is None else part - self.lowest
        return part + self.added if self.added else part
