"""Events: written with the versions of the frames that they change, undone, and answered again if repeated."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from gazekit.annotate.project.rows import Conflict, Row, Rows, decoded, encoded

__all__ = ["answered", "event_of", "log", "step", "undoable", "version"]

_INSERT = (
    "INSERT INTO events (t_unix_ms, author, tab, op, frame, payload, changes, frames, model_version, undoes, nonce, "
    "answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def version(rows: Rows, frame: int) -> int:
    """The version of a frame: the number of events that changed it."""
    row = rows.db.execute("SELECT version FROM versions WHERE frame = ?", (frame,)).fetchone()
    return 0 if row is None else row[0]


def log(rows: Rows, op: str, answer: Row, payload: Row, undoes: int | None = None, **request: Any) -> Row:
    """Write the event for the changes in `rows`.

    Args:
        answer: the answer to the author, with `frame`.
        request: `tab`, `nonce`, `model_version` of the request.
    Returns:
        `answer` with `event` and `version`.
    """
    frame = answer["frame"]
    frames = sorted({*rows.frames(), *([] if frame is None else [frame])})
    rows.db.executemany(
        "INSERT INTO versions VALUES (?, 1) ON CONFLICT (frame) DO UPDATE SET version = version + 1",
        [(f,) for f in frames],
    )
    what = (
        rows.t_unix_ms,
        rows.author,
        request.get("tab", ""),
        op,
        frame,
        encoded(payload),
        encoded(rows.changes),
    )
    links = (
        encoded(frames),
        request.get("model_version") or "",
        undoes,
        request.get("nonce"),
        encoded(answer),
    )
    event = rows.db.execute(_INSERT, (*what, *links)).lastrowid
    return {
        "event": event,
        "frame": frame,
        "version": None if frame is None else version(rows, frame),
        **answer,
    }


def answered(rows: Rows, nonce: str | None) -> Row | None:
    """The answer to an earlier action with this nonce; the version is the present one."""
    query = "SELECT id, frame, answer FROM events WHERE nonce = ?"
    row = None if nonce is None else rows.db.execute(query, (nonce,)).fetchone()
    if row is None:
        return None
    now = None if row["frame"] is None else version(rows, row["frame"])
    return {"event": row["id"], "frame": row["frame"], "version": now, **json.loads(row["answer"])}


def undoable(rows: Rows, event: int) -> None:
    """Make an action undoable; what its author has undone before can no longer be redone."""
    rows.db.execute("DELETE FROM undo WHERE author = ? AND done = 0", (rows.author,))
    if rows.changed:
        rows.db.execute("INSERT INTO undo VALUES (?, ?, 1, ?)", (event, rows.author, event))


def step(rows: Rows, op: str, only: int | None = None, **request: Any) -> Row | None:
    """`Store.undo` or `Store.redo`; `only`: this event alone."""
    order, done = ("DESC", 1) if op == "undo" else ("ASC", 0)
    query = f"SELECT event, last FROM undo WHERE author = ? AND done = ? ORDER BY event {order}"
    first: Conflict | None = None
    for event, last in rows.db.execute(query, (rows.author, done)).fetchall():
        if only not in (None, event):
            continue
        rows.db.execute("SAVEPOINT step")
        try:
            return _take_back(rows, op, event, last, request)
        except Conflict as conflict:
            first = first or conflict
        rows.db.execute("ROLLBACK TO step")
        rows.forget()
    if first is not None:
        raise first
    return None


def _take_back(rows: Rows, op: str, event: int, last: int, request: Row) -> Row:
    changes = rows.db.execute("SELECT changes FROM events WHERE id = ?", (last,)).fetchone()[0]
    action = rows.db.execute("SELECT op, frame, payload FROM events WHERE id = ?", (event,)).fetchone()
    try:
        rows.take_back(json.loads(changes))
        rows.check_exclusive()
        rows.check_references()
    except (Conflict, ValueError, sqlite3.IntegrityError) as error:
        raise Conflict(f"{op} of {action['op']} (event {event}): {error}") from error
    fixation = json.loads(action["payload"]).get("fixation")
    answer = {"undoes": event, "op": action["op"], "frame": action["frame"], "fixation": fixation}
    answer = log(rows, op, answer, {"op": op}, last, **request)
    rows.db.execute(
        "UPDATE undo SET done = ?, last = ? WHERE event = ?", (op == "redo", answer["event"], event)
    )
    return answer


def event_of(row: sqlite3.Row) -> Row:
    """A row of events as `Store.events` gives it."""
    kept = ("id", "t_unix_ms", "author", "tab", "op", "frame", "model_version", "undoes", "nonce")
    parts = {name: json.loads(row[name]) for name in ("payload", "changes", "frames")}
    parts["changes"] = [
        [table, key, decoded(table, before), decoded(table, after)]
        for table, key, before, after in parts["changes"]
    ]
    return {name: row[name] for name in kept} | parts
