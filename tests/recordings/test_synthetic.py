"""Made-up gaze: the same for the same seed, and what it claims to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gazekit.geometry import Screen
from gazekit.recordings.agreement import event_agreement, to_events
from gazekit.recordings.synthetic import SyntheticGaze


@pytest.mark.parametrize("rate", [60, 250, 2000])
def test_every_sample_belongs_to_one_event(rate):
    maker = SyntheticGaze(rate_hz=rate, duration_s=20, pursuit_share=0.2, glissade_share=0.3, blink_share=0.3)
    gaze, events, _ = maker.make(7)
    again = maker.make(7)
    np.testing.assert_array_equal(gaze.xy_px, again.gaze.xy_px)
    pd.testing.assert_frame_equal(events, again.events)
    assert not np.array_equal(gaze.xy_px, maker.make(8).gaze.xy_px)
    assert len(gaze) == 20 * rate and gaze.rate_hz == pytest.approx(rate)
    assert events["first"].iloc[0] == 0 and events["last"].iloc[-1] == len(gaze) - 1
    assert (events["first"].to_numpy()[1:] == events["last"].to_numpy()[:-1] + 1).all()
    assert set(events["kind"]) == {"fixation", "saccade", "glissade", "pursuit", "blink"}
    lost = np.concatenate(
        [np.arange(a, b + 1) for a, b in events.loc[events["kind"] == "blink", ["first", "last"]].to_numpy()]
    )
    np.testing.assert_array_equal(np.flatnonzero(~gaze.valid), lost)


def test_saccades_lie_on_the_main_sequence():
    made = SyntheticGaze(duration_s=60, rate_hz=2000, noise_dva=0, blink_share=0).make(0)
    saccades = made.events[made.events["kind"] == "saccade"]
    amplitude = saccades["amplitude_dva"]
    slope, intercept = np.polyfit(amplitude, saccades["duration_ms"], 1)
    assert slope == pytest.approx(2.2, abs=0.15) and intercept == pytest.approx(21, abs=2)
    mean_speed = 1000 * amplitude / saccades["duration_ms"]
    np.testing.assert_allclose((saccades["peak_velocity_dva_s"] / mean_speed)[amplitude > 3], 1.8, atol=0.15)


@pytest.mark.parametrize("seed", range(4))
def test_gaze_goes_from_event_to_event_without_a_jump(seed):
    made = SyntheticGaze(duration_s=30, noise_dva=0, blink_share=0, pursuit_share=1.0).make(seed)
    step = np.hypot(*np.diff(made.screen.px_to_dva(made.gaze.xy_px), axis=0).T)
    assert step.max() < 0.8  # degrees in a ms: the fastest saccade


@pytest.mark.parametrize(
    "more", [{"min_saccade_dva": 60}, {"pursuit_share": 0.1, "screen": Screen(800, 600, 10, 60)}]
)
def test_a_screen_too_small_for_the_movements_is_told(more):
    with pytest.raises(ValueError, match="need a larger screen"):
        SyntheticGaze(**more)


def test_agreement_of_a_table_with_itself_and_with_less():
    events = SyntheticGaze(duration_s=10).make(0).events
    same = event_agreement(events, events, 1.0).set_index("kind")
    assert (same["f1"] == 1).all() and (same["mean_iou"] == 1).all() and (same["onset_mean_ms"] == 0).all()
    fixations = to_events(events, "fixation", 1.0)
    assert fixations.duration_ms.sum() == (events["duration_ms"] + 1)[events["kind"] == "fixation"].sum()
    half = event_agreement(events.iloc[: len(events) // 2], events, 1.0).set_index("kind")
    share = half["detected"] / half["reference"]
    np.testing.assert_allclose(half["f1"], 2 * share / (1 + share))
    none = event_agreement(events.iloc[:0], events.iloc[:0], 1.0)
    assert none["f1"].isna().all() and (none["detected"] == 0).all()
