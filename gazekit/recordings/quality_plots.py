"""Plots of a recording's quality: lost time and sample intervals. Each function draws on the axes it is given."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, PercentFormatter, StrMethodFormatter

from gazekit.recordings.plot_style import BLUE, RED, TEXT_PT, label_axes
from gazekit.recordings.recording import Gaze

__all__ = ["plot_intervals", "plot_losses"]


def plot_losses(ax: Axes, gaze: Gaze) -> Axes:
    """Share of time lost: invalid samples, with samples that are missing from the file stacked on top.

    Shares are per interval, for up to 200 equal intervals. A sample stands for the time until the next, or
    for one median interval if the next is more than 1.5 away; the rest is missing. Pauses between blocks
    count as neither. Without two samples in one block nothing is drawn.

    Args:
        ax: of any size.
        gaze: one stream.
    """
    if np.isfinite(gaze.interval_ms):
        edges = np.linspace(
            gaze.t_ms[0], gaze.t_ms[-1] + gaze.interval_ms, int(np.clip(len(gaze) // 10, 1, 200)) + 1
        )
        invalid, missing, whole = (np.diff(time) for time in _times_lost(gaze, edges))
        whole[whole == 0] = np.inf  # a pause
        low, top = invalid / whole, (invalid + missing) / whole
        style = dict(edges=edges / 1000, fill=True, linewidth=0)
        ax.stairs(low, color=BLUE, label="invalid", gid="invalid", **style)
        ax.stairs(top, baseline=low, color=RED, label="missing", gid="missing", **style)
        ax.set(xlim=edges[[0, -1]] / 1000, ylim=(0, max(0.01, 1.05 * top.max())))
        style = dict(frameon=False, fontsize=TEXT_PT, handlelength=1.2, borderaxespad=0.2)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, **style)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.ticklabel_format(axis="x", style="plain", useOffset=False)
    label_axes(ax, "time (s)", "time lost")
    return ax


def _times_lost(gaze: Gaze, at_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[N] ms lost to invalid samples, lost to missing ones, and recorded in total, from the start to each time."""
    t = gaze.t_ms
    step = np.diff(t, append=t[-1] + gaze.interval_ms)
    pause = np.zeros(len(t), bool) if gaze.block is None else np.diff(gaze.block, append=gaze.block[-1]) != 0
    own = np.where(pause | (step > 1.5 * gaze.interval_ms), np.minimum(step, gaze.interval_ms), step)
    lacking = np.where(pause, 0.0, step - own)
    at = np.maximum(np.searchsorted(t, at_ms, side="right") - 1, 0)  # the sample at each time
    into_own = np.clip(at_ms - t[at], 0, own[at])
    into_lacking = np.clip(at_ms - t[at] - own[at], 0, lacking[at])

    def until(time: np.ndarray, into: np.ndarray) -> np.ndarray:
        return np.cumsum(time)[at] - time[at] + into

    invalid = until(np.where(gaze.valid, 0.0, own), np.where(gaze.valid[at], 0.0, into_own))
    missing = until(lacking, into_lacking)
    return invalid, missing, until(own, into_own) + missing


def plot_intervals(ax: Axes, gaze: Gaze) -> Axes:
    """Histogram of the intervals between samples of one block, on log-log axes.

    Without two samples in one block nothing is drawn.

    Args:
        ax: of any size.
        gaze: one stream.
    """
    step = np.diff(gaze.t_ms)
    step = step if gaze.block is None else step[np.diff(gaze.block) == 0]
    if len(step):
        bins = np.geomspace(0.9 * step.min(), 1.1 * step.max(), 80)
        ax.hist(step, bins, color=BLUE, gid="intervals")
        ax.axvline(gaze.interval_ms, color=RED, linewidth=0.9, label=f"median {gaze.interval_ms:g} ms")
        ax.set(xscale="log", yscale="log")
        ax.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter("")
        style = dict(frameon=False, fontsize=TEXT_PT, handlelength=1.2, borderaxespad=0.2)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), **style)
    label_axes(ax, "interval (ms)", "samples")
    return ax
