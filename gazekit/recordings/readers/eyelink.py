"""EyeLink recordings as text (.asc), as converted from .edf by SR Research's edf2asc.

The format is described in the EyeLink manuals (SR Research, EyeLink 1000 Plus User Manual, chapter 4.9): sample lines
start with a time, all others with a word, and recording blocks go from START to END.

`mne.io.read_raw_eyelink`, which the tests compare with, returns neither fixation positions nor validations,
rejects some valid files and keeps only every second sample of files at 2,000 Hz with whole milliseconds (mne
1.13.2). An hour at 1,000 Hz (3.6 million samples, 130 MB) takes 3 s and 0.7 GB here, 26 s and 2.1 GB in mne,
on one core.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.readers.eyelink_lines import (
    Block,
    Lines,
    find_blocks,
    number,
    read_lines,
    read_samples,
)
from gazekit.recordings.recording import MESSAGE_COLUMNS, Recording, event_table

__all__ = ["matches", "read"]

_EYES = {"L": "left", "R": "right"}
_POSITIONS = ("x_px", "y_px", "x_end_px", "y_end_px")
_EVENTS = {
    "EFIX": ("fixation", ("x_px", "y_px", "pupil")),
    "ESACC": ("saccade", ("x_px", "y_px", "x_end_px", "y_end_px", "amplitude_dva", "peak_velocity_dva_s")),
    "EBLINK": ("blink", ()),
}
_STARTS = {"EFIX": "SFIX", "ESACC": "SSACC", "EBLINK": "SBLINK"}
_READ = {"MSG", "START", "END", "SAMPLES", "EVENTS", "PUPIL", "PRESCALER", "VPRESCALER", "INPUT", "BUTTON"}
_VALIDATION = re.compile(
    r"!CAL VALIDATION (?P<model>\S+)\s+\S+\s+(?P<eye>LEFT|RIGHT)\s+(?P<result>\w+)"
    r"(?:\s+ERROR\s+(?P<mean_error_dva>\S+) avg\.\s+(?P<max_error_dva>\S+) max"
    r"\s+OFFSET\s+(?P<offset_dva>\S+) deg\.\s+(?P<offset_x_px>[-\d.]+),(?P<offset_y_px>[-\d.]+) pix)?"
)
_COORDINATES = re.compile(
    r"(?:\S+ )?(DISPLAY_COORDS|GAZE_COORDS)[ =:]+" + r"[ ,]+".join([r"(-?\d+(?:\.\d+)?)"] * 4)
)


def matches(path: Path) -> bool:
    """Whether a file looks like EyeLink text."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except (OSError, ValueError):
        return False
    words = re.search(rb"^(MSG|START|INPUT|SFIX [LR])\s+\d", head, re.MULTILINE)
    return head.startswith(b"** CONVERTED FROM") or (path.suffix.lower() == ".asc" and words is not None)


def read(path: Path, truncated: Literal["error", "keep"] = "error") -> Recording:
    """Read an EyeLink text file.

    Times are the tracker's own, in ms since its start. At 2,000 Hz some files have whole milliseconds, so
    that each time occurs twice: the second is set half a ms later. `pupil` is NaN where the file has 0: no
    pupil was found. `valid_left`/`valid_right`: the file has a position. Samples keep all other columns:
    `flags` (warnings of the corneal reflection), `input`, `buttons`, velocity, resolution, head target.

    Events: fixations with mean position and `pupil`; saccades with start and end, `amplitude_dva`,
    `peak_velocity_dva_s`; blinks, each of which EyeLink wraps in a saccade; "input" and "button" with `id`
    and `value`. `offset_ms` is the time of the last sample and `duration_ms` EyeLink's, one sample longer
    than the difference. Messages: `text` as in the file; `offset_ms` is the integer it starts with, NaN if
    none (Experiment Builder writes one; it is *not* applied to `t_ms`).

    Args:
        truncated: "keep" reads a file that is truncated, or whose recording blocks lack END, as far as it goes.
    Raises:
        FileNotFoundError: no such file.
        RecordingError: not EyeLink text, no samples, samples that are not gaze in pixels, a block without
            END, an unreadable line, times that do not increase.
    """
    lines = read_lines(path, truncated)
    blocks = find_blocks(lines)
    samples = read_samples(lines, blocks)
    _check_times(lines, blocks, samples)
    eyes = tuple(eye for eye in ("left", "right") if f"x_px_{eye}" in samples)
    for eye in eyes:
        samples[f"valid_{eye}"] = samples[[f"x_px_{eye}", f"y_px_{eye}"]].notna().all(axis=1)
        samples[f"pupil_{eye}"] = samples[f"pupil_{eye}"].mask(samples[f"pupil_{eye}"] == 0)
    events, messages = _events(lines, blocks), _messages(lines)
    size, corner = _size(lines, messages)
    for axis, start in zip("xy", corner, strict=True):
        for table in (samples, events):
            moved = [
                name for name in table.columns if re.fullmatch(rf"{axis}(_end)?_px(_left|_right)?", name)
            ]
            table[moved] -= start
    units = {block.pupil for block in blocks if block.pupil}
    if len(units) > 1:
        lines.notes.append(
            f"pupil sizes are in different units: {', '.join(sorted(units))}; pupil_unit is left empty"
        )
    return Recording(
        path, "EyeLink", samples.reset_index(drop=True), events, messages, eyes,
        size_px=size, pupil_unit=units.pop() if len(units) == 1 else "", validation=_validation(messages),
        info=_info(lines, blocks), notes=tuple(lines.notes),
    )  # fmt: skip


