"""Gaze and EEG on one clock: the true one, as far as triggers tell it."""

from __future__ import annotations

import dataclasses
import datetime
import warnings

import mne
import numpy as np
import pytest

from gazekit.recordings.eeg.alignment import align, trigger_times
from gazekit.recordings.eeg.mne_bridge import to_mne
from gazekit.recordings.eeg.synthetic_eeg import synthetic_session


@pytest.fixture(scope="module")
def session():
    return synthetic_session(0, minutes=6, n_channels=2)


def eeg_of(session, first_samp=0):
    info = mne.create_info(["Oz", "Fz"], session.eeg_hz, "eeg", verbose="error")
    return mne.io.RawArray(session.eeg_v, info, first_samp, verbose="error")


def test_drift_and_offset_are_recovered(session):
    eeg = eeg_of(session)
    both = align(eeg, session.recording, session.eeg_trigger_s, trigger_times(session.recording, "TRIGGER"))
    clock = both.clock
    assert abs(clock.drift_ppm - session.drift_ppm) < 3
    assert abs(clock.offset_s - session.offset_s) < 0.001
    assert clock.rms_ms < 1 and clock.max_ms < 2.5  # stamps are rounded to 2 ms here and 1 ms there
    assert both.unmatched == (0, 0)
    fixations = both.recording.fixations()
    assert np.abs(fixations["onset_ms"] - session.fixations["onset_ms"]).max() < 1.5
    assert f"{clock.drift_ppm:.1f} ppm fast" in both.recording.notes[-1]
    # The EEG itself is as it was.
    assert eeg.ch_names == ["Oz", "Fz"] and len(eeg.annotations) == 0
    np.testing.assert_array_equal(both.raw.get_data(picks="eeg"), session.eeg_v)


def test_gaze_is_read_at_the_samples_of_the_eeg(session):
    both = align(
        eeg_of(session), session.recording, session.eeg_trigger_s, trigger_times(session.recording, "TRIGGER")
    )
    x = both.raw.get_data(picks=["xpos_left"])[0]
    held = [
        (row.onset_ms + 20, row.offset_ms - 20, row.x_px)
        for row in session.fixations.itertuples()
        if row.offset_ms - row.onset_ms > 100
    ]
    at = 1000 * both.raw.times
    seen = [np.nanmean(x[(at >= a) & (at < b)]) for a, b, _ in held]
    np.testing.assert_allclose(seen, [place for *_, place in held], atol=1.0)
    blinks = both.raw.annotations.description == "BAD_blink"
    marked = np.isnan(both.raw.get_data(picks=["xpos_left"], reject_by_annotation="NaN")[0])
    assert blinks.sum() > 10
    assert (np.isnan(x) & ~marked).sum() <= 4 * blinks.sum()  # of each blink's edges a sample or two


@pytest.mark.parametrize("dated", [False, True])
def test_annotations_fit_where_the_eeg_begins_late(session, dated):
    eeg = eeg_of(session, first_samp=12345)
    if dated:
        eeg.set_meas_date(datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC))
    eeg.set_annotations(mne.Annotations([5.0], [1.0], "own"), verbose="error")
    own = eeg.annotations.onset - eeg.first_time
    both = align(eeg, session.recording, session.eeg_trigger_s, trigger_times(session.recording, "TRIGGER"))
    np.testing.assert_allclose(trigger_times(both.raw, "own"), own)
    np.testing.assert_allclose(
        trigger_times(both.raw, "TRIGGER"), session.trials["onset_ms"] / 1000, atol=2e-3
    )
    seen = session.fixations["onset_ms"] / 1000
    np.testing.assert_allclose(trigger_times(both.raw, "fixation"), seen[seen < eeg.times[-1]], atol=2e-3)


def test_lost_and_invented_triggers_change_nothing(session):
    a, b = session.eeg_trigger_s, trigger_times(session.recording, "TRIGGER")
    whole = align(eeg_of(session), session.recording, a, b)
    heard = np.sort([*np.delete(a, [4, 20]), a[7] + 3.0])
    some = align(eeg_of(session), session.recording, heard, np.delete(b, [0, 9]))
    assert some.unmatched == (3, 2)  # two that the tracker lost and the invented one; two that the EEG lost
    assert abs(some.clock.drift_ppm - whole.clock.drift_ppm) < 3
    assert abs(some.clock.offset_s - whole.clock.offset_s) < 0.001


