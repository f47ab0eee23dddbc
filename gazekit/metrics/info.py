"""What a reader of a metric's value should know: range, direction, chance, where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["INFO", "MetricInfo"]


@dataclass(frozen=True)
class MetricInfo:
    """Facts about one metric.

    Args:
        name: of the function; the class has the same name in capitals.
        range: lowest and highest value; the highest of a score, or the lowest of an error, is perfect.
        higher_is_better: direction.
        chance: what a model without knowledge gets, in words.
        reference: publication that introduced it.
        variants: other definitions in use under this name, which give other numbers.
    """

    name: str
    range: tuple[float, float]
    higher_is_better: bool
    chance: str
    reference: str
    variants: tuple[str, ...] = ()


_ALL = (
    MetricInfo(
        name="sequence_score",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="above 0, and the higher the fewer objects there are: score random scanpaths of human length",
        reference="Yang et al. 2020, CVPR (search by inverse reinforcement learning)",
        variants=(
            "symbols are mean-shift clusters of fixations instead of objects",
            "symbols are semantic classes (SemSS)",
            "symbols repeated once per 50 ms of fixation",
            "both strings truncated to a number of steps",
        ),
    ),
    MetricInfo(
        name="edit_distance",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="near the length of the longer scanpath: score random scanpaths of human length",
        reference="Levenshtein 1966; Mondal et al. 2023, CVPR (Gazeformer)",
        variants=(
            "divided by the length of the longer string",
            "a replacement costs 2",
            "symbols are grid cells",
        ),
    ),
    MetricInfo(
        name="behaviour_delta",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="none fixed: score random scanpaths of human length",
        reference="Fang et al. 2024, ECCV (object attention transformer)",
        variants=("undefined parts counted as 0",),
    ),
    MetricInfo(
        name="information_gain",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="0 for the baseline itself",
        reference="Kümmerer, Wallis and Bethge 2015, PNAS",
        variants=("a small constant added to both probabilities", "over pixels instead of objects"),
    ),
)

INFO: dict[str, MetricInfo] = {info.name: info for info in _ALL}
