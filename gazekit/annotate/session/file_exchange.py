"""Exports as one file for download, imports from an uploaded file."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gazekit.annotate import exchange
from gazekit.annotate.model import checkpoints
from gazekit.annotate.model.model import Model
from gazekit.annotate.project import Project

__all__ = ["export", "import_"]

ENDINGS = {"coco": ".json", "cvat": ".xml", "label_studio": ".json"}  # of formats with one file


def export(
    project: Project,
    model: Model,
    format: str,
    folder: Path,
    reviewed_only: bool = False,
    predicted: Mapping[int, tuple[int, float]] = MappingProxyType({}),
) -> Path:
    """See `AnnotationSession.export`."""
    out = folder / "files"
    out.mkdir()
    if format == "model":
        checkpoint = checkpoints.latest(model.folder)
        if checkpoint is None:
            raise ValueError("there is no trained model yet")
        for file in checkpoint.iterdir():
            shutil.copy(file, out / file.name)
    else:
        name = f"{project.ids['folder']}-{format}"
        file = out / (name + ENDINGS[format]) if format in ENDINGS else out
        exchange.export(project, format, file, reviewed_only=reviewed_only, predicted=predicted)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    if len(files) == 1:
        return files[0]
    packed = folder / f"{project.ids['folder']}-{format}.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(out))
    return packed


def import_(project: Project, format: str, path: Path, author: str, tab: str) -> dict[str, Any]:
    """See `AnnotationSession.import_`."""
    if format == "model":
        raise ValueError("a model cannot be imported: it is learnt from the project's labels")
    return exchange.import_(project, format, path, author, tab)
