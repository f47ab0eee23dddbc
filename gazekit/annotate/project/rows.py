"""The rows of the state within one transaction: all reads, writes and removals go through here, and each change is
recorded.

An event is the list of its changes `[table, id, row before or None, row after or None]`. Undo puts each row
before in the place of the row after, without code for each kind of action.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from gazekit.annotate.project.schema import COLUMNS

__all__ = ["Conflict", "Row", "Rows", "decoded", "encoded"]

Row = dict[str, Any]
_MANY = 500  # frames from which one look at all of them is faster

_READ = {table: f"SELECT * FROM {table} WHERE id = ?" for table in COLUMNS}
_DROP = {table: f"DELETE FROM {table} WHERE id = ?" for table in COLUMNS}


def _write(table: str) -> str:
    names = [f'"{name}"' for name in COLUMNS[table]]
    values = ", ".join("?" * len(names))
    update = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values}) ON CONFLICT (id) DO UPDATE SET {update}"
    )


_VALUES = {table: itemgetter(*names) for table, names in COLUMNS.items()}
_PUT = {table: _write(table) for table in COLUMNS}


class Conflict(Exception):
    """Somebody else has changed the state that an action starts from; the action was not carried out.

    Args:
        text: the reason.
        state: the frame as it is now, `Store.frame`; None where no frame is concerned.
    """

    def __init__(self, text: str, state: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.state = state


class Rows:
    """The state that an action reads and changes.

    Args:
        db: within a transaction.
        author, t_unix_ms: who acts, and when.
    """

    def __init__(self, db: sqlite3.Connection, author: str, t_unix_ms: int) -> None:
        self.db, self.author, self.t_unix_ms = db, author, t_unix_ms
        self._meta: dict[str, Any] = {}
        self._changes: dict[tuple[str, int], list[Row | None]] = {}

    def get(self, table: str, key: int) -> Row | None:
        """A row, None if there is none."""
        row = self.db.execute(_READ[table], (key,)).fetchone()
        return None if row is None else dict(row)

    def meta(self, key: str) -> Any:
        """A stored fact about the project, None if it is not set."""
        if key not in self._meta:
            row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            self._meta[key] = None if row is None else json.loads(row[0])
        return self._meta[key]

    def select(self, table: str, where: str = "TRUE", values: Sequence[Any] = ()) -> list[Row]:
        """Rows in order of id."""
        return [
            dict(row) for row in self.db.execute(f"SELECT * FROM {table} WHERE {where} ORDER BY id", values)
        ]

    def held(self, fixation: int | None = None) -> dict[int, Row]:
        """For each fixation inside a box of its frame: the smallest such box, of equal ones that of the first track.

        Args:
            fixation: this one only.
        """
        one = "" if fixation is None else "AND f.id = ?"
        found = self.db.execute(
            "SELECT f.id AS fixation, b.* FROM fixations f JOIN boxes b ON b.frame = f.frame "
            f"WHERE x_min <= x_px AND x_px < x_max AND y_min <= y_px AND y_px < y_max {one} "
            "ORDER BY (x_max - x_min) * (y_max - y_min) DESC, track DESC",
            () if fixation is None else (fixation,),
        )
        return {row["fixation"]: dict(row) for row in found}  # later ones, the smaller, replace earlier ones

    def put(self, table: str, row: Row, before: Row | bool | None = True) -> None:
        """Write a row; a row that differs in its time only is left as it is.

        Args:
            before: what is there now, if the caller knows.
        """
        if before is True:
            before = self.get(table, row["id"])
        if before is None or any(before[name] != row[name] for name in row if name != "t_unix_ms"):
            self._keep(table, row["id"], before, row)
            self.db.execute(_PUT[table], _VALUES[table](row))

    def drop(self, table: str, row: Row) -> None:
        """Remove an existing row."""
        self._keep(table, row["id"], row, None)
        self.db.execute(_DROP[table], (row["id"],))

    def _keep(self, table: str, key: int, before: Row | None, after: Row | None) -> None:
        self._changes.setdefault((table, key), [before, None])[1] = after

    def new(self, name: str, count: int = 1) -> int:
        """The first of `count` new numbers; numbers are never reused."""
        query = "UPDATE counters SET value = value + ? WHERE name = ? RETURNING value"
        return self.db.execute(query, (count, name)).fetchone()[0] - count + 1

    def used(self, name: str, number: int) -> None:
        """Mark numbers up to this one as used."""
        self.db.execute("UPDATE counters SET value = max(value, ?) WHERE name = ?", (number, name))

    @property
    def changed(self) -> bool:
        """Whether anything differs from before."""
        return any(before != after for before, after in self._changes.values())

    @property
    def changes(self) -> list[list[Any]]:
        """`[table, id, before, after]`, rows as lists in the order of `COLUMNS`; no rows added and removed again."""
        return [
            [table, key, *(None if row is None else _VALUES[table](row) for row in pair)]
            for (table, key), pair in self._changes.items()
            if pair[0] != pair[1]
        ]

    def frames(self) -> list[int]:
        """Frames that were changed, in order."""
        found = set()
        for (table, key), pair in self._changes.items():
            if table == "confirmed":
                found.add(key)
            elif table == "boxes":
                found.update(row["frame"] for row in pair if row is not None)
            elif table == "answers":
                row = self.db.execute("SELECT frame FROM fixations WHERE id = ?", (key,)).fetchone()
                found.update([] if row is None or row[0] < 0 else [row[0]])
        return sorted(found)

    def take_back(self, changes: Iterable[list[Any]]) -> None:
        """Undo changes: put the rows before in the place of those after.

        Raises:
            Conflict: a row is no longer as these changes left it.
        """
        for table, key, before, after in reversed(list(changes)):
            now = self.get(table, key)
            if now != decoded(table, after):
                who = f" by {now['author']}" if now and now.get("author") else ""
                raise Conflict(f"{table} {key}: changed{who} since")
            if before is None:
                self.drop(table, now)
            else:
                self.put(table, decoded(table, before), now)

    def forget(self) -> None:
        """Forget the changes, after they were rolled back."""
        self._changes.clear()

    def check_references(self) -> None:
        """Check that no box or answer has a removed label.

        Raises:
            ValueError: one has.
        """
        gone = [key for (table, key), pair in self._changes.items() if table == "labels" and pair[1] is None]
        used = [row["label"] for (table, _), (_, row) in self._changes.items() if row and "label" in row]
        for key in gone:
            for table in ("boxes", "answers"):
                if self.db.execute(f"SELECT 1 FROM {table} WHERE label = ? LIMIT 1", (key,)).fetchone():
                    raise ValueError(f"its label is in use in {table}")
        for key in set(used):
            if self.get("labels", key) is None:
                raise ValueError(f"label {key} was removed")

    def check_exclusive(self) -> None:
        """Check that a frame has at most one box of each label with a group.

        Raises:
            ValueError: two of them.
        """
        tables = {table for table, _ in self._changes}
        if not tables & {"boxes", "labels"}:
            return
        frames = self.frames()
        few = "labels" not in tables and len(frames) < _MANY
        where = f"AND frame IN ({', '.join(map(str, frames))})" if few else ""
        found = self.db.execute(
            "SELECT frame, name, count(*), max(boxes.id) FROM boxes JOIN labels ON labels.id = label "
            f"WHERE \"group\" != '' {where} GROUP BY frame, label HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
        if found:
            raise ValueError(
                f"frame {found[0]} would have {found[2]} boxes of {found[1]!r}, but at most one is allowed per "
                "frame: relabel or delete the other first, or remove the label from its group"
            )


def decoded(table: str, row: list[Any] | None) -> Row | None:
    """A row of `Rows.changes` by its columns' names."""
    return None if row is None else dict(zip(COLUMNS[table], row, strict=True))


def encoded(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
