"""Plots of recordings: gaze over time, scanpath and heatmap over a stimulus, main sequence, AOI timeline.

Every function draws on the axes it is given and returns them. Only matplotlib's object interface is used: no
display, no global state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, StrMethodFormatter
from scipy.ndimage import gaussian_filter

from gazekit.drawing.scanpaths import draw_scanpath
from gazekit.drawing.scenes import draw_scene
from gazekit.geometry import Screen
from gazekit.recordings.aoi.shapes import BACKGROUND
from gazekit.recordings.aoi.tables import visits
from gazekit.recordings.plot_style import BLUE, GREY, RED, TEXT_PT, label_axes
from gazekit.recordings.recording import Gaze
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

__all__ = ["plot_aoi_timeline", "plot_gaze", "plot_heatmap", "plot_main_sequence", "plot_scanpath"]

_EVENTS = {"fixation": "#dcefe6", "saccade": "#f6d5a8", "blink": "#b8b8b8", "pursuit": "#e6dcf2"}
_AOIS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_MOST_POINTS = 4_000  # more than pixels


def plot_gaze(
    ax: Axes,
    gaze: Gaze,
    events: pd.DataFrame | None = None,
    start_ms: float = -np.inf,
    end_ms: float = np.inf,
) -> Axes:
    """Horizontal and vertical position over time, with events as coloured bands in the background.

    Lines break at invalid samples and at gaps in time. Long recordings are drawn as the lowest and highest
    position of each of 2,000 intervals, so that no outlier is lost.

    Args:
        ax: of any size; its limits and labels are set.
        gaze: one stream.
        events: `kind`, `onset_ms`, `offset_ms`; fixations, saccades, blinks and pursuit are drawn.
        start_ms, end_ms: the range shown, start included, end excluded.
    """
    gaze = gaze.between(start_ms, end_ms)
    for column, (name, colour) in enumerate((("x", BLUE), ("y", RED))):
        t, position = _line(gaze, column)
        ax.plot(t / 1000, position, color=colour, linewidth=0.9, label=name, gid=name, zorder=3)
    limits = (gaze.t_ms[0] / 1000, gaze.t_ms[-1] / 1000) if len(gaze) > 1 else (0, 1)
    for kind, colour in _EVENTS.items():
        rows = (
            None
            if events is None
            else events[(events["kind"] == kind) & (events["offset_ms"] >= limits[0] * 1000)]
        )
        if rows is not None and len(rows := rows[rows["onset_ms"] <= limits[1] * 1000]):
            spans = np.stack([rows["onset_ms"], rows["offset_ms"] - rows["onset_ms"]], 1) / 1000
            style = dict(transform=ax.get_xaxis_transform(), color=colour, linewidth=0, zorder=1)
            ax.broken_barh(spans, (0, 1), label=kind, gid=kind, **style)
    ax.set_xlim(limits)
    ax.ticklabel_format(style="plain", useOffset=False)
    label_axes(ax, "time (s)", "position (px)")
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=6, frameon=False, fontsize=TEXT_PT, handlelength=1.2,
        columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip
    return ax


def plot_scanpath(
    ax: Axes, scanpath: Scanpath | pd.DataFrame, stimulus: str | Path | np.ndarray | None = None,
    size_px: tuple[int, int] | None = None,
) -> Axes:  # fmt: skip
    """Fixations in order over the stimulus: circles from dark to light, larger for longer ones, joined by arrows.

    See `gazekit.report.draw_scanpath` for how crowded scanpaths are thinned.

    Args:
        ax: of its final size, as text is sized in points.
        scanpath: in pixels of the stimulus; or a table of one eye's fixations with `x_px`, `y_px`,
            `duration_ms`; with a `kind` column, other kinds are left out.
        stimulus: an image file, or [H, W] or [H, W, 3 or 4]; None: an empty screen.
        size_px: (width, height) of the pixel coordinates; needed unless the stimulus is an array.
    Raises:
        ValueError: no size; a table without these columns, with both eyes or with non-finite numbers.
        TypeError: neither a scanpath nor a table.
        FileNotFoundError: no such picture.
    """
    scanpath = _scanpath(scanpath)
    size = _show(ax, stimulus, size_px)
    # the start of gaze is unknown: its marker is placed off the stimulus, where it displaces no circle, and removed
    draw_scanpath(ax, scanpath.xy_px, scanpath.duration_ms, (-10.0 * size[0], -10.0 * size[1]))
    for line in [line for line in ax.lines if line.get_gid() == "start"]:
        line.remove()
    return ax


def plot_heatmap(
    ax: Axes, scanpath: Scanpath | pd.DataFrame, stimulus: str | Path | np.ndarray | None = None,
    size_px: tuple[int, int] | None = None, *, sigma_px: float | None = None, sigma_dva: float | None = None,
    screen: Screen | None = None,
) -> Axes:  # fmt: skip
    """Fixation time at each place: durations at their positions, blurred by a Gaussian, over the stimulus.

    Colour is relative to the maximum; below 5 % of it only the stimulus is visible. Without durations every
    fixation has the same weight. Fixations off the stimulus don't count.

    Args:
        ax, scanpath, stimulus, size_px: as in `plot_scanpath`.
        sigma_px: standard deviation of the Gaussian in pixels of the stimulus, or
        sigma_dva: in degrees, for a stimulus shown at its own size on `screen`; commonly 1.
    Raises:
        ValueError: as `plot_scanpath`; none or both of the sigmas, or one that is not positive; degrees
            without a screen.
        TypeError, FileNotFoundError: as `plot_scanpath`.
    """
    scanpath = _scanpath(scanpath)
    if (sigma_px is None) == (sigma_dva is None):
        raise ValueError(f"exactly one of sigma_px and sigma_dva is needed, got {sigma_px} and {sigma_dva}")
    if sigma_dva is not None and screen is None:
        raise ValueError("sigma_dva is in degrees and needs screen=...")
    sigma = sigma_dva * screen.px_per_dva if sigma_px is None else sigma_px
    if not 0 < sigma < np.inf:
        raise ValueError(f"the Gaussian's standard deviation must be positive and finite, got {sigma} px")
    width, height = _show(ax, stimulus, size_px)
    cell = max(1.0, sigma / 8)  # finer cells add no detail
    bins = int(np.ceil(height / cell)), int(np.ceil(width / cell))
    x, y = scanpath.xy_px.T
    time, _, _ = np.histogram2d(y, x, bins, ((0, height), (0, width)), weights=scanpath.duration_ms)
    time = gaussian_filter(time, (sigma * bins[0] / height, sigma * bins[1] / width), mode="constant")
    if time.max() > 0:
        time /= time.max()
        style = dict(extent=(0, width, height, 0), cmap="plasma", vmin=0, vmax=1, interpolation="bilinear")
        alpha = np.clip((time - 0.05) / 0.35, 0, 1) * 0.75
        ax.imshow(time, alpha=alpha, aspect="equal", zorder=2, gid="heatmap", **style)
    return ax


def plot_main_sequence(ax: Axes, saccades: pd.DataFrame, label: str = "saccades") -> Axes:
    """Peak velocity over amplitude of saccades, on log-log axes, with a power-law fit.

    Saccades lie along one line, the main sequence (Bahill, Clark and Stark 1975); outliers are often noise or
    blinks. The line is the least-squares fit of log velocity on log amplitude, drawn if there are at least 10
    saccades.

    Args:
        ax: of any size.
        saccades: events with `amplitude_dva` and `peak_velocity_dva_s`; with a `kind` column, other kinds are
            left out. Missing and non-positive values can't be drawn and are counted in the legend.
        label: name in the legend; call again with other saccades to compare.
    Raises:
        ValueError: a missing column.
    """
    if missing := {"amplitude_dva", "peak_velocity_dva_s"} - set(saccades):
        raise ValueError(f"the table of saccades has no column {', '.join(sorted(missing))}")
    rows = saccades[saccades["kind"] == "saccade"] if "kind" in saccades else saccades
    amplitude, velocity = (rows[name].to_numpy(float) for name in ("amplitude_dva", "peak_velocity_dva_s"))
    good = np.isfinite(amplitude) & np.isfinite(velocity) & (amplitude > 0) & (velocity > 0)
    a, v = amplitude[good], velocity[good]
    colour = _AOIS[sum(c.get_gid() == "saccades" for c in ax.collections) % len(_AOIS)]
    entry = f"{label}, n = {len(a)}" + (f" ({len(rows) - len(a)} undefined)" if len(a) < len(rows) else "")
    ax.scatter(a, v, s=14, color=colour, alpha=0.55, linewidth=0, label=entry, gid="saccades", zorder=2)
    if len(a) >= 10 and np.ptp(a) > 0:
        slope, level = np.polyfit(np.log(a), np.log(v), 1)
        ends = np.array([a.min(), a.max()])
        text = f"{np.exp(level):.0f} deg/s (amplitude / 1 deg)$^{{{slope:.2f}}}$"
        ax.plot(ends, np.exp(level) * ends**slope, color=colour, linewidth=1.4, label=text, zorder=3)
    ax.set(xscale="log", yscale="log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(10, (1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter("")
    label_axes(ax, "amplitude (deg)", "peak velocity (deg/s)")
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=TEXT_PT, handlelength=1.2,
        borderaxespad=0.2,
    )  # fmt: skip
    return ax


def plot_aoi_timeline(ax: Axes, mapped: pd.DataFrame, labels: Sequence[str]) -> Axes:
    """When each AOI was looked at: fixations as full bars, visits (with the saccades inside) as light ones.

    Args:
        ax: of any size; rows are the AOIs in the order of `labels` from the top, background last.
        mapped: from `gazekit.recordings.aoi.map_fixations`. Fixations without an AOI (no video frame) are not
            drawn.
        labels: `aoi_labels`.
    Raises:
        ValueError: as `visits`.
    """
    names, runs = [*labels, BACKGROUND], visits(mapped)
    for row, name in enumerate(names):
        colour = GREY if name == BACKGROUND else _AOIS[row % len(_AOIS)]
        for table, height, alpha in ((runs, 0.62, 0.3), (mapped, 0.62, 1.0)):
            own = table[table["aoi"] == name]
            spans = np.stack([own["onset_ms"], own["offset_ms"] - own["onset_ms"]], 1) / 1000
            style = dict(color=colour, alpha=alpha, linewidth=0, gid=name)
            ax.broken_barh(spans, (row - height / 2, height), **style)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.margins(x=0.01)
    ax.ticklabel_format(axis="x", style="plain", useOffset=False)
    label_axes(ax, "time (s)", "")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    return ax


def _scanpath(given: Scanpath | pd.DataFrame) -> Scanpath:
    if isinstance(given, Scanpath):
        return given
    if not isinstance(given, pd.DataFrame):
        raise TypeError(
            "expected a Scanpath(xy_px, duration_ms) or a table of fixations with x_px, y_px, duration_ms, got "
            f"{type(given).__name__}"
        )
    if missing := [name for name in ("x_px", "y_px", "duration_ms") if name not in given]:
        raise ValueError(f"the table of fixations has no column {', '.join(missing)}")
    rows = given[given["kind"] == "fixation"] if "kind" in given else given
    if "eye" in rows and rows["eye"].nunique() > 1:
        raise ValueError(f"expected fixations of one eye, got {sorted(rows['eye'].unique())}")
    return Scanpath(rows[["x_px", "y_px"]].to_numpy(float), rows["duration_ms"].to_numpy(float))


def _line(gaze: Gaze, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and positions of a line that breaks at gaps, at most about `_MOST_POINTS` of them."""
    t, position = gaze.t_ms, gaze.xy_px[:, column]
    breaks = [piece.start for piece in gaze.pieces()[1:]]
    t, position = np.insert(t, breaks, t[breaks]), np.insert(position, breaks, np.nan)
    stretch = -(-len(t) // (_MOST_POINTS // 2))
    if len(t) <= _MOST_POINTS:
        return t, position
    starts = np.arange(0, len(t), stretch)
    ends = np.stack([np.fmin.reduceat(position, starts), np.fmax.reduceat(position, starts)], 1)
    return np.repeat(t[starts], 2), ends.ravel()


def _show(
    ax: Axes, stimulus: str | Path | np.ndarray | None, size_px: tuple[int, int] | None
) -> tuple[int, int]:
    """Draw the stimulus and return its size."""
    picture = stimulus if isinstance(stimulus, np.ndarray) else None
    path = None if stimulus is None or picture is not None else Path(stimulus)
    if path is not None and not path.is_file():
        raise FileNotFoundError(f"no picture {path}")
    if size_px is None:
        if picture is None:
            raise ValueError("size_px=(width, height) is needed unless the stimulus is an array")
        size_px = (picture.shape[1], picture.shape[0])
    draw_scene(ax, Scene("stimulus", size_px, np.zeros((0, 4)), image_path=path))
    if picture is not None:
        extent = (0, size_px[0], size_px[1], 0)
        ax.imshow(picture, extent=extent, cmap="gray", aspect="equal", interpolation="antialiased")
    return size_px
