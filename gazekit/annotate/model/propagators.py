"""How a project propagates boxes: by the motion of points, or with SAM 2 from a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gazekit.annotate.model.propagation import Propagated, propagate

if TYPE_CHECKING:
    from gazekit.annotate.project import Project

__all__ = ["FLOW", "checked_propagator", "propagator_of"]

FLOW = "flow"


def checked_propagator(propagator: str) -> str:
    """The setting in the form that a project keeps.

    Args:
        propagator: "flow", or a folder with SAM 2 for video as transformers' `save_pretrained` writes it.
    Returns:
        "flow", or the folder's absolute path.
    Raises:
        ValueError: transformers is not installed, or the model has another type. FileNotFoundError: no such folder.
    """
    if propagator == FLOW:
        return FLOW
    from gazekit.annotate.model.sam2 import check_folder

    folder = Path(propagator).expanduser().resolve()
    try:
        check_folder(folder)
    except ImportError as error:
        raise ValueError(f"propagator={propagator}: {error}") from error
    return str(folder)


def propagator_of(project: Project) -> Callable[..., Iterator[Propagated]]:
    """`propagate`, or a `Sam2Propagator` if the project is set to use one.

    Raises:
        ImportError, FileNotFoundError, ValueError: as `Sam2Propagator`.
    """
    chosen = project.store.meta("propagator") or FLOW
    if chosen == FLOW:
        return propagate
    from gazekit.annotate.model.sam2 import Sam2Propagator

    return Sam2Propagator(chosen)
