"""Angular velocity: exact on movements whose speed is known, deaf to noise, blind across gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from gazekit.geometry import Screen
from gazekit.recordings.recording import Gaze
from gazekit.recordings.runs import bridge_gaps, cuts, runs
from gazekit.recordings.velocity import angle_dva, is_flat, to_dva, velocity_dva_s

SCREEN = Screen(1920, 1080, 53.0, 65.0)


def rotated(t_s: np.ndarray, speed_dva_s: float, tilt: float) -> np.ndarray:
    """Azimuth and elevation of a direction that turns at constant speed along a great circle off the centre."""
    axis = np.array([np.sin(tilt), np.cos(tilt), 0.4])
    axis /= np.linalg.norm(axis)
    start = np.array([0, 0, 1]) - axis[2] * axis
    start /= np.linalg.norm(start)
    angle = np.deg2rad(speed_dva_s * t_s)[:, None]
    ray = start * np.cos(angle) + np.cross(axis, start) * np.sin(angle)
    assert (ray[:, 2] > 0.2).all()
    return np.rad2deg(np.arctan(ray[:, :2] / ray[:, 2:]))


@pytest.mark.parametrize("rate", [60, 250, 1000, 2000])
@pytest.mark.parametrize("tilt", [0.0, 0.7, 1.5])
def test_speed_of_a_turn_at_constant_speed_is_that_speed_everywhere_on_the_screen(rate, tilt):
    t = np.arange(0, 0.5, 1 / rate)
    speed = velocity_dva_s(1000 * t, rotated(t, 30.0, tilt))
    middle = speed[3 * rate // 100 : -3 * rate // 100]
    np.testing.assert_allclose(middle, 30.0, rtol=5e-3 if rate == 60 else 1e-3)


def test_the_sum_of_squares_of_the_axes_would_be_wrong_off_the_centre():
    t = np.arange(0, 0.5, 0.001)
    xy = rotated(t, 30.0, 0.0)
    naive = np.hypot(*np.gradient(xy, 0.001, axis=0).T)
    assert np.abs(naive - 30).max() > 1


def test_regular_samples_take_scipys_filter():
    xy = np.random.default_rng(0).normal(size=(300, 2))
    found = velocity_dva_s(np.arange(300) * 2.0, xy, 20.0, flat=True)
    slope = savgol_filter(xy, 11, 2, deriv=1, delta=0.002, axis=0)
    np.testing.assert_allclose(found[5:-5], np.hypot(*slope.T)[5:-5], rtol=1e-9)
    assert (found[:5] == found[5]).all() and (found[-5:] == found[-6]).all()


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), half=st.integers(1, 8))
def test_irregular_samples_take_the_parabola_that_polyfit_finds(seed, half):
    draw = np.random.default_rng(seed)
    t = 3.6e6 + np.cumsum(draw.uniform(0.8, 1.2, 60))
    xy = draw.normal(size=(60, 2))
    interval = np.median(np.diff(t))
    found = velocity_dva_s(t, xy, 2 * half * interval * 1.0001, flat=True)
    for i in (half, 30, 59 - half):
        near = slice(i - half, i + half + 1)
        slope = [np.polyfit((t[near] - t[i]) / 1000, xy[near, axis], 2)[1] for axis in range(2)]
        assert found[i] == pytest.approx(np.hypot(*slope), rel=1e-5)


def test_irregular_and_regular_agree_in_the_limit():
    t = np.arange(400.0)
    xy = np.cumsum(np.random.default_rng(1).normal(size=(400, 2)), 0) / 10
    jitter = 1e-9 * np.random.default_rng(2).random(400)
    jitter[100] = 0.02  # more than 1 % of the interval: the other way of fitting
    np.testing.assert_allclose(velocity_dva_s(t + jitter, xy)[150:], velocity_dva_s(t, xy)[150:], rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_no_window_reaches_across_a_gap_or_the_edge_of_a_block(seed):
    draw = np.random.default_rng(seed)
    count = 200
    t = np.cumsum(np.where(draw.random(count) < 0.02, 7.0, 1.0))
    block = np.cumsum(draw.random(count) < 0.02)
    xy = draw.normal(size=(count, 2))
    xy[draw.random(count) < 0.05] = np.nan
    whole = velocity_dva_s(t, xy, 5.0, block=block)
    gaze = Gaze(t, xy, block=block)
    first, last = runs(gaze.valid, cuts(gaze))
    for a, b in zip(first, last, strict=True):
        alone = np.full(b + 1 - a, np.nan)
        if b - a >= 4:
            alone = velocity_dva_s(t[a : b + 1], xy[a : b + 1], 5.0)
        np.testing.assert_allclose(whole[a : b + 1], alone, rtol=1e-9)
    assert np.isnan(whole[~gaze.valid]).all()


def test_short_and_empty_streams_have_no_speed():
    assert velocity_dva_s(np.empty(0), np.empty((0, 2))).shape == (0,)
    assert np.isnan(velocity_dva_s(np.arange(2.0), np.zeros((2, 2)))).all()
    assert np.isnan(velocity_dva_s(np.arange(5.0), np.zeros((5, 2)))).all()  # a window is 21 samples
    assert np.isnan(velocity_dva_s(np.arange(30.0), np.full((30, 2), np.nan))).all()


@given(a=st.tuples(*[st.floats(-60, 60)] * 2), b=st.tuples(*[st.floats(-60, 60)] * 2))
@settings(deadline=None, max_examples=50)
def test_angle_is_that_between_the_rays(a, b):
    rays = [np.array([*np.tan(np.deg2rad(p)), 1.0]) for p in (a, b)]
    rays = [ray / np.linalg.norm(ray) for ray in rays]
    expected = 2 * np.rad2deg(np.arcsin(np.clip(np.linalg.norm(rays[0] - rays[1]) / 2, 0, 1)))
    assert angle_dva(a, b) == pytest.approx(expected, abs=1e-6)
    assert angle_dva(a, b) == angle_dva(b, a)


def test_flat_angles_are_distances():
    assert angle_dva([0, 0], [3, 4], flat=True) == 5


def test_views():
    assert not is_flat(SCREEN) and is_flat(35.0)
    np.testing.assert_array_equal(to_dva([[70.0, 35.0]], 35.0), [[2.0, 1.0]])
    with pytest.raises(ValueError, match="positive and finite"):
        is_flat(0.0)
    with pytest.raises(TypeError, match="a Screen, a SceneCamera or a number"):
        is_flat(None)
    with pytest.raises(ValueError, match="window_ms"):
        velocity_dva_s(np.arange(9.0), np.zeros((9, 2)), 0)


def test_runs_and_cuts():
    mask = np.array([1, 1, 0, 1, 1, 1, 0, 1], bool)
    cut = np.array([1, 0, 0, 0, 1, 0, 0, 0], bool)
    first, last = runs(mask, cut)
    assert list(zip(first, last, strict=True)) == [(0, 1), (3, 3), (4, 5), (7, 7)]
    gaze = Gaze([0, 1, 2, 6, 7, 8], np.zeros((6, 2)), block=np.array([0, 0, 0, 0, 0, 1]))
    assert cuts(gaze).tolist() == [True, False, False, True, False, True]
    assert cuts(gaze, 4.0).tolist() == [True, False, False, False, False, True]


def test_gaps_are_bridged_up_to_their_length_and_within_a_block():
    xy = np.stack([np.arange(12.0), 2 * np.arange(12.0)], 1)
    holes = xy.copy()
    holes[[2, 3, 6, 7, 8, 10]] = np.nan
    block = np.array([0] * 10 + [1] * 2)
    gaze = Gaze(np.arange(12.0), holes, block=block)
    filled = bridge_gaps(gaze, 3.0)
    np.testing.assert_allclose(filled.xy_px[2:4], xy[2:4])
    assert np.isnan(filled.xy_px[[6, 7, 8, 10]]).all()
    np.testing.assert_allclose(bridge_gaps(gaze, 4.0).xy_px[6:9], xy[6:9])
    assert bridge_gaps(gaze, 0.0) is gaze
    with pytest.raises(ValueError, match="max_gap_ms"):
        bridge_gaps(gaze, -1)
