"""The stored pairs of scanpaths and random ones, shared by the tests of the comparisons by alignment."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

__all__ = ["P", "Q", "in_ms", "random_walks", "stored_pairs"]

P = np.array([[400, 300, 200], [520, 310, 300], [640, 180, 250], [300, 420, 400], [310, 430, 150]], float)
Q = np.array([[410, 290, 250], [600, 200, 200], [330, 400, 350], [500, 500, 300]], float)


@cache
def stored_pairs(shared_data: Path) -> list[dict]:
    return json.loads((shared_data / "golden_metrics" / "scanpath_pairs.json").read_text())["pairs"]


def in_ms(rows: list[list[float]]) -> np.ndarray:
    """The stored files count in seconds, with three decimals."""
    path = np.array(rows)
    path[:, 2] = (1000 * path[:, 2]).round()
    return path


def random_walks(
    seed: int, count: int, step_px: float, longest: int = 20, shortest: int = 3
) -> list[np.ndarray]:
    """Scanpaths of 3 to 20 fixations; 15 px steps are reading-like, 150 px scene-like."""
    draw = np.random.default_rng(seed)
    paths = []
    for length in draw.integers(shortest, longest + 1, count):
        xy = np.cumsum(draw.normal(0, step_px, (length, 2)), 0) + 400
        duration = np.clip(draw.gamma(4, 65, length), 60, 1200)
        paths.append(np.c_[xy, duration].round(1))
    return paths
