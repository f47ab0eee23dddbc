"""The detector that a project starts from: an untrained small one, or a trained one from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gazekit.annotate.project import Project
    from gazekit.models.impn.detector import Detector

__all__ = ["TINY", "checked_detector", "initial_detector", "new_detector"]

TINY = "tiny"
SIDE_PX, SIDE_PX_CPU = 640, 320  # 320 px take a quarter of the time


def initial_detector(project: Project) -> str:
    """The project's setting for new detectors: "tiny" or a folder; "tiny" if it was never set."""
    return project.store.meta("detector") or TINY


def checked_detector(detector: str) -> str:
    """The setting in the form that `new_detector` takes.

    Args:
        detector: "tiny", or a folder with RT-DETRv2 or D-FINE as transformers' `save_pretrained` writes it.
    Returns:
        "tiny", or the folder's absolute path.
    Raises:
        ValueError: transformers is not installed, or the model has another type. FileNotFoundError: no such folder.
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


def new_detector(names: Sequence[str], detector: str) -> Detector:
    """A detector for these labels, not yet trained on them; `detector` as `checked_detector` returns it.

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
