"""The project that the command line names: an existing one, or a new one, optionally with another project's model."""

from __future__ import annotations

import shutil
from pathlib import Path

from gazekit.annotate.model import initial_detectors, model_transfer, propagators
from gazekit.annotate.project import Project

__all__ = ["checked_settings", "create_project", "existing_project"]


def checked_settings(detector: str | None, propagator: str | None) -> dict[str, str]:
    """The settings that a project stores: the folders of a trained detector and of a propagator, those given.

    Raises:
        ValueError, OSError, ImportError: a folder that cannot be used.
    """
    settings = {}
    if detector is not None:
        settings["detector"] = initial_detectors.checked_detector(detector)
    if propagator is not None:
        settings["propagator"] = propagators.checked_propagator(propagator)
    return settings


def existing_project(folder: str, recording: str | None, model: str | None = None) -> Project | None:
    """The project in a folder; None if a new one must be created.

    Args:
        recording, model: those that the project must have been created with, if given.
    Raises:
        ValueError: it was created with others; there is none, and no recording for a new one.
    """
    if not Project.exists(folder):
        if recording is None:
            raise ValueError(f"no project in {folder} yet: give recording=PATH to create one")
        return None
    project = Project.open(folder)
    fits = recording is None or project.is_of(recording)
    if fits and (model is None or _resolved(model) == project.store.meta("model")):
        return project
    project.close()
    if fits:
        raise ValueError(f"project={folder} exists already; model= is for a new project")
    raise ValueError(f"project={folder} is of the recording {project.recording_path}, not of {recording}")


def create_project(folder: str, recording: str, model: str | None = None, name: str | None = None) -> Project:
    """A new project.

    Args:
        model: of `model_transfer.read_model`: labels and model to start with.
        name: by default the recording's.
    Raises:
        ValueError, OSError: the recording or the model cannot be read or written; the folder holds a project. Nothing
            is left behind.
    """
    transferred = None if model is None else model_transfer.read_model(_resolved(model))
    existed = Path(folder).expanduser().exists()
    project = Project.create(folder, recording, name)
    try:
        if transferred is not None:
            model_transfer.start_with(transferred, project)
            project.store.describe({"model": _resolved(model)})
    except BaseException:  # half a project would block the next attempt
        project.close()
        _remove(project, whole=not existed)
        raise
    return project


def _remove(project: Project, whole: bool) -> None:
    """Remove a project that was just created, and its folder if that was created too."""
    if whole:
        shutil.rmtree(project.folder)
        return
    shutil.rmtree(project.checkpoints)
    for file in project.folder.glob(f"{project.store.path.name}*"):
        file.unlink()


def _resolved(path: str) -> str:
    return str(Path(path).expanduser().resolve())
