"""Reaction times of a lab's own search experiment, from a CSV file with one trial a row.

Columns in any order, others are ignored; the names of each that are understood:

    participant       subject, subj, sub, observer, participant_id, subject_id
    condition         cond; or task, for a task with one condition (feature, conjunction, spatial_configuration)
    set_size          setsize, n_items, num_items, nitems, items
    rt_ms             rt, reaction_time, reaction_time_ms, response_time; in seconds: rt_s, key_resp.rt (PsychoPy)
    correct           optional: accuracy, acc, corr, is_correct, key_resp.corr; 1 or 0, true or false, yes or no
    target_present    optional: present; 1 or 0, true or false, present or absent; all present without it

Capitals, spaces and hyphens do not matter in names and conditions. Columns are separated by commas, semicolons or
tabs; decimals have a point. A row without condition and set size (PsychoPy's instructions) is no trial, nor is
the header where files were joined.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gazekit.datasets.search_people import People
from gazekit.datasets.search_tasks import CONDITIONS, TASKS
from gazekit.errors import DataError

__all__ = ["read_times"]

_ALIASES = {
    "participant": "participant subject subj sub observer participant_id subject_id",
    "condition": "condition cond",
    "task": "task",
    "set_size": "set_size setsize n_items num_items nitems items",
    "rt_ms": "rt_ms rt reaction_time reaction_time_ms response_time",
    "rt_s": "rt_s key_resp.rt",
    "correct": "correct accuracy acc corr is_correct key_resp.corr",
    "target_present": "target_present present",
}
_NAMES = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}
_MISSING = {"", "na", "n/a", "nan", "none", "null", "."}
_YES = {"1", "1.0", "true", "yes", "y", "correct", "present"}
_NO = {"0", "0.0", "false", "no", "n", "incorrect", "wrong", "error", "absent"}
_MOST_ITEMS = 10_000
_SECONDS_BELOW = 20.0  # a median reaction time "in ms" below this is in seconds


class _Trial(NamedTuple):
    participant: str
    condition: str
    set_size: int
    rt_ms: float
    correct: bool
    target_present: bool


_DECIMAL = re.compile(r"^\s*(-?\d+),(\d+)\s*$")


def read_times(path: str | Path, min_rt_ms: float = 200.0, max_rt_ms: float = 8000.0) -> People:
    """Correct trials with a reaction time inside the limits; the others are counted in `notes`.

    Args:
        path: a CSV file, see the module.
        min_rt_ms, max_rt_ms: both inclusive. Defaults: those of the published classical data (`search_people`).
    Raises:
        FileNotFoundError: no such file.
        DataError: a column is missing or a value is wrong (the message names file, row and column), the rows of a
            participant occur twice, or no trial is left.
        ValueError: limits that are not in order.
    """
    if not 0 <= min_rt_ms < max_rt_ms:
        raise ValueError(f"data.min_rt_ms must be below data.max_rt_ms, got {min_rt_ms} and {max_rt_ms}")
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} (config key data.times) does not exist, expected a CSV file of trials"
        )
    columns, rows = _rows(path)
    trials, raw, left = [], [], Counter()
    for number, row in rows:
        value = {name: row[k].strip() for name, k in columns.items()}
        if all(_missing(value.get(name, "")) for name in ("condition", "task", "set_size")):
            left["rows without condition and set size"] += 1
            continue
        trials.append(_trial(value, f"{path}, row {number}"))
        raw.append((number, value["participant"], tuple(row)))
    _refuse_twice(path, raw)
    _refuse_seconds(path, trials, columns)
    kept = []
    for trial in trials:
        if np.isnan(trial.rt_ms):
            left["trials without a reaction time"] += 1
        elif not trial.correct:
            left["incorrect trials"] += 1
        elif not min_rt_ms <= trial.rt_ms <= max_rt_ms:
            left[f"trials with a reaction time outside {min_rt_ms:g} to {max_rt_ms:g} ms"] += 1
        else:
            kept.append(trial)
    notes = [f"{path.name}: {count} {what} left out" for what, count in left.items()]
    if not kept:
        raise DataError(
            f"{path}: no trial is left of {len(trials)}; {'; '.join(notes) or 'there are no rows'}"
        )
    if "correct" not in columns:
        notes.append(f"{path.name} has no column correct: all trials count as correct")
    participant, condition, set_size, rt_ms, _, present = (np.array(x) for x in zip(*kept, strict=True))
    source = f"{len(kept)} trials of {len(set(participant.tolist()))} participants in {path.name}"
    return People(condition, set_size, rt_ms, present, participant, source, tuple(notes))


def _rows(path: Path) -> tuple[dict[str, int], list[tuple[int, list[str]]]]:
    """Name to place of each column, and the rows that are not blank with their line numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8; save it as CSV UTF-8") from error
    first = text.lstrip().split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
        lines = lines[:1] + [(number, row) for number, row in lines if row != lines[0][1]]
        if separator == ";":  # as spreadsheets write it where decimals have a comma
            lines = [(number, [_DECIMAL.sub(r"\1.\2", cell) for cell in row]) for number, row in lines]
    except csv.Error as error:
        raise DataError(f"{path}: not a readable CSV file ({error})") from error
    if not lines:
        raise DataError(f"{path}: empty, expected a header and one trial a row")
    header = lines[0][1]
    for number, row in lines[1:]:
        if any(cell.strip() for cell in row[len(header) :]):
            raise DataError(
                f"{path}, row {number}: {len(row)} values, but the header has {len(header)} columns; "
                "are decimals written with a comma? Write 512.3, or separate columns by semicolons"
            )
        row += [""] * (len(header) - len(row))
    return _columns(path, header), lines[1:]


