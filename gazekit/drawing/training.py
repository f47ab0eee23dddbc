"""Plots of a training run: small multiples of its curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gazekit.drawing.placement import text_width_pt
from gazekit.drawing.scores import GREY, TEXT_PT, new_grid, title_in, title_of

__all__ = ["training_figure"]

_COLOUR = {"train": "#0072b2", "val": "#d55e00"}
_NAME = {"train": "training", "val": "validation"}


def training_figure(
    history: Mapping[str, Sequence[tuple[float, float | None]]], best_step: float | None = None
) -> Figure:
    """Curves of a training run, one panel per quantity: "train/loss" and "val/loss" share one.

    Args:
        history: "split/quantity" -> its (step, value) pairs in order. None, NaN and infinite values are gaps.
        best_step: step with the best validation; marked by a line in all panels and rings on validation
            curves.
    Returns:
        A figure with three panels per row.
    Raises:
        ValueError: no curve, or one that is not a sequence of pairs.
    """
    if not history:
        raise ValueError("history must hold at least one curve, got none")
    curves = {key: _curve(key, pairs) for key, pairs in history.items()}
    quantities: dict[str, list[str]] = {}
    for key in curves:
        quantities.setdefault(key.rpartition("/")[2], []).append(key)
    figure, axes = new_grid(len(quantities), (1.75, 1.25), 0.6, 0.6, title_in(quantities), 0.4, 0.05)
    for ax, (quantity, keys) in zip(axes, quantities.items(), strict=True):
        _draw_quantity(ax, quantity, {key: curves[key] for key in keys}, best_step)
    return figure


def _curve(key: str, pairs: Sequence) -> np.ndarray:
    """[T, 2] steps and values, NaN where undefined."""
    rows = [list(pair) for pair in pairs]
    wrong = next((row for row in rows if len(row) != 2), None)
    if wrong is not None:
        raise ValueError(f"history[{key!r}] must hold (step, value) pairs, got {wrong}")
    curve = np.array([[math.nan if x is None else float(x) for x in row] for row in rows]).reshape(-1, 2)
    return np.where(np.isfinite(curve), curve, np.nan)


def _draw_quantity(ax: Axes, quantity: str, curves: dict[str, np.ndarray], best_step: float | None) -> None:
    ax.set_title(title_of(quantity), fontsize=TEXT_PT + 1, fontweight="bold", loc="left", pad=16)
    ax.set_xlabel("step", fontsize=TEXT_PT, labelpad=1)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 5, 10), integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 5, 10)))
    ax.yaxis.set_major_formatter(lambda y, _: f"{y:.4g}")
    along = 0.0
    for key, curve in curves.items():
        split = key.rpartition("/")[0]
        colour = _COLOUR.get(split, "#009e73")
        marker = "o" if len(curve) <= 30 else ""
        ax.plot(*curve.T, color=colour, linewidth=1.3, marker=marker, markersize=2.5, gid=key)
        name = _NAME.get(split, split)
        place = dict(xycoords="axes fraction", textcoords="offset points", va="bottom")
        ax.annotate(name, (0, 1), xytext=(along, 4), fontsize=TEXT_PT, color=colour, **place)
        along += text_width_pt(name, TEXT_PT) + 10
        if best_step is not None and split == "val":
            for step, value in curve[curve[:, 0] == best_step]:
                ax.plot([step], [value], "o", markersize=7, markerfacecolor="none", color=colour, gid="best")
    if not any(np.isfinite(curve[:, 1]).any() for curve in curves.values()):
        ax.text(0.5, 0.5, "no value", transform=ax.transAxes, fontsize=TEXT_PT, color=GREY, ha="center")
        ax.set(xticks=[], yticks=[])
    elif best_step is not None:
        ax.axvline(best_step, color="#444444", linewidth=0.8, linestyle=(0, (3, 2)), zorder=0.5, gid="best")
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.18 * (high - low))  # room for one line of text
        place = dict(xycoords=("data", "axes fraction"), textcoords="offset points", va="top", ha="center")
        place["bbox"] = dict(facecolor="white", edgecolor="none", pad=0.8)
        ax.annotate("best", (best_step, 1), xytext=(0, 0), fontsize=TEXT_PT, color="#444444", **place)
