"""Plots of visual search: times against set size, and asymmetries of tasks.

All numbers come as plain arrays by name; nothing is measured here but the straight lines through mean times.
Colours are those of Okabe and Ito (2008), and lines differ in dashes and markers as well.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gazekit.drawing.found import same_length
from gazekit.drawing.placement import text_width_pt
from gazekit.drawing.scores import GREY, TEXT_PT, new_grid

__all__ = ["asymmetry_bars_figure", "search_times_figure"]

HARD, EASY = "#d55e00", "#0072b2"
_LINE = {
    HARD: dict(linestyle="-", marker="o", markerfacecolor=HARD),
    EASY: dict(linestyle=(0, (4, 2)), marker="s", markerfacecolor="white"),
}
_AXIS_IN = (0.92, 1.0)
_GAP_IN = 0.18
_LINE_IN = 0.15


def search_times_figure(
    rows: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
    tasks: Mapping[str, tuple[str, ...]],
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Mean time against set size: a row per searcher, a column per task, two lines in each panel.

    The condition that is hard for people is solid, the other one dashed; both have a least squares line through their
    means, whose slopes stand above the panel in ms per item. All panels of a row share their axis of time.

    Args:
        rows: searcher (people first) -> condition -> "set_size" and "time_ms" (means), and, if known, "low" and "high"
            (bounds of 95 % intervals; NaN where there is none). Conditions that a searcher lacks are "not measured".
        tasks: title of a column -> names of its hard and its easy condition, or of its only one.
        labels: condition -> words for the reader; by default the name without underscores.
    Returns:
        A figure with text of 8 points; six tasks are about 7.5 inches wide.
    Raises:
        ValueError: no row or task, or lists of one condition that differ in length.
    """
    if not rows or not tasks:
        raise ValueError(f"search_times_figure needs rows and tasks, got {len(rows)} and {len(tasks)}")
    heads = [_head(title, pair, labels or {}) for title, pair in tasks.items()]
    above = 0.1 + _LINE_IN * max(len(head) for head in heads)
    left = 0.65 + 0.16 * max(len(_lines(name)) for name in rows)
    (width, height), between = _AXIS_IN, 0.42
    size = (
        left + len(tasks) * (width + _GAP_IN) + 0.05,
        above + len(rows) * (height + between) + 0.12,
    )
    figure = Figure(figsize=size, facecolor="white")
    for i, (name, conditions) in enumerate(rows.items()):
        limits = _time_limits(conditions, tasks)
        for j, pair in enumerate(tasks.values()):
            x = left + j * (width + _GAP_IN)
            y = size[1] - above - (i + 1) * (height + between) + between - 0.16
            ax = figure.add_axes((x / size[0], y / size[1], width / size[0], height / size[1]))
            ax.spines[["top", "right"]].set_visible(False)
            ax.tick_params(labelsize=TEXT_PT, length=3, pad=2)
            _draw_times(ax, conditions, pair, limits, first=j == 0, last=i == len(rows) - 1)
            if j == 0:
                _name_row(ax, name)
            if i == 0:
                _draw_head(ax, heads[j])
    return figure


