"""Cases of the search metrics."""

from __future__ import annotations

import torch
from cases import Batch, Case
from torch import Tensor

from gazekit.metrics import (
    TFPAUC,
    AsymmetryIndex,
    ProbabilityMismatch,
    ScanpathRatio,
    SearchSlope,
    TargetFoundCurve,
    TFPAUCMean,
)
from gazekit.metrics.functional import (
    asymmetry_index,
    probability_mismatch,
    scanpath_ratio,
    search_slope,
    steps_to_target,
    target_found_curve,
    tfp_auc,
    tfp_auc_mean,
)
from gazekit.scanpath import Scanpaths

__all__ = ["CASES"]

MAX_STEP = 4


def search_batch(seed: int) -> Batch:
    """Fourteen trials of three categories by as many as three people; two trials have no target."""
    draw = torch.Generator().manual_seed(seed)

    def paths(people: int) -> Scanpaths:
        xy = 100 * torch.rand(14, people, 6, 2, generator=draw, dtype=torch.float64)
        return Scanpaths(xy, torch.arange(6) < torch.randint(7, (14, people, 1), generator=draw))

    corner = 60 * torch.rand(14, 2, generator=draw, dtype=torch.float64)
    boxes = torch.cat([corner, corner + 40], 1)
    boxes[3:5] = torch.nan
    model = paths(3)
    group = torch.randint(3, (14,), generator=draw)
    return {"paths": model, "model": model, "human": paths(2), "boxes_xyxy_px": boxes, "group": group}


def mean_curve(side: str, batches: list[Batch], by_category: bool, present: str | None = None) -> Tensor:
    """Mean over trials, or over categories of that, of the mean curve of a trial's scanpaths."""
    curves: dict[int, list[Tensor]] = {}
    for batch in batches:
        everyone = batch[side], batch[present or side], batch["boxes_xyxy_px"], batch["group"]
        for paths, others, box, group in zip(*everyone, strict=True):
            steps = steps_to_target(people(paths), box)
            if len(steps) and people(others).shape[0] and not steps.isnan().any():
                category = int(group) if by_category else 0
                curves.setdefault(category, []).append(target_found_curve(steps, MAX_STEP))
    return torch.stack([torch.stack(category).mean(0) for category in curves.values()]).mean(0)


def people(panel: Scanpaths) -> Scanpaths:
    """Those of a padded panel [n, T] who are there."""
    return panel[panel.mask.any(-1)]


def mean_ratio(batches: list[Batch]) -> Tensor:
    trials = [
        scanpath_ratio(paths, box, MAX_STEP).nanmean()
        for batch in batches
        for paths, box in zip(batch["paths"], batch["boxes_xyxy_px"], strict=True)
    ]
    return torch.stack(trials).nanmean()


def mismatch(batches: list[Batch]) -> Tensor:
    sides = ("model", "human"), ("human", "model")
    return probability_mismatch(*(mean_curve(side, batches, True, other) for side, other in sides))


def slope_batch(seed: int) -> Batch:
    """Thirty trials of two conditions; some failed."""
    draw = torch.Generator().manual_seed(seed)
    set_size = torch.tensor([4, 8, 16]).repeat(10)
    is_hard = torch.arange(30) % 2 == 0
    noise = torch.rand(30, generator=draw, dtype=torch.float64)
    cost = 1 + noise + set_size * torch.where(is_hard, 0.5, 0.1)
    cost[seed % 30], cost[7] = torch.nan, torch.inf
    return {"set_size": set_size, "cost": cost, "is_hard": is_hard}


def line(batches: list[Batch], condition: bool | None) -> Tensor:
    costs: dict[int, list[float]] = {}
    for batch in batches:
        for size, cost, hard in zip(*(batch[key].tolist() for key in batch), strict=True):
            if abs(cost) < float("inf") and condition in (None, hard):
                costs.setdefault(size, []).append(cost)
    sizes = sorted(costs)
    means = [torch.tensor(costs[size], dtype=torch.float64).mean() for size in sizes]
    return search_slope(sizes, torch.stack(means))


CASES: dict[str, Case] = {
    "target_found_curve": Case(
        lambda: TargetFoundCurve(MAX_STEP), search_batch, lambda b: mean_curve("paths", b, False)
    ),
    "tfp_auc": Case(
        lambda: TFPAUC(MAX_STEP, "group"), search_batch, lambda b: tfp_auc(mean_curve("paths", b, True))
    ),
    "tfp_auc_mean": Case(
        lambda: TFPAUCMean(MAX_STEP), search_batch, lambda b: tfp_auc_mean(mean_curve("paths", b, False))
    ),
    "probability_mismatch": Case(lambda: ProbabilityMismatch(MAX_STEP, "group"), search_batch, mismatch),
    "scanpath_ratio": Case(lambda: ScanpathRatio(MAX_STEP), search_batch, mean_ratio),
    "search_slope": Case(SearchSlope, slope_batch, lambda b: line(b, None)),
    "asymmetry_index": Case(
        AsymmetryIndex, slope_batch, lambda b: asymmetry_index(line(b, True)[0], line(b, False)[0])
    ),
}
