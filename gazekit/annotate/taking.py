"""A model taken along: that of another project, a checkpoint of one, or its export, begins a new project.

Labels come with it, by name, with colours and groups, so that detector and graph predict from the first frame on. Which
frames were held out is forgotten, as they are of the other recording; where it is the same one, they stay held out.
"""

from __future__ import annotations

import lzma
import re
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazekit.annotate import checkpoints
from gazekit.annotate.authors import TAKEN_ALONG
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
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Taken:
    """A detector, its learner, and the labels {id, name, colour, group} of their columns; column = id - 1.

    Args:
        of: `Project.identity` of where it has learnt, {} if unknown.
        origins: [frame, the frame that its boxes were carried from] of what it has met there.
    """

    detector: Any
    learner: Any
    labels: dict[int, dict[str, Any]]
    of: dict[str, Any]
    origins: list[list[int]]


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
            return _read(latest, project)
    except (ValueError, OSError, ImportError) as error:
        raise ValueError(f"model={source} cannot be taken along: {error}") from error


def begin_with(taken: Taken, project: Project) -> None:
    """Give a new project the labels and the model, as its first checkpoint.

    Raises:
        ValueError: somebody has worked on the project already; the model has learnt this recording, and which frames of
            it cannot be said.
    """
    if project.store.events(limit=1) or checkpoints.latest(project.checkpoints) is not None:
        raise ValueError(f"model= is for a new project, and {project.folder} has labels or a model already")
    about = _split(taken, project)
    for number in range(1, taken.learner.n_labels + 1):
        label = taken.labels.get(number) or {"name": f"no label {number}", "group": ""}
        known = {key: label[key] for key in ("name", "colour", "group") if key in label}
        project.store.act({"op": "label.add", "frame": None, **known}, TAKEN_ALONG)
        if number not in taken.labels:  # merged into another one: its column stays, and its number is used up
            merge = {"op": "label.merge", "frame": None, "label": number, "into": "cannot tell"}
            project.store.act(merge, TAKEN_ALONG)
    columns = sorted(number - 1 for number in taken.labels)
    about |= {"trained_on": FIRST, "known": columns, "began": beginning(project)}
    about["labels"] = [taken.labels[number] for number in sorted(taken.labels)]
    checkpoints.write(project.checkpoints / f"{1:06d}", taken.detector, taken.learner, about)


def _split(taken: Taken, project: Project) -> dict[str, Any]:
    """What the checkpoint says of frames: the same ones stay on their side; of another recording none is known, and
    that one is remembered.

    Raises:
        ValueError: the model has learnt this recording, and which frames of it cannot be said.
    """
    here, before = project.identity, taken.of.get("before", [])
    if taken.of.get("frames") == here["frames"]:
        project.store.describe({"learnt_before": before})
        return {"of": project.identity, "origins": taken.origins}
    learnt = [*before, {key: taken.of[key] for key in ("recording", "frames")}] if taken.of else []
    if any(one["frames"] == here["frames"] or one["recording"] == here["recording"] != "" for one in learnt):
        raise ValueError(
            "model= has learnt this recording before, and which frames of it cannot be said, so none could show how "
            "good it is: take a model of other recordings, or begin without model="
        )
    taken.learner.held_out = type(taken.learner.held_out)()
    project.store.describe({"learnt_before": learnt})
    return {"of": project.identity}


def _read(folder: Path, project: Project | None = None) -> Taken:
    """A checkpoint; with its project's labels of today, or as they were when it was written. Labels that it has not met
    in any update have no column, and stay behind."""
    detector, learner, about = checkpoints.read(folder)
    labels, of, origins = about.get("labels"), about.get("of") or {}, about.get("origins", [])
    if project is not None:
        labels, of = [label for label in project.store.labels() if label["id"] > 0], of or project.identity
    if not isinstance(labels, list) or not all(map(_is_label, labels)):
        raise ValueError("about.json must say labels: a list of {id, name, colour, group}, ids from 1")
    before = of.get("before", []) if isinstance(of, dict) else None
    known = isinstance(before, list) and all(map(_is_identity, [of, *before] if of else []))
    if not known or not _are_origins(origins):
        raise ValueError("about.json must say of: {recording, frames, before}, and origins: pairs of frames")
    labels = [label for label in labels if label["id"] <= learner.n_labels]
    ids, names = {label["id"] for label in labels}, {label["name"].strip().casefold() for label in labels}
    if not labels or len(ids) < len(labels) or len(names) < len(labels):
        raise ValueError(f"its labels must be one at least, each once, got {sorted(names)}")
    if detector.feature_size != learner.feature_size or len(detector.labels) > learner.n_labels:
        raise ValueError("its detector and its learner do not belong together")
    return Taken(detector, learner, {label["id"]: label for label in labels}, of, origins)


def _is_identity(of: Any) -> bool:
    return isinstance(of, dict) and all(isinstance(of.get(key), str) for key in ("recording", "frames"))


def _are_origins(origins: Any) -> bool:
    return isinstance(origins, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(frame, int) for frame in pair)
        for pair in origins
    )


def _is_label(label: Any) -> bool:
    return (
        isinstance(label, dict)
        and isinstance(label.get("id"), int)
        and label["id"] >= 1
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
    except _DAMAGE as error:
        raise ValueError(f"no readable .zip: {error}") from error
