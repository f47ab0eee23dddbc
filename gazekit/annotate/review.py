"""What a person is asked next: uncertainty x gaze relevance x novelty.

A fixation's score is u = 1 - (p1 - p2), the gap between the two best labels; 0.5 more where the ring of gaze accuracy
touches two different areas, since a small error of gaze changes the answer; 0.5 more where its label differs from those
of both neighbours in time, since people rarely look at a thing for one fixation only. What looks like something that is
asked before it (cosine similarity above 0.95) is worth half of that: frames of one scene are all alike, so it is not
left out. What nothing is known about has the score NaN and comes last, in order of time: a new project starts at its
beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["ROUND", "flips", "looked_at", "review_order", "review_score"]

SIMILAR, AGAIN = 0.95, 0.5
ROUND = 256  # items of a round: what a person may see before the model changes


def looked_at(
    xy_px: Sequence[float], boxes: np.ndarray, labels: Sequence[int], ring_px: float
) -> tuple[int, bool]:
    """The area of interest of one gaze position, and whether it is near another one.

    Args:
        xy_px: gaze; NaN lies in nothing.
        boxes: [N, 4] half-open pixels.
        labels: [N] label of each.
        ring_px: radius of gaze accuracy.
    Returns:
        (index, near): the smallest box that holds the point, the first on a tie, -1 for none; whether the ring touches
        boxes of two labels, or one box's border from outside.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if len(boxes) == 0 or not np.isfinite(xy_px).all():
        return -1, False
    x, y = xy_px
    inside = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    index = int(np.where(inside, area, np.inf).argmin()) if inside.any() else -1
    gap_x = np.maximum(np.maximum(boxes[:, 0] - x, x - boxes[:, 2]), 0)
    gap_y = np.maximum(np.maximum(boxes[:, 1] - y, y - boxes[:, 3]), 0)
    touched = {labels[i] for i in np.flatnonzero(np.hypot(gap_x, gap_y) <= ring_px)}
    return index, len(touched) > 1 or (index < 0 and bool(touched))


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
    score: np.ndarray, look: Callable[[int], np.ndarray | None] = lambda index: None
) -> np.ndarray:
    """[N] indices from most to least worth asking.

    Args:
        score: [N] of `review_score`, in order of time.
        look: of an index, the feature vector of its picture, None where there is none; the 256 of highest score are
            compared.
    """
    score = np.asarray(score, np.float64)
    unknown = np.isnan(score)
    order = np.lexsort((np.arange(len(score)), np.where(unknown, np.inf, -score)))
    worth = np.where(unknown, -1.0, score)
    seen = {int(index): one for index in order[:ROUND] if (one := look(int(index))) is not None}
    size = len(next(iter(seen.values()), ()))
    seen = {index: one for index, one in seen.items() if len(one) == size}  # not of another detector
    units = np.array([one / max(float(np.linalg.norm(one)), 1e-12) for one in seen.values()]).reshape(
        len(seen), size
    )
    alike = units @ units.T > SIMILAR
    kept = np.zeros(len(seen), bool)
    for row, index in enumerate(seen):
        kept[row] = not (alike[row] & kept).any()
        worth[index] *= 1.0 if kept[row] else AGAIN
    return np.lexsort((np.arange(len(score)), -worth))
