"""The frames of each track, for a timeline; read on a connection of its own, so that a long query blocks nobody."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

__all__ = ["BINS", "tracks"]

BINS = 2000  # resolution of a timeline: shorter gaps are closed, and each bin keeps its first keyframe

_SPANS = """
SELECT track, label, source, min(frame) AS first, max(frame) AS last FROM (
    SELECT *, frame - row_number() OVER (PARTITION BY track, label, source ORDER BY frame) AS run
    FROM boxes WHERE frame BETWEEN ? AND ?)
GROUP BY track, label, source, run ORDER BY track, first
"""
_KEYFRAMES = """
SELECT track, min(frame) FROM boxes WHERE keyframe AND frame BETWEEN ? AND ?
GROUP BY track, (frame - ?) / ? ORDER BY track, min(frame)
"""


def tracks(path: Path, first: int, last: int) -> list[dict[str, Any]]:
    """Tracks with boxes in a range of frames.

    Args:
        path: the store's file.
        first, last: frames, both included.
    Returns:
        For each track: `track`; `label`, that of most of its frames; `spans`, [first, last, source] of runs of frames;
        `keyframes`.
    """
    size = max(1, (last - first + 1) // BINS)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        spans = db.execute(_SPANS, (first, last)).fetchall()
        keys = db.execute(_KEYFRAMES, (first, last, first, size)).fetchall()
    keyframes = {track: [frame for _, frame in found] for track, found in groupby(keys, lambda row: row[0])}
    return [
        {"track": track, **_joined(list(found), size), "keyframes": keyframes.get(track, [])}
        for track, found in groupby(spans, lambda row: row[0])
    ]


def _joined(rows: list[tuple[int, int, str, int, int]], size: int) -> dict[str, Any]:
    count: dict[int, int] = {}
    spans: list[list[Any]] = []
    for _, label, source, first, last in rows:
        count[label] = count.get(label, 0) + last - first + 1
        if spans and spans[-1][2] == source and first - spans[-1][1] <= size:
            spans[-1][1] = max(last, spans[-1][1])
        else:
            spans.append([first, last, source])
    return {"label": max(count, key=count.__getitem__), "spans": spans}
