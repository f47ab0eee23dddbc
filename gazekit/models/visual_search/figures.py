"""Figures of a report on search displays, drawn from its table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from matplotlib.figure import Figure

from gazekit.base import Data, Predictor
from gazekit.datasets.search_tasks import TASKS
from gazekit.drawing.search import asymmetry_bars_figure, search_times_figure

if TYPE_CHECKING:
    from gazekit.metrics import Score

__all__ = ["search_figures"]

PEOPLE = "people"
WIDTH_IN = 1.35
"""Of a display in the figure of examples."""

Table = Mapping[str, Mapping[str, Any]]


def search_figures(searcher: Predictor, data: Data, table: Table) -> dict[str, Figure]:
    """Reaction times of people and all searchers, asymmetries, and one search of each condition."""
    facts = data.facts()
    rows = [PEOPLE, *(row for row in table if row != PEOPLE)] if PEOPLE in table else list(table)
    times = {row: found for row in rows if (found := _times(table[row]))}
    indices = {row: found for row in rows if (found := _indices(table[row]))}
    figures = {"searches": _examples_figure(searcher, data)}
    if times:
        figures["reaction_times"] = search_times_figure(times, _pairs(facts["tasks"]))
    if indices:
        figures["asymmetries"] = asymmetry_bars_figure(indices, {t: TASKS[t].title for t in facts["tasks"]})
    return figures


def _pairs(tasks: list[str]) -> dict[str, tuple[str, ...]]:
    """Title of a task to its conditions, the hard one first."""
    ordered = {t: sorted(TASKS[t].conditions, key=lambda c: not c.is_hard) for t in tasks}
    return {TASKS[t].title: tuple(c.name for c in conditions) for t, conditions in ordered.items()}


def _times(scores: Mapping[str, Score]) -> dict[str, dict[str, list[float]]]:
    """Condition to its times at each set size, from columns `rt_ms.CONDITION at N`."""
    found: dict[str, list[tuple[int, Score]]] = {}
    for column, score in scores.items():
        if column.startswith("rt_ms."):
            condition, _, size = column.removeprefix("rt_ms.").rpartition(" at ")
            found.setdefault(condition, []).append((int(size), score))
    times = {}
    for condition, points in found.items():
        points.sort()
        times[condition] = {
            "set_size": [size for size, _ in points],
            "time_ms": [score.value for _, score in points],
            "low": [score.low for _, score in points],
            "high": [score.high for _, score in points],
        }
    return times


def _indices(scores: Mapping[str, Score]) -> dict[str, dict[str, float]]:
    start = "asymmetry."
    return {
        column.removeprefix(start): {"value": s.value, "low": s.low, "high": s.high}
        for column, s in scores.items()
        if column.startswith(start)
    }


def _examples_figure(searcher: Predictor, data: Data) -> Figure:
    """The first display with the largest set size of each condition, and where the searcher looked."""
    first: dict[int, int] = {}
    largest = {}
    for batch in data.batches(data.split):
        for k, (condition, size) in enumerate(
            zip(batch["condition"].tolist(), batch["set_size"].tolist(), strict=True)
        ):
            if size > largest.get(condition, -1):
                largest[condition], first[condition] = size, int(batch["group"][k])
    conditions = data.facts()["conditions"]
    columns = min(6, len(first))
    rows = math.ceil(len(first) / columns)
    figure = Figure(
        figsize=(columns * WIDTH_IN, rows * (WIDTH_IN + 0.25)), facecolor="white", layout="constrained"
    )
    for place, (condition, index) in enumerate(sorted(first.items()), 1):
        batch = data.batch([index])
        said = searcher.predict(batch, torch.Generator().manual_seed(0))
        ax = figure.add_subplot(rows, columns, place)
        ax.imshow(batch["picture"][0].numpy())
        ax.set_axis_off()
        n = float(said["fixations"][0])
        ax.set_title(f"{conditions[condition].replace('_', ' ')}: {n:.0f}", fontsize=7, pad=2)
        if "xy_px" in said:
            path = said["xy_px"][0]
            path = path[path.isfinite().all(1)]
            ax.plot(path[:, 0], path[:, 1], color="#e69f00", linewidth=1, marker="o", markersize=2.5)
        target = int(batch["target_cell"][0])
        if target >= 0:
            x0, y0, x1, y1 = batch["cell_boxes_px"][0, target].tolist()
            ax.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color="#009e73", linewidth=1.2)
    return figure
