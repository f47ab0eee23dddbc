"""Figures of glimpse prediction: rows beside one another, and by glimpse number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gazekit.drawing.scores import GREY, TEXT_PT, styles_of

__all__ = ["by_glimpse_figure", "glimpse_figures"]

PANELS = {
    "by_glimpse": {"contrast": "contrast", "sensitivity": "target - other fixations (cosine)"},
    "states": {"path_r2": "path from the first fixation, told from the state (R2)",
               "scene_rsa": "scenes: states against captions (Spearman)"},
}  # fmt: skip
_DASHES = ("--", ":", "-.", (0, (1, 4)), (0, (6, 1, 1, 1, 1, 1)), (0, (9, 3)), (0, (3, 1)), (0, (2, 4)))
_PLAIN = ("copy", "mean", "best")  # how rows that learn nothing begin


def glimpse_figures(table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
    """`by_glimpse` and `states`, where the table has their columns by glimpse number."""
    figures = {}
    for name, panels in PANELS.items():
        shown = {
            m: title for m, title in panels.items() if any(f"{m}.1" in scores for scores in table.values())
        }
        if shown:
            figures[name] = by_glimpse_figure(table, shown)
    return figures


def by_glimpse_figure(table: Mapping[str, Mapping[str, Any]], panels: Mapping[str, str]) -> Figure:
    """Measures by glimpse number, a panel each, with intervals; what is best possible is black, copies are grey.

    Differences of rows are left out.

    Args:
        panels: measure to title; rows without its columns are not in its panel.
    """
    rows = [
        row for row, scores in table.items() if " - " not in row and any(f"{m}.1" in scores for m in panels)
    ]
    styles = styles_of([row for row in rows if not row.startswith(_PLAIN)])
    plain = [row for row in rows if row not in styles]
    figure = Figure(figsize=(1.5 + 4.2 * len(panels), 4.2), facecolor="white", layout="constrained")
    for ax, (measure, title) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for row in rows:
            if f"{measure}.1" not in table[row]:
                continue
            if row in styles:
                line = {"color": styles[row].colour, "marker": styles[row].marker, "linestyle": "-"}
            else:
                colour = "black" if row.startswith("best") else GREY
                line = {"color": colour, "linestyle": _DASHES[plain.index(row) % len(_DASHES)]}
            _curve(ax, table[row], measure, row, line)
        ax.set_title(title, fontsize=TEXT_PT + 1)
        ax.set_xlabel("number of the glimpse that is predicted from", fontsize=TEXT_PT)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.tick_params(labelsize=TEXT_PT)
        ax.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=TEXT_PT)
    return figure


def _curve(ax: Axes, scores: Mapping[str, Any], measure: str, row: str, line: Mapping[str, Any]) -> None:
    number = [k for k in range(1, len(scores) + 1) if f"{measure}.{k}" in scores]
    value, low, high = (
        np.array([getattr(scores[f"{measure}.{k}"], end) for k in number]) for end in ("value", "low", "high")
    )
    ax.plot(number, value, **line, markersize=4, linewidth=1.2, label=row.replace("_", " "))
    if line["linestyle"] == "-":
        ax.fill_between(number, low, high, color=line["color"], alpha=0.15, linewidth=0)
