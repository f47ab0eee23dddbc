"""The store of a project: every action with its author and time, and the resulting boxes, labels and answers.

    >>> store = Store(folder / "project.sqlite")                                        # doctest: +SKIP
    >>> box = {"op": "box.add", "frame": 3, "label": "book", "box": [10, 20, 60, 80]}     # doctest: +SKIP
    >>> store.act(box, author="ada")                                                    # doctest: +SKIP
    {'event': 2, 'frame': 3, 'version': 1, 'box': 1}

One action is one transaction that writes an event and the state after it. Once `act` has returned, the action is on
disk and survives a crash at any moment. Several threads, connections and programs may use one file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gazekit.annotate.project import actions, bulk_actions, import_action, views
from gazekit.annotate.project.checks import box_of, fixation_of
from gazekit.annotate.project.journal import answered, event_of, log, step, undoable, version
from gazekit.annotate.project.labels import ALWAYS
from gazekit.annotate.project.rows import Conflict, Row, Rows, encoded
from gazekit.annotate.project.schema import open_database, store_errors

__all__ = ["OPS", "Conflict", "Store"]

# Fields of each action besides op, frame, base_version and model_version.
OPS: dict[str, tuple[Callable[[Rows, Row], Row], str]] = {
    "box.add": (actions.box_add, "label box track"),
    "box.update": (actions.box_update, "id box label keyframe"),
    "box.delete": (actions.box_delete, "id"),
    "boxes.copy_next": (actions.boxes_copy_next, "ids"),
    "boxes.put": (bulk_actions.boxes_put, "boxes source frames"),
    "boxes.import": (import_action.boxes_import, "format labels boxes frames confirmed answers replace"),
    "track.delete": (actions.track_delete, "track"),
    "track.interpolate": (actions.track_interpolate, "track first last"),
    "frame.confirm": (actions.frame_confirm, "boxes"),
    "fixation.label": (actions.fixation_label, "fixation label"),
    "fixation.confirm": (actions.fixation_confirm, "fixation label confidence"),
    "label.add": (bulk_actions.label_add, "name colour group key"),
    "label.update": (bulk_actions.label_update, "label name colour group key"),
    "label.merge": (bulk_actions.label_merge, "label into"),
}
_ALWAYS_FIELDS = {"op", "frame", "base_version", "model_version", "nonce"}
_BULKY = ("boxes", "answers", "frames", "confirmed")  # the event's changes hold these rows already


class Store:
    """The file of a project.

    Args:
        path: the SQLite file, created if absent.
    Raises:
        StoreError: no such folder, another kind of file, a full disk.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._db = open_database(self.path, ALWAYS)

    # --- acting

    def act(self, action: Row, author: str, tab: str = "") -> Row:
        """Carry out one action, as one event.

        Args:
            action: `op`, a key of `OPS`; `frame`; `base_version`, the version of the frame that the author has seen
                (None: any); `model_version`, if a model was involved; `nonce`, unique for each action,
                so that one that is sent twice is done once; and the fields of the op.
            author, tab: who acts, and in which browser tab.
        Returns:
            `event`; `frame`, the one to show now, or None; `version`, its new one; and the answer of the op: `box`,
            the id of a new box, `label`, `skipped`, `deleted`.
        Raises:
            Conflict: the frame has another version by now; `state` holds it.
            ValueError: an invalid action, with the reason.
            StoreError: it could not be written. In all three cases nothing changes.
        """
        do = _checked(action, author, tab)
        request = {"tab": tab, "nonce": action.get("nonce"), "model_version": action.get("model_version")}
        with self._writing(author) as rows:
            if (before := answered(rows, request["nonce"])) is not None:
                return before
            _check_version(rows, action)
            answer = do(rows, action)
            rows.check_exclusive()
            payload = {name: value for name, value in action.items() if name != "nonce"}
            payload |= {
                name: len(value) for name, value in action.items() if name in _BULKY and value is not None
            }
            answer = log(rows, action["op"], answer, payload, **request)
            undoable(rows, answer["event"])
            return answer

    def undo(
        self, author: str, tab: str = "", nonce: str | None = None, event: int | None = None
    ) -> Row | None:
        """Undo the author's last undoable action, however long ago, as an event of its own.

        An action whose result somebody has changed since is skipped until that change is undone. With `event`, only
        that action of the author is undone.

        Returns:
            `event`, `undoes` (the action's event), `op`, `frame`, `fixation` of the action; None if there is none.
        Raises:
            Conflict: the results of all remaining actions were changed since; the text says by whom.
            StoreError: it could not be written.
        """
        _check_who(author, tab, nonce)
        with self._writing(author) as rows:
            return answered(rows, nonce) or step(rows, "undo", event, tab=tab, nonce=nonce)

    def redo(self, author: str, tab: str = "", nonce: str | None = None) -> Row | None:
        """Undo an undo, unless the author has acted since; as `undo`."""
        _check_who(author, tab, nonce)
        with self._writing(author) as rows:
            return answered(rows, nonce) or step(rows, "redo", tab=tab, nonce=nonce)

    # --- reading

    def frame(self, i: int) -> Row:
        """The state of a frame: `frame`, `version` (0 before any event), `confirmed`, `boxes` in order of track.

        A box has `id`, `track`, `label` (its id), `box` [x_min, y_min, x_max, y_max], `source` ("manual", "confirmed",
        "propagated", "predicted", "imported"), `score` or None, `author`, `t_unix_ms` and `keyframe`.
        """
        with self._reading() as rows:
            return views.frame(rows, i)

    def boxes(self, track: int | None = None) -> list[Row]:
        """All boxes, or those of one track, as rows with `frame`, `track`, `label`, the four sides, ..., in order of
        frame and track."""
        with self._reading() as rows:
            return views.boxes(rows, track)

    def snapshot(self) -> Row:
        """`labels`, `boxes` and `confirmed` frames at one moment, as the methods of these names return them."""
        with self._reading() as rows:
            confirmed = [row["id"] for row in rows.select("confirmed")]
            return {"labels": views.labels(rows), "boxes": views.boxes(rows), "confirmed": confirmed}

    def looked_at(self) -> Row:
        """At one moment: `fixations` and `labels` as the methods of these names return them, `held`, the smallest box
        that holds each fixation, by its id, `boxes` of each frame with fixations, and the set of `confirmed` frames."""
        with self._reading() as rows:
            every: dict[int, list[Row]] = {}
            for box in rows.select("boxes", "frame IN (SELECT frame FROM fixations)"):
                every.setdefault(box["frame"], []).append(box)
            confirmed = {row["id"] for row in rows.select("confirmed")}
            tables = {"fixations": views.fixations(rows), "labels": views.labels(rows)}
            return {**tables, "held": rows.held(), "boxes": every, "confirmed": confirmed}

    def labels(self) -> list[Row]:
        """`id`, `name`, `colour`, `group` (exclusive in a frame if not ""), `key`; in order of id.

        "background" (0) and "cannot tell" (-1) always exist and come last.
        """
        with self._reading() as rows:
            return views.labels(rows)

    def fixations(self) -> dict[str, list]:
        """Columns `id`, `onset_ms`, `offset_ms`, `x_px`, `y_px`, `frame` (-1: none), and people's answers:
        `label` (id), `source`, `confidence`, None without one; in order of onset."""
        with self._reading() as rows:
            return views.fixations(rows)

    def confirmed_frames(self) -> list[int]:
        """The confirmed frames, in order."""
        with self._reading() as rows:
            return [row[0] for row in rows.db.execute("SELECT id FROM confirmed ORDER BY id")]

    def versions(self) -> dict[int, int]:
        """Version of each frame that has had an event."""
        with self._reading() as rows:
            return dict(map(tuple, rows.db.execute("SELECT frame, version FROM versions")))

    def events(self, after: int = 0, limit: int = 1000) -> list[Row]:
        """Events with an id above `after`, oldest first, at most `limit`.

        Each has `id`, `t_unix_ms`, `author`, `tab`, `op`, `frame`, `payload` (the action; long lists as their
        lengths), `changes` ([table, id, row before or None, row after or None], rows as objects), `frames` (those
        that it changed), `model_version`, `undoes` (the event that it takes back, or None).
        """
        with self._reading() as rows:
            found = rows.db.execute(
                "SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
            ).fetchall()
        return [event_of(row) for row in found]

    def stats(self) -> Row:
        """Counts: `events`, `boxes`, `boxes_by_source`, `boxes_by_label` (id to count), `tracks`, `confirmed_frames`,
        `fixations`, `answered_fixations`, `unreviewed_fixations` (their label comes from a machine and nobody has
        confirmed it), `authors` (name to events), `actions_per_min` of people, over the last five
        minutes or since the first action in them."""
        with self._reading() as rows:
            return views.stats(rows)

    # --- facts about the project

    def meta(self, key: str) -> Any:
        """A stored fact about the project, None if it is not set."""
        with self._reading() as rows:
            return rows.meta(key)

    def describe(
        self, facts: Row, fixations: list[tuple[int, float, float, float | None, float | None, int]] = ()
    ) -> None:
        """Store facts and fixations that labelling starts from; no event.

        Args:
            facts: values of JSON by name; `n_frames` and `size_px` are what frames and boxes are checked against.
            fixations: (id, onset_ms, offset_ms, x_px, y_px, frame or -1) of each.
        """
        with self._writing("") as rows:
            pairs = [(key, encoded(value)) for key, value in facts.items()]
            rows.db.executemany(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", pairs
            )
            rows.db.executemany("INSERT INTO fixations VALUES (?, ?, ?, ?, ?, ?)", fixations)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[Rows]:
        """A read transaction: everything is read from one moment."""
        with self._lock, store_errors(self.path):
            self._db.execute("BEGIN")
            try:
                yield Rows(self._db, "", _now())
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    @contextmanager
    def _writing(self, author: str) -> Iterator[Rows]:
        with self._lock, store_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield Rows(self._db, author, _now())
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:  # an error, or COMMIT itself failed
                    self._db.execute("ROLLBACK")


