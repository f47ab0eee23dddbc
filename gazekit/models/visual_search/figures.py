"""Figures of a report on search displays, drawn from its table."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from matplotlib.figure import Figure

from gazekit.base import Data, System
from gazekit.datasets.search_tasks import TASKS, task_of
from gazekit.drawing.search import asymmetry_bars_figure, search_times_figure
from gazekit.models.visual_search.comparison import ECCNET, PEOPLE

if TYPE_CHECKING:
    from gazekit.metrics import Score

__all__ = ["pictures_figure", "search_figures"]

WIDTH_IN = 1.35
"""Of a display in the figure of examples."""
PICTURES = 6
LABELS = {
    "lighting_vertical": "lit from above",
    "lighting_horizontal": "lit from the side",
    "t_in_ls": "T in Ls",
    "l_in_ts": "L in Ts",
    "non_cross": "non-cross",
    "homogeneous_0": "upright target",
    "homogeneous_20": "tilted target",
    "heterogeneous_0": "upright target",
    "heterogeneous_20": "tilted target",
}
"""Conditions in short words."""

Table = Mapping[str, Mapping[str, Any]]


def search_figures(searcher: System, data: Data, table: Table) -> dict[str, Figure]:
    """Reaction times of people and all searchers, asymmetries, and one search of each condition."""
    facts = data.facts()
    name = (searcher.recipe or {}).get("name", "")
    rows = sorted(table, key=lambda row: (row != PEOPLE, row != name))
    times = {row: found for row in rows if (found := _times(table[row]))}
    indices = {row.replace("_", " "): found for row in rows if (found := _indices(table[row]))}
    figures = {"searches": _examples_figure(searcher, data)}
    first = [row for row in times if row in (PEOPLE, name, ECCNET)]
    for figure, chosen in (
        ("reaction_times", first),
        ("reaction_times_others", [r for r in times if r not in first]),
    ):
        if chosen:
            shown = {row.replace("_", " "): times[row] for row in chosen}
            figures[figure] = search_times_figure(shown, _pairs(facts["tasks"]), LABELS)
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


def _examples_figure(searcher: System, data: Data) -> Figure:
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
    chosen = [(_described(conditions[c]), data.batch([i])) for c, i in sorted(first.items())]
    return _panels(searcher, chosen, 6, WIDTH_IN)


def _described(condition: str) -> str:
    return f"{task_of(condition).title}: {LABELS.get(condition, condition.replace('_', ' '))}"


def pictures_figure(searcher: System, data: Data) -> Figure:
    """The first searches in pictures."""
    index = data.parts[data.split].tolist()[:PICTURES]
    batches = [data.batch([i]) for i in index]
    return _panels(searcher, list(zip(data.items(index), batches, strict=True)), 3, 2 * WIDTH_IN)


def _panels(searcher: System, chosen: list[tuple[Any, Any]], columns: int, width_in: float) -> Figure:
    """One search per panel: the scanpath, the number of saccades, and the target's box."""
    columns = min(columns, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    figure = Figure(
        figsize=(columns * width_in, rows * (width_in + 0.45)), facecolor="white", layout="constrained"
    )
    for place, (name, batch) in enumerate(chosen, 1):
        said = searcher.predict(batch, torch.Generator().manual_seed(0))
        ax = figure.add_subplot(rows, columns, place)
        ax.imshow(batch["picture"][0].numpy())
        ax.set_axis_off()
        saccades = int(said["fixations"][0]) if said["found"][0] else 0
        n = f"{saccades} saccade{'s' * (saccades != 1)}" if said["found"][0] else "not found"
        ax.set_title(f"{textwrap.fill(name, 22)}\n{n}", fontsize=7, pad=2)
        path = said["xy_px"][0]
        path = path[path.isfinite().all(1)]
        ax.plot(path[:, 0], path[:, 1], color="#e69f00", linewidth=1, marker="o", markersize=2.5)
        ax.plot(*path[0], color="#cc79a7", marker="+", markersize=6, markeredgewidth=1.2)  # the given start
        box = _target_box(batch)
        if box is not None:
            x0, y0, x1, y1 = box
            ax.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color="#009e73", linewidth=1.2)
    return figure


def _target_box(batch: Mapping[str, Any]) -> list[float] | None:
    if "target_box_px" in batch:
        return batch["target_box_px"][0].tolist()
    target = int(batch["target_cell"][0])
    return batch["cell_boxes_px"][0, target].tolist() if target >= 0 else None
