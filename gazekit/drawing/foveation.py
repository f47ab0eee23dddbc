"""Pictures beside what transforms make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from gazekit.drawing.scores import TEXT_PT

__all__ = ["foveation_figure"]

MARK = "#ffdd00"


def foveation_figure(
    rows: Sequence[Mapping[str, np.ndarray]],
    fixations_xy_px: Sequence[tuple[float, float]],
    panel_in: float = 2.2,
) -> Figure:
    """A row per photograph, a column per transform, and a cross with a dark rim at the fixation.

    Args:
        rows: name of a transform -> picture [H, W] or [H, W, 3] of bytes; the names of the first row stand above.
        fixations_xy_px: (x, y) of each row's pictures, pixels; it may lie outside, where no cross is drawn.
        panel_in: width of a panel.
    Raises:
        ValueError: no rows, or rows that differ in names or number from the first or the fixations.
    """
    if not rows or len(rows) != len(fixations_xy_px) or any(list(row) != list(rows[0]) for row in rows):
        raise ValueError("foveation_figure needs one or more rows with the same names and a fixation each")
    names = list(rows[0])
    heights = [panel_in * row[names[0]].shape[0] / row[names[0]].shape[1] for row in rows]
    gap, head = 0.05, 0.25
    size = (len(names) * (panel_in + gap) + gap, sum(heights) + len(rows) * gap + head)
    figure = Figure(figsize=size, facecolor="white")
    top = size[1] - head
    for i, (row, (x, y), height) in enumerate(zip(rows, fixations_xy_px, heights, strict=True)):
        top -= height
        for j, name in enumerate(names):
            left = gap + j * (panel_in + gap)
            ax = figure.add_axes((left / size[0], top / size[1], panel_in / size[0], height / size[1]))
            picture = row[name]
            ax.imshow(
                picture, cmap="gray", vmin=0, vmax=255, extent=(0, picture.shape[1], picture.shape[0], 0)
            )
            ax.set_axis_off()
            if 0 <= x <= picture.shape[1] and 0 <= y <= picture.shape[0]:
                for colour, width in (("black", 2.5), (MARK, 1.2)):
                    ax.plot(x, y, "+", color=colour, markersize=9, markeredgewidth=width)
            if i == 0:
                ax.set_title(name, fontsize=TEXT_PT, pad=4)
        top -= gap
    return figure