def _checked(action: Row, author: str, tab: str) -> Callable[[Rows, Row], Row]:
    if not isinstance(action, dict) or not isinstance(action.get("op"), str) or action["op"] not in OPS:
        op = action.get("op") if isinstance(action, dict) else action
        raise ValueError(f"op must be one of {', '.join(OPS)}, got {op!r:.80}")
    do, fields = OPS[action["op"]]
    if unknown := sorted(set(action) - _ALWAYS_FIELDS - set(fields.split())):
        raise ValueError(f"{action['op']} has no {', '.join(map(repr, unknown))}; it takes frame, {fields}")
    _check_who(author, tab, action.get("nonce"))
    for name in ("frame", "base_version"):
        value = action.get(name)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53
        ):
            raise ValueError(f"{name} must be a whole number >= 0 or absent, got {value!r:.80}")
    for name in ("model_version", "format"):
        value = action.get(name)
        if value is not None and not (isinstance(value, str) and len(value) <= 200 and value.isprintable()):
            raise ValueError(f"{name} must be a text of at most 200 characters, got {value!r:.80}")
    return do


def _check_who(author: str, tab: str, nonce: str | None) -> None:
    for name, value in (("author", author), ("tab", tab), ("nonce", "" if nonce is None else nonce)):
        if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
            raise ValueError(f"{name} must be a line of text of at most 200 characters, got {value!r:.80}")
    if not author.strip():
        raise ValueError("author must say who acts, got an empty text")


def _check_version(rows: Rows, action: Row) -> None:
    base, frame = action.get("base_version"), action.get("frame")
    if base is None:
        return
    if frame is None and action["op"] in ("box.update", "box.delete"):
        frame = box_of(rows, action.get("id"))["frame"]
    if frame is None and "fixation" in action:
        frame = fixation_of(rows, action)["frame"]
    if frame is not None and frame >= 0 and (now := version(rows, frame)) != base:
        text = f"frame {frame} was changed: it has version {now}, the action starts from {base}"
        raise Conflict(text, views.frame(rows, frame))


def _now() -> int:
    return int(time.time() * 1000)
