"""Figures of glimpse prediction: rows beside one another, and by glimpse number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gazekit.drawing.scores import GREY, TEXT_PT, styles_of

__all__ = ["by_glimpse_figure", "glimpse_figures"]

PANELS = {"contrast": "contrast", "sensitivity": "target - other fixations (cosine)"}
_PLAIN = ("copy", "mean", "best")  # how rows that learn nothing begin


def glimpse_figures(table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
    """`by_glimpse`, where the table has columns by glimpse number."""
    rows = [row for row, scores in table.items() if "contrast.1" in scores and " - " not in row]
    return {"by_glimpse": by_glimpse_figure(table, rows)} if rows else {}


def by_glimpse_figure(table: Mapping[str, Mapping[str, Any]], rows: Sequence[str]) -> Figure:
    """Contrast and sensitivity of predictions from each glimpse, with intervals; rows that do not learn in grey."""
    learning = [row for row in rows if not row.startswith(_PLAIN)]
    styles = styles_of(learning)
    figure = Figure(figsize=(10, 4.4), facecolor="white", layout="constrained")
    for ax, (measure, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        plain = 0
        for row in rows:
            if row in styles:
                line = {"color": styles[row].colour, "marker": styles[row].marker, "linestyle": "-"}
            else:
                line = {"color": GREY, "linestyle": ("--", ":", "-.", (0, (1, 3)))[plain % 4]}
                plain += 1
            _curve(ax, table[row], measure, row, line)
        ax.set_title(title, fontsize=TEXT_PT + 1)
        ax.set_xlabel("predicted from glimpse number", fontsize=TEXT_PT)
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
    ax.plot(number, value, **line, markersize=4, linewidth=1.3, label=row.replace("_", " "))
    if line["linestyle"] == "-":
        ax.fill_between(number, low, high, color=line["color"], alpha=0.15, linewidth=0)