def _check_times(lines: Lines, blocks: list[Block], samples: pd.DataFrame) -> None:
    """Separate duplicate times at 2,000 Hz; after that, all must increase."""
    t, block = samples["t_ms"].to_numpy().copy(), samples["block"].to_numpy()
    twice = np.append(False, (np.diff(t) == 0) & (np.diff(block) == 0))
    twice &= np.isin(block, [i for i, b in enumerate(blocks) if b.rate_hz == 2000])
    t[twice] += 0.5
    steps = np.diff(t)
    if (steps <= 0).any():
        i = int((steps <= 0).argmax()) + 1
        before, line = samples.index[i - 1 : i + 1]
        raise RecordingError(
            f"{lines.where(line)}: the time {float(t[i])} ms follows {float(t[i - 1])} ms in line {before}, times must "
            f"increase ({int((steps <= 0).sum())} such lines); were two recordings joined?"
        )
    samples["t_ms"] = t


def _fields(lines: Lines, line: int, words: list[str], least: int) -> list[float]:
    """The numbers of an event line after its word and eye."""
    values = [number(word) for word in words]
    if len(values) < least or any(value is None for value in values[:least]):
        raise RecordingError(f"{lines.where(line)}: expected {least} numbers, got {lines.text(line)[:100]!r}")
    return [float("nan") if value is None else value for value in values]


