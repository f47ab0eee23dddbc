"""Checkpoints of a project's model: one folder each, with safetensors files and a small JSON file. Reading one executes
no code from it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gazekit.models.impn import Learner
    from gazekit.models.impn.detector import Detector

__all__ = ["Checkpoint", "digest", "latest", "newest", "read", "write"]

KEPT = 10


class Checkpoint(NamedTuple):
    """The content of a checkpoint; `about` holds plain JSON values."""

    detector: Detector
    learner: Learner
    about: dict[str, Any]


def write(folder: Path, detector: Detector, learner: Learner, about: dict[str, Any]) -> None:
    """Write a checkpoint and remove older ones beside it: the last ten are kept.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    detector.save(folder / "detector.safetensors")
    (folder / "about.json").write_text(json.dumps(about))
    learner.save(folder / "learner.safetensors")  # last: with it the checkpoint is complete
    for old in _all(folder.parent)[:-KEPT]:
        for file in old.iterdir():
            file.unlink()
        old.rmdir()


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint in a folder."""
    return max(_complete(folder), default=None)


def newest(folder: Path) -> tuple[Path | None, Checkpoint | None, str]:
    """The newest readable checkpoint in a folder: its path and content, None if there is none; and a sentence about
    newer ones that cannot be read, "" if there are none."""
    problems: dict[str, Exception] = {}
    found, content = None, None
    for path in reversed(_complete(folder)):
        try:
            found, content = path, read(path)
            break
        except (OSError, ValueError, ImportError) as error:
            problems[path.name] = error
    if not problems:
        return found, content, ""
    instead = "a new one will be trained" if found is None else f"version {found.name} is used"
    names, first = ", ".join(problems), next(iter(problems.values()))
    return found, content, f"The model version {names} cannot be read, {instead}: {first}"


def read(folder: Path) -> Checkpoint:
    """The content of a checkpoint.

    Raises:
        OSError, ValueError: a file is missing or damaged.
        ImportError: the detector needs the package transformers.
    """
    from gazekit.models.impn import Learner
    from gazekit.models.impn.detector import load

    try:
        about = json.loads((folder / "about.json").read_text())
    except RecursionError as error:
        raise ValueError(f"{folder / 'about.json'} is nested too deeply") from error
    if not isinstance(about, dict) or {"trained_on", "known"} - set(about):
        raise ValueError(f"{folder / 'about.json'} lacks trained_on or known")
    return Checkpoint(
        load(folder / "detector.safetensors"), Learner.load(folder / "learner.safetensors"), about
    )


def digest(folder: Path) -> str:
    """SHA-256 of a checkpoint's detector file.

    Raises:
        OSError: it cannot be read.
    """
    with (folder / "detector.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _complete(folder: Path) -> list[Path]:
    return [path for path in _all(folder) if (path / "learner.safetensors").is_file()]


def _all(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if re.fullmatch(r"\d{6}", path.name) and path.is_dir())
