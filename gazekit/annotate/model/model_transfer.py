"""Model transfer: the model of another project, one of its checkpoints or its export starts a new project.

Its labels come with it, with colours and groups, so that detector and graph predict from the first frame on. Held-out
frames belong to the other recording and are dropped; if it is the same recording, they stay held out.
"""

from __future__ import annotations

import lzma
import re
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazekit.annotate.model import checkpoints
from gazekit.annotate.model.initial_detectors import initial_detector
from gazekit.annotate.model.model import FIRST
from gazekit.annotate.project import Project
from gazekit.annotate.project.authors import TRANSFERRED
from gazekit.annotate.project.labels import BACKGROUND, CANNOT_TELL

if TYPE_CHECKING:
    from gazekit.models.impn import Learner
    from gazekit.models.impn.detector import Detector

__all__ = ["TransferredModel", "read_model", "start_with"]

MEMBERS = {
    "about.json": 1 << 20,
    "detector.safetensors": 2 << 30,
    "learner.safetensors": 1 << 28,
}  # bytes at most
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class TransferredModel:
    """A detector, its learner, and the labels {id, name, colour, group} of their columns; column = id - 1.

    Args:
        of: `Project.identity` of the project it was trained in, {} if unknown.
        origins: [frame, the frame that its boxes were propagated from] of the frames it was trained on.
    """

    detector: Detector
    learner: Learner
    labels: dict[int, dict[str, Any]]
    of: dict[str, Any]
    origins: list[list[int]]


def read_model(source: str | Path) -> TransferredModel:
    """The model of a project, a checkpoint or an export.

    Args:
        source: the folder of a project, of one of its checkpoints, or the .zip that "export the model" made.
    Raises:
        FileNotFoundError: no such path.
        ValueError: it holds no model, or a damaged one; the detector needs a package that is not installed.
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
        raise ValueError(f"model={source} cannot be used: {error}") from error


def start_with(model: TransferredModel, project: Project) -> None:
    """Give a new project the labels and the model; the model becomes its first checkpoint.

    Raises:
        ValueError: the project has labels or a model already; the model was trained on unknown frames of this
            recording.
    """
    if project.store.events(limit=1) or checkpoints.latest(project.checkpoints) is not None:
        raise ValueError(f"model= is for a new project, and {project.folder} has labels or a model already")
    about = _split(model, project)
    for number in range(1, model.learner.n_labels + 1):
        label = model.labels.get(number) or {"name": f"no label {number}", "group": ""}
        known = {key: label[key] for key in ("name", "colour", "group") if key in label}
        project.store.act({"op": "label.add", "frame": None, **known}, TRANSFERRED)
        if number not in model.labels:  # merged into another label: its column and its number stay
            merge = {"op": "label.merge", "frame": None, "label": number, "into": "cannot tell"}
            project.store.act(merge, TRANSFERRED)
    columns = sorted(number - 1 for number in model.labels)
    about |= {"trained_on": FIRST, "known": columns, "began": initial_detector(project)}
    about["labels"] = [model.labels[number] for number in sorted(model.labels)]
    checkpoints.write(project.checkpoints / f"{1:06d}", model.detector, model.learner, about)


def _split(model: TransferredModel, project: Project) -> dict[str, Any]:
    """The checkpoint's entries about held-out frames: kept if the frames are the same; dropped for another recording,
    which is recorded as one that the model was trained on before.

    Raises:
        ValueError: the model was trained on unknown frames of this recording.
    """
    here, before = project.identity, model.of.get("before", [])
    if model.of.get("frames") == here["frames"]:
        project.store.describe({"learnt_before": before})
        return {"of": project.identity, "origins": model.origins}
    learnt = [*before, {key: model.of[key] for key in ("recording", "frames")}] if model.of else []
    if any(one["frames"] == here["frames"] or one["recording"] == here["recording"] != "" for one in learnt):
        raise ValueError(
            "model= was trained on this recording before, on unknown frames, so no frame can test it: use a model of "
            "other recordings, or start without model="
        )
    model.learner.held_out = type(model.learner.held_out)()
    project.store.describe({"learnt_before": learnt})
    return {"of": project.identity}


def _read(folder: Path, project: Project | None = None) -> TransferredModel:
    """A checkpoint with its project's present labels, or those it was written with. Labels added after its last update
    have no column and are dropped."""
    detector, learner, about = checkpoints.read(folder)
    labels, of, origins = about.get("labels"), about.get("of") or {}, about.get("origins", [])
    if project is not None:
        labels, of = [label for label in project.store.labels() if label["id"] > 0], of or project.identity
    if not isinstance(labels, list) or not all(map(_is_label, labels)):
        raise ValueError("about.json must have labels: a list of {id, name, colour, group}, ids from 1")
    before = of.get("before", []) if isinstance(of, dict) else None
    known = isinstance(before, list) and all(map(_is_identity, [of, *before] if of else []))
    if not known or not _are_origins(origins):
        raise ValueError("about.json must have of: {recording, frames, before}, and origins: pairs of frames")
    labels = [label for label in labels if label["id"] <= learner.n_labels]
    ids, names = {label["id"] for label in labels}, {label["name"].strip().casefold() for label in labels}
    if not labels or len(ids) < len(labels) or len(names) < len(labels):
        raise ValueError(f"it needs at least one label, each name once; got {sorted(names)}")
    if detector.feature_size != learner.feature_size or len(detector.labels) > learner.n_labels:
        raise ValueError("its detector and its learner do not match")
    return TransferredModel(detector, learner, {label["id"]: label for label in labels}, of, origins)


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
    """Extract an export under fixed file names, each limited in size.

    Raises:
        ValueError: not an export of a model.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if set(sizes) != set(MEMBERS) or len(archive.infolist()) != len(MEMBERS):
                raise ValueError(
                    f"expected the files {', '.join(MEMBERS)}, got {', '.join(sorted(sizes)[:9])}"
                )
            for name, most in MEMBERS.items():
                if sizes[name] > most:
                    raise ValueError(f"{name} has {sizes[name]} bytes, the limit is {most}")
                with archive.open(name) as packed, (folder / name).open("wb") as out:
                    while part := packed.read(1 << 20):
                        out.write(part)
    except _DAMAGE as error:
        raise ValueError(f"not a readable .zip: {error}") from error
