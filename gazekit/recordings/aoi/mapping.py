"""Mapping of points and fixations to areas of interest (AOIs), still or moving.

Overlap rule: a point belongs to the smallest area (px²) that contains it, the first listed on a tie; outside all
areas it is background.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gazekit.recordings.aoi.shapes import AOI, BACKGROUND

__all__ = ["aoi_at", "aoi_labels", "map_fixations"]

_NOWHERE = -2  # no position or no frame: undefined


def aoi_labels(aois: Sequence[AOI]) -> tuple[str, ...]:
    """Unique names of the AOIs, in the order of their first area."""
    return tuple(dict.fromkeys(aoi.label for aoi in aois))


def aoi_at(aois: Sequence[AOI], xy_px: np.ndarray, frame: np.ndarray | None = None) -> np.ndarray:
    """The AOI that contains each point: the smallest in px², the first listed on a tie.

    Args:
        aois: areas; later ones are not "in front".
        xy_px: [T, 2] points in the same pixels as the areas.
        frame: [T] frame of each point, -1 for none; needed only for moving areas.
    Returns:
        [T] labels (str); "background" where no area contains the point, "" where position or frame is missing.
    Raises:
        ValueError: another shape, or moving areas without frames.
    """
    xy = np.asarray(xy_px, np.float64)
    if xy.ndim != 2 or xy.shape[1] != 2 or (frame is not None and np.shape(frame) != (len(xy),)):
        got = f"{list(xy.shape)}" + ("" if frame is None else f" and {list(np.shape(frame))}")
        raise ValueError(f"xy_px must be [T, 2] and frame [T], got {got}")
    smallest, found = np.full(len(xy), np.inf), np.full(len(xy), -1)
    for index, aoi in enumerate(aois):
        area = aoi.area_at(xy, frame)
        better = area < smallest
        smallest, found = np.where(better, area, smallest), np.where(better, index, found)
    found[~np.isfinite(xy).all(1)] = _NOWHERE
    if frame is not None:
        found[np.asarray(frame) < 0] = _NOWHERE
    names = np.array(
        [*(aoi.label for aoi in aois), "", BACKGROUND], dtype=object
    )  # -2 and -1 count from the end
    return names[found]


def map_fixations(
    fixations: pd.DataFrame, aois: Sequence[AOI], frame_t_ms: np.ndarray | None = None
) -> pd.DataFrame:
    """Fixations with the AOI of each.

    The frame of a fixation is the last one whose time is <= the midpoint of onset and offset, compared in
    whole nanoseconds. A fixation whose midpoint is before the first frame, or more than one median frame
    interval after the last, has no frame.

    Args:
        fixations: of one eye: `onset_ms`, `offset_ms`, `x_px`, `y_px`.
        aois: areas in the same pixels.
        frame_t_ms: [F] times of the frames, `Recording.frame_t_ms`; None: areas don't move.
    Returns:
        The table sorted by onset, with `frame` (-1 for none; only if `frame_t_ms` is given) and `aoi` as from
        `aoi_at`.
    Raises:
        ValueError: fixations of both eyes, missing columns, frame times that decrease.
    """
    if "eye" in fixations and len(eyes := set(fixations["eye"])) > 1:
        raise ValueError(
            f"expected fixations of one eye, got {sorted(eyes)}: choose one with recording.fixations(eye)"
        )
    if missing := {"onset_ms", "offset_ms", "x_px", "y_px"} - set(fixations):
        raise ValueError(f"the table of fixations has no column {', '.join(sorted(missing))}")
    table = fixations.sort_values("onset_ms", kind="stable", ignore_index=True)
    frame = None
    if frame_t_ms is not None:
        frame = _frames(table["onset_ms"].to_numpy(), table["offset_ms"].to_numpy(), np.asarray(frame_t_ms))
        table["frame"] = frame
    table["aoi"] = aoi_at(aois, table[["x_px", "y_px"]].to_numpy(), frame)
    return table


def _frames(onset_ms: np.ndarray, offset_ms: np.ndarray, frame_t_ms: np.ndarray) -> np.ndarray:
    if len(frame_t_ms) == 0 or not np.isfinite(frame_t_ms).all() or (np.diff(frame_t_ms) < 0).any():
        raise ValueError("frame_t_ms must hold finite times that don't decrease, at least one")
    known = np.isfinite(onset_ms) & np.isfinite(offset_ms)
    on, off = (_nanoseconds(np.where(known, t, 0)) for t in (onset_ms, offset_ms))
    frames, middle = _nanoseconds(frame_t_ms), (on + off) // 2
    frame = np.searchsorted(frames, middle, side="right") - 1
    lasts = np.median(np.diff(frames)) if len(frames) > 1 else np.inf
    return np.where(known & (middle <= frames[-1] + lasts), frame, -1)


def _nanoseconds(t_ms: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(t_ms, np.float64) * 1e6).astype(np.int64)
