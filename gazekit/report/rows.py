"""From trial scores to the numbers of a report: values with bootstrap intervals over images, and counts."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics import bootstrap_interval
from gazekit.metrics.functional import PARTS, behaviour_delta, behaviour_parts
from gazekit.report.evaluation import TrialScores

__all__ = ["HEADLINE", "Row", "row"]

HEADLINE = (
    "information_gain_bits",
    "information_gain_with_stop_bits",
    "sequence_score",
    "edit_distance",
    "behaviour_delta",
)
"""The columns of the main table, best known first."""

Row = dict[str, dict[str, float | int]]
"""Metric name to value, low, high, n, undefined."""


def row(scores: TrialScores, image: Tensor, n_resamples: int, seed: int) -> Row:
    """One row of the report.

    Information gain is a mean over fixations, the others are means over trials. The behavioural delta
    compares mean behaviour over the trials on which both sides define it.

    Args:
        image: [M] image of each trial; whole images are drawn by the bootstrap.
    Returns:
        For each metric value, low, high (NaN where undefined), n (fixations or trials it rests on) and
        undefined (those it had to leave out).
    """
    images = int(image.max()) + 1 if len(image) else 0
    options = {"n_resamples": n_resamples, "level": 0.95, "seed": seed}

    def ratio(numerator: Tensor, denominator: Tensor) -> dict[str, float | int]:
        defined = ~numerator.isnan()
        top = _by_image(torch.where(defined, numerator, 0.0)[:, None], image, images)
        bottom = _by_image(torch.where(defined, denominator, 0.0)[:, None], image, images)
        interval = bootstrap_interval(top, bottom, **options)
        n, total = round(float(bottom.sum())), round(float(denominator.sum()))
        return {**_plain(interval, 0), "n": n, "undefined": total - n}

    one = torch.ones_like(scores.fixations)
    metrics = {
        "information_gain_bits": ratio(scores.gain_bits, scores.fixations),
        "information_gain_with_stop_bits": ratio(scores.gain_with_stop_bits, scores.outcomes),
        "sequence_score": ratio(scores.sequence_score, one),
        "edit_distance": ratio(scores.edit_distance, one),
    }
    return {**metrics, **_behaviour(scores, image, images, options)}


def _behaviour(scores: TrialScores, image: Tensor, images: int, options: dict) -> Row:
    """The delta, its five parts, and the model's mean behaviour itself."""
    both = ~(scores.behaviour.isnan() | scores.human_behaviour.isnan())
    model = _by_image(torch.where(both, scores.behaviour, 0.0), image, images)
    human = _by_image(torch.where(both, scores.human_behaviour, 0.0), image, images)
    count = _by_image(both.double(), image, images)
    tops, bottoms = torch.cat([model, human], 1), torch.cat([count, count], 1)
    n = count.sum(0).long().tolist()
    left_out = [len(image) - k for k in n]

    def interval(statistic) -> dict[str, float]:
        return _plain(bootstrap_interval(tops, bottoms, statistic=statistic, **options))

    metrics: Row = {
        "behaviour_delta": {
            **interval(lambda r: behaviour_delta(r[:, :5], r[:, 5:])), "n": min(n[1:]), "undefined": max(left_out[1:])
        }
    }  # fmt: skip
    means = bootstrap_interval(model, count, **options)
    for k, part in enumerate(PARTS):
        counts = {"n": n[k], "undefined": left_out[k]}
        delta = interval(lambda r, k=k: behaviour_parts(r[:, :5], r[:, 5:])[:, k])
        metrics[f"behaviour_delta_{part}"] = {**delta, **counts}
        metrics[part] = {**_plain(means, k), **counts}
    return metrics


def _by_image(values: Tensor, image: Tensor, images: int) -> Tensor:
    """[images, K] sums of values [M, K]."""
    return torch.zeros(images, values.shape[1], dtype=torch.float64).index_add_(0, image, values.double())


def _plain(interval, column: int | None = None) -> dict[str, float]:
    return {
        name: float(x if column is None else x[column])
        for name, x in zip(("value", "low", "high"), interval, strict=True)
    }
