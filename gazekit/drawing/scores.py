"""Plots of scores: one panel per metric, one line per row of the report, 95 % intervals as bars.

A row has the same line, colour and marker in all panels and figures made from the same rows. Rows of people
(or of the simulated observer) are black, the centre bias and chance grey; models use the colour-blind-safe colours of
Okabe and Ito (2008).
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gazekit.drawing.placement import text_width_pt
from gazekit.metrics.functional import PARTS
from gazekit.metrics.info import INFO

__all__ = ["behaviour_figure", "new_grid", "scores_figure", "styles_of", "title_in", "title_of"]

TEXT_PT = 8.0
GREY = "#666666"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_MARKERS = "osD^vP"
_PEOPLE = {"people", "person", "persons", "human", "humans", "observer", "observers"}
_BASELINES = {"other images": "<", "chance": ">"}
_AXES_A_ROW = 3
_ROW_IN = 0.32
_TITLES = {
    "information_gain_bits": "information gain (bits per fixation)",
    "information_gain_with_stop_bits": "information gain + stop (bits per outcome)",
    "behaviour_delta": "behavioural delta",
}
_MEANING = {
    "found": "share that ends on the target",
    "length": "number of fixations",
    "search": "share on new objects",
    "refix": "share again on the same object",
    "revisit": "share back on earlier objects",
}


class _Entry(NamedTuple):
    value: float
    low: float
    high: float
    undefined: int


class _Style(NamedTuple):
    colour: str
    marker: str


def title_of(metric: str) -> str:
    """Metric name in words, in lines of about 1.8 inches at 9 points."""
    title = _TITLES.get(metric, metric.replace("_", " ").replace(".", ": "))
    parts = title.replace(" (", "\n(").split("\n") if len(title) > 25 else [title]
    return "\n".join(line for part in parts for line in textwrap.wrap(part, 25))


def title_in(metrics: Iterable[str]) -> float:
    """Height in inches of the tallest of these titles with a line of remarks below it."""
    return 0.32 + 0.16 * max(title_of(metric).count("\n") + 1 for metric in metrics)


def _is_people(name: str) -> bool:
    return not _PEOPLE.isdisjoint(re.split("[^a-z]+", name.lower()))


def styles_of(names: Sequence[str]) -> dict[str, _Style]:
    """Colour and marker of each row, by its name and its place among the models."""
    styles, models = {}, 0
    for name in names:
        styles[name] = _Style(_COLOURS[models % len(_COLOURS)], _MARKERS[models % len(_MARKERS)])
        if _is_people(name):
            styles[name] = _Style("black", "X")
        elif name in _BASELINES:
            styles[name] = _Style(GREY, _BASELINES[name])
        else:
            models += 1
    return styles


def _entry(row: Mapping[str, Mapping], metric: str) -> _Entry | None:
    """None if the row lacks the metric."""
    if metric not in row:
        return None
    facts = row[metric]

    def number(name: str) -> float:
        return math.nan if facts.get(name) is None else float(facts[name])

    return _Entry(number("value"), number("low"), number("high"), int(facts.get("undefined") or 0))


def _limits(entries: Sequence[_Entry | None]) -> tuple[float, float]:
    finite = [x for e in entries if e is not None for x in e[:3] if math.isfinite(x)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    pad = 0.12 * (high - low) or 0.1 * abs(high) or 0.5
    return low - pad, high + pad


def new_grid(
    n: int,
    axis_in: tuple[float, float],
    left_in: float,
    gap_in: float,
    above_in: float,
    below_in: float,
    foot_in: float,
) -> tuple[Figure, list[Axes]]:
    """A figure with n axes of equal size, three per row, and room beside and below all of them.

    Args:
        n: at least 1.
        axis_in: (width, height) of an axis in inches.
        left_in: room left of the first axes of each row.
        gap_in: room between neighbours in a row.
        above_in, below_in: room for the title and the ticks of each axes.
        foot_in: room below everything.
    Returns:
        The figure and its axes, row by row, without frames on the top and right.
    """
    columns = min(n, _AXES_A_ROW)
    rows = -(-n // columns)
    width = left_in + columns * (axis_in[0] + gap_in) - gap_in + 0.2
    height = rows * (above_in + axis_in[1] + below_in) + foot_in
    figure = Figure(figsize=(width, height), facecolor="white")
    axes = []
    for i in range(n):
        row, column = divmod(i, columns)
        x = left_in + column * (axis_in[0] + gap_in)
        y = height - row * (above_in + axis_in[1] + below_in) - above_in - axis_in[1]
        ax = figure.add_axes((x / width, y / height, axis_in[0] / width, axis_in[1] / height))
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=TEXT_PT, length=3)
        axes.append(ax)
    return figure, axes


def _draw_entry(ax: Axes, y: int, entry: _Entry | None, style: _Style) -> None:
    """One line: point and bar, or a word if there is no number to draw."""
    low, high = ax.get_xlim()
    word = dict(fontsize=TEXT_PT, color=GREY, fontstyle="italic", va="center", ha="center")
    word["bbox"] = dict(facecolor="white", edgecolor="none", pad=0.8)
    if entry is None or math.isnan(entry.value):
        ax.text((low + high) / 2, y, "not measured" if entry is None else "undefined", **word)
        return
    if math.isinf(entry.value):
        up = entry.value > 0
        ax.plot([high if up else low], [y], marker=">" if up else "<", color=style.colour, clip_on=False)
        label, side = ("∞", "right") if up else ("−∞", "left")
        place = high - 0.06 * (high - low) if up else low + 0.06 * (high - low)
        ax.text(place, y, label, fontsize=TEXT_PT + 1, color=style.colour, va="center", ha=side)
        return
    if not (math.isnan(entry.low) or math.isnan(entry.high)):
        ends = [max(entry.low, low), min(entry.high, high)]  # an infinite bound ends at the axis limit
        ax.plot(
            ends, [y, y], color=style.colour, linewidth=2, alpha=0.6, solid_capstyle="butt", gid="interval"
        )
    ax.plot(
        [entry.value],
        [y],
        color=style.colour,
        marker=style.marker,
        markersize=7,
        markeredgecolor="white",
        gid="value",
    )
    if entry.undefined:
        along = (entry.value - low) / (high - low)
        side = "left" if along < 0.3 else "right" if along > 0.7 else "center"
        word.update(ha=side, va="top")
        offset = dict(textcoords="offset points", xytext=(0, -4))
        ax.annotate(f"{entry.undefined} undefined", (entry.value, y), **offset, **word)


def _draw_metric(ax: Axes, rows: Mapping, metric: str, title: str, remark: str, first: bool) -> None:
    entries = [_entry(row, metric) for row in rows.values()]
    limits = _limits(entries)
    ax.set(xlim=limits, ylim=(len(rows) - 0.4, -0.6), yticks=range(len(rows)))
    ax.set_yticklabels(list(rows) if first else [], fontsize=TEXT_PT + 1)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 5, 10)))
    if not any(e is not None and math.isfinite(e.value) for e in entries):
        ax.set_xticks([])
    for y in range(len(rows)):
        ax.axhline(y, color="#dddddd", linewidth=0.6, zorder=0)
    if limits[0] < 0 < limits[1]:
        ax.axvline(0, color="#888888", linewidth=0.8, linestyle=(0, (2, 2)), zorder=0.5)
    for y, (entry, style) in enumerate(zip(entries, styles_of(list(rows)).values(), strict=True)):
        _draw_entry(ax, y, entry, style)
    space = 4 + (TEXT_PT + 3) * bool(remark)
    ax.set_title(title, fontsize=TEXT_PT + 1, fontweight="bold", loc="left", pad=space)
    if remark:
        offset = dict(xycoords="axes fraction", textcoords="offset points")
        ax.annotate(remark, (0, 1), xytext=(0, 4), fontsize=TEXT_PT, color=GREY, va="bottom", **offset)


def _direction(metric: str, higher_is_better: Mapping[str, bool]) -> str:
    """The better direction, from the argument or the metric's card; empty if unknown."""
    up = higher_is_better.get(metric)
    for name in sorted(INFO, key=len, reverse=True):
        if up is None and (metric == name or metric.startswith(name.removesuffix("_bits") + "_")):
            up = INFO[name].higher_is_better
    return {None: "", True: "higher is better →", False: "← lower is better"}[up]


