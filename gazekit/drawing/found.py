"""Plots of search: the share of targets that were found by each saccade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gazekit.drawing.placement import text_width_pt
from gazekit.drawing.scores import TEXT_PT, new_grid, styles_of

__all__ = ["cumulative_performance_figure", "same_length"]

_LINE_IN = 0.15
BANDS = 4
"""Rows of a panel up to which each has a band."""


def cumulative_performance_figure(
    panels: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]], step: str = "saccade"
) -> Figure:
    """Share of targets found by each saccade (or fixation), a panel per data set, a line per searcher.

    Args:
        panels: title -> searcher -> "found" (shares from 0 to 1, for saccade 0, 1, 2, ...), and "low" and "high" if
            there is an interval, which is a band (of people only, if there are more than four rows). Rows of people
            are black, as in all figures.
        step: what is counted along the x axis.
    Returns:
        A figure with three panels a row and one legend below them.
    Raises:
        ValueError: no panel, one without rows, or lists of one row that differ in length.
    """
    if not panels or not all(panels.values()):
        raise ValueError("cumulative_performance_figure needs at least one panel, and rows in each")
    names = list(dict.fromkeys(name for rows in panels.values() for name in rows))
    styles = styles_of(names)
    wide = max(text_width_pt(name, TEXT_PT) for name in names) / 72 + 0.5
    axis_in, left, gap = (2.0, 1.6) if len(panels) > 1 else (3.2, 2.2), 0.55, 0.3
    total = left + min(3, len(panels)) * (axis_in[0] + gap) - gap
    columns = max(1, int(total / wide))
    foot = _LINE_IN * -(-len(names) // columns) + 0.1
    figure, axes = new_grid(len(panels), axis_in, left, gap, 0.3, 0.45, foot)
    for i, (ax, (title, rows)) in enumerate(zip(axes, panels.items(), strict=True)):
        for name, curve in rows.items():
            found = same_length(f"{title}, {name}", curve, "found")
            steps = np.arange(len(found["found"]))
            style = styles[name]
            people = style.colour == "black"
            # many bands on one another hide all of them
            if "low" in found and "high" in found and (people or len(rows) <= BANDS):
                ax.fill_between(
                    steps, found["low"], found["high"], color=style.colour, alpha=0.15, linewidth=0
                )
            ax.plot(
                steps, found["found"], _dash(names, styles, name), color=style.colour, marker=style.marker,
                markersize=3.5, markevery=_every(steps),
                linewidth=2 if people else 1.3, zorder=3 if people else 2, gid=name,
            )  # fmt: skip
        ax.set(ylim=(0, 1.02), yticks=(0, 0.25, 0.5, 0.75, 1))
        ax.set_xlim(left=0)
        ax.set_yticklabels(["0", "", "0.5", "", "1"] if i % 3 == 0 else [])
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10), integer=True))
        ax.set_xlabel(f"{step} number", fontsize=TEXT_PT, labelpad=1)
        ax.set_title(title, fontsize=TEXT_PT + 1, fontweight="bold", loc="left", pad=4)
        if i % 3 == 0:
            ax.set_ylabel("share of targets found", fontsize=TEXT_PT)
    handles = [
        Line2D(
            [], [], color=s.colour, marker=s.marker, markersize=4, label=n, linestyle=_dash(names, styles, n)
        )
        for n, s in styles.items()
    ]
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(left / figure.get_figwidth(), 0), ncols=columns,
        fontsize=TEXT_PT, frameon=False, borderaxespad=0.2, borderpad=0, labelspacing=0.2, columnspacing=1,
    )  # fmt: skip
    return figure


def _dash(names: Sequence[str], styles: Mapping[str, object], name: str) -> str:
    """Dashed where an earlier row has the same colour and marker."""
    earlier = names[: names.index(name)]
    return "--" if any(styles[n] == styles[name] for n in earlier) else "-"


def _every(steps: np.ndarray) -> int:
    """Markers on at most about a dozen steps."""
    return max(1, len(steps) // 12)


def same_length(where: str, values: Mapping[str, Sequence[float]], *needed: str) -> dict[str, np.ndarray]:
    """Arrays of one length."""
    arrays = {name: np.asarray(values[name], float) for name in (*needed, "low", "high") if name in values}
    if missing := [name for name in needed if name not in arrays]:
        raise ValueError(f"{where} must hold {missing[0]!r}, got {', '.join(values) or 'nothing'}")
    if len({array.shape for array in arrays.values()}) > 1 or arrays[needed[0]].ndim != 1:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        raise ValueError(f"{where} must hold lists of one length, got {shapes}")
    return arrays
