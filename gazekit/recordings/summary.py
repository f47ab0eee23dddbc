"""Summary of one recording: facts, a detector's events compared with the tracker's, and a folder with figures."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.files import written_whole
from gazekit.geometry import Screen
from gazekit.recordings.quality import quality
from gazekit.recordings.recording import Eye, Recording
from gazekit.recordings.velocity import View

__all__ = ["DETECTORS", "Settings", "detect", "events", "facts_of", "info", "plain", "report"]

DETECTORS = {
    "ivt": "IVT",
    "idt": "IDT",
    "adaptive": "AdaptiveVelocity",
    "microsaccades": "Microsaccades",
    "vendor": "",
}


@dataclass(frozen=True)
class Settings:
    """How recordings are read and analysed.

    Args:
        format: one of `readers.FORMATS`; None: detect it.
        options: options of that format's reader.
        screen: the display; None: as stated in the file.
        px_per_dva: pixels per degree, if neither screen nor scene camera is known.
        eye: as in `Recording.gaze`.
        detector: one of `DETECTORS`; "vendor": the tracker's own events; None: "ivt" if degrees are known,
            but "vendor" if they are not, or for a head-mounted tracker that provides fixations.
        detector_options: the detector's parameters.
    """

    format: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    screen: Screen | None = None
    px_per_dva: float | None = None
    eye: Eye | None = None
    detector: str | None = None
    detector_options: dict[str, Any] = field(default_factory=dict)

    def open(self, path: Path) -> Recording:
        """Read a recording with these settings."""
        return Recording.open(path, self.screen, format=self.format, **self.options)

    def view(self, recording: Recording) -> View | None:
        """What converts its pixels to degrees, None if unknown."""
        return recording.screen or recording.camera or self.px_per_dva


def info(path: Path, settings: Settings) -> dict[str, Any]:
    """Facts about a recording: `quality`, counts of the tracker's events of that eye (mean: of both), and more."""
    return facts_of(settings.open(path), settings)


def facts_of(recording: Recording, settings: Settings) -> dict[str, Any]:
    """`info` for a recording that has already been read."""
    found = quality(recording, settings.eye, view=settings.view(recording))
    counts = _of_eye(recording, found["eye"])["kind"].value_counts().sort_index()
    return found | {
        "size_px": recording.size_px,
        "eyes": [eye for eye in recording.eyes if eye],
        "frames": None if recording.frame_t_ms is None else len(recording.frame_t_ms),
        "vendor_events": {str(kind): int(count) for kind, count in counts.items()},
        "messages": len(recording.messages),
        "notes": list(recording.notes),
    }


def detect(recording: Recording, settings: Settings) -> tuple[str, pd.DataFrame]:
    """The name of the detector that ran, and its events of one eye.

    Raises:
        RecordingError: the detector needs degrees and no screen is known.
        ValueError: unknown detector parameters.
    """
    gaze, view = recording.gaze(settings.eye), settings.view(recording)
    theirs = _of_eye(recording, gaze.eye)
    has_own = recording.head_mounted and (theirs["kind"] == "fixation").any()
    name = settings.detector or ("vendor" if view is None or has_own else "ivt")
    if name == "vendor":
        if settings.detector_options:
            names = ", ".join(sorted(settings.detector_options))
            raise ValueError(
                f"the tracker's own events take no parameters, got {names}: choose a detector as well"
            )
        return name, theirs
    if view is None:
        raise RecordingError(
            f"{recording.path}: {name} needs degrees of visual angle, but the file does not state the screen "
            "distance: give --screen WxH --width-cm CM --distance-cm CM, or --px-per-dva PX"
        )
    return name, _detector(name, settings.detector_options).detect(gaze, view)


