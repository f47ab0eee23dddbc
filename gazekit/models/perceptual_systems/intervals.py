"""Means over runs with intervals by Student's t."""

from __future__ import annotations

import math

from torch import Tensor

from gazekit.metrics import Score

__all__ = ["over_runs"]


def over_runs(values: Tensor) -> Score:
    """The mean of [R] runs with its 95 % interval; runs without a value are left out and counted as undefined.

    One run has no interval (NaN). Three runs have a wide one, 2.5 standard deviations to either side.
    """
    from scipy.stats import t as student

    known = values[values.isfinite()].double()
    lost = len(values) - len(known)
    if not len(known):
        return Score(math.nan, math.nan, math.nan, 0, lost)
    mean = float(known.mean())
    if len(known) == 1:
        return Score(mean, math.nan, math.nan, 1, lost)
    half = float(student.ppf(0.975, len(known) - 1) * known.std() / math.sqrt(len(known)))
    return Score(mean, mean - half, mean + half, len(known), lost)
