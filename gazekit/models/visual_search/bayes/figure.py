"""Visibility, posterior and expectation along one person's scanpath."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure

from gazekit.drawing import draw_scanpath, draw_scene
from gazekit.models.visual_search.bayes.cells import visibility

if TYPE_CHECKING:
    from gazekit.datasets.scanpath_data import ScanpathData
    from gazekit.models.visual_search.bayes.searcher import Searcher

__all__ = ["beliefs_figure"]

STEPS = 4
PANEL_IN = 2.3


@torch.no_grad()
def beliefs_figure(searcher: Searcher, data: ScanpathData) -> Figure:
    """Columns are moments of one person's scanpath, a rather long one.

    Rows: the periphery's visibility, the posterior of the object looked for, and the probability of the next fixation,
    all relative to their maximum, with the fixations so far and a ring where the person looked next.
    """
    index = _example(data)
    trial = data.dataset.trials[index]
    scene = data.dataset.scenes[trial.scene]
    batch = data.batch_for([index], searcher.facts)
    length = len(trial.objects)
    moments = np.unique(np.linspace(1, max(1, length - 1), STEPS).round().astype(int))
    maps = {}
    for step, _, state in searcher.along(batch, 0):
        if step in moments:
            seen = visibility(state.display.grid).seen_from(state.past[0, 0, 0], searcher.periphery)
            maps[step] = (seen, searcher.posterior(state)[0, 0].exp(), searcher.log_map(state)[0, 0].exp())
            shape = (state.display.grid.rows, state.display.grid.columns)
    width, height = PANEL_IN, PANEL_IN * scene.size_px[1] / scene.size_px[0]
    columns = max(len(maps), 1)
    figure = Figure(figsize=(columns * (width + 0.1) + 0.45, 3 * (height + 0.1) + 0.75), facecolor="white")
    total_width, total_height = figure.get_size_inches()
    reach = shape[1] * searcher.cell_px, shape[0] * searcher.cell_px
    for column, (step, values) in enumerate(maps.items()):
        for row, value in enumerate(values):
            left, top = 0.4 + column * (width + 0.1), 0.65 + row * (height + 0.1)
            ax = figure.add_axes((left / total_width, 1 - (top + height) / total_height, width / total_width,
                                  height / total_height))  # fmt: skip
            draw_scene(ax, scene)
            picture = (value / value.max()).view(shape).numpy(force=True)
            ax.imshow(
                picture,
                extent=(0, reach[0], reach[1], 0),
                cmap="viridis",
                alpha=0.7,
                vmin=0,
                vmax=1,
                zorder=2,
            )
            ax.set(xlim=(0, scene.size_px[0]), ylim=(scene.size_px[1], 0))
            draw_scanpath(ax, trial.scanpath.xy_px[:step], None, scene.start_xy_px)
            if step < length:
                ax.plot(*trial.scanpath.xy_px[step], "o", ms=13, mfc="none", mec="#ff7f0e", mew=2, zorder=6)
            if row == 0:
                ax.set_title(f"after fixation {step}", fontsize=9)
            if column == 0:
                ax.set_ylabel(("visibility", "posterior", "next fixation")[row], fontsize=9)
    person = f"person: {trial.scanpath.observer or 'unnamed'}; orange circle: the next fixation, +: the start"
    title = f"{data.dataset.name}, scene {scene.name}\n{person}"
    figure.text(0.1 / total_width, 1 - 0.05 / total_height, title, fontsize=8, ha="left", va="top")
    return figure


def _example(data: ScanpathData) -> int:
    """A trial of the reported part whose length is near the third quartile, with two fixations if possible."""
    index = data.parts[data.split]
    lengths = np.array([len(data.dataset.trials[i].objects) for i in index])
    wanted = max(2, float(np.quantile(lengths, 0.75)))
    return int(index[np.argmin(np.abs(lengths - wanted) + 1e3 * (lengths < 2))])