def _events(lines: Lines, blocks: list[Block]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for word, (kind, names) in _EVENTS.items():
        for line, text in lines.by_word.get(word, []):
            _, eye, *words = (*text.split(), "")
            if eye not in _EYES:
                raise RecordingError(
                    f"{lines.where(line)}: expected eye L or R, got {lines.text(line)[:100]!r}"
                )
            values = _fields(lines, line, words[:-1], 3 + len(names))
            onset, offset, duration = values[:3]
            if not (offset >= onset and duration >= 0):
                raise RecordingError(
                    f"{lines.where(line)}: a {kind} from {onset:.10g} to {offset:.10g} ms of {duration:.10g} ms"
                )
            row = dict(kind=kind, eye=_EYES[eye], onset_ms=onset, offset_ms=offset, duration_ms=duration)
            rows.append(row | dict(zip(names, values[3:], strict=False)))
        begun = len(lines.by_word.get(_STARTS[word], []))
        ended = len(lines.by_word.get(word, []))
        if begun != ended:
            lines.notes.append(
                f"{begun} {kind}s begin but {ended} end in the file; only those that end are in events"
            )
    for kind, least in (("input", 2), ("button", 3)):
        for line, text in lines.by_word.get(kind.upper(), []):
            time, *state = _fields(lines, line, text.split()[1:], least)[:least]
            if np.isnan(time):
                raise RecordingError(f"{lines.where(line)}: a time is missing in {text[:100]!r}")
            row = dict(kind=kind, eye="", onset_ms=time, offset_ms=time, duration_ms=0.0, value=state[-1])
            rows.append(row | ({"id": state[0]} if kind == "button" else {}))
    table = event_table(rows)
    for name in (*_POSITIONS[2:], "amplitude_dva", "peak_velocity_dva_s", "pupil", "value"):
        if name not in table:
            table[name] = np.nan
    foreign = {block.events[0] for block in blocks if block.events} - {"GAZE"}
    if foreign:
        table[list(_POSITIONS)] = np.nan
        lines.notes.append(
            f"event positions are {', '.join(sorted(foreign))}, not gaze in pixels, and were left out"
        )
    return table


def _messages(lines: Lines) -> pd.DataFrame:
    times, texts = [], []
    for line, row in lines.by_word.get("MSG", []):
        _, time, text = (*row.split(None, 2), "", "")[:3]
        value = number(time)
        if value is None or not np.isfinite(value):
            raise RecordingError(f"{lines.where(line)}: expected MSG, a time and text, got {row[:100]!r}")
        times.append(value)
        texts.append(text)
    table = pd.DataFrame({"t_ms": np.array(times, np.float64), "text": pd.Series(texts, dtype=str)})
    table["offset_ms"] = table["text"].str.extract(r"^(-?\d+) ")[0].astype(np.float64)
    table = table[[*MESSAGE_COLUMNS, "offset_ms"]]
    return table.sort_values("t_ms", kind="stable", ignore_index=True)


def _validation(messages: pd.DataFrame) -> pd.DataFrame:
    """`t_ms`, `eye`, errors and mean shift of each validation, `result` ("GOOD", "ABORTED", ...) and target `model`."""
    found = [
        (t, m)
        for t, text in zip(messages["t_ms"], messages["text"], strict=True)
        if (m := _VALIDATION.match(text))
    ]
    table = pd.DataFrame([m.groupdict() | {"t_ms": t, "eye": m["eye"].lower()} for t, m in found])
    names = ["mean_error_dva", "max_error_dva", "offset_dva", "offset_x_px", "offset_y_px"]
    table = table.reindex(columns=["t_ms", "eye", *names, "result", "model"])
    table[["t_ms", *names]] = table[["t_ms", *names]].apply(pd.to_numeric, errors="coerce").astype(np.float64)
    return table


def _size(lines: Lines, messages: pd.DataFrame) -> tuple[tuple[int, int] | None, tuple[float, float]]:
    """(width, height) of the screen and its top-left corner, from the tracker's coordinates, else the program's."""
    found: dict[str, set[tuple[float, ...]]] = {}
    for text in messages["text"]:
        if m := _COORDINATES.match(text):
            found.setdefault(m[1], set()).add(tuple(float(v) for v in m.groups()[1:]))
    if not found:
        return None, (0.0, 0.0)
    stated = set.union(*found.values())
    left, top, right, bottom = sorted(found.get("GAZE_COORDS") or found["DISPLAY_COORDS"])[0]
    if len(stated) > 1:
        lines.notes.append(
            f"the file states different screen coordinates: {sorted(stated)}; used: {left, top, right, bottom}"
        )
    width, height = round(right - left) + 1, round(bottom - top) + 1  # both ends belong to the screen
    if width % 2 and height % 2:  # a screen is hardly ever odd in both: this is its size
        width, height = width - 1, height - 1
        lines.notes.append(
            f"screen coordinates end at {right:g}, {bottom:g}: read as a screen of {width} x {height} px"
        )
    if width < 1 or height < 1:
        raise RecordingError(
            f"{lines.path}: screen coordinates {left:g} {top:g} {right:g} {bottom:g} do not span a screen"
        )
    if left or top:
        lines.notes.append(f"the screen starts at {left:g}, {top:g}; positions were moved to start at 0, 0")
    return (width, height), (left, top)


def _info(lines: Lines, blocks: list[Block]) -> dict[str, Any]:
    known = {*_READ, *_EVENTS, *_STARTS.values()}
    preamble = [text.lstrip("* ").strip() for _, text in lines.by_word.get("**", [])]
    rest = sorted(row for word, rows in lines.by_word.items() if word not in known | {"**"} for row in rows)
    within = _in_blocks([line for line, _ in lines.by_word.get("", [])], blocks)
    strange = [line for line, text in rest if line in within or not re.match(r"[\s>#/;]", text)]
    if strange:
        lines.notes.append(f"{len(strange)} lines of unknown kind, first line {strange[0]}; they are in info")
    return {
        "preamble": [text for text in preamble if text],
        "blocks": [
            {
                "start_ms": b.start_ms,
                "rate_hz": b.rate_hz,
                "samples": " ".join(b.samples),
                "end": " ".join(b.end),
            }
            for b in blocks
        ],
        "other_lines": dict(rest),
    }


def _in_blocks(numbers: list[int], blocks: list[Block]) -> set[int]:
    """The line numbers (of indented calibration tables) that lie in a recording block, where none should."""
    block = np.searchsorted([b.line for b in blocks], numbers) - 1
    return {n for n, i in zip(numbers, block.tolist(), strict=True) if i >= 0 and n <= blocks[i].last_line}
