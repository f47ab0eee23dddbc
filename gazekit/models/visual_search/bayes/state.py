"""What a searcher knows of a scene on its grid, and of the scanpaths over it so far."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gazekit.scanpaths import walk

__all__ = ["Display", "WalkState"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Display(walk.Display):
    """B scenes on a grid of C cells, with M memorised and N shown objects.

    Attributes:
        log_density: [B, C] of people's fixations by place, normalised.
        log_layout: [B, C] preference for cells near objects; 0 where layouts are not used.
        log_prior: [B, C] of both, see `Places`.
        similarity: [B, M, C].
        present: [B, M, C] whether the memorised object is in the cell; only the first, the target, ever is.
        memory_mask: [B, M].
        target: [B], -1 without one.
    """

    log_density: Tensor
    log_layout: Tensor
    log_prior: Tensor
    similarity: Tensor
    present: Tensor
    memory_mask: Tensor
    target: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class WalkState(walk.WalkState):
    """n scanpaths over each of B displays.

    Attributes:
        visits: [B, n, C] past fixations, each spread as far as the fovea sees and fading.
    """

    display: Display
    visits: Tensor
