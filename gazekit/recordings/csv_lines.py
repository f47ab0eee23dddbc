"""Checks of the lines and headers of CSV-like tables before pandas parses them: pandas pads lines that are
cut off.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gazekit.errors import RecordingError

__all__ = ["as_bytes", "check_lines", "match_header", "plain", "split_header"]


def check_lines(
    path: Path,
    content: str,
    separator: str,
    truncated: Literal["error", "keep"],
    notes: list[str],
    first: int,
) -> tuple[str, list[str]]:
    """The text without a truncated last line, and the fields of its header; all lines have the same number of fields.

    Args:
        first: number of the line that `content` begins with, for errors.
    """
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    head, _, _ = content.partition("\n")
    names = split_header(head, separator)
    if not any(names):
        raise RecordingError(f"{path}: expected a header line, got {head[:60]!r}")
    whole = content.endswith("\n")
    if not whole and truncated == "keep" and "\n" in content:
        notes.append(f"{path.name} has no newline after its last line, which was left out")
        content, whole = content[: content.rindex("\n") + 1], True
    counts = _field_counts(path, content, separator)
    wrong = np.flatnonzero((counts != len(names)) & (counts > 0))
    if len(wrong):
        where = f"{path}, line {wrong[0] + first}"
        what = f"{counts[wrong[0]]} fields, expected {len(names)} as in the header"
        if not whole and wrong[0] == len(counts) - 1:
            raise RecordingError(
                f'{where}, the last: {what}; the file was cut off, truncated="keep" reads the complete lines'
            )
        raise RecordingError(f"{where}: {what} ({len(wrong)} such lines)")
    if not whole:
        notes.append(
            f"{path.name} has no newline after its last line, which may be incomplete if the file was cut off"
        )
    return content, names


def _field_counts(path: Path, content: str, separator: str) -> np.ndarray:
    """[L] fields of each line, 0 for an empty one."""
    if '"' in content:
        try:
            return np.array([len(row) for row in csv.reader(io.StringIO(content), delimiter=separator)])
        except csv.Error as error:
            raise RecordingError(f"{path}: not a readable table ({error})") from error
    data = np.frombuffer(as_bytes(content), np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    if not content.endswith("\n"):
        ends = np.append(ends, len(data))
    marks = np.searchsorted(np.flatnonzero(data == ord(separator)), ends)
    lengths = np.diff(ends, prepend=-1) - 1
    return np.where(lengths > 0, np.diff(marks, prepend=0) + 1, 0)


def as_bytes(content: str) -> bytes:
    """UTF-8; a lone surrogate, which JSON strings can hold, is passed on for the parser to reject."""
    return content.encode("utf-8", "surrogatepass")


def match_header(
    path: Path, names: list[str], columns: Mapping[str, Any], optional: Mapping[str, Any]
) -> list[str]:
    """The header with our names for the requested columns; all other names are made unique."""
    headers = [plain(name) for name in names]
    ours: dict[int, str] = {}
    for name, wanted in {**columns, **optional}.items():
        wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        found = [i for i, header in enumerate(headers) if header in {plain(w) for w in wanted}]
        if len(found) > 1:
            raise RecordingError(f"{path}: column {names[found[0]]!r} occurs {len(found)} times")
        if not found and name in columns:
            raise RecordingError(
                f"{path}: no column {' or '.join(map(repr, wanted))}, found: {', '.join(names)}"
            )
        if found:
            if found[0] in ours:
                raise ValueError(f"column {names[found[0]]!r} is requested as {ours[found[0]]} and as {name}")
            ours[found[0]] = name
    renamed = [ours.get(i, name) for i, name in enumerate(names)]
    for i, name in enumerate(renamed):
        if i not in ours and (not name or name in renamed[:i] or name in ours.values()):
            renamed[i] = f"{name or 'unnamed'} ({i + 1})"
    return renamed


def split_header(head: str, separator: str) -> list[str]:
    """Column names of a header line; empty if the line cannot be parsed as one."""
    try:
        return [name.strip() for name in next(csv.reader([head], delimiter=separator), [])]
    except csv.Error:
        return []


def plain(header: str) -> str:
    """A header in its normalised form for comparison: "_" as a space, lower case, no leading "#"."""
    return header.lstrip("# ").replace("_", " ").strip().casefold()
