"""A project from what the command line says: the one that is there, or a new one, perhaps with another one's model."""

from __future__ import annotations

import shutil
from pathlib import Path

from gazekit.annotate import beginnings, propagators, taking
from gazekit.annotate.project import Project

__all__ = ["created", "kept", "there"]


def kept(detector: str | None, propagator: str | None) -> dict[str, str]:
    """What a project remembers: the folders of a trained detector and of a propagator.

    Raises:
        ValueError, OSError, ImportError: one that cannot be used.
    """
    found = {}
    if detector is not None:
        found["detector"] = beginnings.checked(detector)
    if propagator is not None:
        found["propagator"] = propagators.checked(propagator)
    return found


def there(folder: str, recording: str | None, model: str | None = None) -> Project | None:
    """The project of a folder; None where a new one is to be made.

    Args:
        recording, model: what it must have been made with, if given.
    Raises:
        ValueError: it was not; there is none, and no recording for a new one.
    """
    if not Project.exists(folder):
        if recording is None:
            raise ValueError(f"no project in {folder} yet: recording=PATH says what to annotate in a new one")
        return None
    project = Project.open(folder)
    fits = recording is None or project.is_of(recording)
    if fits and (model is None or _resolved(model) == project.store.meta("model")):
        return project
    project.close()
    if fits:
        raise ValueError(f"project={folder} is there already; model= begins a new one")
    raise ValueError(f"project={folder} is of the recording {project.recording_path}, not of {recording}")


def created(folder: str, recording: str, model: str | None = None, name: str | None = None) -> Project:
    """A new project.

    Args:
        model: of `taking.read`: labels and model to begin with.
        name: by default the recording's.
    Raises:
        ValueError, OSError: a recording or a model that cannot be read or written; the folder holds a project. Nothing
            is left behind then.
    """
    taken = None if model is None else taking.read(_resolved(model))
    there = Path(folder).expanduser().exists()
    project = Project.create(folder, recording, name)
    try:
        if taken is not None:
            taking.begin_with(taken, project)
            project.store.describe({"model": _resolved(model)})
    except BaseException:  # half a project would be in the way of the next try
        project.close()
        _remove(project, whole=not there)
        raise
    return project


def _remove(project: Project, whole: bool) -> None:
    """A project that was just made, and its folder if it was made with it."""
    if whole:
        shutil.rmtree(project.folder)
        return
    shutil.rmtree(project.checkpoints)
    for file in project.folder.glob(f"{project.store.path.name}*"):
        file.unlink()


def _resolved(path: str) -> str:
    return str(Path(path).expanduser().resolve())
