"""Reaction times of people in visual search: the published ones, or those of a lab's own trials.

Published: mean reaction times (ms) of the six asymmetries, as Gupta et al. (NeurIPS 2021) read them off figures and
regressions of the original studies (their release, `human_rt_data.py`); of the classical tasks, means over
observers of correct trials between 200 and 8000 ms, computed by us from the trials of Wolfe, Palmer & Horowitz (Vision
Research 50(14), 2010) in github yxlin/HBM-Approach-Visual-Search, commit 9f96b3a.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gazekit.datasets.search_tasks import CONDITIONS
from gazekit.metrics.functional import search_slope

__all__ = ["People", "published"]

_FOUR, _CLASSICAL = (1, 4, 8, 12), (3, 6, 12, 18)
_ASYMMETRY_MS = {
    "curve_in_lines": ((8, 16, 32), (510, 516.4, 529.2)),
    "line_in_curves": ((8, 16, 32), (565, 640, 750)),
    "lighting_vertical": ((1, 6, 12), (426.7, 432.0, 472.0)),
    "lighting_horizontal": ((1, 6, 12), (488.0, 674.7, 754.7)),
    "cross": ((3, 6, 9), (829, 1117, 1405)),
    "non_cross": ((3, 6, 9), (645, 780, 915)),
    "l_in_ts": ((3, 6, 9), (573, 672, 771)),
    "t_in_ls": ((3, 6, 9), (541, 583, 625)),
    "homogeneous_0": (_FOUR, (431.6, 547.4, 552.6, 557.9)),
    "homogeneous_20": (_FOUR, (414.7, 437.9, 441.1, 444.2)),
    "heterogeneous_0": (_FOUR, (431.6, 568.4, 633.7, 707.4)),
    "heterogeneous_20": (_FOUR, (526.3, 831.6, 1084.2, 1326.3)),
}
_PRESENT_MS = {
    "feature": (_CLASSICAL, (396.2, 404.1, 407.7, 415.3)),
    "conjunction": (_CLASSICAL, (517.5, 536.0, 593.5, 652.6)),
    "spatial_configuration": (_CLASSICAL, (686.9, 838.7, 1119.2, 1331.7)),
}
_ABSENT_MS = {
    "feature": (_CLASSICAL, (436.7, 431.5, 423.6, 425.7)),
    "conjunction": (_CLASSICAL, (569.4, 636.0, 791.6, 958.6)),
    "spatial_configuration": (_CLASSICAL, (814.4, 1191.7, 1824.9, 2244.2)),
}
_SOURCE = (
    "published means: Gupta et al. 2021 (six asymmetries, target present); Wolfe, Palmer & Horowitz 2010 "
    "(classical tasks)"
)


@dataclass(frozen=True, eq=False)
class People:
    """Reaction times of people: a row is a trial, or a published mean.

    Args:
        condition: [I] names of conditions.
        set_size: [I] int.
        rt_ms: [I] float.
        target_present: [I] bool.
        participant: [I] names, or None for published means.
        source: one sentence.
        notes: sentences on what was left out.
    """

    condition: np.ndarray
    set_size: np.ndarray
    rt_ms: np.ndarray
    target_present: np.ndarray
    participant: np.ndarray | None
    source: str
    notes: tuple[str, ...] = ()

    def mean_rt_ms(self, condition: str, target_present: bool = True) -> dict[int, float]:
        """Set size to mean reaction time in ms: each participant's mean counts once; {} = no such rows."""
        chosen = (self.condition == condition) & (self.target_present == target_present)
        means = {}
        for n in np.unique(self.set_size[chosen]).tolist():
            rows = chosen & (self.set_size == n)
            who = self.participant[rows] if self.participant is not None else np.arange(rows.sum())
            means[n] = float(np.mean([self.rt_ms[rows][who == p].mean() for p in np.unique(who)]))
        return means

    def slope_ms(self, condition: str, target_present: bool = True) -> float:
        """Slope (ms per item) of the means at each set size by least squares; NaN with fewer than two set sizes."""
        means = self.mean_rt_ms(condition, target_present)
        return float(search_slope([float(n) for n in means], list(means.values()))[0]) if means else np.nan

    def slopes_ms(
        self, conditions: Sequence[str] = tuple(CONDITIONS), target_present: bool = True
    ) -> list[float]:
        """Slope of each of these conditions, see `slope_ms`."""
        return [self.slope_ms(condition, target_present) for condition in conditions]


def published(target_present: bool | None = None) -> People:
    """The published means; None gives those of present and of absent targets."""
    rows = [
        (condition, n, rt, present)
        for present, tables in ((True, _ASYMMETRY_MS | _PRESENT_MS), (False, _ABSENT_MS))
        if target_present in (None, present)
        for condition, (sizes, times) in tables.items()
        for n, rt in zip(sizes, times, strict=True)
    ]
    condition, set_size, rt_ms, present = zip(*rows, strict=True)
    return People(
        np.array(condition), np.array(set_size), np.array(rt_ms, float), np.array(present), None, _SOURCE
    )
