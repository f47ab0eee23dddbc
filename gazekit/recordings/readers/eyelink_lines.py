"""EyeLink text as lines: recording blocks, samples via pandas' C parser, all other lines by their first word."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.files import read_bytes

__all__ = ["Block", "Lines", "find_blocks", "number", "read_lines", "read_samples"]

_MISSING = [".", "nan", "NaN", "NA"]
_FLAGS = re.compile(r"[.A-Z]+")


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a file: `by_word[w]` holds (line number, text) of the lines that start with the word w."""

    path: Path
    data: bytes
    starts: np.ndarray  # [L + 1] first byte of each line, and the end of the last
    is_sample: np.ndarray  # [L] bool: starts with a digit
    by_word: dict[str, list[tuple[int, str]]]
    notes: list[str]
    truncated: Literal["error", "keep"]
    cut: bool  # the last line has no line end

    def where(self, line: int) -> str:
        """Prefix of an error about the line with this number, counted from 1."""
        hint = ', the last and cut off (truncated="keep" leaves it out)'
        return f"{self.path}, line {line}{hint if self.cut and line == len(self.is_sample) else ''}"

    def text(self, line: int) -> str:
        """The line with this number."""
        return self.data[self.starts[line - 1] : self.starts[line]].decode("latin-1").strip()


@dataclass
class Block:
    """What a recording block declares between its START and END lines."""

    line: int
    start_ms: float
    last_line: int = 0
    samples: tuple[str, ...] = ()  # words of its SAMPLES line
    events: tuple[str, ...] = ()  # words of its EVENTS line
    pupil: str = ""
    end: tuple[str, ...] = field(default=())  # words of its END line

    @property
    def eyes(self) -> tuple[str, ...]:
        """Eyes in its sample lines, in the order of the columns."""
        return tuple(eye.lower() for eye in ("LEFT", "RIGHT") if eye in self.samples)

    @property
    def rate_hz(self) -> float:
        """The rate stated, NaN if none is."""
        words = dict(zip(self.samples, self.samples[1:], strict=False))
        return number(words.get("RATE", ".")) or float("nan")


def number(word: str) -> float | None:
    """The number in a word of an event line: NaN if missing, None if it is not a number."""
    if word in _MISSING:
        return float("nan")
    try:
        value = float(word)
    except ValueError:
        return None
    return None if np.isinf(value) or "_" in word else value


def read_lines(path: Path, truncated: Literal["error", "keep"]) -> Lines:
    """Split a file into lines; with "keep" a last line without a newline is left out.

    Raises:
        FileNotFoundError: no such file.
        RecordingError: unreadable, or not text.
    """
    data, notes = read_bytes(path, truncated)
    if data.startswith(b"SR_RESEARCH"):
        raise RecordingError(
            f"{path}: this is EyeLink's binary EDF; convert it to text with SR Research's edf2asc first"
        )
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise RecordingError(
            f"{path}, line {line}: found a zero byte, expected text; the file is damaged or binary"
        )
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    cut = bool(data) and not data.endswith(b"\n") and truncated != "keep"
    if data and not data.endswith(b"\n"):
        if truncated == "keep":
            data = data[: data.rfind(b"\n") + 1]
            notes.append("the last line has no newline and was left out")
        else:
            data += b"\n"
            notes.append("the last line has no newline; if the file was cut off, that line is incomplete")
    raw = np.frombuffer(data, np.uint8)
    starts = np.append(0, np.flatnonzero(raw == ord("\n")) + 1)
    first = raw[starts[:-1]]
    is_sample = (first >= ord("0")) & (first <= ord("9"))
    others = np.flatnonzero(~is_sample)
    text = b"".join(data[starts[i] : starts[i + 1]] for i in others)
    by_word: dict[str, list[tuple[int, str]]] = {}
    for i, line in zip(others.tolist(), _decode(text, notes).split("\n"), strict=False):
        if line.strip():
            word = "" if line[0].isspace() else line.split(None, 1)[0]
            by_word.setdefault(word, []).append((i + 1, line.rstrip()))
    return Lines(path, data, starts, is_sample, by_word, notes, truncated, cut)