def _columns(path: Path, header: list[str]) -> dict[str, int]:
    columns: dict[str, int] = {}
    for k, title in enumerate(header):
        name = _NAMES.get(_plain(title))
        if name is not None and name in columns:
            raise DataError(
                f"{path}: two columns for {name}: {header[columns[name]].strip()} and {title.strip()}"
            )
        if name is not None:
            columns[name] = k
    if "rt_ms" in columns and "rt_s" in columns:
        titles = (header[columns[name]].strip() for name in ("rt_ms", "rt_s"))
        raise DataError(f"{path}: reaction times in two columns, {' and '.join(titles)}; keep one")
    wanted = {"participant": {"participant"}, "condition (or task)": {"condition", "task"},
              "set_size": {"set_size"}, "rt_ms": {"rt_ms", "rt_s"}}  # fmt: skip
    missing = [name for name, any_of in wanted.items() if not any_of & set(columns)]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; found {', '.join(title.strip() for title in header)}. "
            "Other names that are understood: python -m pydoc gazekit.datasets.search_times"
        )
    return columns


def _plain(text: str) -> str:
    return re.sub(r"[\s-]+", "_", text.strip().lower())


def _missing(text: str) -> bool:
    return text.lower() in _MISSING


def _trial(value: dict[str, str], where: str) -> _Trial:
    if _missing(value["participant"]):
        raise DataError(f"{where}, column participant: empty, expected a name or number")
    rt = value.get("rt_ms", value.get("rt_s"))
    rt_ms = np.nan if _missing(rt) else _number(rt, f"{where}, column rt") * (1 if "rt_ms" in value else 1000)
    set_size = _number(value["set_size"], f"{where}, column set_size")
    if set_size != int(set_size) or not 0 <= set_size <= _MOST_ITEMS:
        raise DataError(f"{where}, column set_size: {value['set_size']!r} is not a number of items")
    correct = _yes(value.get("correct"), f"{where}, column correct", np.isnan(rt_ms))
    present = _yes(value.get("target_present"), f"{where}, column target_present")
    return _Trial(
        value["participant"], _condition(value, where), int(set_size), float(rt_ms), correct, present
    )


def _condition(value: dict[str, str], where: str) -> str:
    """The condition; a task with only one condition names it too."""
    condition, task = _plain(value.get("condition", "")), _plain(value.get("task", ""))
    if _missing(condition) and task in TASKS and len(TASKS[task].conditions) == 1:
        return task
    if _missing(condition) and task in CONDITIONS:
        return task
    if condition not in CONDITIONS:
        column = "condition" if "condition" in value else "task"
        raise DataError(
            f"{where}, column {column}: unknown condition {value.get(column, '')!r}, expected one of: "
            f"{', '.join(CONDITIONS)}"
        )
    return condition


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        hint = "; write decimals with a point" if re.fullmatch(r"\s*-?\d+,\d+\s*", text) else ""
        raise DataError(f"{where}: {text!r} is not a number{hint}")
    return number


def _yes(text: str | None, where: str, no_answer: bool = False) -> bool:
    """True without the column; a trial without an answer may lack it."""
    if text is None or (no_answer and _missing(text)):
        return True
    if text.lower() not in _YES | _NO:
        yes, no = ", ".join(sorted(_YES)), ", ".join(sorted(_NO))
        raise DataError(f"{where}: {text!r} is neither yes ({yes}) nor no ({no})")
    return text.lower() in _YES


def _refuse_twice(path: Path, raw: list[tuple[int, str, tuple[str, ...]]]) -> None:
    """All rows of a participant that occur twice are one session that was copied in twice."""
    rows_of: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
    for number, participant, row in raw:
        rows_of.setdefault(participant, []).append((number, row))
    for participant, rows in rows_of.items():
        half = len(rows) // 2
        one, two = (Counter(row for _, row in part) for part in (rows[:half], rows[half:]))
        if half > 1 and one == two:
            raise DataError(
                f"{path}, rows {rows[0][0]} to {rows[-1][0]}: the {half} trials of participant {participant} occur "
                "twice; remove one copy"
            )


def _refuse_seconds(path: Path, trials: list[_Trial], columns: dict[str, int]) -> None:
    times = np.array([trial.rt_ms for trial in trials])
    times = times[np.isfinite(times)]
    if "rt_ms" in columns and len(times) and np.median(times) < _SECONDS_BELOW:
        raise DataError(
            f"{path}: half of the reaction times are below {np.median(times):.3g} ms; are they seconds? "
            "Name the column rt_s"
        )
