"""Figure of a benchmark: time and memory per call, ours and the reference's, one line per case."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["bench_figure"]

OURS, REFERENCE = "#1f77b4", "#7f7f7f"
ROW_INCHES, WIDTH_INCHES = 0.22, 11.0


def bench_figure(found: dict[str, Any]) -> Figure:
    """Draw the results of `gazekit bench`.

    Args:
        found: from `gazekit.harness.record`.
    Returns:
        Two panels with one row per case, on log axes: milliseconds (the line spans the 20 % and 80 %
        quantiles) and MB; a dot for ours, a ring for the reference, if there is one.
    """
    rows = found["rows"]
    figure = Figure(figsize=(WIDTH_INCHES, 1.4 + ROW_INCHES * len(rows)), layout="constrained")
    time, memory = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for y, row in enumerate(rows):
        time.plot([row["ours_p20_ms"], row["ours_p80_ms"]], [y, y], color=OURS, lw=2)
        if row["ratio"] is not None:
            time.annotate(f"{row['ratio']:.3g}x", (1, y), (4, 0), ("axes fraction", "data"), "offset points",
                          va="center", fontsize=7)  # fmt: skip
    _dots(time, rows, "ours_ms", "reference_ms")
    _dots(memory, rows, "peak_mb", "reference_peak_mb")
    time.set_xlabel("one call, ms")
    memory.set_xlabel("memory of one call, MB")
    time.set_yticks(range(len(rows)), [row["case"] for row in rows], fontsize=7)
    time.invert_yaxis()
    time.legend(loc="best", fontsize=7)
    figure.suptitle(
        f"{found['bench']}: {found['device']}, {found['threads']} threads, torch {found['versions']['torch']}",
        fontsize=9,
    )
    return figure


def _dots(axes: Axes, rows: list[dict[str, Any]], ours: str, reference: str) -> None:
    for name, label, style in (
        (reference, "reference", {"facecolors": "none", "edgecolors": REFERENCE}),
        (ours, "ours", {"color": OURS}),
    ):
        there = [(row[name], y) for y, row in enumerate(rows) if row[name]]  # no dot at 0 MB on a log axis
        axes.scatter(*zip(*there, strict=True) if there else ([], []), s=22, label=label, zorder=3, **style)
    axes.set_xscale("log")
    axes.grid(axis="both", alpha=0.25)
