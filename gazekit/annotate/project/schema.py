"""The one file of a project: an append-only list of events, and the state that they add up to, in SQLite.

Every change of state is written in the transaction of its event, so that one is never there without the other. The
file is in WAL mode with synchronous=FULL: what a call has returned is on the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gazekit.errors import StoreError

__all__ = ["COLUMNS", "open_database", "store_errors"]

VERSION = 1
_APPLICATION = 0x67617A65  # "gaze"

# The tables of state, whose rows are changed by events only; each has its key in `id`.
COLUMNS = {
    "labels": ("id", "name", "colour", "group", "key", "supercategory"),
    "boxes": (
        *("id", "frame", "track", "label", "x_min", "y_min", "x_max", "y_max"),
        *("source", "score", "keyframe", "author", "t_unix_ms"),
    ),
    "confirmed": ("id", "author", "t_unix_ms"),
    "answers": ("id", "label", "source", "confidence", "author", "t_unix_ms"),
}

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE fixations (
    id INTEGER PRIMARY KEY, onset_ms REAL NOT NULL, offset_ms REAL NOT NULL, x_px REAL, y_px REAL,
    frame INTEGER NOT NULL);
CREATE INDEX fixations_frame ON fixations (frame);

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, t_unix_ms INTEGER NOT NULL, author TEXT NOT NULL, tab TEXT NOT NULL,
    op TEXT NOT NULL, frame INTEGER, payload TEXT NOT NULL, changes TEXT NOT NULL, frames TEXT NOT NULL,
    model_version TEXT NOT NULL, undoes INTEGER REFERENCES events, nonce TEXT UNIQUE, answer TEXT NOT NULL);
CREATE INDEX events_time ON events (t_unix_ms);
CREATE TRIGGER events_keep BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END;
CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'an event is never removed'); END;

CREATE TABLE undo (event INTEGER PRIMARY KEY, author TEXT NOT NULL, done INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE INDEX undo_author ON undo (author, done, event);
CREATE TABLE versions (frame INTEGER PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('boxes', 0), ('labels', 0), ('tracks', 0);

CREATE TABLE labels (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, colour TEXT NOT NULL, "group" TEXT NOT NULL,
    key TEXT NOT NULL, supercategory TEXT NOT NULL);
CREATE TABLE boxes (
    id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, track INTEGER NOT NULL,
    label INTEGER NOT NULL REFERENCES labels DEFERRABLE INITIALLY DEFERRED,
    x_min REAL NOT NULL, y_min REAL NOT NULL, x_max REAL NOT NULL, y_max REAL NOT NULL,
    source TEXT NOT NULL, score REAL, keyframe INTEGER NOT NULL, author TEXT NOT NULL, t_unix_ms INTEGER NOT NULL);
CREATE UNIQUE INDEX boxes_track ON boxes (track, frame);
CREATE INDEX boxes_frame ON boxes (frame);
CREATE INDEX boxes_label ON boxes (label);
CREATE TABLE confirmed (id INTEGER PRIMARY KEY, author TEXT NOT NULL, t_unix_ms INTEGER NOT NULL);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, label INTEGER NOT NULL REFERENCES labels DEFERRABLE INITIALLY DEFERRED,
    source TEXT NOT NULL, confidence REAL, author TEXT NOT NULL, t_unix_ms INTEGER NOT NULL);
CREATE INDEX answers_label ON answers (label);
"""


def open_database(path: Path, start: str) -> sqlite3.Connection:
    """A connection to the file, which is made if it is not there.

    Args:
        start: SQL of the rows that every new file has.
    Raises:
        StoreError: no such folder, another kind of file, or one that a newer version wrote.
    """
    if not path.parent.is_dir():
        raise StoreError(f"no folder {path.parent} to keep {path.name} in")
    with store_errors(path):
        db = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("BEGIN IMMEDIATE")
            _check_kind(path, db, start)
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
    return db


def _check_kind(path: Path, db: sqlite3.Connection, start: str) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        for statement in _statements(_SCHEMA + start):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
    elif db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise StoreError(
            f"{path}: a database, but not of an annotation project: take another folder as project"
        )
    elif version != VERSION:
        raise StoreError(
            f"{path}: written in form {version}, this version of gazekit reads form {VERSION}: "
            "use the version that wrote it"
        )


def _statements(script: str) -> Iterator[str]:
    """`executescript` would commit what is open, so the statements are run one by one."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into `StoreError`s with advice for the user."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes what is damaged as it is
        text = str(error)
        if isinstance(error, sqlite3.ProgrammingError):
            reason = "the project was closed"
        elif "full" in text or "disk I/O" in text:
            reason = (
                "the disk is full or cannot be written: this action was NOT saved, all before it are; "
                "make room and repeat it"
            )
        elif "locked" in text:
            reason = (
                "another program keeps it locked: this action was NOT saved; close that program and repeat it"
            )
        elif "readonly" in text or "unable to open" in text:
            reason = "it cannot be written; check the rights of file and folder"
        else:
            reason = (
                "it is damaged, or not a file of gazekit: put a copy back, or take another folder as project"
            )
        raise StoreError(f"{path}: {reason} ({text})") from error
