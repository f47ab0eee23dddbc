"""Cases of the metrics of many conditions of search."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from cases import Batch, Case
from scipy import stats
from torch import Tensor

from gazekit.metrics import (
    FoundRate,
    MeanFixations,
    SearchAsymmetry,
    SearchModelComparison,
    SearchSlopes,
    SlopeCorrelation,
)

__all__ = ["CASES", "f_test"]

CONDITIONS = ["one", "two", "three", "four"]
TASKS = ["first", "second"]
SLOPES = [0.5, 0.1, -0.2, 0.3]
HUMAN = [9.0, 2.0, 1.0, 4.0]


def batch(seed: int) -> Batch:
    """Sixty trials of four conditions of two tasks; some failed."""
    draw = torch.Generator().manual_seed(seed)
    condition, set_size = torch.arange(60) % 4, torch.tensor([4, 8, 16]).repeat_interleave(20)
    noise = torch.rand(60, generator=draw, dtype=torch.float64)
    cost = 1 + noise + set_size * torch.tensor(SLOPES)[condition]
    cost[seed % 60], cost[7] = torch.nan, torch.inf
    return {
        "condition": condition,
        "task": condition // 2,
        "is_hard": condition % 2 == 0,
        "set_size": set_size,
        "cost": cost,
        "saccades": cost,
        "found": cost.isfinite(),
        "human_slope_ms": torch.tensor(HUMAN)[condition],
    }


def joined(batches: list[Batch], key: str) -> np.ndarray:
    return torch.cat([b[key] for b in batches]).numpy()


def slopes(batches: list[Batch]) -> np.ndarray:
    condition, set_size, cost = (joined(batches, key) for key in ("condition", "set_size", "cost"))
    found = []
    for k in range(4):
        of = (condition == k) & np.isfinite(cost)
        sizes = np.unique(set_size[of])
        found.append(np.polyfit(sizes, [cost[of & (set_size == size)].mean() for size in sizes], 1)[0])
    return np.array(found)


def indices(batches: list[Batch]) -> Tensor:
    pairs = slopes(batches).clip(min=0).reshape(2, 2)
    index = (pairs[:, 0] - pairs[:, 1]) / pairs.sum(1)
    return torch.tensor([*index, index.mean()])


def f_test(set_size: np.ndarray, cost: np.ndarray, hard: np.ndarray) -> tuple[float, float]:
    """F and p of the two nested models, by design matrices and SciPy's distribution."""
    ones = np.ones_like(cost)
    small = np.stack([ones, set_size], 1)
    large = np.stack([ones, set_size, hard, hard * set_size], 1)
    rest = [np.sum((cost - x @ np.linalg.lstsq(x, cost)[0]) ** 2) for x in (small, large)]
    f = (rest[0] - rest[1]) / 2 / (rest[1] / (len(cost) - 4))
    return f, stats.f.sf(f, 2, len(cost) - 4)


def p_values(batches: list[Batch]) -> Tensor:
    task, set_size, cost, hard = (joined(batches, k) for k in ("task", "set_size", "cost", "is_hard"))
    of = [(task == k) & np.isfinite(cost) for k in range(2)]
    return torch.tensor([f_test(set_size[s].astype(float), cost[s], hard[s])[1] for s in of])


def means(key: str, batches: list[Batch]) -> Tensor:
    condition, value = joined(batches, "condition"), joined(batches, key).astype(float)
    finite = np.isfinite(value)
    return torch.tensor([value[(condition == k) & finite].mean() for k in range(4)])


CASES: dict[str, Case] = {
    "search_slopes": Case(partial(SearchSlopes, CONDITIONS), batch, lambda b: torch.tensor(slopes(b))),
    "search_asymmetry": Case(partial(SearchAsymmetry, TASKS), batch, indices),
    "slope_correlation": Case(
        partial(SlopeCorrelation, CONDITIONS),
        batch,
        lambda b: torch.tensor(stats.pearsonr(slopes(b), HUMAN).statistic),
    ),
    "search_model_comparison": Case(partial(SearchModelComparison, TASKS), batch, p_values),
    "mean_fixations": Case(partial(MeanFixations, CONDITIONS), batch, partial(means, "saccades")),
    "found_rate": Case(
        partial(FoundRate, CONDITIONS), batch, partial(means, "found"), may_be_undefined=False
    ),
}
