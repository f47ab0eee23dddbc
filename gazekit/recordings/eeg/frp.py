"""Fixation-related potentials, with correction for responses that overlap in time.

Data flow: `fixation_design` makes one row per fixation with its covariates, `fixation_epochs` cuts the EEG into
epochs, and `frp_deconvolve` fits all responses jointly, which separates those that overlap in time.
Times in tables are ms from the first sample of the raw object, as from `alignment.align`; windows are in seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import mne
import numpy as np
import pandas as pd
from scipy import linalg

from gazekit.recordings.recording import EVENT_COLUMNS
from gazekit.recordings.velocity import View, angle_dva, is_flat, to_dva

__all__ = ["Deconvolution", "fixation_design", "fixation_epochs", "frp_deconvolve"]

MAX_SACCADE_MS = 150.0
"""Longest interval between two fixations that counts as one saccade."""
_BAD = "gazekit_bad"
_TRIAL_COLUMNS = ("trial", "onset_ms", "offset_ms")


def fixation_design(
    events: pd.DataFrame, view: View | None = None, trials: pd.DataFrame | None = None, eye: str | None = None
) -> pd.DataFrame:
    """One row per fixation, with the saccade that led to it.

    Args:
        events: with `EVENT_COLUMNS`, vendor's or ours; kinds other than fixation and blink are ignored.
        view: a screen, a scene camera or pixels per degree; None: no amplitudes.
        trials: `trial`, `onset_ms`, `offset_ms`, not overlapping; None: everything is one trial, 0.
        eye: the eye; needed if the table has fixations of more than one eye.
    Returns:
        `onset_ms`, `duration_ms`, `x_px`, `y_px`; `trial` in which it begins (onset <= t < offset), NaN outside;
        `rank` in its trial, from 1, NaN outside; `saccade_amplitude_dva`, the angle between the directions of gaze at
        the fixation before and this one; `saccade_direction_deg`, 0 right, 90 up, counter-clockwise in (-180, 180]. The
        last two are NaN unless a single saccade is known to lead to the fixation: for the first fixation,
        after a blink of this eye, or more than `MAX_SACCADE_MS` after the previous fixation.
    Raises:
        ValueError: missing columns; several eyes without a choice; trials that overlap.
    """
    for name, needed, given in (("events", EVENT_COLUMNS, events), ("trials", _TRIAL_COLUMNS, trials)):
        if given is not None and (missing := [column for column in needed if column not in given]):
            raise ValueError(f"{name} lack the column {', '.join(missing)}")
    found = events[events["kind"] == "fixation"]
    eyes = sorted(set(found["eye"]))
    if eye is None and len(eyes) > 1:
        raise ValueError(f"events have fixations of {', '.join(map(repr, eyes))}: choose one with eye=")
    found = (found if eye is None else found[found["eye"] == eye]).sort_values("onset_ms", kind="stable")
    table = found[["onset_ms", "duration_ms", "x_px", "y_px"]].reset_index(drop=True)
    amplitude, direction = np.full((2, len(table)), np.nan)
    if view is not None and len(table) > 1:
        xy = to_dva(table[["x_px", "y_px"]].to_numpy(), view)
        amplitude[1:] = angle_dva(xy[:-1], xy[1:], is_flat(view))
        direction[1:] = np.rad2deg(np.arctan2(xy[:-1, 1] - xy[1:, 1], xy[1:, 0] - xy[:-1, 0]))
        onset, offset = table["onset_ms"].to_numpy()[1:], found["offset_ms"].to_numpy()[:-1]
        blinks = events[
            (events["kind"] == "blink") & events["eye"].isin([eyes[0] if eye is None else eye, ""])
        ]
        blinked = np.diff(np.searchsorted(np.sort(blinks["onset_ms"]), table["onset_ms"])) > 0
        unknown = 1 + np.flatnonzero((onset - offset > MAX_SACCADE_MS) | blinked)
        amplitude[unknown] = direction[unknown] = np.nan
    trial, rank = _trials(table["onset_ms"].to_numpy(), trials)
    return table.assign(
        trial=trial, rank=rank, saccade_amplitude_dva=amplitude, saccade_direction_deg=direction
    )


def _trials(onset_ms: np.ndarray, trials: pd.DataFrame | None) -> tuple[np.ndarray, np.ndarray]:
    if trials is None:
        return np.zeros(len(onset_ms), np.int64), np.arange(1.0, len(onset_ms) + 1)
    trials = trials.sort_values("onset_ms")
    start, stop = trials["onset_ms"].to_numpy(float), trials["offset_ms"].to_numpy(float)
    if (start[1:] < stop[:-1]).any():
        first = trials["trial"].iloc[int((start[1:] < stop[:-1]).argmax())]
        raise ValueError(f"trials overlap: {first} and the next")
    of = np.searchsorted(start, onset_ms, side="right") - 1
    inside = (of >= 0) & (onset_ms < stop[np.maximum(of, 0)]) if len(stop) else np.zeros(len(of), bool)
    trial = pd.Series(of).map(dict(enumerate(trials["trial"]))).where(inside).to_numpy()
    rank = pd.Series(inside.astype(float)).groupby(of).cumsum().where(inside).to_numpy()
    return trial, rank


def fixation_epochs(
    raw: mne.io.BaseRaw,
    table: pd.DataFrame,
    tmin: float = -0.2,
    tmax: float = 0.8,
    baseline: tuple[float | None, float | None] | None = None,
) -> mne.Epochs:
    """EEG around each fixation, with the table as metadata. Averages mix responses that overlap: see `frp_deconvolve`.

    Args:
        table: with `onset_ms` from the first sample of `raw`, as from `fixation_design`.
        tmin, tmax: seconds from the onset.
        baseline: as in `mne.Epochs`; None: no correction.
    Returns:
        Epochs of all data channels; those in segments marked BAD or beyond the recording are dropped (`drop_log`).
    Raises:
        ValueError: an onset outside the recording, or two on one sample.
    """
    sample = _samples(raw, table)
    if len(np.unique(sample)) < len(sample):
        raise ValueError("two fixations begin at the same sample: pass those of one eye")
    events = np.column_stack([sample + raw.first_samp, np.zeros_like(sample), np.ones_like(sample)])
    return mne.Epochs(
        raw, events, {"fixation": 1}, tmin, tmax, baseline, picks="data", preload=True,
        metadata=table.reset_index(drop=True), verbose="error",
    )  # fmt: skip


def _samples(raw: mne.io.BaseRaw, table: pd.DataFrame) -> np.ndarray:
    """[N] sample nearest to each onset."""
    onset = table["onset_ms"].to_numpy(np.float64)
    if len(onset) == 0:
        raise ValueError("no events: the table has no rows")
    sample = np.round(onset / 1000 * raw.info["sfreq"])
    outside = ~((sample >= 0) & (sample < raw.n_times))
    if outside.any():
        raise ValueError(
            f"{outside.sum()} of {len(onset)} onsets lie outside the {raw.times[-1]:.3f} s of EEG, the first at "
            f"{onset[outside][0]:.1f} ms; onsets count from its first sample (see align), leave out those outside"
        )
    return sample.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Deconvolution:
    """Jointly fitted responses.

    Args:
        evokeds: one `mne.Evoked` per event type, the response at average covariates; one per covariate, the
            change per unit; one for events of a type that lack a covariate ("<type> without covariates").
            `nave` counts the events with a non-zero value.
        used_s: seconds of EEG used in the fit.
        left_out_s: seconds within the window of an event that were excluded: marked BAD, not finite or above
            `reject`.
    """

    evokeds: dict[str, mne.Evoked]
    used_s: float
    left_out_s: float


def frp_deconvolve(
    raw: mne.io.BaseRaw,
    table: pd.DataFrame,
    event_column: str | None = None,
    covariates: Sequence[str] = (),
    tmin: float = -0.2,
    tmax: float = 0.8,
    reject: dict[str, float] | None = None,
) -> Deconvolution:
    """Overlap-corrected responses to fixations (and other events), by regression of the whole EEG.

    The EEG is modelled as a sum of responses, y(t) = sum_e [b_type(t - t_e) + sum_c (x_ec - mean x_c) b_c(t - t_e)]
    + noise, over all events e jointly; least squares gives every b at every latency
    (`mne.stats.linear_regression_raw`; Smith and Kutas 2015, Psychophysiology 52, 157 and 169). Include
    everything that evokes a response in the table, above all stimulus onsets: unmodelled responses leak into
    modelled ones.

    Additions to mne's function: covariates are centred, so that a type's response is that at their mean over
    the events that have them; a covariate that is NaN for all events of a type does not apply to it; events
    of a type that lack it only sometimes (fixations after a blink) get a separate response, as an imputed
    value would bias the slope; samples in segments marked BAD, which mne's function ignores, are excluded;
    events of two types may share a sample.

    Memory and time grow with events x latencies x regressors, and memory with the square of latencies x regressors:
    resample to 250-500 Hz first. Ten minutes of 32 channels at 500 Hz with 1,700 fixations and four responses
    of one second take 5 s on one core and 0.4 GB in addition to the EEG.

    Args:
        table: `onset_ms` from the first sample of `raw`, and the columns named below.
        event_column: column with the type of each event; None: all are "fixation".
        covariates: columns of numbers.
        tmin, tmax: seconds around an event; its response is zero outside.
        reject: peak-to-peak limits in V for whole seconds of EEG, as in `mne.stats.linear_regression_raw`.
    Raises:
        ValueError: tmin >= tmax; onsets outside the EEG; two events of one type at a sample; missing columns;
            a covariate that is constant or never finite; collinear regressors.
    """
    if not -np.inf < tmin < tmax < np.inf:
        raise ValueError(f"tmin must be below tmax, both finite, got {tmin} and {tmax}")
    sample = _samples(raw, table)
    types, regressors = _regressors(table, event_column, covariates)
    for name, rows in types.items():
        if len(np.unique(sample[rows])) < rows.sum():
            raise ValueError(f"two events of type {name!r} are at the same sample: pass fixations of one eye")
    # mne allows one event per sample; its code has one bit per type.
    at, first = np.unique(sample, return_inverse=True)
    codes = np.zeros(len(at), np.int64)
    for bit, rows in enumerate(types.values()):
        np.bitwise_or.at(codes, first[rows], 1 << bit)
    event_id = {name: [int(c) for c in np.unique(codes) if c >> bit & 1] for bit, name in enumerate(types)}
    columns = {name: np.bincount(first, x, len(at)) for name, x in regressors.items()}
    marked = _with_bad_channel(raw)
    solver = _Solver()
    events = np.column_stack([at + marked.first_samp, np.zeros_like(at), codes])
    evokeds = mne.stats.linear_regression_raw(
        marked, events, event_id, tmin, tmax, columns, reject, picks="all", solver=solver
    )
    for evoked in evokeds.values():
        evoked.drop_channels([_BAD])
    rate = raw.info["sfreq"]
    reach = np.zeros(raw.n_times + 1, np.int64)
    np.add.at(reach, np.clip(at + round(tmin * rate), 0, raw.n_times), 1)
    np.add.at(reach, np.clip(at + round(tmax * rate) + 1, 0, raw.n_times), -1)
    within = int((reach.cumsum() > 0).sum())
    return Deconvolution(evokeds, solver.n_used / rate, (within - solver.n_used) / rate)


def _regressors(
    table: pd.DataFrame, event_column: str | None, covariates: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rows of each type, with those that lack covariates separate; and centred covariates, 0 if not applicable."""
    missing = [name for name in (event_column, *covariates) if name is not None and name not in table]
    if missing:
        raise ValueError(f"the table has no column {', '.join(missing)}; it has {', '.join(table.columns)}")
    kind = table[event_column].to_numpy() if event_column else np.full(len(table), "fixation")
    if pd.isna(kind).any():
        raise ValueError(f"{pd.isna(kind).sum()} events have no {event_column}")
    values = {name: table[name].to_numpy(np.float64).copy() for name in covariates}
    types = {}
    for name in dict.fromkeys(kind):
        rows = kind == name
        applies = [x for x in values.values() if np.isfinite(x[rows]).any()]
        lacking = rows & np.any([~np.isfinite(x) for x in applies] or [np.zeros(len(rows), bool)], axis=0)
        types[str(name)] = rows & ~lacking
        if lacking.any():
            types[f"{name} without covariates"] = lacking
            for x in applies:
                x[lacking] = np.nan
    if clash := [name for name in values if name in types]:
        raise ValueError(f"{clash[0]!r} names both a covariate and a type of event")
    for name, x in values.items():
        known = np.isfinite(x)
        if not known.any() or np.ptp(x[known]) == 0:
            raise ValueError(f"covariate {name!r} is uninformative: it has no values or only one")
        x -= x[known].mean()
        x[~known] = 0.0
    return {name: rows for name, rows in types.items() if rows.any()}, values