def _decode(text: bytes, notes: list[str]) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        notes.append("messages are not UTF-8 and were read as Latin-1")
        return text.decode("latin-1")


def find_blocks(lines: Lines) -> list[Block]:
    """The recording blocks in order.

    Raises:
        RecordingError: a block without END (unless "keep", where it extends to the next START or the end of
            the file), an END without START, a START without a time.
    """
    words = ("START", "END", "SAMPLES", "EVENTS", "PUPIL", "PRESCALER", "VPRESCALER")
    rows = sorted((line, text.split()) for word in words for line, text in lines.by_word.get(word, []))
    blocks: list[Block] = []
    current: Block | None = None
    for line, (word, *rest) in rows:
        if word == "START":
            if current is not None:
                _close_unfinished(lines, current, line - 1)
            time = number(rest[0]) if rest else None
            if time is None or not np.isfinite(time):
                raise RecordingError(
                    f"{lines.where(line)}: expected START and a time, got {lines.text(line)!r}"
                )
            current = Block(line, time)
            blocks.append(current)
        elif word == "END":
            if current is None:
                raise RecordingError(
                    f"{lines.where(line)}: END without a preceding START; is the beginning of the file missing?"
                )
            current.last_line, current.end, current = line, tuple(rest), None
        elif current is not None and word.endswith("PRESCALER") and rest not in ([], ["1"]):
            raise RecordingError(
                f"{lines.where(line)}: expected {word} 1, as edf2asc writes it, got {rest[0]}"
            )
        elif current is not None and word in ("SAMPLES", "EVENTS"):
            setattr(current, word.lower(), tuple(rest))
        elif current is not None and word == "PUPIL":
            current.pupil = " ".join(rest).lower()
    if current is not None:
        _close_unfinished(lines, current, len(lines.is_sample))
    return blocks


def _close_unfinished(lines: Lines, block: Block, last_line: int) -> None:
    what = f"the recording block that starts in line {block.line} has no END line"
    if lines.truncated != "keep":
        raise RecordingError(
            f'{lines.path}: {what}, the file is cut off; truncated="keep" reads the intact part'
        )
    block.last_line = last_line
    lines.notes.append(f"{what} and was read up to line {last_line}")


def read_samples(lines: Lines, blocks: list[Block]) -> pd.DataFrame:
    """The sample lines of all blocks in one table, with `block` and, for errors, the line number as index."""
    tables, first = [], 0
    numbers = np.flatnonzero(lines.is_sample) + 1
    edges = np.searchsorted(numbers, [(block.line, block.last_line + 1) for block in blocks])
    for i, block in enumerate(blocks):  # adjacent blocks with the same columns are parsed together, for speed
        following = blocks[i + 1] if i + 1 < len(blocks) else None
        if following is not None and following.samples == block.samples:
            continue
        rows = np.concatenate([numbers[a:b] for a, b in edges[first : i + 1]])
        if len(rows):
            table = _parse(lines, blocks[first], rows)
            counts = [b - a for a, b in edges[first : i + 1]]
            table["block"] = np.repeat(np.arange(first, i + 1, dtype=np.int32), counts)
            tables.append(table)
        first = i + 1
    outside = len(numbers) - int(sum(b - a for a, b in edges))
    if outside:
        lines.notes.append(
            f"{outside} lines that start with a number lie outside recording blocks and are not samples"
        )
    if not tables:
        raise RecordingError(
            f"{lines.path}: no samples in {len(blocks)} recording blocks; was the file converted with samples "
            "(edf2asc without -e)?"
        )
    return tables[0] if len(tables) == 1 else pd.concat(tables)