def _grid_of_rows(rows: Mapping, metrics: Sequence[str], foot: str) -> tuple[Figure, list[Axes]]:
    left = min(max(text_width_pt(name, TEXT_PT + 1) for name in rows) / 72 + 0.25, 2.5)
    size = (1.75, _ROW_IN * len(rows) + 0.05)
    figure, axes = new_grid(len(metrics), size, left, 0.3, title_in(metrics), 0.3, 0.25)
    figure.text(
        0.1 / figure.get_figwidth(), 0.08 / figure.get_figheight(), foot, fontsize=TEXT_PT, color=GREY
    )
    return figure, axes


def _check_rows(rows: Mapping) -> None:
    if not rows:
        raise ValueError("rows must hold at least one row, got none")


def scores_figure(
    rows: Mapping[str, Mapping[str, Mapping]],
    metrics: Sequence[str],
    higher_is_better: Mapping[str, bool] | None = None,
) -> Figure:
    """Scores of models and people, one panel per metric.

    A value of NaN or None is shown as "undefined", an infinite one as an arrow at the end of the axis, a metric
    that a row lacks as "not measured"; the number of trials left out is written below the point.

    Args:
        rows: row name -> metric -> `value`, `low` and `high` (bounds of the 95 % interval; no bar if
            undefined) and `undefined` (number of trials left out).
        metrics: metrics to show, in order.
        higher_is_better: direction of metrics that are not in `gazekit.metrics.INFO`; no direction is shown
            for metrics in neither.
    Returns:
        A figure whose text is at least 8 points at actual size, about 7 inches wide.
    Raises:
        ValueError: no row or no metric.
    """
    _check_rows(rows)
    if not metrics:
        raise ValueError("metrics must name at least one metric, got none")
    figure, axes = _grid_of_rows(rows, metrics, "points: means; bars: 95 % intervals")
    for i, (ax, metric) in enumerate(zip(axes, metrics, strict=True)):
        remark = _direction(metric, higher_is_better or {})
        _draw_metric(ax, rows, metric, title_of(metric), remark, first=i % _AXES_A_ROW == 0)
    return figure


