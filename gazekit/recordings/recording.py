"""A recording in memory: samples, events and messages on one clock, in pixels of one picture.

Data flow: a reader (one module per tracker) returns a `Recording`; `Recording.gaze` returns one stream of it;
detectors, quality and areas of interest work on streams and event tables, independent of the tracker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gazekit.geometry import Screen
from gazekit.recordings.camera import SceneCamera
from gazekit.recordings.readers import reader_of

__all__ = ["EVENT_COLUMNS", "MESSAGE_COLUMNS", "Eye", "Gaze", "Recording", "event_table"]

Eye = Literal["left", "right", "mean", "best"]

EVENT_COLUMNS = ("kind", "eye", "onset_ms", "offset_ms", "duration_ms", "x_px", "y_px")
MESSAGE_COLUMNS = ("t_ms", "text")


@dataclass(frozen=True, eq=False)
class Gaze:
    """One stream of gaze: one eye, the mean of both, or the combined gaze of a head-mounted tracker.

    Args:
        t_ms: [T] float64, strictly increasing.
        xy_px: [T, 2] float64, NaN where the position is missing or marked invalid by the tracker.
        pupil: [T] in the unit of `Recording.pupil_unit`, NaN where unknown; or None.
        block: [T] integer, the uninterrupted stretch of recording that each sample belongs to; None: a single
            stretch.
        eye: "left", "right", "mean", or "" where the tracker gives one combined gaze.
    Raises:
        ValueError: different lengths, times that do not increase.
    """

    t_ms: np.ndarray
    xy_px: np.ndarray
    pupil: np.ndarray | None = None
    block: np.ndarray | None = None
    eye: str = ""

    def __post_init__(self) -> None:
        t, xy = np.asarray(self.t_ms, np.float64), np.asarray(self.xy_px, np.float64)
        if t.ndim != 1 or xy.shape != (len(t), 2):
            raise ValueError(f"t_ms must be [T] and xy_px [T, 2], got {list(t.shape)} and {list(xy.shape)}")
        if not np.isfinite(t).all() or (np.diff(t) <= 0).any():
            steps = np.diff(t, prepend=-np.inf)
            bad = int(np.flatnonzero(~(np.isfinite(t) & (steps > 0)))[0])
            raise ValueError(
                f"times must be finite and increase: sample {bad} is at {t[bad]} ms"
                + (f" after {t[bad - 1]} ms" if bad else "")
            )
        object.__setattr__(self, "t_ms", t)
        object.__setattr__(self, "xy_px", xy)
        for name in ("pupil", "block"):
            value = getattr(self, name)
            if value is not None and len(value) != len(t):
                raise ValueError(f"{name} has {len(value)} values for {len(t)} samples")

    def __len__(self) -> int:
        return len(self.t_ms)

    @cached_property
    def valid(self) -> np.ndarray:
        """[T] bool: a finite position."""
        return np.isfinite(self.xy_px).all(1)

    @cached_property
    def interval_ms(self) -> float:
        """Median step between samples of one block; NaN below two samples."""
        steps = np.diff(self.t_ms)
        if self.block is not None:
            steps = steps[np.diff(self.block) == 0]
        return float(np.median(steps)) if len(steps) else float("nan")

    @property
    def rate_hz(self) -> float:
        """1000 / `interval_ms`."""
        return 1000.0 / self.interval_ms

    def pieces(self, max_gap_ms: float | None = None) -> list[slice]:
        """Stretches of samples without a gap in time: blocks, split where a step is longer than `max_gap_ms`.

        Args:
            max_gap_ms: by default 1.5 times the median step; invalid samples are not gaps.
        """
        if len(self) == 0:
            return []
        limit = 1.5 * self.interval_ms if max_gap_ms is None else max_gap_ms
        cut = np.diff(self.t_ms) > limit
        if self.block is not None:
            cut |= np.diff(self.block) != 0
        edges = [0, *(np.flatnonzero(cut) + 1).tolist(), len(self)]
        return [slice(a, b) for a, b in pairwise(edges)]

    def between(self, start_ms: float, end_ms: float) -> Gaze:
        """Samples with start_ms <= t_ms < end_ms."""
        a, b = np.searchsorted(self.t_ms, [start_ms, end_ms])
        pick = [None if x is None else x[a:b] for x in (self.pupil, self.block)]
        return Gaze(self.t_ms[a:b], self.xy_px[a:b], *pick, self.eye)


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording of one person, as read from its files. Nothing is interpolated, smoothed or left out.

    Times are float64 milliseconds since `origin_ns` on the device's clock, for samples, events, messages and frames
    alike. Positions are pixels of `size_px` (the screen or the scene video), origin top-left, y down.

    Args:
        path: the file or folder that was read.
        tracker: for instance "EyeLink", "Neon", "Pupil Player", "Tobii Glasses 2".
        samples: one row per sample, increasing in time: `t_ms`; for each of `eyes`, with the suffix "_left"
            or "_right" (no suffix if the tracker gives combined gaze): `x_px`, `y_px`, `pupil` if recorded,
            and `valid`, the tracker's own flag (positions of invalid samples are kept as in the file);
            `block` if recording paused; and the file's other columns under their own names.
        events: events from the vendor's software: `EVENT_COLUMNS` and more where known (`x_end_px`,
            `y_end_px`, `amplitude_dva`, `peak_velocity_dva_s`, `pupil`, `id`); `kind` is "fixation",
            "saccade", "blink" or the vendor's term. `offset_ms` and `duration_ms` follow the vendor's
            convention.
        messages: `t_ms`, `text`, and more where known: messages of the experiment and the operator.
        eyes: ("left", "right"), one of them, or ("",).
        size_px: (width, height) of the pixel coordinates, None if the file doesn't say.
        screen: the display, for degrees; supply it unless the file states it.
        camera: the scene camera, for degrees in head-mounted recordings.
        video: scene video, None if absent.
        frame_t_ms: [F] float64 time of each scene frame, None without scene camera.
        origin_ns: t_ms = 0 on the device's clock, in integer nanoseconds (Unix time where the device has it).
        pupil_unit: "mm", "px", "area" (arbitrary), "diameter" (arbitrary) or "".
        validation: accuracy stated in the file: `t_ms`, `eye`, `mean_error_dva`, `max_error_dva`, and more.
        info: other metadata of the files, under their own names.
        notes: irregularities and how they were handled, one sentence each, with counts.
    """

    path: Path
    tracker: str
    samples: pd.DataFrame
    events: pd.DataFrame
    messages: pd.DataFrame
    eyes: tuple[str, ...] = ("",)
    size_px: tuple[int, int] | None = None
    screen: Screen | None = None
    camera: SceneCamera | None = None
    video: Path | None = None
    frame_t_ms: np.ndarray | None = None
    origin_ns: int = 0
    pupil_unit: str = ""
    validation: pd.DataFrame = field(default_factory=lambda: pd.DataFrame())
    info: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @staticmethod
    def open(
        path: str | Path, screen: Screen | None = None, format: str | None = None, **options: Any
    ) -> Recording:
        """Read a recording of any known tracker.

        Args:
            path: a file (`.asc`, `.tsv`, `.csv`, ...) or the folder of a recording.
            screen: the display, for units in degrees.
            format: one of `gazekit.recordings.readers.FORMATS`; None: detect it from the content.
            options: options of that format's reader.
        Raises:
            FileNotFoundError: no such path.
            RecordingError: an unrecognised format, or a broken file; the message says where.
            ValueError: an unknown format or option.
        """
        path = Path(path).expanduser()
        recording = reader_of(path, format, options)(path, **options)
        return recording if screen is None else recording.with_screen(screen)

    def gaze(self, eye: Eye | None = None) -> Gaze:
        """One stream of gaze with NaN wherever the tracker marks a sample invalid.

        Args:
            eye: "left" or "right"; "mean": the mean of both where both are valid, NaN elsewhere (so that
                losing one eye causes no jump), without pupil unless both eyes have one; "best": the eye with
                more valid samples, left on a tie. None: the only one, else "best".
        Raises:
            ValueError: an eye that was not recorded.
        """
        eye = eye or ("best" if len(self.eyes) > 1 else self.eyes[0])
        if eye in ("mean", "best") and len(self.eyes) == 1:
            eye = self.eyes[0]
        if eye not in (*self.eyes, "mean", "best"):
            raise ValueError(f"{self.path.name} has no {eye!r} eye, only {', '.join(map(repr, self.eyes))}")
        if eye == "best":
            eye = max(self.eyes, key=lambda e: int(self._stream(e)[0].sum()))
        if eye == "mean":
            streams = [self._stream(e)[1:] for e in self.eyes]
            xy, pupil = (
                None if any(part is None for part in parts) else np.mean(parts, 0)
                for parts in zip(*streams, strict=True)
            )
        else:
            xy, pupil = self._stream(eye)[1:]
        block = self.samples["block"].to_numpy() if "block" in self.samples else None
        return Gaze(self.samples["t_ms"].to_numpy(), xy, pupil, block, eye)

    def _stream(self, eye: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        suffix = f"_{eye}" if eye else ""
        xy = self.samples[[f"x_px{suffix}", f"y_px{suffix}"]].to_numpy(np.float64, copy=True)
        valid = self.samples[f"valid{suffix}"].to_numpy(bool) & np.isfinite(xy).all(1)
        xy[~valid] = np.nan
        pupil = f"pupil{suffix}"
        return valid, xy, self.samples[pupil].to_numpy(np.float64) if pupil in self.samples else None

    def fixations(self, eye: str | None = None) -> pd.DataFrame:
        """The vendor's fixations, of one eye if given; empty if the tracker provided none."""
        rows = self.events[self.events["kind"] == "fixation"]
        return (rows if eye is None else rows[rows["eye"] == eye]).reset_index(drop=True)

    def with_screen(self, screen: Screen) -> Recording:
        """A copy of the recording with this screen.

        Raises:
            ValueError: the file says that the screen has another resolution.
        """
        if self.size_px is not None and self.size_px != (screen.width_px, screen.height_px):
            raise ValueError(
                f"{self.path.name} was recorded on {self.size_px[0]} x {self.size_px[1]} px, "
                f"the screen given has {screen.width_px} x {screen.height_px} px"
            )
        return replace(self, screen=screen, size_px=(screen.width_px, screen.height_px))

    @property
    def head_mounted(self) -> bool:
        """Whether positions are pixels of a scene camera, which moves with the head."""
        return any(part is not None for part in (self.camera, self.frame_t_ms, self.video))

    @property
    def duration_ms(self) -> float:
        """From the first to the last sample; NaN without samples."""
        t = self.samples["t_ms"].to_numpy()
        return float(t[-1] - t[0]) if len(t) else float("nan")


def event_table(rows: Sequence[dict[str, Any]] | pd.DataFrame = ()) -> pd.DataFrame:
    """A table of events with at least `EVENT_COLUMNS`, in order of onset; absent numbers are NaN, absent words ""."""
    table = pd.DataFrame(rows)
    for name in EVENT_COLUMNS:
        if name not in table:
            table[name] = "" if name in ("kind", "eye") else np.nan
    numbers = [name for name in EVENT_COLUMNS if name not in ("kind", "eye")]
    table[numbers] = table[numbers].astype(np.float64)
    rest = [name for name in table.columns if name not in EVENT_COLUMNS]
    table = table[[*EVENT_COLUMNS, *rest]]
    return table.sort_values("onset_ms", kind="stable", ignore_index=True)
