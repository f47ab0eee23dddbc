"""The order of review: uncertainty x gaze relevance x novelty.

A fixation's score is u = 1 - (p1 - p2), the gap between the two best labels; 0.5 more where the ring of gaze accuracy
touches two different areas, where a small gaze error changes the answer; 0.5 more where its label differs from those
of both neighbours in time, since people rarely look at an object for one fixation only. An item that looks like an
earlier one in the queue (cosine similarity above 0.95) counts half: frames of one scene are all alike, so it is not
dropped. Items about which nothing is known have the score NaN and come last, in order of time: a new project starts at
its first frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["ROUND", "flips", "review_order", "review_score"]

SIMILAR, AGAIN = 0.95, 0.5
ROUND = 256  # items of a round: as many as a person may review before the model changes


def flips(labels: np.ndarray) -> np.ndarray:
    """[N] bool: the label differs from those of both neighbours, all three known.

    Args:
        labels: [N] ids; below zero is none ("cannot tell" is no thing to have looked at).
    """
    found = np.zeros(len(labels), bool)
    differ = (labels[1:] != labels[:-1]) & (np.minimum(labels[1:], labels[:-1]) >= 0)
    found[1:-1] = differ[:-1] & differ[1:]
    return found


def review_score(margin: np.ndarray, near_two: np.ndarray, flip: np.ndarray) -> np.ndarray:
    """[N] (1 - margin) + 0.5 near_two + 0.5 flip; NaN where the margin p1 - p2 is."""
    return (1.0 - np.asarray(margin, np.float64)) + 0.5 * np.asarray(near_two) + 0.5 * np.asarray(flip)


def review_order(
    score: np.ndarray, appearance: Callable[[int], np.ndarray | None] = lambda index: None
) -> np.ndarray:
    """[N] indices, the most valuable to review first.

    Args:
        score: [N] of `review_score`, in order of time.
        appearance: feature vector of the picture of an index, None if unknown; the 256 items of highest score are
            compared.
    """
    score = np.asarray(score, np.float64)
    unknown = np.isnan(score)
    order = np.lexsort((np.arange(len(score)), np.where(unknown, np.inf, -score)))
    worth = np.where(unknown, -1.0, score)
    seen = {int(index): one for index in order[:ROUND] if (one := appearance(int(index))) is not None}
    size = len(next(iter(seen.values()), ()))
    seen = {index: one for index, one in seen.items() if len(one) == size}  # none of another detector
    units = np.array([one / max(float(np.linalg.norm(one)), 1e-12) for one in seen.values()]).reshape(
        len(seen), size
    )
    alike = units @ units.T > SIMILAR
    kept = np.zeros(len(seen), bool)
    for row, index in enumerate(seen):
        kept[row] = not (alike[row] & kept).any()
        worth[index] *= 1.0 if kept[row] else AGAIN
    return np.lexsort((np.arange(len(score)), -worth))