def behaviour_figure(rows: Mapping[str, Mapping[str, Mapping]]) -> Figure:
    """The five components of search behaviour of each row, compared with people's.

    The first row whose name contains "people", "person", "human" or "observer" is extended as a line with
    its interval as a band: models that behave like people lie on it.

    Args:
        rows: as for `scores_figure`, with the metrics found, length, search, refix, revisit.
    Raises:
        ValueError: no row.
    """
    _check_rows(rows)
    people = next((name for name in rows if _is_people(name)), None)
    foot = "points: means; bars: 95 % intervals"
    figure, axes = _grid_of_rows(rows, PARTS, foot + (f"; line and band: {people}" if people else ""))
    for i, (ax, part) in enumerate(zip(axes, PARTS, strict=True)):
        _draw_metric(ax, rows, part, part, _MEANING[part], first=i % _AXES_A_ROW == 0)
        entry = _entry(rows[people], part) if people else None
        if entry is None or not math.isfinite(entry.value):
            continue
        ax.axvline(entry.value, color="black", linewidth=0.8, zorder=0.6, gid="people")
        if math.isfinite(entry.low) and math.isfinite(entry.high):
            ax.axvspan(entry.low, entry.high, color="black", alpha=0.1, linewidth=0, zorder=0.4, gid="people")
    return figure
