"""Finding the recordings among the files of a study."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gazekit.errors import RecordingError
from gazekit.recordings.readers import fitting, recognise
from gazekit.recordings.readers.near import near_miss

__all__ = ["Found", "find_recordings"]


class Found(NamedTuple):
    """What was found at the given paths.

    `recordings`: (path, format) in order of path; `others`: files that belong to no recording, unreadable
    folders; `failed`: paths that look like a recording by name but are not one, with the reason.
    """

    recordings: list[tuple[Path, str]]
    others: list[Path]
    failed: dict[Path, str]


def find_recordings(paths: Iterable[str | Path], format: str | None = None) -> Found:
    """Recordings at these paths; a folder that is not itself a recording is searched recursively.

    Args:
        paths: files and folders. A file given here must be a recording; other files inside a folder are
            allowed and listed.
        format: the format of every path given; None: detect it.
    Raises:
        FileNotFoundError: no such path.
        RecordingError: a file of no known format, or a folder without recordings.
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
            raise RecordingError(f"{path}: no recording of a known format in this folder or its subfolders")
    return Found(list(dict.fromkeys(recordings)), others, failed)


def _walk(
    folder: Path, recordings: list[tuple[Path, str]], others: list[Path], failed: dict[Path, str]
) -> None:
    """A folder that is a recording, even a broken one, counts as one and is not searched further."""
    if name := fitting(folder):
        recordings.append((folder, name))
        return
    try:
        children = [child for child in sorted(folder.iterdir()) if not child.name.startswith(".")]
    except OSError:  # an unreadable folder does not stop the search
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
