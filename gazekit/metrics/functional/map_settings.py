"""Checks of the settings of map metrics, shared by the functions and the constructors of the classes."""

from __future__ import annotations

import math
from numbers import Integral

__all__ = ["EPSILON", "check_choice", "check_eps", "check_grid", "check_jitter", "check_kld", "check_splits"]

EPSILON = 2.2204e-16
"""The constant in `kld` of the MIT/Tübingen benchmark, MATLAB's eps."""


def check_choice(name: str, value: str, *choices: str) -> None:
    if value not in choices:
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise ValueError(f"{name} must be {listed}, got {value!r}")


def check_eps(eps: float) -> None:
    if not 0 <= eps < math.inf:
        raise ValueError(f"eps must be finite and at least 0, got {eps}")


def check_kld(eps: float, variant: str) -> None:
    check_choice("variant", variant, "pysaliency", "matlab")
    if not 0 < eps < math.inf:
        raise ValueError(f"eps must be positive and finite, got {eps}")
    if variant == "pysaliency" and eps != EPSILON:
        raise ValueError("eps has no place in the variant 'pysaliency', which adds 1e-20 to both maps")


def check_jitter(jitter: float) -> None:
    if not 0 <= jitter < math.inf:
        raise ValueError(f"jitter must be a finite share of the map's range, at least 0, got {jitter}")


def check_splits(n_splits: int) -> None:
    if not isinstance(n_splits, Integral) or n_splits < 1:
        raise ValueError(f"n_splits must be a whole number of at least 1, got {n_splits}")


def check_grid(grid: tuple[int, int] | None, shape: tuple[int, int] | None = None) -> None:
    """That there are two positive numbers of cells, none above those of the maps' pixels, if `shape` is given."""
    if grid is None:
        return
    largest = (math.inf, math.inf) if shape is None else shape
    whole = len(grid) == 2 and all(isinstance(cells, Integral) for cells in grid)
    if not whole or not all(1 <= cells <= pixels for cells, pixels in zip(grid, largest, strict=True)):
        limit = "" if shape is None else f" to {shape}"
        raise ValueError(f"grid must be (rows, columns) from (1, 1){limit}, got {grid}")