def asymmetry_bars_figure(
    rows: Mapping[str, Mapping[str, Mapping[str, float]]],
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Asymmetry index of each task, a panel per searcher: bars to the right are asymmetries as people have them.

    Bars to the left, hatched, are opposite to people's. The first row, people, is a black tick in all other panels.

    Args:
        rows: searcher (people first) -> task -> "value", and "low" and "high" if there is an interval. NaN is
            "undefined". The task "mean" is set apart.
        labels: task -> words for the reader; by default the name without underscores.
    Returns:
        A figure with three panels a row, about 7 inches wide.
    Raises:
        ValueError: no row, or no task in the first one.
    """
    tasks = list(next(iter(rows.values()), {}))
    if not tasks:
        raise ValueError("asymmetry_bars_figure needs at least one row with one task")
    words = [(labels or {}).get(task, task.replace("_", " ")) for task in tasks]
    left = max(text_width_pt(word, TEXT_PT) for word in words) / 72 + 0.25
    places = np.arange(len(tasks)) + 0.4 * (np.array(tasks) == "mean")
    people = next(iter(rows.values()))
    figure, axes = new_grid(len(rows), (1.75, 0.2 * len(tasks) + 0.2), left, 0.3, 0.32, 0.42, 0.02)
    for i, (ax, (name, found)) in enumerate(zip(axes, rows.items(), strict=True)):
        ax.set(xlim=(-1.12, 1.12), ylim=(places[-1] + 0.6, -0.6), yticks=places, xticks=(-1, -0.5, 0, 0.5, 1))
        ax.set_xticklabels(["−1", "", "0", "", "1"], fontsize=TEXT_PT)
        ax.set_yticklabels(words if i % 3 == 0 else [], fontsize=TEXT_PT)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.axvline(0, color="#444444", linewidth=0.8)
        title = textwrap.shorten(name, 26, placeholder=" ...")
        ax.set_title(title, fontsize=TEXT_PT + 1, fontweight="bold", loc="left", pad=4)
        for place, task in zip(places, tasks, strict=True):
            _draw_bar(ax, place, found.get(task), people.get(task) if i else None, task == "mean")
        offset = dict(xycoords=("data", "axes fraction"), textcoords="offset points", va="top", color=GREY)
        for at, side, words_of in ((-1.12, "left", "← opposite"), (1.12, "right", "as people →")):
            ax.annotate(words_of, (at, 0), xytext=(0, -15), fontsize=TEXT_PT, ha=side, **offset)
    return figure


def _head(title: str, pair: tuple[str, str], labels: Mapping[str, str]) -> list[tuple[str, str, bool]]:
    """Lines of text above a column: words, colour, and whether a line is drawn before them."""
    lines = [(line, "black", False) for line in textwrap.wrap(title, 17)]
    for condition, colour in zip(pair, (HARD, EASY), strict=False):  # a classical task has one
        words = textwrap.wrap(labels.get(condition, condition.replace("_", " ")), 15)
        lines += [(line, colour, k == 0) for k, line in enumerate(words)]
    return lines


def _draw_head(ax: Axes, head: Sequence[tuple[str, str, bool]]) -> None:
    for k, (words, colour, mark) in enumerate(reversed(head)):
        up = 22 + k * _LINE_IN * 72
        place = dict(xycoords="axes fraction", textcoords="offset points", va="center", fontsize=TEXT_PT)
        title = colour == "black"
        ax.annotate(words, (0, 1), xytext=(-8 if title else 12, up), color=colour, annotation_clip=False,
                    fontweight="bold" if title else "normal", **place)  # fmt: skip
        if mark:
            x, y = (-8 / 72 / _AXIS_IN[0], 10 / 72 / _AXIS_IN[0]), 1 + up / 72 / _AXIS_IN[1]
            line = dict(color=colour, linewidth=1.3, linestyle=_LINE[colour]["linestyle"])
            ax.plot(x, (y, y), transform=ax.transAxes, clip_on=False, **line)


def _lines(name: str) -> list[str]:
    """The name of a row in lines that are not longer than a panel is high."""
    return textwrap.wrap(name, 13)


def _name_row(ax: Axes, name: str) -> None:
    ax.set_ylabel("RT (ms)", fontsize=TEXT_PT, labelpad=2)
    unit = dict(xycoords="axes fraction", textcoords="offset points", va="bottom", ha="right")
    ax.annotate("ms/item", (0, 1), xytext=(-8, 3), fontsize=TEXT_PT, color=GREY, **unit)
    far = dict(xycoords="axes fraction", textcoords="offset points", rotation=90, ha="right", va="center")
    ax.annotate(
        "\n".join(_lines(name)), (0, 0.5), xytext=(-43, 0), fontsize=TEXT_PT + 1, fontweight="bold", **far
    )


def _time_limits(
    conditions: Mapping[str, Mapping], tasks: Mapping[str, tuple[str, str]]
) -> tuple[float, float]:
    """Of all times of a row, with room above and below."""
    shown = [conditions[c] for pair in tasks.values() for c in pair if c in conditions]
    numbers = [x for c in shown for key in ("time_ms", "low", "high") for x in c.get(key, ())]
    finite = [x for x in numbers if x is not None and math.isfinite(x)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    room = 0.08 * (high - low) or 50.0
    return low - room, high + room


def _draw_times(
    ax: Axes,
    conditions: Mapping[str, Mapping],
    pair: tuple[str, str],
    limits: tuple[float, float],
    first: bool,
    last: bool,
) -> None:
    sizes: set[float] = set()
    along = 0.0
    for condition, colour in zip(pair, (HARD, EASY), strict=False):
        if condition not in conditions:
            continue
        of = conditions[condition]
        found = same_length(condition, of, "set_size", "time_ms")
        size, time = found["set_size"], found["time_ms"]
        sizes |= set(size.tolist())
        if "low" in found and "high" in found:
            ax.vlines(
                size, found["low"], found["high"], color=colour, linewidth=1.2, alpha=0.6, gid="interval"
            )
        marks = _LINE[colour] | {"linestyle": "none"}
        ax.plot(size, time, color=colour, markersize=4, gid=condition, zorder=3, **marks)
        known = np.isfinite(time)
        if len(set(size[known].tolist())) < 2:
            continue
        slope, start = np.polyfit(size[known], time[known], 1)
        ends = np.array([size.min(), size.max()])
        line = dict(color=colour, linewidth=1.3, linestyle=_LINE[colour]["linestyle"])
        ax.plot(ends, start + slope * ends, gid="line", **line)
        words = _number(slope)
        place = dict(xycoords="axes fraction", textcoords="offset points", va="bottom", fontsize=TEXT_PT)
        ax.annotate(words, (0, 1), xytext=(along, 3), color=colour, gid="slope", **place)
        along += text_width_pt(words, TEXT_PT) + 10
    if not sizes:
        ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, fontsize=TEXT_PT, color=GREY,
                fontstyle="italic", ha="center", va="center")  # fmt: skip
    span = max(sizes, default=1.0) - min(sizes, default=0.0) or 1.0
    ax.set_xlim(min(sizes, default=0.0) - 0.12 * span, max(sizes, default=1.0) + 0.12 * span)
    ax.set_xticks(sorted(sizes), [f"{size:g}" for size in sorted(sizes)])
    ax.set_ylim(limits)
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 5, 10)))
    if not first:
        ax.tick_params(axis="y", labelleft=False)
    if last and sizes:
        ax.set_xlabel("set size (items)", fontsize=TEXT_PT, labelpad=1)


def _number(slope: float) -> str:
    text = f"{slope:.0f}" if abs(slope) >= 9.95 else f"{slope:.1f}"
    return {"-0.0": "0.0"}.get(text, text).replace("-", "−")


def _draw_bar(
    ax: Axes, place: float, found: Mapping[str, float] | None, people: Mapping[str, float] | None, mean: bool
) -> None:
    value = math.nan if found is None or found.get("value") is None else float(found["value"])
    if math.isnan(value):
        word = "not measured" if found is None else "undefined"
        box = dict(facecolor="white", edgecolor="none", pad=0.8)
        ax.text(
            0,
            place,
            word,
            fontsize=TEXT_PT,
            color=GREY,
            fontstyle="italic",
            ha="center",
            va="center",
            bbox=box,
        )
    else:
        opposite = value < 0
        colour = EASY if not opposite else HARD
        ax.barh(
            place, value, 0.62, color=colour, alpha=1.0 if mean else 0.6, hatch="////" if opposite else None,
            edgecolor="white", linewidth=0, gid="bar",
        )  # fmt: skip
        low, high = (float(found[k]) if found.get(k) is not None else math.nan for k in ("low", "high"))
        if not math.isnan(low) and not math.isnan(high):
            ax.plot(
                [low, high],
                [place, place],
                color="#222222",
                linewidth=1,
                solid_capstyle="butt",
                gid="interval",
            )
        if value == 0:
            ax.plot([0], [place], "o", color=colour, markersize=3.5, gid="bar")
    target = math.nan if people is None or people.get("value") is None else float(people["value"])
    if not math.isnan(target):
        ax.plot([target] * 2, [place - 0.38, place + 0.38], color="black", linewidth=1.6, gid="people")
