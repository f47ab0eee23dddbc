"""All figures of a report and of pages, and saving them; one module per subject."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from gazekit.drawing.found import cumulative_performance_figure
from gazekit.drawing.foveation import foveation_figure
from gazekit.drawing.scanpaths import draw_scanpath, scanpath_figure
from gazekit.drawing.scenes import draw_scene
from gazekit.drawing.scores import behaviour_figure, scores_figure
from gazekit.drawing.search import asymmetry_bars_figure, search_times_figure
from gazekit.drawing.training import training_figure
from gazekit.files import written_whole

__all__ = [
    "asymmetry_bars_figure",
    "behaviour_figure",
    "cumulative_performance_figure",
    "draw_scanpath",
    "draw_scene",
    "foveation_figure",
    "save",
    "scanpath_figure",
    "scores_figure",
    "search_times_figure",
    "training_figure",
]

_DPI = 150


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG at 150 pixels per inch; the file is either complete or absent.

    Args:
        path: the file, which must end in ".png". Its folder is created.
    Raises:
        ValueError: another extension.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"figures are saved as .png, got {path.name!r}")
    with written_whole(path) as unfinished:
        figure.savefig(unfinished, dpi=_DPI, format="png")
    return path
