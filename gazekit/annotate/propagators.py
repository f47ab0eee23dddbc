"""What carries the boxes of a project: the motion of points, or a segment-anything model from a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gazekit.annotate.propagation import Propagated, propagate

__all__ = ["FLOW", "checked", "propagator_of"]

FLOW = "flow"


def checked(propagator: str) -> str:
    """What a project keeps.

    Args:
        propagator: "flow", or a folder with SAM 2 for video as transformers' `save_pretrained` writes it.
    Returns:
        "flow", or the folder's whole path.
    Raises:
        ValueError: transformers is not installed, or a model of another type. FileNotFoundError: no such folder.
    """
    if propagator == FLOW:
        return FLOW
    from gazekit.annotate.sam2 import check_folder

    folder = Path(propagator).expanduser().resolve()
    try:
        check_folder(folder)
    except ImportError as error:
        raise ValueError(f"propagator={propagator}: {error}") from error
    return str(folder)


def propagator_of(project: Any) -> Callable[..., Iterator[Propagated]]:
    """`propagate`, or a `Sam2Propagator` where the project was told so.

    Raises:
        ImportError, FileNotFoundError, ValueError: as `Sam2Propagator`.
    """
    chosen = project.store.meta("propagator") or FLOW
    if chosen == FLOW:
        return propagate
    from gazekit.annotate.sam2 import Sam2Propagator

    return Sam2Propagator(chosen)
