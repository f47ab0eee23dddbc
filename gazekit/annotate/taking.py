"""A model taken along: that of another project, a checkpoint of one, or its export, begins a new project.

Labels come with it, by name, with colours and groups, so that detector and graph predict from the first frame on. Which
frames were held out is forgotten: they are of the other recording.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazekit.annotate import checkpoints
from gazekit.annotate.beginnings import beginning
from gazekit.annotate.labels import BACKGROUND, CANNOT_TELL
from gazekit.annotate.model import FIRST
from gazekit.annotate.project import Project

__all__ = ["Taken", "begin_with", "read"]

MEMBERS = {
    "about.json": 1 << 20,
    "detector.safetensors": 2 << 30,
    "learner.safetensors": 1 << 28,
}  # bytes at most
AUTHOR = "model taken along"


@dataclass(frozen=True)
class Taken:
    """A detector, its learner, and the labels {id, name, colour, group} of their columns; column = id - 1."""

    detector: Any
    learner: Any
    labels: dict[int, dict[str, Any]]


def read(source: str | Path) -> Taken:
    """A model.

    Args:
        source: the folder of a project, of one of its checkpoints, or the .zip that "export the model" made.
    Raises:
        FileNotFoundError: there is nothing.
        ValueError: there is no model in it, or it is damaged; the detector needs a package that is not installed.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise FileNotFoundError(f"model={source}: no such project, checkpoint or export")
    try:
        if source.is_file():
            with tempfile.TemporaryDirectory() as folder:
                _unpack(source, Path(folder))
                return _read(Path(folder))
        if not Project.exists(source):
            return _read(source)
        latest = checkpoints.latest(source / "checkpoints")
        if latest is None:
            raise ValueError("the project has no model yet")
        with Project.open(source) as project:
            return _read(latest, project.store.labels())
    except (ValueError, OSError, ImportError) as error:
        raise ValueError(f"model={source} cannot be taken along: {error}") from error


def begin_with(taken: Taken, project: Project) -> None:
    """Give a new project the labels and the model, as its first checkpoint.

    Raises:
        ValueError: somebody has worked on the project already.
    """
    if project.store.events(limit=1) or checkpoints.latest(project.checkpoints) is not None:
        raise ValueError(f"model= is for a new project, and {project.folder} has labels or a model already")
    for number in range(1, taken.learner.n_labels + 1):
        label = taken.labels.get(number) or {"name": f"no label {number}", "group": ""}
        known = {key: label[key] for key in ("name", "colour", "group") if key in label}
        project.store.act({"op": "label.add", "frame": None, **known}, AUTHOR)
        if number not in taken.labels:  # merged into another one: its column stays, and its number is used up
            merge = {"op": "label.merge", "frame": None, "label": number, "into": "cannot tell"}
            project.store.act(merge, AUTHOR)
    taken.learner.held_out = type(taken.learner.held_out)()
    columns = sorted(number - 1 for number in taken.labels)
    about = {"trained_on": FIRST, "known": columns, "began": beginning(project)}
    labels = [taken.labels[number] for number in sorted(taken.labels)]
    checkpoints.write(
        project.checkpoints / f"{1:06d}", taken.detector, taken.learner, about | {"labels": labels}
    )


def _read(folder: Path, labels: list[dict[str, Any]] | None = None) -> Taken:
    """A checkpoint; with the project's labels of today, or as they were when it was written."""
    detector, learner, about = checkpoints.read(folder)
    labels = about.get("labels") if labels is None else [label for label in labels if label["id"] > 0]
    if not isinstance(labels, list) or not all(_is_label(label, learner.n_labels) for label in labels):
        raise ValueError("about.json must say labels: a list of {id, name, colour, group}, ids from 1")
    ids, names = {label["id"] for label in labels}, {label["name"].strip().casefold() for label in labels}
    if not labels or len(ids) < len(labels) or len(names) < len(labels):
        raise ValueError(f"its labels must be one at least, each once, got {sorted(names)}")
    if detector.feature_size != learner.feature_size or len(detector.labels) > learner.n_labels:
        raise ValueError("its detector and its learner do not belong together")
    return Taken(detector, learner, {label["id"]: label for label in labels})


def _is_label(label: Any, most: int) -> bool:
    return (
        isinstance(label, dict)
        and isinstance(label.get("id"), int)
        and 1 <= label["id"] <= most
        and all(isinstance(label.get(key), str) for key in ("name", "colour", "group"))
        and re.fullmatch(r"#[0-9a-f]{6}", label["colour"]) is not None
        and 0 < len(label["name"].strip()) <= 100
        and label["name"].strip().casefold() not in (BACKGROUND, CANNOT_TELL)
    )


def _unpack(file: Path, folder: Path) -> None:
    """The files of an export, under names of ours; no more of each than a model has.

    Raises:
        ValueError: no such export.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if set(sizes) != set(MEMBERS) or len(archive.infolist()) != len(MEMBERS):
                raise ValueError(f"expected {', '.join(MEMBERS)} in it, got {', '.join(sorted(sizes)[:9])}")
            for name, most in MEMBERS.items():
                if sizes[name] > most:
                    raise ValueError(f"{name} has {sizes[name]} bytes, at most {most} are read")
                with archive.open(name) as packed, (folder / name).open("wb") as out:
                    while part := packed.read(1 << 20):
                        out.write(part)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"no readable .zip: {error}") from error
