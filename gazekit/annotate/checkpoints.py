"""Checkpoints of a project's model: a folder each, of safetensors files and a little JSON; reading runs nothing."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

__all__ = ["digest", "latest", "newest", "read", "write"]

KEPT = 10


def write(folder: Path, detector: Any, learner: Any, about: dict[str, Any]) -> None:
    """Write a checkpoint, and remove those beside it beyond the last ten.

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


def newest(folder: Path) -> tuple[Path | None, tuple[Any, Any, dict[str, Any]] | None, str]:
    """The newest checkpoint in a folder that can be read, None without any; what `read` gives of it; and a sentence on
    newer ones that cannot be read, "" if there are none."""
    problems: dict[str, Exception] = {}
    found, parts = None, None
    for path in reversed(_complete(folder)):
        try:
            found, parts = path, read(path)
            break
        except (OSError, ValueError, ImportError) as error:
            problems[path.name] = error
    if not problems:
        return found, parts, ""
    instead = "a new one is learnt" if found is None else f"that of {found.name} is used"
    names, first = ", ".join(problems), next(iter(problems.values()))
    return found, parts, f"The model of {names} cannot be read, {instead}: {first}"


def read(folder: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Detector, `Learner`, and what `write` was told about them.

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
    return load(folder / "detector.safetensors"), Learner.load(folder / "learner.safetensors"), about


def digest(folder: Path) -> str:
    """Of a checkpoint's detector: the same only where the detector is the same.

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
