"""Recordings among the files of a study."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gazekit.errors import RecordingError
from gazekit.recordings.readers import fitting, recognise
from gazekit.recordings.readers.near import near_miss

__all__ = ["Found", "find_recordings"]


class Found(NamedTuple):
    """What lies at some paths.

    `recordings`: (path, format) in order of path; `others`: files of no recording, folders that cannot be read;
    `failed`: what looks like a recording by its name and is none, and why.
    """

    recordings: list[tuple[Path, str]]
    others: list[Path]
    failed: dict[Path, str]


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
    failed: dict[Path, str] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"no recording at {path}")
        before = len(recordings) + len(failed)
        if format is not None:
            recordings.append((path, format))
        elif path.is_dir():
            _walk(path, recordings, others, failed)
        else:
            recordings.append((path, recognise(path)))
        if len(recordings) + len(failed) == before:
            raise RecordingError(f"{path}: no recording of a known format in this folder or below it")
    return Found(list(dict.fromkeys(recordings)), others, failed)


def _walk(
    folder: Path, recordings: list[tuple[Path, str]], others: list[Path], failed: dict[Path, str]
) -> None:
    """A folder that is a recording, or would be if nothing were wrong with it, is one, whatever else lies in it."""
    if name := fitting(folder):
        recordings.append((folder, name))
        return
    try:
        children = [child for child in sorted(folder.iterdir()) if not child.name.startswith(".")]
    except OSError:  # one that may not be looked into stops none of the others
        others.append(folder)
        return
    found = {child: name for child in children if not child.is_dir() and (name := fitting(child))}
    if not found and (reason := near_miss(folder)):
        failed[folder] = reason
        return
    for child in children:
        if child.is_dir() and not child.is_symlink():  # a link may lead back up
            _walk(child, recordings, others, failed)
        elif name := found.get(child) or fitting(child):
            recordings.append((child, name))
        elif reason := None if child.is_dir() else near_miss(child):
            failed[child] = reason
        else:
            others.append(child)
