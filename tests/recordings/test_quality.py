"""Quality: numbers that are known beforehand, and a reason for each that is not."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.geometry import Screen
from gazekit.recordings.quality import gaze_quality, quality
from gazekit.recordings.recording import Gaze, Recording, event_table
from gazekit.recordings.synthetic import SyntheticGaze

SCREEN = Screen(1920, 1080, 53.0, 65.0)


def recording(gaze: Gaze, **more) -> Recording:
    samples = pd.DataFrame({
        "t_ms": gaze.t_ms, "x_px_left": gaze.xy_px[:, 0], "y_px_left": gaze.xy_px[:, 1],
        "valid_left": gaze.valid,
    })  # fmt: skip
    empty = pd.DataFrame({"t_ms": [], "text": []})
    return Recording(Path("made.asc"), "EyeLink", samples, event_table(), empty, ("left",), **more)


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("rate", [120, 1000])
def test_precision_of_white_noise_is_the_noise(noise, rate):
    draw = np.random.default_rng(0)
    xy = SCREEN.dva_to_px(draw.normal(0, noise, (int(30 * rate), 2)))
    found = gaze_quality(Gaze(np.arange(len(xy)) * 1000 / rate, xy), SCREEN)
    n = round(0.2 * rate)
    assert found["rms_s2s_dva"] == pytest.approx(2 * noise, rel=0.03)
    assert found["sd_dva"] == pytest.approx(math.sqrt(2 * (n - 1) / n) * noise, rel=0.03)
    area = 2 * math.pi * -math.log(0.32) * noise**2 * (n - 2) / n  # expected of n samples
    assert found["bcea_dva2"] == pytest.approx(area, rel=0.04)
    assert found["rms_s2s_px"] / SCREEN.px_per_dva == pytest.approx(found["rms_s2s_dva"], rel=0.01)


def test_precision_is_an_angle_wherever_one_looks():
    draw = np.random.default_rng(0)
    noise = np.deg2rad(draw.normal(0, 0.1, (30_000, 2)))
    angle = np.deg2rad(25)  # to the right, where a degree of elevation is 0.9 degrees
    x, z = np.tan(noise[:, 0]), 1.0
    rays = np.stack(
        [x * np.cos(angle) + z * np.sin(angle), np.tan(noise[:, 1]), z * np.cos(angle) - x * np.sin(angle)], 1
    )
    side = rays[:, :2] / rays[:, 2:] * SCREEN.distance_px + SCREEN.centre_px
    t = np.arange(30_000.0)
    here = gaze_quality(Gaze(t, SCREEN.dva_to_px(np.rad2deg(noise))), SCREEN)
    there = gaze_quality(Gaze(t, side), SCREEN)
    for name in ("rms_s2s_dva", "sd_dva", "bcea_dva2"):
        assert there[name] == pytest.approx(here[name], rel=0.01), name


@pytest.mark.parametrize("rate", [60, 1000])
def test_precision_of_rounded_positions_is_not_that_of_the_samples_that_repeat(rate):
    xy = np.round(np.random.default_rng(0).normal(500, 0.25, (5000, 2)))
    found = gaze_quality(Gaze(np.arange(5000) * 1000 / rate, xy))
    assert found["rms_s2s_px"] == pytest.approx(np.sqrt(2 * xy.var(0).sum()), rel=0.05)
    still = gaze_quality(Gaze(np.arange(500.0), np.full((500, 2), 400.0)))
    assert still["windows"] == 2 and still["rms_s2s_px"] == 0


def test_pixels_per_degree_of_any_number_type():
    gaze = Gaze(np.arange(1000.0), np.random.default_rng(0).normal(2000, 1, (1000, 2)))
    assert gaze_quality(gaze, np.float32(32))["rms_s2s_dva"] == gaze_quality(gaze, 32)["rms_s2s_dva"]


def test_saccades_are_no_imprecision():
    made = SyntheticGaze(duration_s=40, noise_dva=0.1).make(0)
    found = gaze_quality(made.gaze, made.screen)
    assert found["rms_s2s_dva"] == pytest.approx(0.2, rel=0.05)
    assert 0.14 < found["sd_dva"] < 0.16  # with the drift
    assert found["lost_share"] == pytest.approx((made.events["kind"] == "blink").mul(
        made.events["duration_ms"] + 1).sum() / 40_000)  # fmt: skip


def test_sampling_by_hand():
    gaze = Gaze(
        [0, 4, 8, 20, 24, 1000, 1004], [[1, 1]] * 6 + [[np.nan, 1]], block=np.array([0] * 5 + [1] * 2)
    )
    found = gaze_quality(gaze)
    assert found["samples"] == 7 and found["duration_ms"] == 1004 and found["interval_ms"] == 4
    assert found["recorded_ms"] == 24 + 4 + 4 + 4
    assert found["missing_share"] == 8 / 36 and found["dropped_samples"] == 2
    assert found["lost_share"] == pytest.approx(1 / 7)
    assert found["interval_max_ms"] == 12 and found["rate_hz"] == 250
    assert found["interval_sd_ms"] == pytest.approx(np.std([4, 4, 12, 4, 4]))


def test_every_number_that_is_not_known_has_a_reason():
    validation = pd.DataFrame({"t_ms": [5.0, 1.0], "eye": ["right", "left"], "mean_error_dva": [0.1, 0.2]})
    streams = [
        Gaze(np.empty(0), np.empty((0, 2))),
        Gaze([1.0], [[0, 0]]),
        Gaze(np.arange(500.0), np.full((500, 2), np.nan)),
        Gaze(np.arange(500.0), np.zeros((500, 2))),
    ]
    for gaze in streams:
        for more in ({}, {"screen": SCREEN}, {"validation": validation}):
            found = quality(recording(gaze, **more))
            unknown = {
                name for name, value in found.items() if isinstance(value, float) and math.isnan(value)
            }
            assert unknown <= set(found["reasons"]) and all(found["reasons"].values())
            assert set(found["reasons"]) <= unknown
    assert found["accuracy_mean_dva"] == 0.2 and "max_error_dva" in found["reasons"]["accuracy_max_dva"]
    assert found["sd_px"] == 0  # an eye that stands still


def test_a_screen_gives_degrees_and_the_last_validation_counts():
    gaze = replace(SyntheticGaze(duration_s=4, blink_share=0).make(0).gaze, pupil=None)
    validation = pd.DataFrame({
        "t_ms": [1.0, 9.0, 5.0], "eye": ["left"] * 3, "mean_error_dva": [1.0, 0.3, 2.0], "max_error_dva": 0.9,
    })  # fmt: skip
    bare, full = quality(recording(gaze)), quality(recording(gaze, screen=SCREEN, validation=validation))
    assert math.isnan(bare["sd_dva"]) and "no screen" in bare["reasons"]["sd_dva"]
    assert bare["sd_px"] == full["sd_px"] > 0 and full["sd_dva"] > 0 and not full["reasons"]
    assert (full["accuracy_mean_dva"], full["accuracy_max_dva"], full["validations"]) == (0.3, 0.9, 3)
    assert list(pd.DataFrame([bare, full]).columns) == list(bare)
    with pytest.raises(ValueError, match="window_ms"):
        quality(recording(gaze), window_ms=0)
