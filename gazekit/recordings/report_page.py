"""A recording's report: a page of numbers and figures in its own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gazekit.recordings.plots import plot_gaze, plot_heatmap, plot_main_sequence
from gazekit.recordings.quality_plots import plot_intervals, plot_losses
from gazekit.recordings.recording import Recording
from gazekit.recordings.shell_words import in_shell
from gazekit.scanpath import Scanpath

__all__ = ["write_page"]

SHOWN_MS = 10_000.0  # of the figure that shows single events
ROWS = (
    ("duration", "duration_ms", "{:.0f} ms"),
    ("samples", "samples", "{:d}"),
    ("sampling rate", "rate_hz", "{:.2f} Hz"),
    ("sampling interval, SD", "interval_sd_ms", "{:.3f} ms"),
    ("sampling interval, longest", "interval_max_ms", "{:.2f} ms"),
    ("samples lost", "lost_share", "{:.2%}"),
    ("time missing between samples", "missing_share", "{:.2%}"),
    ("precision, RMS-S2S", "rms_s2s_dva", "{:.3f} deg"),
    ("precision, SD", "sd_dva", "{:.3f} deg"),
    ("precision, RMS-S2S", "rms_s2s_px", "{:.2f} px"),
    ("precision, SD", "sd_px", "{:.2f} px"),
    ("accuracy of the last validation, mean", "accuracy_mean_dva", "{:.2f} deg"),
    ("accuracy of the last validation, worst", "accuracy_max_dva", "{:.2f} deg"),
)


def write_page(
    recording: Recording, events: pd.DataFrame, facts: dict[str, Any], eye: str, folder: Path
) -> None:
    """Write report.md and its figures.

    Args:
        events: events from `facts["detector"]`.
        facts: from `summary.facts_of`, with detector, agreement_f1 and warnings.
        eye: the eye of the stream, as in `Gaze.eye`.
    """
    pictures = _pictures(recording, events, eye, folder)
    lines = [f"# {recording.path.name}", "", f"{recording.tracker}{f', {eye} eye' if eye else ''}.", ""]
    lines += ["| | |", "|---|---|"]
    for label, key, form in ROWS:
        value = facts[key]
        undefined = isinstance(value, float) and np.isnan(value)
        shown = f"undefined: {in_shell(facts['reasons'].get(key, ''))}" if undefined else form.format(value)
        lines.append(f"| {label} | {shown} |")
    lines += ["", *_events(events, facts)]
    lines += [f"![{text}]({name})\n" for name, text in pictures]
    if recording.notes:
        lines += ["Notes:", "", *(f"- {in_shell(note)}" for note in recording.notes), ""]
    (folder / "report.md").write_text("\n".join(lines), encoding="utf-8")


def _events(events: pd.DataFrame, facts: dict[str, Any]) -> list[str]:
    who = "the tracker" if facts["detector"] == "vendor" else facts["detector"]
    lines = [f"Events of {who} ([full table](events.csv)):", ""]
    lines += ["| kind | number | median duration | F1 against the tracker's |", "|---|---|---|---|"]
    for kind, rows in events.groupby("kind"):
        f1 = facts["agreement_f1"].get(kind, float("nan"))
        lines.append(
            f"| {kind} | {len(rows)} | {rows['duration_ms'].median():.0f} ms | {'' if np.isnan(f1) else f'{f1:.3f}'} |"
        )
    return [*lines, "", *(f"{warning}.\n" for warning in facts["warnings"])]


def _pictures(recording: Recording, events: pd.DataFrame, eye: str, folder: Path) -> list[tuple[str, str]]:
    gaze = recording.gaze(eye or None)
    found = []

    def save(name: str, text: str, size: tuple[float, float], draw: Any) -> None:
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(folder / name, dpi=150)
        found.append((name, text))

    if len(gaze):
        save("gaze.png", "gaze over time", (10, 3.2), lambda ax: plot_gaze(ax, gaze, events))
        middle = (gaze.t_ms[0] + gaze.t_ms[-1]) / 2
        span = (middle - SHOWN_MS / 2, middle + SHOWN_MS / 2)
        if gaze.t_ms[-1] - gaze.t_ms[0] > 2 * SHOWN_MS and gaze.between(*span).valid.any():
            save(
                "gaze_middle.png",
                "ten seconds in the middle",
                (10, 3.2),
                lambda ax: plot_gaze(ax, gaze, events, *span),
            )
        save("losses.png", "time lost", (10, 2), lambda ax: plot_losses(ax, gaze))
        save("intervals.png", "time between samples", (5, 2.5), lambda ax: plot_intervals(ax, gaze))
    fixations = events[events["kind"] == "fixation"].dropna(subset=["x_px", "y_px"])
    if recording.size_px is not None and len(fixations):
        path = Scanpath(fixations[["x_px", "y_px"]].to_numpy(), fixations["duration_ms"].fillna(0).to_numpy())
        width, height = recording.size_px
        sigma_px = width / 40
        save("heatmap.png", f"heatmap of fixation time (Gaussian of {sigma_px:.0f} px)", (6, 6 * height / width),
             lambda ax: plot_heatmap(ax, path, size_px=recording.size_px, sigma_px=sigma_px))  # fmt: skip
    if {"amplitude_dva", "peak_velocity_dva_s"} <= set(events) and (events["kind"] == "saccade").any():
        save(
            "main_sequence.png",
            "main sequence of saccades",
            (5, 4),
            lambda ax: plot_main_sequence(ax, events),
        )
    return found