def test_clocks_that_do_not_fit_are_refused(session):
    a, b = session.eeg_trigger_s, trigger_times(session.recording, "TRIGGER")
    rng = np.random.default_rng(0)
    jittered = np.sort(b + rng.normal(0, 0.003, len(b)))
    with pytest.raises(ValueError, match=r"triggers lie [2-4]\.\d\d ms rms off the line \(allowed: 2\)"):
        align(eeg_of(session), session.recording, a, jittered)
    assert align(eeg_of(session), session.recording, a, jittered, max_rms_ms=5).clock.rms_ms > 2
    stepped = np.where(np.arange(len(b)) < len(b) // 2, b, b + 0.08)  # the clock was set in the middle
    with pytest.raises(ValueError, match="a clock that was set or paused"):
        align(eeg_of(session), session.recording, a, stepped, paired=True)
    with pytest.raises(ValueError, match="equal length"):
        align(eeg_of(session), session.recording, a[1:], b, paired=True)


def test_mne_realigns_gaze_without_gaps_alike(session):
    recording = session.recording
    a, b = session.eeg_trigger_s, trigger_times(recording, "TRIGGER")
    ours = align(eeg_of(session), recording, a, b)
    eeg, gaze = eeg_of(session), to_mne(recording)
    x = gaze.get_data(picks=["xpos_left"])[0]
    good = np.isfinite(x)
    gaze = mne.io.RawArray(
        np.interp(np.arange(len(x)), np.flatnonzero(good), x[good])[None],
        mne.create_info(["x"], gaze.info["sfreq"], "misc", verbose="error"), verbose="error",
    )  # fmt: skip
    i, j = ours.clock.pairs.T
    mne.preprocessing.realign_raw(eeg, gaze, a[i], b[j], verbose="error")
    theirs = gaze.get_data()[0]
    own = ours.raw.get_data(picks=["xpos_left"])[0][eeg.first_samp :][: len(theirs)]
    theirs = theirs[: len(own)]
    valid = np.isfinite(own)
    speed = np.abs(np.gradient(np.where(valid, own, 0)))
    still = valid & (speed < 2)
    assert np.abs(own - theirs)[still].mean() < 1.0  # px
    # Where the eye moves, what differs is time: less than a sample.
    slope = np.gradient(theirs) * session.eeg_hz
    moving = valid & (np.abs(slope) > 2000)
    lag_ms = 1000 * ((own - theirs) * slope)[moving].sum() / (slope[moving] ** 2).sum()
    assert abs(lag_ms) < 1000 / session.eeg_hz


def test_mne_makes_channels_with_blinks_nan_altogether(session):
    """The reason why `align` doesn't call `realign_raw`."""
    a, b = session.eeg_trigger_s, trigger_times(session.recording, "TRIGGER")
    eeg, gaze = eeg_of(session), to_mne(session.recording)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne.preprocessing.realign_raw(eeg, gaze, a, b, verbose="error")
    assert np.isnan(gaze.get_data(picks=["xpos_left"])).all()


def test_gaze_may_come_from_mne(session):
    a, b = session.eeg_trigger_s, trigger_times(session.recording, "TRIGGER")
    gaze = to_mne(session.recording)
    np.testing.assert_allclose(trigger_times(gaze, r"TRIGGER \d+"), b)
    one = align(eeg_of(session), session.recording, a, b).raw
    other = align(eeg_of(session), gaze, a, b).raw
    np.testing.assert_allclose(one.get_data(), other.get_data(), rtol=1e-6)
    assert one.annotations.description.tolist() == other.annotations.description.tolist()


def test_triggers_that_are_not_there_are_told(session):
    with pytest.raises(ValueError, match=r"none of \d+ messages or annotations matches 'SYNC'"):
        trigger_times(session.recording, "SYNC")
    empty = dataclasses.replace(session.recording, samples=session.recording.samples[:0])
    with pytest.raises(ValueError, match="no samples, so there is no first sample"):
        trigger_times(empty, "TRIGGER")
    with pytest.raises(ValueError, match="0 samples of gaze, expected at least two"):
        align(eeg_of(session), empty, session.eeg_trigger_s, session.eeg_trigger_s)
