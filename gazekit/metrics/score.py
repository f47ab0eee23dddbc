"""The one schema of a measured number: value, interval, and how many items stand behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, SupportsFloat

__all__ = ["Score"]

_NOTHING = 1e-12  # rounding leaves about this much of a sum that should be 0


class Score(NamedTuple):
    """A value with its confidence interval, as plain Python numbers.

    `str` gives "0.512 [0.487, 0.538]", the value alone where there is no interval, and "undefined" for NaN.

    Attributes:
        value: NaN if it is undefined.
        low: lower bound of the interval; NaN where there is no interval. `high` is the upper bound.
        n: number of items that the value is computed from; what an item is, the metric says.
        undefined: number of items that were left out because they have no value.
    """

    value: float
    low: float
    high: float
    n: int
    undefined: int

    @classmethod
    def of(cls, interval: Iterable[SupportsFloat], n: int, undefined: int) -> Score:
        """From a value and its bounds, say an `Interval` of scalar tensors, and the two counts."""
        value, low, high = (float(number) for number in interval)
        return cls(value, low, high, int(n), int(undefined))

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "undefined"
        value, low, high = (0.0 if abs(x) < _NOTHING else x for x in (self.value, self.low, self.high))
        return f"{value:.4g}" if math.isnan(low) else f"{value:.4g} [{low:.4g}, {high:.4g}]"
