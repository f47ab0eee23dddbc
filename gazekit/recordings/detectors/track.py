"""Shared by all detectors: gaze in degrees with its breaks, and event tables from runs of samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from gazekit.recordings.recording import Gaze, event_table
from gazekit.recordings.runs import bridge_gaps, cuts
from gazekit.recordings.velocity import View, angle_dva, is_flat, to_dva, velocity_dva_s

__all__ = ["Track", "check_positive", "check_times", "join"]


def check_positive(**numbers: float) -> None:
    """Raises ValueError unless all are positive and finite."""
    for name, value in numbers.items():
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be positive and finite, got {value}")


def check_times(**numbers: float) -> None:
    """Raises ValueError unless all are 0 or more and finite."""
    for name, value in numbers.items():
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} must be 0 or more and finite, got {value}")


@dataclass(frozen=True, eq=False)
class Track:
    """Gaze in degrees.

    Args:
        gaze: as recorded.
        xy_px, xy_dva: [T, 2] with short gaps bridged if requested; NaN where unknown.
        cut: [T] bool, True for a sample that does not directly follow the previous one.
        max_gap_ms: longest gap that is bridged.
        flat: degrees are pixels over a constant.
    """

    gaze: Gaze
    xy_px: np.ndarray
    xy_dva: np.ndarray
    cut: np.ndarray
    max_gap_ms: float
    flat: bool

    @staticmethod
    def of(gaze: Gaze, view: View, max_gap_ms: float = 0.0) -> Track:
        """Degrees by `view`; gaps up to `max_gap_ms` bridged."""
        flat = is_flat(view)
        bridged = bridge_gaps(gaze, max_gap_ms)
        xy_px = bridged.xy_px
        if np.isinf(xy_px).any():  # not a position, although its arctan is a finite 90 degrees
            xy_px = np.where(bridged.valid[:, None], xy_px, np.nan)
        return Track(gaze, xy_px, to_dva(xy_px, view), cuts(gaze, max_gap_ms), max_gap_ms, flat)

    @property
    def t_ms(self) -> np.ndarray:
        """[T] times."""
        return self.gaze.t_ms

    @cached_property
    def known(self) -> np.ndarray:
        """[T] bool: a position, recorded or bridged."""
        return np.isfinite(self.xy_dva).all(1)

    def speed_dva_s(self, window_ms: float) -> np.ndarray:
        """[T] `velocity_dva_s`."""
        gaze = self.gaze
        return velocity_dva_s(
            gaze.t_ms, self.xy_dva, window_ms,
            block=gaze.block, max_gap_ms=self.max_gap_ms, flat=self.flat,
        )  # fmt: skip

    def long(self, first: np.ndarray, last: np.ndarray, min_ms: float) -> tuple[np.ndarray, np.ndarray]:
        """Runs with last time - first time >= min_ms (minus a billionth of a second, for rounding)."""
        keep = self.t_ms[last] - self.t_ms[first] >= min_ms - 1e-6
        return first[keep], last[keep]

    def stays(self, kind: str, first: np.ndarray, last: np.ndarray) -> pd.DataFrame:
        """Events at one position: `x_px`, `y_px` are the means of the samples as recorded."""
        rows = self._rows(kind, first, last)
        valid = self.gaze.valid
        count = _reduce(np.add, valid.astype(np.float64), first, last)
        for axis, name in enumerate(("x_px", "y_px")):
            total = _reduce(np.add, np.where(valid, self.gaze.xy_px[:, axis], 0.0), first, last)
            rows[name] = np.divide(total, count, out=np.full(len(first), np.nan), where=count > 0)
        return rows

    def moves(self, kind: str, first: np.ndarray, last: np.ndarray, speed: np.ndarray) -> pd.DataFrame:
        """Events from one position to another: start, end, amplitude and peak velocity."""
        rows = self._rows(kind, first, last)
        for suffix, at in (("", first), ("_end", last)):
            rows[f"x{suffix}_px"], rows[f"y{suffix}_px"] = self.xy_px[at].T
        rows["amplitude_dva"] = angle_dva(self.xy_dva[first], self.xy_dva[last], self.flat)
        rows["peak_velocity_dva_s"] = _reduce(np.fmax, speed, first, last)
        return rows

    def _rows(self, kind: str, first: np.ndarray, last: np.ndarray) -> pd.DataFrame:
        onset, offset = self.t_ms[first], self.t_ms[last]
        return pd.DataFrame({
            "kind": np.full(len(first), kind, object), "eye": np.full(len(first), self.gaze.eye, object),
            "onset_ms": onset, "offset_ms": offset, "duration_ms": offset - onset,
            "first": first.astype(np.int64), "last": last.astype(np.int64),
        })  # fmt: skip


def join(*tables: pd.DataFrame) -> pd.DataFrame:
    """Event tables as one, in order of onset."""
    names = dict.fromkeys(name for table in tables for name in table.columns)
    full = [table for table in tables if len(table)]
    return event_table(
        pd.concat(full).reindex(columns=list(names)) if full else tables[0].reindex(columns=list(names))
    )


def _reduce(operation: np.ufunc, values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """[E] reduction over values first..last of runs that are in order and do not overlap."""
    if len(first) == 0:
        return np.empty(0)
    padded = np.append(values, 0.0)  # reduceat needs an index past the end for a run that ends there
    return operation.reduceat(padded, np.stack([first, last + 1], 1).ravel())[::2]
