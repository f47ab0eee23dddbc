"""Recording times: exact to the nanosecond until they become milliseconds, and in increasing order."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError

__all__ = ["Clock", "in_order", "rows_at", "since_ms", "timed"]

Clock = Literal["error", "sort"]
_FAR_NS = 100 * 86_400 * 10**9  # float64 milliseconds keep a nanosecond up to 2^53 ns = 104 days


def in_order(table: pd.DataFrame, time: str, where: str, clock: Clock) -> tuple[pd.DataFrame, list[str]]:
    """Rows whose times strictly increase, and notes.

    Args:
        table: one row per sample.
        time: name of its time column.
        where: the file, for the error.
        clock: what to do where a time does not increase: "error", or "sort", which sorts the rows by time,
            keeps the first of rows with equal times and adds a note.
    Raises:
        RecordingError: times that do not increase (unless "sort") or are not finite.
    """
    t = timed(table, time, where)
    late = t[1:] <= t[:-1]
    if not late.any():
        return table, []
    row = int(late.argmax()) + 1
    if clock != "sort":
        raise RecordingError(
            f"{where}: time {t[row]} in row {row + 1} does not follow {t[row - 1]} in the row before"
            f' ({int(late.sum())} such rows); clock="sort" sorts them and keeps the first of equal times'
        )
    table = table.iloc[np.argsort(t, kind="stable")].reset_index(drop=True)
    t = table[time].to_numpy()
    first = np.append(True, t[1:] > t[:-1])
    note = f"{where}: {int(late.sum())} rows were out of order and have been sorted by time"
    if not first.all():
        note += f"; {int((~first).sum())} rows with duplicate times were left out"
    return table[first].reset_index(drop=True), [note]


def timed(table: pd.DataFrame, time: str, where: str) -> np.ndarray:
    """[T] the time column.

    Raises:
        RecordingError: a time that is not finite.
    """
    t = table[time].to_numpy()
    if not np.isfinite(t).all():
        raise RecordingError(f"{where}: row {int(np.argmin(np.isfinite(t))) + 1} has no time")
    return t


def since_ms(ns: np.ndarray, origin_ns: int, where: str) -> np.ndarray:
    """[T] int64 nanoseconds to float64 milliseconds since `origin_ns`.

    Raises:
        RecordingError: times before 1970 (0), or more than 100 days from the origin: the times or the origin
            are wrong.
    """
    ns = np.asarray(ns, np.int64)
    if len(ns) and (
        ns.min() < 0 or max(abs(int(ns.min()) - origin_ns), abs(int(ns.max()) - origin_ns)) > _FAR_NS
    ):
        raise RecordingError(
            f"{where}: times from {ns.min()} to {ns.max()} ns do not fit a recording that starts at {origin_ns} ns"
        )
    return (ns - origin_ns) / 1e6


def rows_at(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """[N] index of each wanted time or number in strictly increasing `times`; -1 where it is absent."""
    if not len(times):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    return np.where(times[at] == wanted, at, -1)
