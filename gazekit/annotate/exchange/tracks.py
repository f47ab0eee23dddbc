"""Boxes of every frame <-> tracks with keyframes, linearly interpolated in the frame number.

A keyframe is written only where the boxes between can't be had without it, so that what is read back is what was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazekit.annotate.project import Project
from gazekit.annotate.project.checks import SIDES
from gazekit.annotate.project.rows import Row
from gazekit.errors import RecordingError
from gazekit.recordings.aoi import MovingBox

__all__ = ["Key", "Track", "check_size", "frames_between", "tracks_of", "used_labels"]


@dataclass(frozen=True)
class Key:
    """A box listed in a file.

    Args:
        frame, box: where.
        keyframe: whether it was set as such; otherwise it is listed because it doesn't lie on the line.
        source, score: of `Store.frame`.
    """

    frame: int
    box: tuple[float, float, float, float]
    keyframe: bool
    source: str
    score: float | None


@dataclass(frozen=True)
class Track:
    """The boxes of one label on one track: `number` from 1; `keys`; `last`, the last frames before gaps.

    A track whose boxes have several labels is several tracks in these files; all but the first get new numbers.
    """

    number: int
    label: str
    keys: list[Key]
    last: list[Key]


def used_labels(snapshot: Row) -> list[Row]:
    """The project's own labels in order, and "cannot tell" if it is on a box."""
    used = {box["label"] for box in snapshot["boxes"]}
    return [label for label in snapshot["labels"] if label["id"] > 0 or label["id"] in used]


def tracks_of(snapshot: Row, n_frames: int, step: int | None = None) -> list[Track]:
    """Tracks of all boxes, by number.

    Args:
        snapshot: `Store.snapshot()`.
        step: as `keyframe_step` of `export`.
    """
    names = {label["id"]: label["name"] for label in snapshot["labels"]}
    groups: dict[tuple[int, int], list[Row]] = {}
    for box in sorted(snapshot["boxes"], key=lambda box: (box["track"], box["frame"])):
        groups.setdefault((box["track"], box["label"]), []).append(box)
    free = max((track for track, _ in groups), default=0) + 1
    tracks, seen = [], set()
    for (number, label), rows in groups.items():
        if number in seen:
            number, free = free, free + 1
        seen.add(number)
        tracks.append(_track(number, names[label], rows, n_frames, step))
    return sorted(tracks, key=lambda track: track.number)


def _track(number: int, label: str, rows: list[Row], n_frames: int, step: int | None) -> Track:
    frames = np.array([row["frame"] for row in rows])
    boxes = np.array([[row[side] for side in SIDES] for row in rows])
    codes: dict[tuple, int] = {}
    how = np.array([codes.setdefault((row["source"], row["score"]), len(codes)) for row in rows])
    breaks = np.diff(frames) != 1
    last = np.append(breaks, frames[-1] < n_frames - 1)
    listed = np.insert(breaks, 0, True)
    if step is not None:
        listed |= frames % step == 0
    else:
        listed |= np.array([bool(row["keyframe"]) for row in rows])
        while (bad := _missed(frames, boxes, how, listed, last)).any():
            listed |= bad
    shown, gone = ([_key(rows[i]) for i in np.flatnonzero(which)] for which in (listed, last))
    return Track(number, label, shown, gone)


def _key(row: Row) -> Key:
    box = tuple(row[side] for side in SIDES)
    return Key(row["frame"], box, bool(row["keyframe"]), row["source"], row["score"])


def _missed(
    frames: np.ndarray, boxes: np.ndarray, how: np.ndarray, listed: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """[K] bool: boxes that interpolation does not reproduce."""
    gone = np.flatnonzero(last)
    all_frames = np.concatenate([frames[listed], frames[gone] + 1])
    order = np.argsort(all_frames, kind="stable")
    visible = np.repeat([True, False], [listed.sum(), len(gone)])[order]
    moving = MovingBox(
        "track", all_frames[order], np.concatenate([boxes[listed], boxes[gone]])[order], visible
    )
    before = np.maximum.accumulate(np.where(listed, np.arange(len(frames)), 0))
    return (moving.boxes_at(frames).round(2) != boxes).any(1) | (how != how[before])


def frames_between(
    project: Project, where: str, number: int, moving: MovingBox, keys: dict[int, Row]
) -> list[Row]:
    """The boxes of all frames of an imported track, as `boxes.import` takes them.

    Args:
        where: file and track, for errors.
        keys: by frame, `source`, `score` and `keyframe` of the boxes that the file lists; `source` is needed.
    Raises:
        RecordingError: frames that the video doesn't have.
    """
    if (outside := moving.frames[moving.visible & (moving.frames >= project.n_frames)]).size:
        raise RecordingError(
            f"{where}: a box in frame {outside[0]}, but the video has {project.n_frames} frames"
        )
    exact = MovingBox(
        moving.label, moving.frames, moving.boxes_px.round(2), moving.visible, moving.interpolate
    )
    last = project.n_frames if moving.interpolate else moving.frames[-1] + 1
    frames = np.arange(moving.frames[0], max(last, moving.frames[0]))
    boxes = exact.boxes_at(frames).round(2)
    there = ~np.isnan(boxes[:, 0])
    before = moving.frames[np.searchsorted(moving.frames, frames, side="right") - 1]
    rows = []
    for frame, box, key in zip(
        frames[there].tolist(), boxes[there].tolist(), before[there].tolist(), strict=True
    ):
        stated = keys[key]
        keyframe = frame == key and stated.get("keyframe", True)
        how = {"source": stated["source"], "score": stated.get("score"), "keyframe": keyframe}
        rows.append({"frame": frame, "track": number, "label": moving.label, "box": box, **how})
    return rows


def check_size(project: Project, path: Any, n_frames: int | None, size_px: Sequence[int] | None) -> None:
    """Check that a file belongs to this video, as far as the file says.

    Raises:
        RecordingError: another number of frames or another size.
    """
    if n_frames is not None and n_frames != project.n_frames:
        raise RecordingError(
            f"{path}: it belongs to a video with {n_frames} frames, this one has {project.n_frames}"
        )
    if size_px is not None and tuple(size_px) != project.size_px:
        width, height = project.size_px
        raise RecordingError(
            f"{path}: it belongs to a video of {size_px[0]} x {size_px[1]} px, this one has {width} x {height}"
        )
