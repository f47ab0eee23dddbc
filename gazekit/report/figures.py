"""All figures of a report, and how they are saved. See `scenes`, `scanpaths`, `scores` and `training`."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.figure import Figure

from gazekit.report.scanpaths import draw_scanpath, scanpath_figure
from gazekit.report.scenes import draw_scene
from gazekit.report.scores import behaviour_figure, scores_figure
from gazekit.report.training import training_figure

__all__ = [
    "behaviour_figure",
    "draw_scanpath",
    "draw_scene",
    "save",
    "scanpath_figure",
    "scores_figure",
    "training_figure",
]

_DPI = 150


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, 150 pixels an inch; the file is complete or not there.

    Args:
        path: where to; ends in ".png". Its folder is created.
    Raises:
        ValueError: another ending.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"figures are saved as .png, got {path.name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        figure.savefig(unfinished, dpi=_DPI, format="png")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
