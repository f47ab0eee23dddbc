"""Plots of scanpaths over scenes.

Fixations are merged and thinned to circles (`_nodes`), circles are moved apart (`placement.spread`), then
drawn with the saccades between them. All of this is computed in points, the unit of text size, so the axes must
have their final size; `scanpath_figure` creates such axes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.patheffects import withStroke

from gazekit.drawing.placement import edge_fraction, merge_runs, spread, text_width_pt
from gazekit.drawing.scenes import RADIUS_PT, TEXT_PT, draw_scene, pt_per_px
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

__all__ = ["draw_scanpath", "scanpath_figure"]

# viridis from its dark end to 80 %: ordered in lightness for all types of colour vision, dark enough on grey
_ORDER_RGB = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151")
_PIN_PT = 1.6
_CROSS_PT = 3.5
_MOST_COVERED = 0.28  # share of the picture that numbered circles may cover
_PANEL_IN = 3.4
_PANELS_A_ROW = 3
_TITLE_PT = 10.0
_CAPTION = "a dot marks the true position of a displaced circle"
_TITLE_PAD_PT = 14.0  # leaves room for a target's label in the margin


class _Node(NamedTuple):
    """Fixations first to last, counted from 0, drawn as one circle or pill."""

    first: int
    last: int
    label: str  # "" for a dot without number
    core_pt: float
    radius_pt: float


def draw_scanpath(
    ax: Axes,
    xy_px: np.ndarray,
    duration_ms: np.ndarray | None = None,
    start_xy_px: tuple[float, float] | None = None,
) -> None:
    """Draw fixations as numbered circles, in order from dark to light, and saccades as arrows.

    Consecutive fixations at nearly the same position form one pill numbered "3–5", at their mean. Circles
    that would overlap are moved apart; a displaced circle is connected to its position by a thin line that
    ends in a dot. In scanpaths too long for the picture only every 2nd, 5th, 10th, ... circle, the first and
    the last have a number, and the others are dots. A cross marks the start, with a dotted line to the first
    fixation. Category names that a circle would partly cover are removed.

    Args:
        ax: axes of a scene, with y down and at their final size.
        xy_px: [T, 2] fixations. T = 0 writes "no fixation" above the picture.
        duration_ms: [T] durations: circles longer than the median grow, area in proportion, up to twice.
        start_xy_px: gaze position before the first fixation; None: the centre of the axes.
    Raises:
        ValueError: a shape other than [T, 2], a non-finite value, a different number of durations.
    """
    path = Scanpath(xy_px, duration_ms)
    xy = path.xy_px
    width, height = max(ax.get_xlim()), max(ax.get_ylim())
    scale = pt_per_px(ax)
    start = np.array(start_xy_px or (width / 2, height / 2), float)
    _draw_cross(ax, start, _CROSS_PT / scale)
    if not len(xy):
        ax.set_title("no fixation", loc="right", fontsize=_TITLE_PT, fontstyle="italic", pad=_TITLE_PAD_PT)
        return
    size_pt = (width * scale, height * scale)
    nodes = _nodes(xy * scale, path.duration_ms, size_pt[0] * size_pt[1])
    anchors = np.stack([xy[n.first : n.last + 1].mean(0) for n in nodes]) * scale
    fixed, fixed_core, fixed_radius = _fixed(ax, start, scale)
    place = spread(
        np.concatenate([fixed, anchors]),
        np.array([*fixed_core, *(n.core_pt for n in nodes)]),
        np.array([*fixed_radius, *(n.radius_pt for n in nodes)]),
        size_pt,
        n_fixed=len(fixed),
    )[len(fixed) :]
    colours = _order_colours(len(nodes))
    _draw_saccades(ax, start * scale, place, nodes, colours, scale)
    for node, centre, anchor, colour in zip(nodes, place, anchors, colours, strict=True):
        _draw_node(ax, node, centre, anchor, colour, scale)
    _drop_covered_categories(ax, place, nodes, scale)


def _draw_cross(ax: Axes, start: np.ndarray, arm: float) -> None:
    for dx, dy in ((arm, 0), (0, arm)):
        ends = [start[0] - dx, start[0] + dx], [start[1] - dy, start[1] + dy]
        (line,) = ax.plot(*ends, color="black", linewidth=1.3, zorder=4, gid="start")
        line.set_path_effects([withStroke(linewidth=2.6, foreground="white")])


def _drop_covered_categories(ax: Axes, place: np.ndarray, nodes: list[_Node], scale: float) -> None:
    for text in list(ax.texts):
        if text.get_gid() != "category":
            continue
        half = np.array([text_width_pt(text.get_text(), TEXT_PT), TEXT_PT]) / 2
        away = np.abs(place - np.multiply(text.get_position(), scale))
        reach = np.array([[n.core_pt + n.radius_pt, n.radius_pt] for n in nodes]) + half
        if (away < reach).all(-1).any():
            text.remove()


def _order_colours(n: int) -> np.ndarray:
    """[n, 3] colours from dark to light."""
    along = np.linspace(0, len(_ORDER_RGB) - 1, max(n, 2))[:n]
    table = to_rgba_array(_ORDER_RGB)
    return np.stack([np.interp(along, range(len(table)), table[:, c]) for c in range(3)], -1)


def _nodes(xy_pt: np.ndarray, duration_ms: np.ndarray | None, area_pt2: float) -> list[_Node]:
    runs = merge_runs(xy_pt, RADIUS_PT)
    growth = np.ones(len(runs))
    if duration_ms is not None and np.median(duration_ms) > 0:
        total = np.array([np.sum(duration_ms[first : last + 1]) for first, last in runs])
        growth = np.sqrt(np.clip(total / np.median(duration_ms), 1, 2))
    nodes: list[_Node] = []
    for every in (1, 2, 5, 10, 20, 50, 100):
        nodes = []
        for i, ((first, last), grow) in enumerate(zip(runs, growth, strict=True)):
            label = str(first + 1) if first == last else f"{first + 1}–{last + 1}"
            if not (i in (0, len(runs) - 1) or (last + 1) // every > first // every):
                nodes.append(_Node(first, last, "", 0.0, _PIN_PT * 1.6))
                continue
            radius = RADIUS_PT * grow
            wide = text_width_pt(label, TEXT_PT)
            core = 0.0 if wide + 2.4 <= 2 * radius else (wide + 6) / 2 - radius
            nodes.append(_Node(first, last, label, core, radius))
        covered = sum(np.pi * n.radius_pt**2 + 4 * n.core_pt * n.radius_pt for n in nodes)
        if covered <= _MOST_COVERED * area_pt2:
            break
    return nodes


def _fixed(ax: Axes, start: np.ndarray, scale: float) -> tuple[np.ndarray, list[float], list[float]]:
    """Obstacles for circles, in points: the cross, and the word "target" if it is in the picture."""
    centres, cores, radii = [start * scale], [0.0], [_CROSS_PT]
    for text in ax.texts:
        if text.get_gid() == "target":
            centres.append(np.array(text.get_position()) * scale)
            cores.append(text_width_pt("target", TEXT_PT) / 2 - 3)
            radii.append(TEXT_PT / 2)
    return np.stack(centres), cores, radii


def _draw_saccades(
    ax: Axes, start: np.ndarray, place: np.ndarray, nodes: list[_Node], colours: np.ndarray, scale: float
) -> None:
    """Lines from outline to outline with an arrowhead; dotted and without one from the start."""
    thin = float(np.interp(len(nodes), [10, 50], [1.4, 0.8]))
    first = np.stack([start, place[0]]) / scale
    style = dict(color="#404040", linewidth=0.9, linestyle=(0, (1.5, 1.5)), zorder=3.5)
    ax.plot(*first.T, gid="start", **style)
    lines, heads, line_colours, head_colours = [], [], [], []
    for i in range(len(nodes) - 1):
        a, b = place[i], place[i + 1]
        near = edge_fraction(a, b, nodes[i].core_pt, nodes[i].radius_pt)
        far = 1 - edge_fraction(b, a, nodes[i + 1].core_pt, nodes[i + 1].radius_pt)
        free = (far - near) * np.hypot(*(b - a))
        if free < 1.5:
            continue
        length = min(3.2 + 2.2 * thin, free)
        ahead = (b - a) / np.hypot(*(b - a))
        side = np.array([-ahead[1], ahead[0]]) * length * 0.42
        tip = a + far * (b - a)
        lines.append([a + near * (b - a), tip - ahead * length * 0.8])
        heads.append([tip, tip - ahead * length + side, tip - ahead * length - side])
        line_colours.append((colours[i] + colours[i + 1]) / 2)
        head_colours.append(line_colours[-1])
    if not lines:
        return
    white = [withStroke(linewidth=thin + 1.4, foreground=(1, 1, 1, 0.75))]
    ax.add_collection(
        LineCollection(
            np.array(lines) / scale, colors=line_colours, linewidths=thin, path_effects=white, zorder=4
        ),
        autolim=False,
    )
    ax.add_collection(
        PolyCollection(np.array(heads) / scale, facecolors=head_colours, edgecolors="none", zorder=4.1),
        autolim=False,
    )


def _draw_node(
    ax: Axes, node: _Node, centre: np.ndarray, anchor: np.ndarray, colour: np.ndarray, scale: float
) -> None:
    gid = f"fixation {node.first + 1}-{node.last + 1}"
    if np.hypot(*(centre - anchor)) > node.radius_pt:
        ax.plot(*(np.stack([centre, anchor]) / scale).T, color=colour, linewidth=0.8, zorder=4.2)
        ax.add_patch(
            Circle(
                anchor / scale,
                _PIN_PT / scale,
                facecolor=colour,
                edgecolor="white",
                linewidth=0.5,
                zorder=4.3,
            )
        )
    (x, y), r, core = centre / scale, node.radius_pt / scale, node.core_pt / scale
    style = dict(facecolor=(*colour, 0.93), edgecolor="white", linewidth=0.8, zorder=5, gid=gid)
    if core == 0:
        ax.add_patch(Circle((x, y), r, **style))
    else:
        shape = f"round,pad=0,rounding_size={r}"
        ax.add_patch(FancyBboxPatch((x - core - r, y - r), 2 * (core + r), 2 * r, boxstyle=shape, **style))
    if node.label:
        ink = (
            "white" if np.dot(colour**2.2, (0.2126, 0.7152, 0.0722)) < 0.2 else "black"
        )  # for better contrast
        ax.text(
            x,
            y,
            node.label,
            color=ink,
            fontsize=TEXT_PT,
            ha="center",
            va="center_baseline",
            zorder=5.1,
            gid=gid,
        )


def _shortened(text: str, size_pt: float, width_pt: float) -> str:
    """Shorten a title that is too wide; bold letters are up to 1.12 times wider than measured."""

    def fits(kept: str) -> bool:
        return text_width_pt(kept, size_pt) * 1.12 <= width_pt

    if fits(text):
        return text
    n = bisect_left(range(1, len(text)), True, key=lambda n: not fits(text[:n] + "…"))
    return text[:n] + "…"


def _as_scanpath(name: str, path: np.ndarray | Scanpath | None) -> Scanpath | None:
    if path is None or isinstance(path, Scanpath):
        return path
    try:
        return Scanpath(path)
    except ValueError as error:
        raise ValueError(f"panel {name!r}: {error}") from error


def scanpath_figure(
    scene: Scene, panels: Mapping[str, np.ndarray | Scanpath | None], title: str | None = None
) -> Figure:
    """One panel with the scene per scanpath, side by side, at most three per row.

    Args:
        scene: the scene shown in all panels.
        panels: title of a panel ("person", "oat", ...) -> its scanpath, or its [T, 2] fixations in pixels;
            None shows only the scene.
        title: title above all panels.
    Returns:
        A figure whose panels are 3.4 inches wide, so that text is 8 points when printed at actual size.
    Raises:
        ValueError: no panel, or fixations of another shape.
    """
    if not panels:
        raise ValueError("panels must hold at least one scanpath, got none")
    paths = {name: _as_scanpath(name, path) for name, path in panels.items()}
    columns = 2 if len(paths) == 4 else min(len(paths), _PANELS_A_ROW)
    rows = -(-len(paths) // columns)
    width, height = _PANEL_IN, _PANEL_IN * scene.size_px[1] / scene.size_px[0]
    edge, above, below = 0.12, 0.42, 0.2
    head, foot = 0.3 if title else 0.0, 0.16
    total = (columns * (width + edge) + edge, rows * (height + above + below) + head + foot)
    figure = Figure(figsize=total, facecolor="white")
    every = np.concatenate([np.zeros((0, 2)), *(path.xy_px for path in paths.values() if path is not None)])
    for i, (name, path) in enumerate(paths.items()):
        row, column = divmod(i, columns)
        left, top = edge + column * (width + edge), head + row * (height + above + below) + above
        ax = figure.add_axes(
            (left / total[0], 1 - (top + height) / total[1], width / total[0], height / total[1])
        )
        draw_scene(ax, scene, avoid_px=every)
        if path is not None:
            draw_scanpath(ax, path.xy_px, path.duration_ms, scene.start_xy_px)
        ax.set_title(
            _shortened(name, _TITLE_PT, width * 72 * 0.75),
            fontsize=_TITLE_PT,
            fontweight="bold",
            loc="left",
            pad=_TITLE_PAD_PT,
        )
    figure.text(
        edge / total[0], 0.06 / total[1], _CAPTION, fontsize=8, color="#444444", ha="left", va="bottom"
    )
    if title:
        text = _shortened(title, 11, (total[0] - 2 * edge) * 72)
        figure.text(edge / total[0], 1 - 0.08 / total[1], text, fontsize=11, ha="left", va="top")
    return figure