def _parse(lines: Lines, block: Block, rows: np.ndarray) -> pd.DataFrame:
    names = _columns(lines, block, int(rows[0]))
    cuts = np.flatnonzero(np.diff(rows) > 1) + 1
    runs = zip(rows[np.append(0, cuts)], rows[np.append(cuts - 1, len(rows) - 1)], strict=True)
    text = b"".join(lines.data[lines.starts[a - 1] : lines.starts[b]] for a, b in runs)
    words = [name for name in names if name.startswith("flags")]
    numbers = [name for name in names if name not in words]
    last = {names[-1]: "category"}  # as text, to distinguish an absent field from a missing value
    try:
        table = pd.read_csv(
            io.BytesIO(text), sep=r"\s+", header=None, names=names, index_col=False, quoting=3, keep_default_na=False,
            na_values=dict.fromkeys(set(numbers) - set(last), _MISSING),
            dtype=dict.fromkeys(numbers, np.float64) | dict.fromkeys(words, "category") | last,
        )  # fmt: skip
        if names[-1] in numbers:
            values = [number(word) for word in table[names[-1]].cat.categories]
            if None in values:
                raise ValueError("not a number")
            table[names[-1]] = np.array(values, np.float64)[table[names[-1]].cat.codes]
    except ValueError:
        raise _first_bad(lines, rows, names) from None
    bad = len(table) != len(rows) or table["t_ms"].isna().any()
    bad |= any(np.isinf(table[name]).any() for name in numbers)
    bad |= not all(_FLAGS.fullmatch(word) for name in words for word in table[name].cat.categories)
    if bad:
        raise _first_bad(lines, rows, names)
    table.index = pd.Index(rows, dtype=np.int64)
    return table


def _columns(lines: Lines, block: Block, line: int) -> list[str]:
    """Names of the fields of a block's sample lines, from its SAMPLES line and the number of fields in its first."""
    kind = block.samples[0] if block.samples else ""
    if kind != "GAZE":
        what = f"samples are {kind} (not gaze on the screen)" if kind else "there is no SAMPLES line"
        raise RecordingError(
            f"{lines.where(block.line)}: {what}, expected positions in pixels; convert the EDF with edf2asc -sg"
        )
    eyes = block.eyes
    if not eyes:
        raise RecordingError(f"{lines.where(block.line)}: its SAMPLES line names neither LEFT nor RIGHT")
    names = ["t_ms", *(f"{name}_{eye}" for eye in eyes for name in ("x_px", "y_px", "pupil"))]
    if "VEL" in block.samples:
        names += [f"{name}_{eye}" for eye in eyes for name in ("x_velocity_dva_s", "y_velocity_dva_s")]
    if "RES" in block.samples:
        names += ["x_px_per_dva", "y_px_per_dva"]
    names += [word.lower() for word in block.samples if word in ("INPUT", "BUTTON", "BUTTONS")]
    target = (
        ["target_x", "target_y", "target_distance_mm", "flags_target"] if "HTARGET" in block.samples else []
    )
    words = lines.text(line).split()
    for extra in ([], ["flags"], ["flags", *target]):
        if len(words) == len(names) + len(extra) and (not extra or _FLAGS.fullmatch(words[len(names)])):
            if target and len(extra) < 5:
                lines.notes.append(
                    "SAMPLES lines declare columns for a head target that the sample lines lack"
                )
            return names + extra
    raise RecordingError(
        f"{lines.where(line)}: {len(words)} fields, expected {', '.join([*names, '[flags]', *target])} by the SAMPLES "
        f"line of the block; got {lines.text(line)[:100]!r}"
    )


def _first_bad(lines: Lines, rows: np.ndarray, names: list[str]) -> RecordingError:
    """An error about the first of these sample lines with a different format."""
    for line in rows.tolist():
        words = lines.text(line).split()
        if len(words) != len(names):
            return RecordingError(
                f"{lines.where(line)}: {len(words)} fields, expected {len(names)}: {', '.join(names)}"
            )
        for name, word in zip(names, words, strict=True):
            value = number(word)
            if name.startswith("flags"):
                good = _FLAGS.fullmatch(word) is not None
            else:
                good = value is not None and not (name == "t_ms" and np.isnan(value))
            if not good:
                return RecordingError(f"{lines.where(line)}: cannot read {word!r} as {name}")
    return RecordingError(f"{lines.path}: the sample lines {rows[0]} to {rows[-1]} are not readable")
