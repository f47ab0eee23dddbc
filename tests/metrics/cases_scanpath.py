"""Cases of the comparisons of scanpaths."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases import Batch, Case
from torch import Tensor

from gazekit.metrics import DTW, Frechet, Hausdorff, MultiMatch
from gazekit.metrics.functional import Grouping, dtw_px, frechet_px, hausdorff_px, multimatch
from gazekit.scanpath import Scanpaths

__all__ = ["CASES"]

SIZE_PX = (800, 600)
GROUPING = Grouping(direction_deg=45, duration_ms=200, amplitude_px=250)


def random_scanpaths(draw: torch.Generator, *shape: int, longest: int = 8) -> Scanpaths:
    """Irregular lengths from 0; padding holds rubbish that must not matter."""
    xy = torch.rand(*shape, longest, 2, generator=draw, dtype=torch.float64) * torch.tensor(SIZE_PX)
    mask = torch.arange(longest) < torch.randint(longest + 1, (*shape, 1), generator=draw)
    duration = 80 + 400 * torch.rand(*shape, longest, generator=draw, dtype=torch.float64)
    return Scanpaths(xy, mask, duration)


def pairs_batch(seed: int) -> Batch:
    """Ten trials of three model scanpaths and two people; some scanpaths are empty, trial 0 all over."""
    draw = torch.Generator().manual_seed(seed)
    model, human = random_scanpaths(draw, 10, 3), random_scanpaths(draw, 10, 2)
    model.mask[0] = False
    human.mask[0] = False
    size = torch.tensor(SIZE_PX, dtype=torch.float64).expand(10, 2)
    return {"model": model, "human": human, "size_px": size}


def mean_of_pairs(score: Callable[..., Tensor], batches: list[Batch]) -> Tensor:
    """Mean over trials of the mean over all pairs, one pair at a time. `score(a, b, size_px)`."""
    trials = []
    for batch in batches:
        for model, human, size in zip(batch["model"], batch["human"], batch["size_px"], strict=True):
            values = [score(a, b, size) for a in model for b in human]
            trials.append(torch.stack(values).nanmean(0))
    return torch.stack(trials).nanmean(0)


CASES = {
    "hausdorff_px": Case(
        Hausdorff, pairs_batch, lambda b: mean_of_pairs(lambda a, h, size: hausdorff_px(a, h), b)
    ),
    "multimatch": Case(
        lambda: MultiMatch(GROUPING),
        pairs_batch,
        lambda b: mean_of_pairs(lambda a, h, size: multimatch(a, h, size, GROUPING), b),
    ),
    "dtw_px": Case(DTW, pairs_batch, lambda b: mean_of_pairs(lambda a, h, size: dtw_px(a, h), b)),
    "frechet_px": Case(Frechet, pairs_batch, lambda b: mean_of_pairs(lambda a, h, size: frechet_px(a, h), b)),
}
