"""The review queue of a session: which fixations and frames are open, how each scores, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from gazekit.annotate.review import flips, review_order, review_score
from gazekit.annotate.shown import Shown
from gazekit.annotate.suggestions import Suggestion

__all__ = ["ORDERS", "Questions", "open_fixations", "open_frames"]

ORDERS = ("uncertainty", "time", "label", "random")
_NONE = -2  # ids of labels are above


@dataclass(frozen=True)
class Questions:
    """Fixations or frames that nobody has answered, in order of time; an hour has ten thousand.

    Args:
        kind: "fixation" or "frame".
        id: [N] of the fixations, or the frames' numbers. frame: [N] where they are seen.
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

    def order(self, order: str, looks: Callable[[int], np.ndarray | None]) -> np.ndarray:
        """[N] indices in one of `ORDERS`: as `review_order`, in time, by suggested label (none last), or at random.

        The random order is the same for all projects of a recording, and what is answered changes nothing of it: its
        first part is a sample that a second coder can be given too.

        Args:
            looks: what a frame looks like.
        Raises:
            ValueError: another order.
        """
        if order == "uncertainty":
            return review_order(self.score, lambda i: looks(int(self.frame[i])))
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


def open_fixations(table: dict[str, list[Any]], suggested: Sequence[Suggestion]) -> Questions:
    """Fixations without an answer.

    Args:
        table: `Store.fixations`.
        suggested: of each.
    """
    answers = table["label"]
    said = [s.label if answer is None else answer for s, answer in zip(suggested, answers, strict=True)]
    label = np.array([_NONE if one is None else one for one in said], np.int64)
    columns = {
        "id": np.array(table["id"], np.int64),
        "frame": np.array(table["frame"], np.int64),
        "label": label,
        "margin": np.array([s.margin for s in suggested], np.float64),
        "near": np.array([s.near for s in suggested], bool),
        "flip": flips(label),
    }
    is_open = np.array([answer is None for answer in answers], bool)
    return Questions("fixation", **{name: column[is_open] for name, column in columns.items()})


def open_frames(
    frames: Sequence[int], fixations: Questions, shown: Callable[[int], Shown | None]
) -> Questions:
    """Frames that nobody has confirmed; each is as uncertain as the most uncertain box in it.

    Args:
        frames: in order of time.
        fixations: open ones, which say where gaze makes a frame matter.
        shown: predictions of a frame, None where there are none.
    """
    number = np.array(frames, np.int64)
    margin = [
        np.nan if (said := shown(f)) is None else min(said.margin.tolist(), default=1.0) for f in frames
    ]
    near, flip = (np.isin(number, fixations.frame[which]) for which in (fixations.near, fixations.flip))
    return Questions(
        "frame", number, number, np.full(len(number), _NONE), np.array(margin, np.float64), near, flip
    )
