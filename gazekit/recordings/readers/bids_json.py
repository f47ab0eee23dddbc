"""What the JSON files of a BIDS data set say about an eye-tracking recording: columns, units, screen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from gazekit.errors import RecordingError
from gazekit.geometry import Screen
from gazekit.recordings.files import read_json
from gazekit.recordings.origin import Origin

__all__ = ["metadata", "pupil_unit", "screen", "time_scale", "unit"]

_TIME_UNITS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ns": 1e-6}
_LONG_UNITS = {
    "second": "s",
    "seconds": "s",
    "sec": "s",
    "millisecond": "ms",
    "milliseconds": "ms",
    "msec": "ms",
}
_FARTHEST_M = 10.0


def metadata(path: Path, suffix: str = "physio") -> dict[str, Any]:
    """The JSON content that applies to a data file: every `*_<suffix>.json` whose entities are all in its
    name, from the root of the data set (the folder with `dataset_description.json`) to its own folder; nearer
    files take precedence.

    Raises:
        RecordingError: a broken JSON file.
    """
    entities = set(path.name.split(".")[0].split("_")[:-1])
    content: dict[str, Any] = {}
    for folder in _folders(path):
        named = [(file.name.removesuffix(f"{suffix}.json"), file) for file in folder.glob(f"*{suffix}.json")]
        fitting = [
            (len(set(name.split("_"))), file)
            for name, file in named
            if name in ("", "_") or (name.endswith("_") and set(name[:-1].split("_")) <= entities)
        ]
        for _, file in sorted(fitting):
            content |= read_json(file, dict)
    return content


def _folders(path: Path) -> list[Path]:
    """Folders from the root of the data set to the file; outside a data set only the file's own."""
    parents = list(path.absolute().parents)
    roots = [i for i, folder in enumerate(parents[:6]) if (folder / "dataset_description.json").is_file()]
    return parents[: roots[0] + 1][::-1] if roots else parents[:1]


def unit(about: dict[str, Any], column: str) -> str:
    """The unit that the JSON states for a column, "" if none."""
    entry = about.get(column)
    stated = entry.get("Units") if isinstance(entry, dict) else None
    return stated.strip() if isinstance(stated, str) and stated.strip().lower() != "n/a" else ""


def pupil_unit(about: dict[str, Any]) -> str:
    """`Recording.pupil_unit`: mm or px if that is the unit, else area or diameter if the description says so."""
    stated = unit(about, "pupil_size").lower()
    if stated in ("mm", "millimeter", "millimetre", "px", "pixel", "pixels"):
        return "mm" if stated.startswith("m") else "px"
    entry = about.get("pupil_size")
    text = str(entry.get("Description", "")).lower() if isinstance(entry, dict) else ""
    return next((word for word in ("area", "diameter") if word in text), "")


def time_scale(path: Path, about: dict[str, Any], step: float, notes: list[str]) -> float:
    """Milliseconds per timestamp unit.

    Args:
        step: median step of the timestamps in their unit.
    Raises:
        RecordingError: an unknown unit, or none and no unit that matches the sampling frequency.
    """
    stated, rate = unit(about, "timestamp"), about.get("SamplingFrequency")
    fits = isinstance(rate, int | float) and not isinstance(rate, bool) and rate > 0 and step > 0
    stated = _LONG_UNITS.get(stated.lower(), stated)
    if stated:
        if stated not in _TIME_UNITS:
            raise RecordingError(
                f"{path}: unknown unit {stated!r} of timestamp, expected one of {', '.join(_TIME_UNITS)}"
            )
        scale = _TIME_UNITS[stated]
        if fits and abs(step * scale * rate / 1000 - 1) > 0.1:
            notes.append(f"{path.name}: samples are {step * scale:g} ms apart, the JSON states {rate:g} Hz")
        return scale
    for name in ("s", "ms", "us", "ns"):
        if fits and abs(step * _TIME_UNITS[name] * rate / 1000 - 1) <= 0.1:
            notes.append(f"{path.name}: timestamps have no unit in the JSON, {name} matches its {rate:g} Hz")
            return _TIME_UNITS[name]
    raise RecordingError(
        f"{path}: timestamps have no unit in the JSON, and for a step of {step:g} none matches "
        f"SamplingFrequency {rate!r}"
    )


def screen(
    path: Path, about: dict[str, Any], notes: list[str]
) -> tuple[tuple[int, int] | None, Screen | None, str | None]:
    """(width, height), `Screen` and origin from `StimulusPresentation`, each None if not stated.

    Raises:
        RecordingError: invalid sizes.
    """
    shown = metadata(path, "events").get("StimulusPresentation", about.get("StimulusPresentation"))
    shown = shown if isinstance(shown, dict) else {}
    size = _numbers(path, shown, "ScreenResolution", 2)
    metres = _numbers(path, shown, "ScreenSize", 2)
    distance = shown.get("ScreenDistance")
    if isinstance(distance, list):  # x, y and z from the eye to the centre
        distance = math.hypot(*_numbers(path, shown, "ScreenDistance", 3, signed=True))
    elif distance is not None and distance != "n/a":
        (distance,) = _numbers(path, {"ScreenDistance": [distance]}, "ScreenDistance", 1)
    else:
        distance = None
    if size is None:
        return None, None, _origin(shown)
    size_px = round(size[0]), round(size[1])
    if size_px[0] % 2 and size_px[1] % 2:  # a screen is hardly ever odd in both: this is its last pixel
        notes.append(
            f"ScreenResolution is {size_px[0]} x {size_px[1]}: read as the last pixel, counted from 0"
        )
        size_px = size_px[0] + 1, size_px[1] + 1
    if metres is None or distance is None or distance == 0:
        return size_px, None, _origin(shown)
    if distance > _FARTHEST_M or metres[0] > _FARTHEST_M:
        notes.append(
            f"no Screen was created: ScreenDistance {distance:g} and ScreenSize {metres[0]:g} cannot be in metres"
        )
        return size_px, None, _origin(shown)
    return size_px, Screen(*size_px, metres[0] * 100, distance * 100), _origin(shown)


def _numbers(
    path: Path, shown: dict[str, Any], name: str, count: int, signed: bool = False
) -> list[float] | None:
    values = shown.get(name)
    if values is None or values == "n/a":
        return None
    good = isinstance(values, list) and len(values) == count
    good = good and all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values
    )
    if not good or not (signed or min(values) > 0) or max(map(abs, values)) > 1e6:
        raise RecordingError(f"{path}: {name} in its events.json is {values!r}, expected {count} numbers")
    return [float(v) for v in values]


def _origin(shown: dict[str, Any]) -> Origin | str | None:
    words = shown.get("ScreenOrigin")
    if not isinstance(words, list) or len(words) != 2:
        return None
    return {"top left": "top-left", "bottom left": "bottom-left"}.get(
        " ".join(map(str, words)), " ".join(map(str, words))
    )
