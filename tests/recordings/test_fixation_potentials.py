"""Responses to fixations against those that were put in."""

from __future__ import annotations

import mne
import numpy as np
import pandas as pd
import pytest

from gazekit.geometry import Screen
from gazekit.recordings.eeg.alignment import align, trigger_times
from gazekit.recordings.eeg.frp import fixation_design, fixation_epochs, frp_deconvolve
from gazekit.recordings.eeg.synthetic_eeg import KERNELS, slope_kernel, synthetic_session
from gazekit.recordings.recording import event_table

SCREEN = Screen(1001, 1001, 50.0, 60.0)
AMPLITUDE = "saccade_amplitude_dva"


def eeg(data, rate=100.0):
    data = np.atleast_2d(data)
    return mne.io.RawArray(data, mne.create_info(len(data), rate, "eeg"), verbose="error")


def fix(onset, offset, x=500.0, y=500.0, kind="fixation", eye="left"):
    return dict(
        kind=kind, eye=eye, onset_ms=onset, offset_ms=offset, duration_ms=offset - onset, x_px=x, y_px=y
    )


def test_design_of_a_hand_made_scanpath():
    events = event_table([
        fix(0, 200), fix(240, 400, 600), fix(430, 600, 600, 400), fix(800, 900, 500, 400),
        fix(905, 960, kind="blink"), fix(980, 1100, 500, 500), fix(1130, 1300, 400, 500),
        fix(200, 240, kind="saccade"),
    ])  # fmt: skip
    trials = pd.DataFrame({"trial": ["b", "a"], "onset_ms": [950.0, 240.0], "offset_ms": [1130.0, 700.0]})
    table = fixation_design(events, SCREEN, trials)
    side = np.rad2deg(np.arctan(100 / SCREEN.distance_px))
    a, b = np.array([100, 0, SCREEN.distance_px]), np.array([100, -100, SCREEN.distance_px])
    corner = np.rad2deg(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    np.testing.assert_allclose(table[AMPLITUDE], [np.nan, side, corner, np.nan, np.nan, side])
    np.testing.assert_allclose(table["saccade_direction_deg"], [np.nan, 0, 90, np.nan, np.nan, 180])
    assert table["trial"].fillna("").tolist() == ["", "a", "a", "", "b", ""]
    np.testing.assert_array_equal(table["rank"], [np.nan, 1, 2, np.nan, 1, np.nan])
    assert table["onset_ms"].tolist() == [0, 240, 430, 800, 980, 1130]


def test_design_without_screen_or_trials_and_of_two_eyes():
    events = event_table([fix(0, 100), fix(120, 300, eye="right"), fix(130, 310)])
    with pytest.raises(ValueError, match="fixations of 'left', 'right': choose one with eye="):
        fixation_design(events)
    table = fixation_design(events, eye="left")
    assert table["trial"].tolist() == [0, 0] and table["rank"].tolist() == [1, 2]
    assert table[AMPLITUDE].isna().all()
    assert len(fixation_design(event_table())) == 0
    trials = pd.DataFrame({"trial": [0, 1], "onset_ms": [0.0, 50.0], "offset_ms": [60.0, 90.0]})
    with pytest.raises(ValueError, match="trials overlap: 0 and the next"):
        fixation_design(events, eye="left", trials=trials)
    with pytest.raises(ValueError, match="trials lack the column offset_ms"):
        fixation_design(events, eye="left", trials=trials.drop(columns="offset_ms"))
    with pytest.raises(ValueError, match="events lack the column eye, x_px"):
        fixation_design(events.drop(columns=["eye", "x_px"]))


def scored(seed, minutes=5.0, noise_v=10e-6):
    """Correlation and RMSE (microvolts) of deconvolution and averages, and the slope's gain; one channel at 250 Hz."""
    session = synthetic_session(seed, minutes, 1, eeg_hz=250.0, gaze_hz=500.0, noise_v=noise_v)
    both = align(
        eeg(session.eeg_v, 250.0), session.recording, session.eeg_trigger_s,
        trigger_times(session.recording, "TRIGGER"),
    )  # fmt: skip
    table = fixation_design(both.recording.events, session.recording.screen, session.trials)
    table = table[table["onset_ms"].between(0, 1000 * both.raw.times[-1])]
    events = pd.concat([table.assign(event="fixation"), session.trials.assign(event="stimulus")])
    found = frp_deconvolve(both.raw, events, "event", [AMPLITUDE])
    epochs = fixation_epochs(both.raw, table)
    averages = epochs.average(), epochs.apply_baseline((-0.2, 0), verbose="error").average()
    t = averages[0].times
    true = {name: kernel(t) * (t >= 0) for name, kernel in KERNELS.items()}
    extra = table[AMPLITUDE].mean() - session.mean_amplitude_dva
    true["fixation"] += extra * slope_kernel(t) * (t >= 0)
    tried = [(found.evokeds["fixation"], "fixation"), *[(average, "fixation") for average in averages]]
    tried += [(found.evokeds[AMPLITUDE], AMPLITUDE), (found.evokeds["stimulus"], "stimulus")]
    r = [np.corrcoef(evoked.data[0], true[name])[0, 1] for evoked, name in tried]
    rmse = [1e6 * np.sqrt(np.mean((evoked.data[0] - true[name]) ** 2)) for evoked, name in tried]
    gain = found.evokeds[AMPLITUDE].data[0] @ true[AMPLITUDE] / (true[AMPLITUDE] @ true[AMPLITUDE])
    return np.array([*r, *rmse, gain]), found


def test_deconvolution_finds_the_responses_and_the_average_does_not():
    scores = np.array([scored(seed)[0] for seed in range(6)])
    r, rmse, gain = scores[:, :5], scores[:, 5:10], scores[:, -1:]

    def interval(x):  # 95 %, t with 5 degrees of freedom
        return x.mean(0) + np.outer([-1, 1], 2.571 * x.std(0, ddof=1) / np.sqrt(6))

    (r_low, r_high), (rmse_low, rmse_high) = interval(r), interval(rmse)
    assert r_low[0] > 0.9 and rmse_high[0] < 0.6
    assert (r_high[1:3] < 0.91).all() and rmse_low[1] > 1.4 and rmse_low[2] > 0.6  # without and with baseline
    assert (interval(r[:, :1] - r[:, 1:3])[0] > 0.02).all()
    assert (interval(rmse[:, 1:3] - rmse[:, :1])[0] > 0.2).all()
    low, high = interval(gain)
    assert low < 1 < high and high - low < 0.5  # the slope with the saccade is the one put in
    assert r_low[4] > 0.85


def test_without_noise_deconvolution_is_exact_up_to_the_clocks():
    scores, found = scored(0, minutes=3.0, noise_v=0.0)
    assert (scores[[0, 3, 4]] > 0.998).all()
    assert scores[1] < 0.93 and scores[5] < 0.12 < 0.6 < scores[7]
    assert scores[-1] == pytest.approx(1, abs=0.03)
    # The fixations after blinks have responses of their own; the blinks are left out.
    assert found.evokeds["fixation without covariates"].nave > 5
    assert found.left_out_s > 1
    assert np.abs(found.evokeds["fixation"].data).max() < 10e-6  # blinks were of 150 microvolts


def tones(n=4000, seed=0):
    """Two kinds of events, a covariate of one, and the EEG that they make at 100 Hz, from -0.1 to 0.3 s."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.choice(np.arange(50, n - 50), 240, replace=False))
    kind = rng.choice(["a", "b"], len(at))
    x = np.where(kind == "a", rng.normal(3, 1, len(at)), np.nan)
    kernels = rng.normal(size=(3, 41))
    signal = np.zeros(n)
    mean = np.nanmean(x)
    for k, name, value in zip(at, kind, x, strict=True):
        window = slice(k - 10, k + 31)
        signal[window] += kernels[0] + (value - mean) * kernels[1] if name == "a" else kernels[2]
    return signal, pd.DataFrame({"onset_ms": 10.0 * at, "kind": kind, "x": x}), kernels


def test_all_kernels_come_back_exactly():
    signal, table, kernels = tones()
    found = frp_deconvolve(eeg([signal, -2 * signal]), table, "kind", ["x"], -0.1, 0.3)
    for name, kernel in zip(("a", "x", "b"), kernels, strict=True):
        np.testing.assert_allclose(found.evokeds[name].data, [kernel, -2 * kernel], atol=1e-9)
        np.testing.assert_allclose(found.evokeds[name].times, np.arange(-10, 31) / 100)
    assert found.evokeds["a"].nave == (table["kind"] == "a").sum() and found.left_out_s == 0


def test_two_kinds_may_begin_on_one_sample_two_of_a_kind_may_not():
    signal, table, kernels = tones()
    more = pd.DataFrame({"onset_ms": table["onset_ms"][:120:3], "kind": "c", "x": np.nan})
    response = np.random.default_rng(1).normal(size=41)
    for k in (more["onset_ms"] / 10).astype(int):
        signal[k - 10 : k + 31] += response
    found = frp_deconvolve(eeg(signal), pd.concat([table, more]), "kind", ["x"], -0.1, 0.3)
    np.testing.assert_allclose(found.evokeds["c"].data[0], response, atol=1e-9)
    np.testing.assert_allclose(found.evokeds["x"].data[0], kernels[1], atol=1e-9)
    with pytest.raises(ValueError, match=r"two events of type '[ab]' are at the same sample"):
        frp_deconvolve(eeg(signal), pd.concat([table, table[:1]]), "kind")
    with pytest.raises(ValueError, match="two fixations begin at the same sample"):
        fixation_epochs(eeg(signal), pd.concat([table, table[:1]]))


def test_what_is_marked_bad_or_not_finite_is_left_out():
    signal, table, kernels = tones()
    signal[1000:1100] += 1e3
    signal[2000:2010] = np.nan
    raw = eeg(signal)
    raw.set_annotations(mne.Annotations([10.0], [1.0], "bad muscle"), verbose="error")
    found = frp_deconvolve(raw, table, "kind", ["x"], -0.1, 0.3)
    np.testing.assert_allclose(found.evokeds["x"].data[0], kernels[1], atol=1e-7)
    assert found.left_out_s == pytest.approx(1.1, abs=0.02)
    epochs = fixation_epochs(raw, table, -0.1, 0.3)
    assert len(epochs) == len(epochs.metadata) < len(table)


def test_large_seconds_are_rejected():
    signal, table, kernels = tones()
    signal[1000:1050] += 1e3
    found = frp_deconvolve(eeg(signal), table, "kind", ["x"], -0.1, 0.3, reject={"eeg": 100.0})
    np.testing.assert_allclose(found.evokeds["x"].data[0], kernels[1], atol=1e-7)
    assert 0.5 < found.left_out_s < 1.5


def test_events_without_their_covariate_do_not_bend_the_slope():
    signal, table, kernels = tones()
    some = table.index[(table["kind"] == "a")][::4]
    known = table["x"].mean()
    table.loc[some, "x"] = np.nan
    shift = table["x"].mean() - known  # the response is that at the mean of those that are known
    found = frp_deconvolve(eeg(signal), table, "kind", ["x"], -0.1, 0.3)
    own = found.evokeds["a without covariates"]
    assert own.nave == len(some)
    residual = found.evokeds["x"].data[0] - kernels[1]
    assert np.sqrt(np.mean(residual**2)) < 0.5  # noise: what the unknown values did
    shifted = kernels[0] + shift * kernels[1]
    assert np.corrcoef(found.evokeds["a"].data[0], shifted)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.assign(x=3.0), "covariate 'x' is uninformative"),
        (lambda t: t.assign(x=np.nan), "covariate 'x' is uninformative"),
        (lambda t: t.drop(columns="x"), "the table has no column x; it has onset_ms, kind"),
        (lambda t: t.assign(kind="x"), "names both a covariate and a type"),
        (lambda t: t.assign(kind=[None, *t["kind"][1:]]), "1 events have no kind"),
        (lambda t: t.assign(onset_ms=t["onset_ms"] + 39000), "onsets lie outside the 39.990 s of EEG"),
        (lambda t: t.assign(onset_ms=[np.nan, *t["onset_ms"][1:]]), "1 of 240 onsets lie outside"),
        (lambda t: t[:0], "the table has no rows"),
        (lambda t: t[:2].assign(kind="a", x=[1.0, 2.0]), "do not determine 82 response values"),
    ],
)
def test_tables_that_cannot_work_are_told(change, text):
    signal, table, _ = tones()
    with pytest.raises(ValueError, match=text):
        frp_deconvolve(eeg(signal), change(table), "kind", ["x"], -0.1, 0.3)


def test_the_same_covariate_twice_is_told():
    signal, table, _ = tones()
    with pytest.raises(ValueError, match=r"do not determine .* response values"):
        frp_deconvolve(eeg(signal), table.assign(z=2 * table["x"]), "kind", ["x", "z"], -0.1, 0.3)


def test_gaze_alone_has_no_potentials():
    raw = mne.io.RawArray(np.zeros((1, 500)), mne.create_info(["x"], 100.0, "misc"), verbose="error")
    with pytest.raises(ValueError, match="no EEG or MEG channels"):
        frp_deconvolve(raw, pd.DataFrame({"onset_ms": [1000.0]}))
    with pytest.raises(ValueError, match="tmin must be below tmax"):
        frp_deconvolve(raw, pd.DataFrame({"onset_ms": [1000.0]}), tmin=0.5, tmax=0.1)
    with pytest.raises(ValueError, match="half a minute"):
        synthetic_session(0, minutes=0.1)
