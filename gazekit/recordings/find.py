"""Recordings among the files of a study."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gazekit.recordings.readers import recognise
from gazekit.recordings.recording import RecordingError

__all__ = ["Found", "find_recordings"]


class Found(NamedTuple):
    """`recordings`: (path, format) in order of path; `others`: files of no recording, folders that cannot be read."""

    recordings: list[tuple[Path, str]]
    others: list[Path]


def find_recordings(paths: Iterable[str | Path], format: str | None = None) -> Found:
    """Recordings at these paths and, where a path is a folder that is none itself, in it and below.

    Args:
        paths: files and folders. A path that is named is a recording, or an error; what lies in a folder may
            be other things, which are listed.
        format: what all that is named is; None: recognised.
    Raises:
        FileNotFoundError: no such path.
        RecordingError: a file that is no known recording, or a folder without any.
    """
    recordings: list[tuple[Path, str]] = []
    others: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"no recording at {path}")
        before = len(recordings)
        if format is not None:
            recordings.append((path, format))
        elif path.is_dir():
            _walk(path, recordings, others)
        else:
            recordings.append((path, recognise(path)))
        if len(recordings) == before:
            raise RecordingError(f"{path}: no recording of a known format in this folder or below it")
    return Found(list(dict.fromkeys(recordings)), others)


def _walk(folder: Path, recordings: list[tuple[Path, str]], others: list[Path]) -> None:
    """A folder that is a recording is one, whatever else lies in it."""
    if name := _format(folder):
        recordings.append((folder, name))
        return
    try:
        children = sorted(folder.iterdir())
    except OSError:  # one that may not be looked into stops none of the others
        others.append(folder)
        return
    for child in children:
        if child.name.startswith("."):
            continue
        if child.is_dir() and not child.is_symlink():  # a link may lead back up
            _walk(child, recordings, others)
        elif name := _format(child):
            recordings.append((child, name))
        else:
            others.append(child)


def _format(path: Path) -> str | None:
    try:
        return recognise(path)
    except RecordingError:
        return None
