"""Queries of the state for `Store`: each function reads within one transaction."""

from __future__ import annotations

import sqlite3

from gazekit.annotate.project.checks import sides
from gazekit.annotate.project.journal import version
from gazekit.annotate.project.rows import Row, Rows

__all__ = ["boxes", "fixations", "frame", "labels", "stats"]

_RECENT_MS = 5 * 60_000
_COUNTS = {
    "events": "SELECT count(*) FROM events",
    "boxes": "SELECT count(*) FROM boxes",
    "tracks": "SELECT count(DISTINCT track) FROM boxes",
    "confirmed_frames": "SELECT count(*) FROM confirmed",
    "fixations": "SELECT count(*) FROM fixations",
    "answered_fixations": "SELECT count(*) FROM answers",
    # Those that `Project.mapped_fixations` has as "propagated" or "predicted".
    "unreviewed_fixations": """
        SELECT count(*) FROM fixations f LEFT JOIN answers a ON a.id = f.id WHERE coalesce(a.source, (
            SELECT source FROM boxes b WHERE b.frame = f.frame AND x_min <= x_px AND x_px < x_max
                AND y_min <= y_px AND y_px < y_max ORDER BY (x_max - x_min) * (y_max - y_min), track LIMIT 1
        ), CASE
            WHEN x_px IS NULL OR y_px IS NULL THEN ''
            WHEN EXISTS (SELECT 1 FROM boxes b WHERE b.frame = f.frame AND source IN ('propagated', 'predicted'))
                THEN 'predicted'
            WHEN EXISTS (SELECT 1 FROM confirmed c WHERE c.id = f.frame) THEN ''
            WHEN EXISTS (SELECT 1 FROM boxes b WHERE b.frame = f.frame) THEN 'predicted'
        END) IN ('propagated', 'predicted')""",
}
_GROUPS = {
    "boxes_by_source": "SELECT source, count(*) FROM boxes GROUP BY source",
    "boxes_by_label": "SELECT label, count(*) FROM boxes GROUP BY label",
    "authors": "SELECT author, count(*) FROM events GROUP BY author",
}


def frame(rows: Rows, i: int) -> Row:
    """`Store.frame`."""
    found = rows.db.execute("SELECT * FROM boxes WHERE frame = ? ORDER BY track", (i,)).fetchall()
    confirmed = rows.get("confirmed", i) is not None
    return {
        "frame": i,
        "version": version(rows, i),
        "confirmed": confirmed,
        "boxes": [_box(row) for row in found],
    }


def _box(row: sqlite3.Row) -> Row:
    kept = {name: row[name] for name in ("id", "track", "label", "source", "score", "author", "t_unix_ms")}
    return {**kept, "box": sides(row), "keyframe": bool(row["keyframe"])}


def boxes(rows: Rows, track: int | None = None) -> list[Row]:
    """`Store.boxes`."""
    where, values = ("", ()) if track is None else ("WHERE track = ?", (track,))
    return [
        dict(row) for row in rows.db.execute(f"SELECT * FROM boxes {where} ORDER BY frame, track", values)
    ]


def labels(rows: Rows) -> list[Row]:
    """`Store.labels`."""
    return sorted(rows.select("labels"), key=lambda row: (row["id"] <= 0, abs(row["id"])))


def fixations(rows: Rows) -> dict[str, list]:
    """`Store.fixations`."""
    found = rows.db.execute(
        "SELECT f.*, label, source, confidence FROM fixations f LEFT JOIN answers a ON a.id = f.id "
        "ORDER BY onset_ms, f.id"
    )
    names = [column[0] for column in found.description]
    columns = list(zip(*found.fetchall(), strict=True)) or [()] * len(names)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}


def stats(rows: Rows) -> Row:
    """`Store.stats`."""
    counts = {name: rows.db.execute(query).fetchone()[0] for name, query in _COUNTS.items()}
    groups = {name: dict(map(tuple, rows.db.execute(query))) for name, query in _GROUPS.items()}
    recent, first = rows.db.execute(
        "SELECT count(*), min(t_unix_ms) FROM events "
        "WHERE t_unix_ms > ? AND op NOT IN ('boxes.put', 'boxes.import')",
        (rows.t_unix_ms - _RECENT_MS,),
    ).fetchone()
    minutes = max((rows.t_unix_ms - first) / 60_000, 1 / 6) if recent else 1.0
    return {**counts, **groups, "actions_per_min": recent / minutes}
