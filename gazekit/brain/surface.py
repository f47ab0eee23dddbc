"""Values of vertices on the surface of the cortex, drawn by nilearn from files of the user; nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_surface"]

VIEWS = ("lateral", "medial", "ventral", "posterior")


def draw_surface(
    values: np.ndarray,
    mesh: str | Path,
    background: str | Path | None = None,
    vertices: np.ndarray | None = None,
    hemisphere: str = "left",
    views: Sequence[str] = VIEWS,
    limit: float | None = None,
    title: str = "",
) -> Figure:
    """One hemisphere from several sides, blue for negative and red for positive values.

    Args:
        values: [V] one a vertex, NaN is left blank.
        mesh: file of the surface (GIFTI or FreeSurfer), such as fsaverage's inflated one.
        background: file of the sulci, drawn below.
        vertices: [V] number in the mesh of each value, where values are of some vertices only; a mask [vertices of the
            mesh] of as many vertices as there are values will do, as Algonauts' `all-vertices_fsaverage_space`.
        hemisphere: "left" or "right".
        limit: the value of the strongest colour; None for the largest magnitude.
    Returns:
        The figure; saving it is the caller's part.
    Raises:
        ImportError: without nilearn (`pip install 'gazekit-attention[brain]'`).
        FileNotFoundError: no such file. ValueError: values that do not fit the mesh, or another hemisphere.
    """
    try:
        from nilearn import plotting
        from nilearn.surface import load_surf_mesh
    except ImportError as error:
        raise ImportError("surfaces are drawn by nilearn: pip install 'gazekit-attention[brain]'") from error
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if hemisphere not in ("left", "right"):
        raise ValueError(f"hemisphere must be left or right, got {hemisphere!r}")
    for path in (mesh, background):
        if path is not None and not Path(path).is_file():
            raise FileNotFoundError(f"{path} does not exist; a surface is drawn from files of your own")
    surface = load_surf_mesh(str(mesh))
    whole = _on_mesh(np.asarray(values, float), vertices, len(surface.coordinates))
    strongest = limit or float(np.nanmax(np.abs(whole), initial=0)) or 1.0
    figure = Figure(figsize=(3 * len(views), 3))
    FigureCanvasAgg(figure)
    for place, view in enumerate(views):
        plotting.plot_surf_stat_map(
            surf_mesh=str(mesh),
            stat_map=whole,
            bg_map=None if background is None else str(background),
            hemi=hemisphere,
            view=view,
            vmax=strongest,
            vmin=-strongest,
            colorbar=place == len(views) - 1,
            axes=figure.add_subplot(1, len(views), place + 1, projection="3d"),
            figure=figure,
            title=title if place == 0 else None,
        )
    return figure


def _on_mesh(values: np.ndarray, vertices: np.ndarray | None, count: int) -> np.ndarray:
    """[vertices of the mesh], NaN where there is no value."""
    if vertices is None:
        chosen = np.arange(len(values))
    else:
        chosen = np.asarray(vertices)
        if len(chosen) == count and set(np.unique(chosen)) <= {0, 1}:
            chosen = np.flatnonzero(chosen)
    if values.ndim != 1 or len(chosen) != len(values) or (vertices is None and len(values) != count):
        raise ValueError(
            f"values must be one for each of {count} vertices of the mesh, or of the chosen ones; got "
            f"{list(values.shape)} values and {len(chosen)} vertices"
        )
    if len(chosen) and not 0 <= chosen.min() <= chosen.max() < count:
        raise ValueError(f"vertices must be from 0 to {count - 1}, got {chosen.min()} to {chosen.max()}")
    whole = np.full(count, np.nan)
    whole[chosen] = values
    return whole
