"""Detectors: the golden events, the truth of made-up gaze, slow oracles, gaps, and parameters that make no sense."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc

from gazekit.geometry import Screen
from gazekit.recordings.agreement import event_agreement, noise_curve
from gazekit.recordings.camera import SceneCamera
from gazekit.recordings.detectors import IDT, IVT, AdaptiveVelocity, Blinks, Microsaccades, Pursuit
from gazekit.recordings.detectors.idt import window_dispersion
from gazekit.recordings.recording import EVENT_COLUMNS, Gaze
from gazekit.recordings.synthetic import SyntheticGaze

SCREEN = Screen(1920, 1080, 53.0, 65.0)
FIXED = (IVT(), IDT(), AdaptiveVelocity(), Microsaccades())


@pytest.fixture(scope="module")
def golden(shared_data):
    folder = shared_data / "golden_metrics"
    expected = json.loads((folder / "misc_expected.json").read_text())["events"]
    return expected, np.load(folder / "misc_inputs.npz")


def spans(table: pd.DataFrame, kind: str = "fixation") -> list[list[float]]:
    return table.loc[table["kind"] == kind, ["onset_ms", "offset_ms"]].to_numpy().tolist()


def test_ivt_gives_the_golden_events(golden):
    expected, arrays = golden
    for case in expected:
        gaze = Gaze(np.arange(1000.0), arrays[case["key"] + "_pos_deg"])
        speed = np.hypot(*arrays[case["key"] + "_vel_deg_s"].T)
        assert spans(IVT(30, 60).detect(gaze, 1.0, speed)) == case["expected"]["ivt_on_off_inclusive"]


def test_idt_gives_the_golden_events_in_their_way_of_counting(golden):
    expected, arrays = golden
    for case in expected:
        gaze = Gaze(np.arange(1000.0), arrays[case["key"] + "_pos_deg"])
        found = IDT(1.0, 60, compat="pymovements").detect(gaze, 1.0)
        assert spans(found) == case["expected"]["idt_on_off_inclusive"]
        ours = spans(IDT(1.0, 60).detect(gaze, 1.0))
        assert [b - a for (_, a), (_, b) in zip(ours, spans(found), strict=True)][:-1] == [1] * (
            len(ours) - 1
        )


def slow_idt(t: np.ndarray, xy: np.ndarray, limit: float, shortest: float) -> list[list[float]]:
    """I-DT sample by sample."""
    found, start = [], 0
    while start < len(t):
        end = start
        while end < len(t) and t[end] - t[start] < shortest:
            end += 1
        if end == len(t) or np.isnan(xy[start : end + 1]).any():
            start += 1
            continue
        if np.ptp(xy[start : end + 1], axis=0).sum() > limit:
            start += 1
            continue
        while end + 1 < len(t) and np.ptp(xy[start : end + 2], axis=0).sum() < limit:  # NaN is not below
            end += 1
        found.append([t[start], t[end]])
        start = end + 1
    return found


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), shortest=st.integers(1, 30), integers=st.booleans())
def test_idt_is_that_of_the_plain_loop(seed, shortest, integers):
    draw = np.random.default_rng(seed)
    xy = np.cumsum(draw.normal(0, 0.1, (300, 2)), 0) + (draw.random((300, 1)) < 0.02).cumsum(0) * 3.0
    if integers:  # ties with the threshold
        xy = np.round(4 * xy) / 4
    xy[draw.random(300) < 0.01] = np.nan
    t = np.arange(300.0)
    found = spans(IDT(1.0, shortest).detect(Gaze(t, xy), 1.0))
    assert found == slow_idt(t, xy, 1.0, shortest)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_window_dispersion_of_windows_of_any_length(seed):
    draw = np.random.default_rng(seed)
    xy = draw.normal(size=(50, 2))
    end = np.minimum(np.arange(40) + draw.integers(0, 10, 40), 49)
    expected = [np.ptp(xy[a : b + 1], axis=0).sum() for a, b in enumerate(end)]
    np.testing.assert_allclose(window_dispersion(xy, end), expected, rtol=1e-12)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_ivt_is_that_of_the_plain_loop(seed):
    draw = np.random.default_rng(seed)
    speed = draw.choice([10.0, 30.0, 50.0, np.nan], 200, p=[0.75, 0.1, 0.1, 0.05])
    t = np.cumsum(draw.choice([1.0, 5.0], 200, p=[0.97, 0.03]))
    expected, run = [], []
    for i in range(201):
        if run and (i == 200 or not speed[i] < 30 or t[i] - t[i - 1] > 1.5):
            if t[run[-1]] - t[run[0]] >= 4:
                expected.append([t[run[0]], t[run[-1]]])
            run = []
        if i < 200 and speed[i] < 30:
            run.append(i)
    found = IVT(min_duration_ms=4).detect(Gaze(t, np.zeros((200, 2))), 1.0, speed)
    assert spans(found) == expected


@pytest.mark.parametrize("rate", [250, 500, 1000, 2000])
def test_detectors_find_the_known_events_at_low_noise(rate):
    detectors = {"ivt": IVT()} | ({"adaptive": AdaptiveVelocity()} if rate >= 500 else {})
    made = SyntheticGaze(rate_hz=rate, duration_s=30)
    table = noise_curve(detectors, (0.02,), made)
    assert (table["f1"] >= 0.99).all() and (table["reference"] > 50).all(), table
    saccades = noise_curve({"ek": Microsaccades()}, (0.01,), made, kinds=("saccade",))
    assert (saccades["f1"] >= 0.99).all(), saccades


def test_low_rates_and_noise_cost_what_they_cost():
    at_60 = noise_curve(
        {"ivt": IVT()}, (0.01,), SyntheticGaze(rate_hz=60, duration_s=60), kinds=("fixation",)
    )
    assert at_60["f1"].item() >= 0.99
    curve = noise_curve({"ivt": IVT()}, (0.01, 0.3, 1.0), SyntheticGaze(duration_s=20), kinds=("fixation",))
    assert curve["f1"].is_monotonic_decreasing and curve["f1"].iloc[-1] < 0.1
    dispersion = noise_curve({"idt": IDT()}, (0.01,), SyntheticGaze(rate_hz=250), kinds=("fixation",))
    assert dispersion["f1"].item() >= 0.95


def test_onsets_and_sizes_are_those_of_the_truth():
    made = SyntheticGaze(duration_s=60, blink_share=0).make(3)
    found = IVT().detect(made.gaze, made.screen)
    ours, true = (table[table["kind"] == "saccade"].reset_index() for table in (found, made.events))
    assert len(ours) == len(true)
    timing = event_agreement(found, made.events, 1.0, ("saccade",))
    assert abs(timing["onset_mean_ms"].item()) < 6 and abs(timing["offset_mean_ms"].item()) < 6
    np.testing.assert_allclose(ours["amplitude_dva"], true["amplitude_dva"], rtol=0.1, atol=0.2)
    big = true["amplitude_dva"] > 6
    np.testing.assert_allclose(ours["peak_velocity_dva_s"][big], true["peak_velocity_dva_s"][big], rtol=0.15)


@pytest.mark.parametrize("detector", FIXED, ids=lambda d: type(d).__name__)
def test_tables_have_their_columns_and_no_event_holds_a_gap(detector):
    gaze = SyntheticGaze(duration_s=5, noise_dva=0.02).make(0).gaze
    xy = gaze.xy_px.copy()
    lost = np.random.default_rng(0).random(len(xy)) < 0.003
    xy[lost] = np.nan
    block = (np.arange(len(xy)) >= 2345).astype(int)
    gaze = Gaze(gaze.t_ms, xy, block=block, eye="left")
    table = detector.detect(gaze, SCREEN)
    assert len(table) and tuple(table.columns[: len(EVENT_COLUMNS)]) == EVENT_COLUMNS
    assert (table["eye"] == "left").all() and table["onset_ms"].is_monotonic_increasing
    for row in table.itertuples():
        assert gaze.valid[row.first : row.last + 1].all()
        assert block[row.first] == block[row.last]
        assert (row.onset_ms, row.offset_ms) == (gaze.t_ms[row.first], gaze.t_ms[row.last])
        assert row.duration_ms == row.offset_ms - row.onset_ms
        if row.kind == "fixation":
            np.testing.assert_allclose([row.x_px, row.y_px], xy[row.first : row.last + 1].mean(0))
    assert (table["first"].iloc[1:].to_numpy() > table["last"].iloc[:-1].to_numpy()).all()


@pytest.mark.parametrize("detector", FIXED, ids=lambda d: type(d).__name__)
@pytest.mark.parametrize("count", [0, 1, 2, 4, 40])
def test_streams_without_anything_have_no_events(detector, count):
    table = detector.detect(Gaze(np.arange(float(count)), np.full((count, 2), np.nan)), SCREEN)
    assert len(table) == 0 and set(EVENT_COLUMNS) <= set(table.columns)


def test_a_camera_with_the_screens_geometry_gives_the_same_events():
    made = SyntheticGaze(duration_s=5).make(0)
    far, (x, y) = SCREEN.distance_px, SCREEN.centre_px
    camera = SceneCamera(np.array([[far, 0, x], [0, far, y], [0, 0, 1]]), np.zeros(0))
    for detector in (IVT(), IDT()):
        ours, theirs = (detector.detect(made.gaze, view) for view in (camera, SCREEN))
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6)


def test_idt_grows_long_fixations_in_linear_time():
    count = 1_000_000  # a loop that looks at the whole window for each sample would take days
    xy = np.random.default_rng(0).random((count, 2)) / 3
    xy[count // 2] = 5
    found = IDT().detect(Gaze(np.arange(float(count)), xy), 1.0)
    assert spans(found) == [[0, count // 2 - 1], [count // 2 + 1, count - 1]]


def test_a_short_gap_is_bridged_only_on_request():
    made = SyntheticGaze(duration_s=4, blink_share=0).make(0)
    fixation = made.events[made.events["duration_ms"] > 250].iloc[0]
    xy = made.gaze.xy_px.copy()
    middle = int(fixation["first"] + fixation["last"]) // 2
    xy[middle : middle + 20] = np.nan
    gaze = Gaze(made.gaze.t_ms, xy)
    parts = IVT().detect(gaze, SCREEN)
    whole = IVT(max_gap_ms=30).detect(gaze, SCREEN)
    assert len(parts) == len(whole) + 1
    row = whole[(whole["first"] < middle) & (whole["last"] > middle + 20)].iloc[0]
    np.testing.assert_allclose(row["x_px"], np.nanmean(xy[row["first"] : row["last"] + 1, 0]))


def test_glissades_follow_saccades_and_belong_to_no_fixation():
    made = SyntheticGaze(duration_s=60, glissade_share=0.5, blink_share=0, min_saccade_dva=6).make(0)
    found = AdaptiveVelocity().detect(made.gaze, made.screen)
    agreement = event_agreement(found, made.events, 1.0, ("fixation", "saccade", "glissade"), 0.3).set_index(
        "kind"
    )
    assert (agreement["f1"] >= 0.9).all(), agreement
    ends = set(found.loc[found["kind"] == "saccade", "last"] + 1)
    assert set(found.loc[found["kind"] == "glissade", "first"]) <= ends


def test_adaptive_thresholds_follow_the_noise():
    quiet, loud = (
        AdaptiveVelocity().thresholds(np.abs(np.random.default_rng(0).normal(0, sd, 5000))) for sd in (2, 8)
    )
    assert loud.peak_dva_s == pytest.approx(4 * quiet.peak_dva_s, rel=0.02)
    folded = 2 * np.sqrt(2 / np.pi) + 6 * 2 * np.sqrt(1 - 2 / np.pi)
    assert quiet.peak_dva_s == pytest.approx(folded, rel=0.03)
    with pytest.raises(ValueError, match="no speed below 100"):
        AdaptiveVelocity().thresholds(np.full(10, 200.0))


@pytest.mark.parametrize("count", [3, 4, 50, 300])
def test_an_eye_that_never_moves_is_one_fixation(count):
    gaze = Gaze(np.arange(count) * 20.0, np.full((count, 2), 500.0))  # speeds are rounding errors
    for view in (SCREEN, 35.16):
        found = AdaptiveVelocity().detect(gaze, view)
        assert found[["kind", "first", "last"]].to_numpy().tolist() == [["fixation", 0, count - 1]]


@pytest.mark.parametrize("detector", [*FIXED, IVT(max_gap_ms=75)])
def test_infinite_positions_are_no_place(detector):
    xy = np.full((300, 2), np.inf)  # the arctan of infinity is 90 degrees
    for view in (SCREEN, 35.16):
        assert len(detector.detect(Gaze(np.arange(300.0), xy), view)) == 0
    xy[50:250] = np.random.default_rng(0).normal(500, 1, (200, 2))
    found = detector.detect(Gaze(np.arange(300.0), xy), SCREEN)
    assert (found["first"] >= 50).all() and (found["last"] < 250).all()


@pytest.mark.parametrize("detector", [*FIXED, IVT(max_gap_ms=75)])
def test_samples_that_each_stand_alone_make_no_event(detector):
    gaze = Gaze([0, 1000, 2000], np.full((3, 2), 500.0), block=np.arange(3))  # no interval is known
    assert len(detector.detect(gaze, SCREEN)) == 0


def test_small_saccades_stay_in_their_fixation_over_20_ms():
    t = np.arange(1000.0)
    for amplitude, count in ((0.4, 1), (0.6, 2)):
        share = ((t - 500) / (21 + 2.2 * amplitude)).clip(0, 1)
        xy = np.stack([35.0 * amplitude * betainc(2.5, 3.0, share), 0 * t], 1)
        assert (IVT().detect(Gaze(t, xy), 35.0)["kind"] == "fixation").sum() == count


def test_idt_passes_over_what_is_too_short():
    xy = np.random.default_rng(0).normal(500, 1, (600_000, 2))
    xy[::2] = np.nan
    xy[1000:1200] = 500
    start = time.perf_counter()
    found = IDT().detect(Gaze(np.arange(600_000.0), xy), SCREEN)
    assert time.perf_counter() - start < 4  # 8 s if each of 300,000 samples is looked at alone
    assert found[["first", "last"]].to_numpy().tolist() == [[999, 1199]]


def test_what_no_eye_does_is_no_event():
    made = SyntheticGaze(duration_s=5, blink_share=0).make(0)
    fixation = made.events[made.events["duration_ms"] > 250].iloc[0]
    xy = made.gaze.xy_px.copy()
    spike = int(fixation["first"] + fixation["last"]) // 2
    xy[spike : spike + 3] += 3000.0
    found = AdaptiveVelocity().detect(Gaze(made.gaze.t_ms, xy), SCREEN)
    assert not ((found["first"] <= spike) & (found["last"] >= spike)).any()


def two_eyes(seed: int) -> tuple[Gaze, Gaze]:
    """Fixation at 500 Hz with 12 movements of 0.5 degrees in both eyes, and 5 in the left eye alone."""
    draw = np.random.default_rng(seed)
    t = np.arange(0, 12_000, 2.0)
    step = np.clip((t[:, None] - 500 - 900 * np.arange(12)) / 20, 0, 1)
    both = 0.5 * (3 * step**2 - 2 * step**3).sum(1)
    step = np.clip((t[:, None] - 950 - 1800 * np.arange(5)) / 20, 0, 1)
    alone = both + 0.5 * (3 * step**2 - 2 * step**3).sum(1)
    return tuple(
        Gaze(t, np.stack([x, 0 * x], 1) + draw.normal(0, 0.01, (len(t), 2)), eye=eye)
        for x, eye in ((alone, "left"), (both, "right"))
    )


def test_microsaccades_of_one_eye_alone_go_with_the_binocular_criterion():
    left, right = two_eyes(0)
    detector = Microsaccades()
    assert len(detector.detect(left, 1.0)) == 17
    found = detector.detect(left, 1.0, right)
    assert len(found) == 12 and (found["kind"] == "microsaccade").all() and (found["eye"] == "left").all()
    np.testing.assert_allclose(found["amplitude_dva"], 0.5, atol=0.1)
    assert (np.abs(found["onset_ms"] - 500 - 900 * np.arange(12)) <= 8).all()
    assert set(detector.detect(left, 0.25)["kind"]) == {"saccade"}  # 2 degrees


def test_microsaccade_thresholds_do_not_depend_on_the_unit():
    left, _ = two_eyes(1)
    pd.testing.assert_frame_equal(
        Microsaccades().detect(left, 1.0)[["first", "last"]],
        Microsaccades().detect(left, 7.0)[["first", "last"]],
    )


def test_a_signal_without_spread_is_told():
    xy = np.zeros((100, 2))
    xy[50:] = 3
    with pytest.raises(ValueError, match="spread of velocity along x is 0"):
        Microsaccades().detect(Gaze(np.arange(100.0), xy), 1.0)


def test_blinks_are_found_with_the_lids_and_other_losses_are_kept_apart():
    made = SyntheticGaze(duration_s=60, blink_share=0.2).make(0)
    true = made.events[made.events["kind"] == "blink"]
    bare = Blinks().detect(Gaze(made.gaze.t_ms, made.gaze.xy_px))
    assert spans(bare, "blink") == spans(true, "blink") and len(true) > 10
    wide = Blinks().detect(made.gaze)
    assert len(wide) == len(true)
    before = true["onset_ms"].to_numpy() - wide["onset_ms"].to_numpy()
    after = wide["offset_ms"].to_numpy() - true["offset_ms"].to_numpy()
    assert np.abs(before - 30).max() <= 12 and np.abs(after - 30).max() <= 12
    assert wide[["x_px", "y_px"]].isna().all(axis=None)


def test_losses_that_are_no_blink():
    xy = np.zeros((3000, 2))
    for a, b in ((0, 100), (500, 510), (1000, 1600), (2000, 2100), (2900, 3000)):
        xy[a:b] = np.nan
    found = Blinks().detect(Gaze(np.arange(3000.0), xy))
    assert found["kind"].tolist() == ["lost", "lost", "lost", "blink", "lost"]
    pupil = np.full(3000, 5.0)
    pupil[2300:2400] = 0
    found = Blinks().detect(Gaze(np.arange(3000.0), xy, pupil))
    assert spans(found, "blink") == [[2000, 2099], [2300, 2399]]
    assert len(Blinks().detect(Gaze(np.arange(3000.0), xy, np.full(3000, np.nan)))) == 5


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.1])
def test_pursuit_is_flagged_and_fixations_are_not(noise):
    made = SyntheticGaze(duration_s=40, rate_hz=500, pursuit_share=0.3, noise_dva=noise).make(0)
    events = made.events.copy()
    events["kind"] = events["kind"].replace("pursuit", "fixation")
    found = Pursuit().flag(events, made.gaze, made.screen)
    complete = events["last"] < len(made.gaze) - 1  # the last one is cut
    assert (found["kind"] == made.events["kind"])[complete].all()
    assert (made.events["kind"] == "pursuit").sum() > 15
    if noise > 0.03:  # noise takes pursuit at 20 deg/s beyond the 30 deg/s of I-VT
        return
    detected = Pursuit().flag(IVT().detect(made.gaze, made.screen), made.gaze, made.screen)
    agreement = event_agreement(detected, made.events, 2.0, ("fixation", "pursuit"))
    assert (agreement["f1"] >= 0.95).all(), agreement


def test_pursuit_needs_events_of_this_stream():
    gaze = Gaze(np.arange(10.0), np.zeros((10, 2)))
    with pytest.raises(ValueError, match="columns kind, first and last"):
        Pursuit().flag(pd.DataFrame({"kind": ["fixation"]}), gaze, 1.0)
    with pytest.raises(ValueError, match="samples up to 10, the stream has 10"):
        Pursuit().flag(pd.DataFrame({"kind": ["fixation"], "first": [0], "last": [10]}), gaze, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IVT(threshold_dva_s=0), "threshold_dva_s must be positive"),
        (lambda: IVT(min_duration_ms=-1), "min_duration_ms must be 0 or more"),
        (lambda: IVT(max_gap_ms=float("nan")), "max_gap_ms must be 0 or more and finite"),
        (lambda: IDT(dispersion_dva=-1), "dispersion_dva must be positive"),
        (lambda: IDT(compat="other"), "compat must be None or 'pymovements'"),
        (lambda: AdaptiveVelocity(start_dva_s=0), "start_dva_s must be positive"),
        (lambda: Microsaccades(threshold_factor=0), "threshold_factor must be positive"),
        (lambda: Blinks(min_ms=600), "min_ms must not exceed max_ms"),
        (lambda: Pursuit(bin_ms=0), "bin_ms must be positive"),
        (lambda: SyntheticGaze(blink_share=2), "blink_share must lie between 0 and 1"),
        (lambda: IVT().detect(Gaze([0.0], [[0, 0]]), 1.0, np.zeros(2)), r"velocity_dva_s must be \[1\]"),
    ],
)
def test_parameters_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()
