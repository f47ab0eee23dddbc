"""The one schema of a number."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Score"]


class Score(NamedTuple):
    value: float
    low: float
    high: float
    n: int
    undefined: int