def _warnings(recording: Recording, name: str) -> list[str]:
    if name == "vendor" or not recording.head_mounted:
        return []
    return [
        f"{name} cannot tell head movements from eye movements: gaze is in pixels of a scene camera, which moves "
        "with the head. The tracker's own events (--detector vendor), if it has any, allow for that; otherwise try "
        "a higher threshold (--set threshold_dva_s=100 for ivt) and check the result"
    ]


def _no_heatmap(recording: Recording) -> list[str]:
    if recording.size_px is not None:
        return []
    option = "--read size_px=WxH" if recording.head_mounted else "--screen WxH --width-cm CM --distance-cm CM"
    why = " and there is no scene video" if recording.head_mounted and recording.video is None else ""
    return [f"no heatmap: the file does not state the picture's size{why}; give {option}"]


def _of_eye(recording: Recording, eye: str) -> pd.DataFrame:
    """The tracker's events of one eye, and those of no particular eye; events of both eyes if gaze is their mean."""
    if eye == "mean":
        return recording.events
    return recording.events[recording.events["eye"].isin((eye, ""))].reset_index(drop=True)


def _detector(name: str, options: dict[str, Any]) -> Any:
    from gazekit.recordings import detectors

    kind = getattr(detectors, DETECTORS[name])
    known = [f.name for f in fields(kind)]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"{name} has no parameter {', '.join(unknown)}, expected {', '.join(known)}")
    return kind(**options)


def events(path: Path, settings: Settings, out: Path | None) -> dict[str, Any]:
    """Detect events, write them to the file `out` if given, and compare them with the tracker's.

    Returns:
        detector, eye; counts by kind; agreement_f1 with the tracker's events of this eye, by kind, for an
        overlap of half of the time in either; table, the events, if `out` is not given; notes; warnings about
        the detector.
    """
    recording = settings.open(path)
    name, found = detect(recording, settings)
    if out is not None:
        _write_csv(found, out)
    return {
        "detector": name,
        "eye": recording.gaze(settings.eye).eye,
        "counts": {str(k): int(n) for k, n in found["kind"].value_counts().sort_index().items()},
        "agreement_f1": {} if name == "vendor" else _agreement(recording, found, settings),
        "table": found if out is None else None,
        "notes": list(recording.notes),
        "warnings": _warnings(recording, name),
    }


def _agreement(recording: Recording, found: pd.DataFrame, settings: Settings) -> dict[str, float]:
    """F1 against the tracker's events, by kind; empty if there is nothing to compare."""
    from gazekit.recordings.agreement import event_agreement

    gaze = recording.gaze(settings.eye)
    theirs = _of_eye(recording, gaze.eye)
    kinds = [kind for kind in ("fixation", "saccade") if (theirs["kind"] == kind).any()]
    rows = event_agreement(found, theirs, gaze.interval_ms, kinds) if kinds and gaze.eye != "mean" else []
    return {} if len(rows) == 0 else dict(zip(rows["kind"], rows["f1"].tolist(), strict=True))


def report(path: Path, settings: Settings, folder: Path) -> dict[str, Any]:
    """Write a folder with report.md, its figures, quality.json and events.csv; returns what `info` does, and more."""
    from gazekit.recordings.report_page import write_page

    recording = settings.open(path)
    name, found = detect(recording, settings)
    agreement = {} if name == "vendor" else _agreement(recording, found, settings)
    facts = facts_of(recording, settings) | {"detector": name, "agreement_f1": agreement}
    facts["warnings"] = [*_warnings(recording, name), *_no_heatmap(recording)]
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(found, folder / "events.csv")
    (folder / "quality.json").write_text(json.dumps(plain(facts), indent=1, allow_nan=False) + "\n")
    write_page(recording, found, facts, recording.gaze(settings.eye).eye, folder)
    return facts


def _write_csv(table: pd.DataFrame, out: Path) -> None:
    with written_whole(out) as unfinished:
        table.to_csv(unfinished, index=False)


def plain(value: Any) -> Any:
    """The value in JSON types: NaN becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
