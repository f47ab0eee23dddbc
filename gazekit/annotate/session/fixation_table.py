"""The table of fixations with answers and suggestions, kept in memory.

It follows the store's events, whoever wrote them, and publishes each change to the pages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gazekit.annotate.model.predictions import FramePredictions
from gazekit.annotate.project.labels import BACKGROUND_ID
from gazekit.annotate.project.store import Store
from gazekit.annotate.session.event_stream import EventStream
from gazekit.annotate.session.suggestions import Areas, Suggestion, Suggestions

__all__ = ["FixationTable"]

MANY = 200  # above so many changed frames, pages reload everything
SURE = {"manual": 1.0, "confirmed": 1.0, "imported": 1.0}  # confidence of boxes that people made


class FixationTable:
    """Fixations, their answers and suggestions. Several threads may use it.

    Args:
        store, stream: of the session.
        predictions: the present predictions of a frame, or None.
        ring_px: radius of gaze accuracy.
    Attributes:
        seen: id of the last event that it includes.
    """

    def __init__(
        self,
        store: Store,
        stream: EventStream,
        predictions: Callable[[int], FramePredictions | None],
        ring_px: float,
    ) -> None:
        self._store, self._stream, self._predictions = store, stream, predictions
        self._lock = threading.RLock()
        self.seen = store.stats()["events"]  # ids count up from 1, and no event is ever removed
        self._fixations = store.fixations()
        self._row = {number: row for row, number in enumerate(self._fixations["id"])}
        frame = np.asarray(self._fixations["frame"], np.int64)
        xy = np.array([self._fixations["x_px"], self._fixations["y_px"]], np.float64).reshape(2, -1).T
        self._suggestions = Suggestions(frame, xy, BACKGROUND_ID, ring_px)

    @property
    def rows(self) -> dict[int, list[int]]:
        """Frame -> rows of the table; -1 stands for no frame."""
        return self._suggestions.rows

    @property
    def suggestions(self) -> list[Suggestion]:
        """The suggestion of each row."""
        return self._suggestions.of

    def table(self) -> tuple[dict[str, list[Any]], list[Suggestion]]:
        """Columns of `Store.fixations`, and the suggestions."""
        with self._lock:
            return {name: list(column) for name, column in self._fixations.items()}, list(
                self._suggestions.of
            )

    def predicted(self) -> dict[int, tuple[int, float]]:
        """Label (id) and confidence of the unanswered fixations whose suggestion comes from the model alone."""
        table, suggested = self.table()
        rows = zip(table["id"], table["label"], suggested, strict=True)
        return {
            i: (suggestion.label, suggestion.confidence)
            for i, label, suggestion in rows
            if label is None and suggestion.by_model
        }

    def fixations_in(self, frame: int) -> list[int]:
        """Ids of the fixations in a frame."""
        return [self._fixations["id"][row] for row in self.rows.get(frame, [])]

    def suggestion(self, fixation: int) -> Suggestion:
        """The suggestion of one fixation.

        Raises:
            ValueError: no such fixation.
        """
        if fixation not in self._row:
            raise ValueError(f"no fixation {fixation}")
        return self._suggestions.of[self._row[fixation]]

    def follow(self) -> None:
        """Apply the store's events since the last call, and publish them to the pages."""
        with self._lock:
            while events := self._store.events(self.seen, 100):
                self.seen = events[-1]["id"]
                for event in events:
                    self._follow_one(event)

    def _follow_one(self, event: dict[str, Any]) -> None:
        tables = {change[0] for change in event["changes"]}
        for table, key, _, after in event["changes"]:
            if table == "answers":
                for name in ("label", "source"):
                    self._fixations[name][self._row[key]] = None if after is None else after[name]
        self.refresh(event["frames"])
        if len(event["frames"]) > MANY:
            self._stream.publish("reset", {})
            return
        for frame in event["frames"]:
            version = self._store.frame(frame)["version"]
            self._stream.publish("frame", {"frame": frame, "version": version, "tab": event["tab"]})
        for table, key, _, _ in event["changes"]:
            if table == "answers":
                self._stream.publish("fixation", {"id": key, "tab": event["tab"]})
        if "labels" in tables:
            if any(
                table == "labels" and None in (before, after) for table, _, before, after in event["changes"]
            ):
                self.refresh(self.rows)  # a label was removed or restored: so are its predictions
            self._stream.publish("labels", {})

    def refresh(self, frames: Iterable[int]) -> None:
        """Recompute the suggestions of the fixations in some frames."""
        with self._lock:
            self._suggestions.refresh(frames, self._areas)

    def _areas(self, frame: int) -> Areas | None:
        """Boxes of the store if there are any or the frame is confirmed, else predicted ones."""
        if frame < 0:
            return None
        state = self._store.frame(frame)
        if state["boxes"] or state["confirmed"]:
            boxes = state["boxes"]
            sure = np.array([SURE.get(b["source"], 0.5 if b["score"] is None else b["score"]) for b in boxes])
            sides = np.array([b["box"] for b in boxes]).reshape(-1, 4)
            return Areas(sides, [b["label"] for b in boxes], sure, np.abs(2 * sure - 1))
        predictions = self._predictions(frame)
        return (
            None
            if predictions is None
            else Areas(
                predictions.boxes, predictions.labels, predictions.score, predictions.margin, by_model=True
            )
        )
