"""Reading text, CSV and JSON, with errors that name the broken file, line and column.

All readers return the content and a list of notes, sentences for `Recording.notes`. A file that ends too
early is an error unless `truncated="keep"`, which leaves out the broken rest and adds a note.
"""

from __future__ import annotations

import io
import json
import warnings
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.csv_lines import as_bytes, check_lines, match_header

__all__ = ["Truncated", "has_file", "json_lines", "read_bytes", "read_csv", "read_json", "read_text"]

Truncated = Literal["error", "keep"]
_KEEP = 'truncated="keep" reads the intact part'


def has_file(folder: Path, name: str) -> bool:
    """Whether a folder contains a file; also False for a folder that cannot be read."""
    try:
        return (folder / name).is_file()
    except (OSError, ValueError):
        return False


def read_bytes(path: Path, truncated: Truncated = "error") -> tuple[bytes, list[str]]:
    """The bytes of a file, decompressed if its name ends in ".gz".

    Raises:
        FileNotFoundError: no such file.
        RecordingError: a folder or an unreadable file; a gzip file that is broken, or cut off unless
            `truncated="keep"`.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {path}") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror})") from error
    return _gunzip(path, content, truncated) if path.suffix.lower() == ".gz" else (content, [])


def _gunzip(path: Path, content: bytes, truncated: Truncated) -> tuple[bytes, list[str]]:
    parts: list[bytes] = []
    while True:
        unpack = zlib.decompressobj(wbits=31)
        try:
            parts.append(unpack.decompress(content))
        except zlib.error as error:
            raise RecordingError(f"{path}: not a readable gzip file ({error})") from error
        if not unpack.eof:
            if truncated != "keep":
                raise RecordingError(f"{path}: the gzip file ends too early, it was cut off; {_KEEP}")
            return b"".join(parts), [
                f"{path.name} is cut off: its first {sum(map(len, parts))} bytes were read"
            ]
        content = unpack.unused_data.lstrip(b"\0")
        if not content:
            return b"".join(parts), []


def read_text(path: Path, truncated: Truncated = "error") -> tuple[str, list[str]]:
    """The text of a file: UTF-16 if it has that byte order mark, else UTF-8, or Latin-1 with a note.

    Raises:
        FileNotFoundError: no such file.
        RecordingError: as `read_bytes`; bytes that are not text.
    """
    content, notes = read_bytes(path, truncated)
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not wide and b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise RecordingError(
            f"{path}, line {line}: found a zero byte, expected text; the file is damaged or binary"
        )
    try:
        return content.decode("utf-16" if wide else "utf-8-sig"), notes
    except UnicodeDecodeError as error:
        if wide:
            raise RecordingError(
                f"{path}: not readable as UTF-16 ({error.reason}), is it complete?"
            ) from error
        line = content.count(b"\n", 0, error.start) + 1
        note = f"{path.name} is not UTF-8 (first at line {line}); it was read as Latin-1"
        return content.decode("latin-1"), [*notes, note]


def read_json(path: Path, kind: type = dict) -> Any:
    """The content of a JSON file whose outermost value is a `kind` (dict or list).

    Raises:
        FileNotFoundError: no such file.
        RecordingError: not JSON, cut off, a duplicate key in one object, an outermost value of another kind.
    """
    text, _ = read_text(path)
    content = _parse_json(text, str(path))
    if not isinstance(content, kind):
        raise RecordingError(f"{path}: expected a JSON {_JSON_NAMES[kind]}, got {type(content).__name__}")
    return content


def json_lines(path: Path, truncated: Truncated, notes: list[str]) -> Iterator[dict[str, Any]]:
    """The objects of a file with one JSON object per line (".gz" or plain), in order; empty lines are skipped.

    Args:
        notes: notes about the file are appended here.
    Raises:
        FileNotFoundError: no such file.
        RecordingError: as `read_text`; a line that is not a JSON object (the last one is left out if "keep").
    """
    text, more = read_text(path, truncated)
    notes += more
    start = number = 0
    while start < len(text):  # not text.split: a long recording has millions of lines
        number += 1
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line, start = text[start:end], end + 1
        if not line or line.isspace():
            continue
        try:
            record = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            problem = _no_json(f"{path}, line {number}", error)
            if end < len(text):
                raise problem from error
            if truncated != "keep":
                raise RecordingError(f"{problem}; the file was cut off in its last line; {_KEEP}") from error
            notes.append(f"{path.name} is cut off: line {number}, its last, was left out")
            return
        if not isinstance(record, dict):
            raise RecordingError(
                f"{path}, line {number}: expected a JSON object, got {type(record).__name__}"
            )
        yield record


_JSON_NAMES = {dict: "object", list: "list"}


def _parse_json(text: str, where: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _no_json(where, error) from error


def _no_json(where: str, error: Exception) -> RecordingError:
    return RecordingError(f"{where}: not readable JSON, is it complete? ({error})")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(k for k in keys if keys.count(k) > 1)!r} occurs twice")
    return content


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)  # creating one takes as long as reading a short line


def read_csv(
    path: Path,
    columns: Mapping[str, str | tuple[str, ...]],
    optional: Mapping[str, str | tuple[str, ...]] | None = None,
    *,
    text: Collection[str] = (),
    integers: Collection[str] = (),
    separator: str = ",",
    decimal: str = ".",
    missing: Collection[str] = ("",),
    header: Sequence[str] | None = None,
    truncated: Truncated = "error",
) -> tuple[pd.DataFrame, list[str]]:
    """A table with a header line. Headers are compared without case, a leading "#", and with "_" as a space.

    Args:
        columns: our name -> header, or alternative headers; all columns must be present.
        optional: the same for columns that may be absent.
        text: our names of text columns; the other named columns are numeric (float64, or int64 if all values
            are whole).
        integers: our names of columns of whole numbers without missing values, for nanoseconds.
        missing: strings that mark a missing number, read as NaN. "nan" in upper or lower case always does.
        header: names of the columns of a file that has no header line.
    Returns:
        One row per line, named columns first, then the others under their own header, as pandas reads them;
        and notes.
    Raises:
        FileNotFoundError: no such file.
        RecordingError: as `read_text`; no header, a column that is absent or occurs twice, a line with the
            wrong number of fields, text in a numeric column. With "keep" a last line without a newline is
            left out.
    """
    content, notes = read_text(path, truncated)
    if header is not None:
        content = separator.join(header) + "\n" + content
    content, names = check_lines(path, content, separator, truncated, notes, first=1 if header is None else 0)
    renamed = match_header(path, names, columns, optional or {})
    options: dict[str, Any] = dict(
        sep=separator, names=renamed, skiprows=1, index_col=False, skip_blank_lines=True, na_values=list(missing),
        keep_default_na=False, decimal=decimal, dtype=dict.fromkeys(text, str), low_memory=False,
    )  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = pd.read_csv(
                io.BytesIO(as_bytes(content)), **options
            )  # StringIO takes 4 bytes per character
    except (ValueError, Warning, OverflowError) as error:
        raise RecordingError(f"{path}: not a readable table ({error})") from error
    known = [name for name in (*columns, *(optional or {})) if name in renamed]
    for name in known:
        title = names[renamed.index(name)]
        if name in text:
            table[name] = table[name].fillna("").astype(str)
        else:
            table[name] = _numbers(f"{path}, column {title!r}", table[name], missing, decimal)
        if name in integers and table[name].dtype != np.int64:
            bad = int((table[name].isna() | (table[name] % 1 != 0)).to_numpy().argmax())
            raise RecordingError(f"{path}, column {title!r}, row {bad + 1}: expected a whole number")
    return table[known + [name for name in renamed if name not in known]], notes


def _numbers(where: str, column: pd.Series, missing: Collection[str], decimal: str) -> pd.Series:
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        words = column.astype(str).str.strip()
        numbers = pd.to_numeric(words.str.replace(decimal, "."), errors="coerce")
        given = column.notna() & ~words.isin(missing) & (words.str.lower() != "nan")
        if (bad := (given & numbers.isna()).to_numpy()).any():
            row = int(bad.argmax())
            raise RecordingError(
                f"{where}, row {row + 1}: expected a number, got {str(column.iloc[row])[:60]!r}"
                f" ({int(bad.sum())} such rows)"
            )
        column = numbers
    return column if column.dtype == np.int64 else column.astype(np.float64)
