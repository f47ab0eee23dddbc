"""Metrics of each trial, where the recording has messages in pairs such as `trial.start` and `trial.end`."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import pandas as pd

from gazekit.annotate.project import Project
from gazekit.errors import RecordingError
from gazekit.recordings.aoi import aoi_metrics
from gazekit.recordings.aoi.tables import cloud_metrics

__all__ = ["trial_metrics", "trials_of"]

log = logging.getLogger(__name__)

_PAIR = re.compile(r"(?i)(.+?)[._ -](?:(start|begin)|(?:end|stop))")


def trials_of(messages: pd.DataFrame) -> pd.DataFrame:
    """Trials from a message that ends in "start" or "begin" to the next one of the same name with "end" or "stop".

    Between name and ending is a point, a space, "_" or "-": "Weekend" ends nothing.

    Args:
        messages: `t_ms`, `text`, in order of time.
    Returns:
        `trial` (the name), `number` of it from 1, `onset_ms`, `offset_ms`, in order of onset. A start without an end
        and an end without a start are no trial; what the tracker calls the recording is none either.
    """
    found, started, numbers = [], {}, {}
    for time, text in zip(messages["t_ms"], messages["text"], strict=True):
        match = _PAIR.fullmatch(str(text).strip())
        if match is None or match[1].lower() == "recording":
            continue
        if match[2]:
            started[match[1]] = time
        elif (onset := started.pop(match[1], None)) is not None:
            numbers[match[1]] = numbers.get(match[1], 0) + 1
            found.append((match[1], numbers[match[1]], onset, time))
    table = pd.DataFrame(found, columns=["trial", "number", "onset_ms", "offset_ms"])
    return table.sort_values("onset_ms", kind="stable", ignore_index=True)


def trial_metrics(project: Project, mapped: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """`aoi_metrics.csv` per trial: for the fixations that begin in it, with times from its start.

    Args:
        mapped, labels: as in `gazekit.recordings.aoi.aoi_metrics`.
    Returns:
        The columns of `aoi_metrics.csv` and, before them, `trial`, `number`, `start timestamp [ns]` and `end timestamp
        [ns]`; no rows without trials, or where the recording is gone or broken.
    """
    tables = []
    for trial in trials_of(_messages(project)).itertuples(index=False):
        inside = (mapped["onset_ms"] >= trial.onset_ms) & (mapped["onset_ms"] < trial.offset_ms)
        metrics = aoi_metrics(mapped[inside], labels, trial.onset_ms)
        table = cloud_metrics(metrics, project.ids["recording"], project.ids["name"])
        start, end = (project.origin_ns + round(t * 1e6) for t in (trial.onset_ms, trial.offset_ms))
        columns = {"trial": trial.trial, "number": trial.number}
        columns |= {"start timestamp [ns]": start, "end timestamp [ns]": end}
        tables.append(table.assign(**columns)[[*columns, *table.columns]])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _messages(project: Project) -> pd.DataFrame:
    try:
        recording = project.recording
    except (RecordingError, OSError) as error:
        log.warning("no trials are exported: %s", error)
        recording = None
    return pd.DataFrame(columns=["t_ms", "text"]) if recording is None else recording.messages
