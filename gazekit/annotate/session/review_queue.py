"""The review queue of a session: the open fixations and frames, their scores, and their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from gazekit.annotate.model.predictions import FramePredictions
from gazekit.annotate.session.review_order import flips, review_order, review_score
from gazekit.annotate.session.suggestions import Suggestion

__all__ = ["ORDERS", "ReviewQueue", "open_fixations", "open_frames"]

ORDERS = ("uncertainty", "time", "label", "random")
_NONE = -2  # below all ids of labels


@dataclass(frozen=True)
class ReviewQueue:
    """Fixations without an answer or frames nobody has confirmed, in order of time; about ten thousand per hour.

    Args:
        kind: "fixation" or "frame".
        id: [N] ids of the fixations, or numbers of the frames. frame: [N] their frames.
        label: [N] suggested, -2 if none is.
        margin: [N] p1 - p2, NaN where unknown.
        near: [N] bool, the ring of gaze touches another area. flip: [N] bool, the label differs from both neighbours'.
    """

    kind: str
    id: np.ndarray
    frame: np.ndarray
    label: np.ndarray
    margin: np.ndarray
    near: np.ndarray
    flip: np.ndarray

    def __len__(self) -> int:
        return len(self.id)

    @property
    def score(self) -> np.ndarray:
        """[N] of `review_score`."""
        return review_score(self.margin, self.near, self.flip)

    def order(self, order: str, appearance: Callable[[int], np.ndarray | None]) -> np.ndarray:
        """[N] indices in one of `ORDERS`: by `review_order`, by time, by suggested label (none last), or at random.

        The random order is the same for all projects of a recording and does not depend on the answers: its first
        part is a random sample that a second coder can label too.

        Args:
            appearance: feature vector of a frame, None if unknown.
        Raises:
            ValueError: another order.
        """
        if order == "uncertainty":
            return review_order(self.score, lambda i: appearance(int(self.frame[i])))
        if order == "label":
            return np.lexsort((self.label, self.label == _NONE))
        if order == "random":
            keys = [blake2b(b"%d" % number, digest_size=8).digest() for number in self.id.tolist()]
            return np.argsort(np.array(keys, "S8"), kind="stable")
        if order != "time":
            raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r:.80}")
        return np.arange(len(self))

    def item(self, index: int) -> dict[str, Any]:
        """One as JSON: `kind`, `id`, `frame`, `score` (None where unknown), `why` in words."""
        score, margin = float(self.score[index]), float(self.margin[index])
        reasons = [
            "nothing is known yet" if np.isnan(score) else f"{100 * (1 - margin):.0f} % unsure",
            "near 2 areas" * bool(self.near[index]),
            "unlike both neighbours" * bool(self.flip[index]),
        ]
        return {
            "kind": self.kind,
            "id": int(self.id[index]),
            "frame": int(self.frame[index]),
            "score": None if np.isnan(score) else round(score, 4),
            "why": ", ".join(filter(None, reasons)),
        }


def open_fixations(table: dict[str, list[Any]], suggested: Sequence[Suggestion]) -> ReviewQueue:
    """Fixations without an answer.

    Args:
        table: `Store.fixations`.
        suggested: the suggestion of each.
    """
    answers = table["label"]
    labels = [s.label if answer is None else answer for s, answer in zip(suggested, answers, strict=True)]
    label = np.array([_NONE if one is None else one for one in labels], np.int64)
    columns = {
        "id": np.array(table["id"], np.int64),
        "frame": np.array(table["frame"], np.int64),
        "label": label,
        "margin": np.array([s.margin for s in suggested], np.float64),
        "near": np.array([s.near for s in suggested], bool),
        "flip": flips(label),
    }
    is_open = np.array([answer is None for answer in answers], bool)
    return ReviewQueue("fixation", **{name: column[is_open] for name, column in columns.items()})


def open_frames(
    frames: Sequence[int], fixations: ReviewQueue, predictions: Callable[[int], FramePredictions | None]
) -> ReviewQueue:
    """Unconfirmed frames; each is as uncertain as its most uncertain box.

    Args:
        frames: in order of time.
        fixations: the open ones, which make their frames relevant.
        predictions: of a frame, None if there are none.
    """
    number = np.array(frames, np.int64)
    margin = [
        np.nan if (known := predictions(f)) is None else min(known.margin.tolist(), default=1.0)
        for f in frames
    ]
    near, flip = (np.isin(number, fixations.frame[which]) for which in (fixations.near, fixations.flip))
    return ReviewQueue(
        "frame", number, number, np.full(len(number), _NONE), np.array(margin, np.float64), near, flip
    )
