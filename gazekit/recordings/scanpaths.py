"""Scanpaths of a recording's trials, which are defined by messages or by a table of times."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.recording import Recording
from gazekit.scanpath import Scanpath

__all__ = ["TRIAL_COLUMNS", "TrialMessages", "TrialScanpath", "cut_trials", "fixations_of", "scanpaths"]

TRIAL_COLUMNS = ("onset_ms", "offset_ms", "stimulus")


@dataclass(frozen=True)
class TrialMessages:
    """The messages that begin and end a trial, as regular expressions searched for in the message text.

    Named groups of any of the three patterns become columns of the trials; one of them must be `(?P<stimulus>...)`.
    A trial's times are those of the messages: a delay written before the message text, as by Experiment
    Builder, is not applied.

    Args:
        start: a message that begins a trial.
        end: a message that ends it; None: a trial lasts until the next begins, the last one until the last
            sample.
        inside: a further message between the two, for values that the start message lacks.
    Raises:
        ValueError: an invalid regular expression, or no group `stimulus`.

    >>> TrialMessages(r"^TRIALID \\d+ (?P<stimulus>\\S+)", r"^TRIAL_RESULT").end
    '^TRIAL_RESULT'
    """

    start: str
    end: str | None = None
    inside: str | None = None

    def __post_init__(self) -> None:
        groups: set[str] = set()
        for name in ("start", "end", "inside"):
            pattern = getattr(self, name)
            if pattern is None and name != "start":
                continue
            try:
                groups |= set(re.compile(pattern).groupindex)
            except (re.error, TypeError) as error:
                raise ValueError(
                    f"{name}: {pattern!r} is not a valid regular expression ({error})"
                ) from error
        if "stimulus" not in groups:
            raise ValueError(
                f"no group (?P<stimulus>...) names the stimulus in start {self.start!r}, end or inside"
            )


class TrialScanpath(NamedTuple):
    """The scanpath of one trial of a recording."""

    stimulus: str
    onset_ms: float
    offset_ms: float
    scanpath: Scanpath


def cut_trials(recording: Recording, messages: TrialMessages) -> pd.DataFrame:
    """Trials of a recording as defined by its messages.

    A trial runs from a message `start` to the first `end` after it. Ambiguities stay visible: a trial without
    an end before the next start has `offset_ms` NaN; one without a stimulus message has `stimulus` "".

    Returns:
        One row per trial in order, numbered from 1: `onset_ms`, `offset_ms`, `stimulus`, and a text column
        for every other named group.
    Raises:
        RecordingError: no message matches `start`.
    """
    said = recording.messages.sort_values("t_ms", kind="stable")
    text, t_ms = [str(line) for line in said["text"]], said["t_ms"].to_numpy(np.float64)
    starts = [i for i, line in enumerate(text) if re.search(messages.start, line)]
    if not starts:
        examples = ", ".join(repr(line[:60]) for line in dict.fromkeys(text[:1000])) or "none"
        raise RecordingError(
            f"{recording.path}: no message matches start {messages.start!r}; "
            f"its {len(text)} messages begin with: {examples[:400]}"
        )
    last_ms = recording.samples["t_ms"].iloc[-1] if len(recording.samples) else np.nan
    rows = []
    for first, after in zip(starts, [*starts[1:], len(text)], strict=True):
        if messages.end is None:
            offset_ms = t_ms[after] if after < len(text) else last_ms
        else:
            fits = (i for i in range(first + 1, after) if re.search(messages.end, text[i]))
            last = next(fits, None)
            offset_ms = np.nan if last is None else t_ms[last]
            after = after if last is None else last + 1
        groups = _groups(messages, text[first:after])
        rows.append({**groups, "onset_ms": t_ms[first], "offset_ms": offset_ms})
    columns = [*TRIAL_COLUMNS, *(name for name in rows[0] if name not in TRIAL_COLUMNS)]
    return pd.DataFrame(rows, index=range(1, len(rows) + 1))[columns]


def _groups(messages: TrialMessages, lines: list[str]) -> dict[str, str]:
    """Every named group of the patterns, from the first line of the trial that has it; "" if none does."""
    found: dict[str, str] = {}
    for pattern in filter(None, (messages.start, messages.end, messages.inside)):
        found |= {name: found.get(name, "") for name in re.compile(pattern).groupindex}
        for line in lines if pattern != messages.start else lines[:1]:
            match = re.search(pattern, line)
            for name, value in match.groupdict().items() if match else ():
                found[name] = found[name] or value or ""
    return found


def scanpaths(
    recording: Recording,
    trials: pd.DataFrame | TrialMessages,
    events: pd.DataFrame | None = None,
    observer: str | None = None,
) -> list[TrialScanpath]:
    """The scanpath of each trial: fixations that begin in it, onset included, offset excluded.

    A fixation already under way at the trial's onset belongs to what came before and is excluded; one that
    outlasts the trial counts with its full duration.

    Args:
        recording: the recording.
        trials: `onset_ms`, `offset_ms` and `stimulus` per trial, in ms as in the recording; or the messages
            that define them.
        events: fixations of one eye from a detector; None: the tracker's own, of the eye with more valid
            samples.
        observer: the observer's name; None: the name of the recording's file without its extension.
    Returns:
        One scanpath per trial, in the trials' order; a trial without fixations has an empty one.
    Raises:
        RecordingError: no fixations at all; a trial without an end or a stimulus, that ends before it begins,
            that lies outside the recording, or with a fixation that has no position or duration.
        ValueError: tables without these columns or with text for times, fixations of both eyes or without an
            onset.
    """
    if isinstance(trials, TrialMessages):
        trials = cut_trials(recording, trials)
    if missing := [name for name in TRIAL_COLUMNS if name not in trials]:
        raise ValueError(f"the table of trials has no column {', '.join(missing)}")
    fixations = fixations_of(recording) if events is None else _one_eye(events)
    observer = recording.path.stem if observer is None else observer
    xy, duration = (
        fixations[["x_px", "y_px"]].to_numpy(np.float64),
        fixations["duration_ms"].to_numpy(np.float64),
    )
    onsets, found = fixations["onset_ms"].to_numpy(np.float64), []
    times = {name: trials[name].astype(np.float64) for name in TRIAL_COLUMNS[:2]}
    for row in trials[list(TRIAL_COLUMNS)].assign(**times).itertuples():
        where = f"{recording.path.name}, trial {row.Index}"
        _check_trial(where, row.onset_ms, row.offset_ms, row.stimulus)
        _check_recorded(where, recording, row.onset_ms, row.offset_ms)
        first, last = np.searchsorted(onsets, [row.onset_ms, row.offset_ms])
        try:
            path = Scanpath(xy[first:last], duration[first:last], observer)
        except ValueError as error:
            raise RecordingError(f"{where} ({row.stimulus}), from {row.onset_ms:.10g} ms: {error}") from error
        found.append(TrialScanpath(str(row.stimulus), float(row.onset_ms), float(row.offset_ms), path))
    return found


def fixations_of(recording: Recording) -> pd.DataFrame:
    """The tracker's own fixations by onset; if both eyes have some, those of the eye with more valid samples.

    Raises:
        RecordingError: the tracker provided none.
    """
    fixations = recording.fixations()
    if len(fixations) == 0:
        raise RecordingError(
            f"{recording.path}: has no fixations from the tracker; detect them with a detector and pass events=..."
        )
    if fixations["eye"].nunique() > 1:
        fixations = recording.fixations(recording.gaze("best").eye)
    return _one_eye(fixations)


def _one_eye(events: pd.DataFrame) -> pd.DataFrame:
    if missing := [name for name in ("onset_ms", "duration_ms", "x_px", "y_px") if name not in events]:
        raise ValueError(f"the table of fixations has no column {', '.join(missing)}")
    fixations = events[events["kind"] == "fixation"] if "kind" in events else events
    if fixations["onset_ms"].isna().any():
        raise ValueError(f"{int(fixations['onset_ms'].isna().sum())} fixations have no onset")
    if "eye" in fixations and fixations["eye"].nunique() > 1:
        raise ValueError(f"expected fixations of one eye, got {sorted(fixations['eye'].unique())}")
    return fixations.sort_values("onset_ms", kind="stable", ignore_index=True)


def _check_trial(where: str, onset_ms: float, offset_ms: float, stimulus: str) -> None:
    if pd.isna(stimulus) or not str(stimulus):
        raise RecordingError(
            f"{where}, from {onset_ms:.10g} ms: no stimulus is given and no message of the trial names one"
        )
    if not np.isfinite(onset_ms) or not np.isfinite(offset_ms):
        raise RecordingError(
            f"{where} ({stimulus}), from {onset_ms:.10g} ms: has no end before the next trial begins"
        )
    if offset_ms <= onset_ms:
        raise RecordingError(
            f"{where} ({stimulus}): ends at {offset_ms:.10g} ms, not after its onset {onset_ms:.10g} ms"
        )


def _check_recorded(where: str, recording: Recording, onset_ms: float, offset_ms: float) -> None:
    """Times counted from the recording's start, rather than on its clock, would give trials without fixations."""
    t_ms = recording.samples["t_ms"].to_numpy()
    if len(t_ms) and (offset_ms <= t_ms[0] or onset_ms > t_ms[-1]):
        raise RecordingError(
            f"{where}: from {onset_ms:.10g} to {offset_ms:.10g} ms, but the recording's samples are from "
            f"{t_ms[0]:.10g} to {t_ms[-1]:.10g} ms on its clock; give times on that clock (those counted from the "
            f"recording's start need {t_ms[0]:.10g} ms added)"
        )
