"""Shared by the readers of Pupil Labs' formats: pupils, event checks, the video of a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.clocks import rows_at
from gazekit.recordings.recording import event_table

__all__ = ["add_pupil", "checked_events", "header_has", "only_video"]


def header_has(path: Path, *names: str) -> bool:
    """Whether the first line of a text file has these column names; "_" counts as a space, case is ignored."""
    try:
        with path.open("rb") as file:
            head = file.readline(10_000)
    except (OSError, ValueError):
        return False
    line = head.decode("utf-8", "replace").replace("_", " ").casefold()
    return all(name.replace("_", " ").casefold() in line for name in names)


def add_pupil(samples: pd.DataFrame, states: pd.DataFrame, left: str, right: str, notes: list[str]) -> None:
    """Add the columns of eye states, and `pupil`, the mean of both eyes, to the samples with exactly the same
    time `ns`.

    All are NaN for samples without a matching eye state; `pupil` is NaN if one eye is unknown, so that losing an eye
    causes no jump.
    """
    at = rows_at(states["ns"].to_numpy(), samples["ns"].to_numpy())
    for name in states.columns.drop("ns"):
        values = states[name].to_numpy()
        if np.issubdtype(values.dtype, np.number):
            samples[name] = np.where(at >= 0, values[at], np.nan) if len(values) else np.nan
    if left in samples and right in samples:
        samples.insert(samples.columns.get_loc("valid"), "pupil", (samples[left] + samples[right]) / 2)
    if (at < 0).any():
        notes.append(
            f"{int((at < 0).sum())} of {len(at)} gaze samples have no eye state at their time: pupil is NaN"
        )


def checked_events(tables: list[pd.DataFrame], where: Path) -> pd.DataFrame:
    """Several event tables as one.

    Raises:
        RecordingError: an event without a time or that ends before it starts.
    """
    table = event_table(pd.concat(tables, ignore_index=True) if tables else ())
    times = table[["onset_ms", "offset_ms"]].to_numpy()
    wrong = ~(np.isfinite(times).all(1) & (times[:, 1] >= times[:, 0]))
    if wrong.any():
        row = table.iloc[int(wrong.argmax())]
        raise RecordingError(
            f"{where}: a {row['kind']} from {row['onset_ms']} to {row['offset_ms']} ms after the start of the recording"
            f" ({int(wrong.sum())} such events): start and end are swapped or damaged"
        )
    return table


def only_video(folder: Path, notes: list[str]) -> Path | None:
    """The only video of a folder; None if there is none, or several, which adds a note."""
    videos = sorted(folder.glob("*.mp4"))
    if len(videos) > 1:
        notes.append(
            f"{len(videos)} videos ({', '.join(v.name for v in videos)}): cannot tell which is the scene video"
        )
    return videos[0] if len(videos) == 1 else None