def _with_bad_channel(raw: mne.io.BaseRaw) -> mne.io.RawArray:
    """The EEG (or MEG) channels, and one that is 1 where a segment is marked BAD or a value isn't finite."""
    picks = mne.pick_types(raw.info, meg=True, eeg=True, seeg=True, ecog=True, exclude="bads")
    if len(picks) == 0:
        raise ValueError("no EEG or MEG channels in raw")
    data = raw.get_data(picks=picks)
    bad = ~np.isfinite(raw.get_data(picks=picks[:1], reject_by_annotation="NaN")[0])
    lost = ~np.isfinite(data).all(0)
    data[:, lost] = 0.0
    info = mne.pick_info(raw.info, picks)
    mark = mne.io.RawArray(
        (bad | lost)[None].astype(float),
        mne.create_info([_BAD], raw.info["sfreq"], "misc"),
        raw.first_samp,
        verbose="error",
    )
    marked = mne.io.RawArray(data, info, raw.first_samp, verbose="error")
    return marked.add_channels([mark], force_update_info=True)


class _Solver:
    """Least squares over samples that aren't bad, which it counts."""

    n_used = 0

    def __call__(self, design, data: np.ndarray) -> np.ndarray:
        good = np.flatnonzero(data[:, -1] < 0.5)
        self.n_used = len(good)
        design, data = design[good], data[good]
        with warnings.catch_warnings():
            warnings.simplefilter("error", linalg.LinAlgWarning)
            try:
                found = linalg.solve((design.T @ design).toarray(), design.T @ data, assume_a="pos")
            except (linalg.LinAlgError, linalg.LinAlgWarning) as error:
                raise ValueError(
                    f"{design.shape[0]} samples do not determine {design.shape[1]} response values: too few events, "
                    "types that always follow each other at a fixed interval, or collinear covariates"
                ) from error
        return found.T
