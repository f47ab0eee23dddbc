"""What a project's first detector is: one that learns from nothing, or a trained one from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["TINY", "beginning", "checked", "new_detector"]

TINY = "tiny"
SIDE_PX, SIDE_PX_CPU = 640, 320  # a picture of 320 px takes a quarter of the time


def beginning(project: Any) -> str:
    """What a project's new detectors are: as it was told last, "tiny" if never."""
    return project.store.meta("detector") or TINY


def checked(detector: str) -> str:
    """What `new_detector` takes.

    Args:
        detector: "tiny", or a folder with RT-DETRv2 or D-FINE as transformers' `save_pretrained` writes it.
    Returns:
        "tiny", or the folder's whole path.
    Raises:
        ValueError: transformers is not installed, or a model of another type. FileNotFoundError: no such folder.
    """
    if detector == TINY:
        return TINY
    from gazekit.models.impn.detector.transformers_models import check_folder

    folder = Path(detector).expanduser().resolve()
    try:
        check_folder(folder)
    except ImportError as error:
        raise ValueError(f"detector={detector}: {error}") from error
    return str(folder)


def new_detector(names: Sequence[str], detector: str) -> Any:
    """A detector of labels that has yet to learn them, as `checked` says what it is.

    Raises:
        ImportError, FileNotFoundError, ValueError: as `TransformersDetector`.
    """
    if detector == TINY:
        from gazekit.models.impn.detector import TinyDetector

        return TinyDetector(names)
    import torch

    from gazekit.models.impn.detector.transformers import TransformersDetector

    side_px = SIDE_PX if torch.cuda.is_available() else SIDE_PX_CPU
    return TransformersDetector(names, detector, side_px=side_px)
