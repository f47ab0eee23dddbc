"""The review queue of a session: which fixations and frames are open, how each scores, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazekit.annotate.review import flips, review_order, review_score
from gazekit.annotate.shown import Shown
from gazekit.annotate.suggestions import Suggestion

__all__ = ["ORDERS", "Question", "open_fixations", "open_frames", "ordered"]

ORDERS = ("uncertainty", "time", "label", "random")


@dataclass(frozen=True)
class Question:
    """A fixation or a frame that nobody has answered.

    Args:
        kind: "fixation" or "frame". id: of the fixation, or the frame's number. frame: where it is seen.
        score: of `review_score`, NaN where nothing is known.
        label: suggested, None if none is.
        near: the ring of gaze touches another area. flip: the label differs from both neighbours'.
        margin: p1 - p2, NaN where unknown.
    """

    kind: str
    id: int
    frame: int
    score: float
    label: int | None
    near: bool
    flip: bool
    margin: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON: `kind`, `id`, `frame`, `score` (None where unknown), `why` in words."""
        known = not np.isnan(self.score)
        reasons = [
            f"{100 * (1 - self.margin):.0f} % unsure" if known else "nothing is known yet",
            "gaze is near two areas" * self.near,
            "differs from both neighbours" * self.flip,
        ]
        return {
            "kind": self.kind,
            "id": self.id,
            "frame": self.frame,
            "score": round(self.score, 4) if known else None,
            "why": ", ".join(filter(None, reasons)),
        }


def open_fixations(table: dict[str, list[Any]], suggested: Sequence[Suggestion]) -> list[Question]:
    """Fixations without an answer, in order of time.

    Args:
        table: `Store.fixations`.
        suggested: of each.
    """
    answers = table["label"]
    label = [s.label if answer is None else answer for s, answer in zip(suggested, answers, strict=True)]
    flip = flips(label).tolist()
    score = review_score(
        np.array([s.margin for s in suggested]),
        np.array([s.near for s in suggested], bool),
        np.array(flip, bool),
    ).tolist()
    return [
        Question("fixation", table["id"][i], table["frame"][i], score[i], label[i], s.near, flip[i], s.margin)
        for i, s in enumerate(suggested)
        if answers[i] is None
    ]


def open_frames(
    frames: Sequence[int], fixations: Sequence[Question], shown: Callable[[int], Shown | None]
) -> list[Question]:
    """Frames that nobody has confirmed; each is as uncertain as the most uncertain box in it.

    Args:
        frames: in order of time.
        fixations: open ones, which say where gaze makes a frame matter.
        shown: predictions of a frame, None where there are none.
    """
    near = {question.frame for question in fixations if question.near}
    flip = {question.frame for question in fixations if question.flip}
    found = []
    for frame in frames:
        said = shown(frame)
        margin = np.nan if said is None else float(min(said.margin, default=1.0))
        score = float(review_score(np.array(margin), np.array(frame in near), np.array(frame in flip)))
        found.append(Question("frame", frame, frame, score, None, frame in near, frame in flip, margin))
    return found


def ordered(
    questions: Sequence[Question], order: str, looks: Callable[[int], np.ndarray | None]
) -> Sequence[Question]:
    """In one of `ORDERS`: as `review_order`, in time, by suggested label, or at random, always the same.

    Args:
        looks: what a frame looks like.
    Raises:
        ValueError: another order.
    """
    if order == "uncertainty":
        score = np.array([question.score for question in questions])
        return [questions[i] for i in review_order(score, lambda i: looks(questions[i].frame))]
    if order == "label":
        return sorted(questions, key=lambda q: (q.label is None, q.label or 0))
    if order == "random":
        return [questions[i] for i in np.random.default_rng(0).permutation(len(questions))]
    if order != "time":
        raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r:.80}")
    return questions
