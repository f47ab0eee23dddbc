"""Generated motion: the flow says where each point goes, illusions are what they are called, parts are apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.ndimage import map_coordinates

from gazekit.datasets.motion_responses import FRAMES, MotionResponses
from gazekit.datasets.motion_stimuli import ILLUSIONS, KINDS, MotionStimuli, sample_clip
from gazekit.datasets.motion_world import (
    Layer,
    draw_layers,
    drift_balanced,
    grating,
    plaid,
    random_dots,
    reverse_phi,
    texture,
)

SIZE = 48, 40


def moved(clip, frames=11):
    """Median difference of each pixel and the place to which the flow takes it, and of the two frames as they are."""
    now, later = clip.frames[frames // 2 : frames // 2 + 2]
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    taken = map_coordinates(later, [y + clip.flow[1], x + clip.flow[0]], order=3)
    inner = np.s_[5:-5, 5:-5]
    return np.median(np.abs(taken - now)[inner]), np.median(np.abs(later - now)[inner])


@pytest.mark.parametrize("kind", KINDS[:3])
def test_flow_takes_each_point_to_where_it_goes(kind):
    for seed in range(4):
        still = np.random.default_rng(seed)
        clip = sample_clip(still, kind, SIZE, 11, 2.0)
        error, change = moved(clip)
        assert error < 0.016  # the noise of two frames
        assert np.linalg.norm(clip.flow, axis=0).max() < 4 and change > 0


def test_affine_motion_of_layers():
    draw = np.random.default_rng(1)
    rates = np.array([[0.03, -0.05], [0.02, 0.01]])
    layers = [
        Layer(*texture(draw, 16, 0.1), np.array([0.5, -1.0]), rates, (20.0, 15.0)),
        Layer(*texture(draw, 16, 0.1), np.array([-1.0, 0.4]), None, (30.0, 20.0), (9.0, 7.0), 0.7),
    ]
    clip = draw_layers(layers, SIZE, 11)
    error, change = moved(clip)
    assert error < change / 20
    step = expm(rates) - np.eye(2)
    expected = step @ (np.array([3.0, 2.0]) - [20, 15]) + [0.5, -1.0]
    np.testing.assert_allclose(clip.flow[:, 2, 3], expected, rtol=1e-5)
    np.testing.assert_allclose(clip.flow[:, 20, 30], [-1.0, 0.4], rtol=1e-6)


@given(st.floats(0.03, 0.15), st.floats(-0.2, 0.2), st.floats(0, 6.28))
@settings(max_examples=20, deadline=None)
def test_a_grating_repeats_when_its_flow_says(spatial, temporal, theta):
    clip = grating(SIZE, 5, spatial, temporal, theta, 0.3)
    speed = clip.flow[:, 0, 0] @ [np.cos(theta), np.sin(theta)]
    assert speed == pytest.approx(temporal / spatial, abs=1e-5)
    x, y = 11, 7
    phase = 2 * np.pi * (spatial * (x * np.cos(theta) + y * np.sin(theta)) - temporal) + 0.3
    assert clip.frames[3, y, x] == pytest.approx(0.5 + 0.25 * np.cos(phase), abs=1e-5)


def test_a_plaid_moves_where_its_components_meet():
    clip = plaid(SIZE, 3, [0.1, 0.1], [0.1, 0.1], [-np.pi / 3, np.pi / 3], [0, 1])
    np.testing.assert_allclose(clip.flow[:, 0, 0], [2.0, 0.0], atol=1e-6)
    with pytest.raises(ValueError, match="at most two gratings, got 3"):
        plaid(SIZE, 3, [0.1] * 3, [0.1] * 3, [0, 1, 2], [0] * 3)


def test_dots_move_as_far_as_they_are_coherent():
    for coherence, least, most in ((1.0, 0.9, 1.0), (0.5, 0.3, 0.7), (0.0, -0.1, 0.15)):
        clip = random_dots(np.random.default_rng(0), SIZE, 5, np.array([2.0, -1.0]), coherence, 0.02)
        moved_back = np.roll(clip.frames[3], (1, -2), (0, 1))
        r = np.corrcoef(moved_back.ravel(), clip.frames[2].ravel())[0, 1]
        assert least <= r <= most


def test_illusions():
    clip = grating(SIZE, 5, 0.1, 0.1, 0.0)
    reversed_phi = reverse_phi(clip)
    assert np.array_equal(reversed_phi.frames[2], clip.frames[2])
    np.testing.assert_allclose(reversed_phi.frames[3], 1 - clip.frames[3], atol=1e-6)
    balanced = drift_balanced(np.random.default_rng(0), SIZE, 11, np.array([1.0, 0.0]), 0.05)
    noise = balanced.frames - 0.5
    r = [np.corrcoef(noise[5].ravel(), np.roll(noise[6], k, 1).ravel())[0, 1] for k in range(-3, 4)]
    assert np.abs(r).max() < 0.1  # no displacement of the luminance
    contrast = np.abs(noise)
    r = [np.corrcoef(contrast[3].ravel(), np.roll(contrast[8], -k, 1).ravel())[0, 1] for k in (-5, 5)]
    assert r[1] > 0.5 > r[0]


def test_parts_and_batches():
    data = MotionStimuli(clips=8, scored=8, size_px=(24, 16), batch_size=4)
    data.setup()
    batch = data.batch(data.parts["test"][:4])
    assert batch["frames"].shape == (4, 11, 16, 24) and batch["true_flow"].shape == (4, 2, 16, 24)
    names = data.facts()["conditions"]
    assert [names[k] for k in batch["condition"]] == list(KINDS)
    assert [names[k] for k in data.batch(data.parts["illusions"][:2])["condition"]] == list(ILLUSIONS)
    again = MotionStimuli(clips=8, scored=8, size_px=(24, 16))
    again.setup()
    assert torch.equal(again.batch(data.parts["test"][:4])["frames"], batch["frames"])
    other = data.batch(data.parts["val"][:4])
    assert not torch.equal(other["frames"], batch["frames"])
    with pytest.raises(ValueError, match="must be odd and at least 3, got 4"):
        MotionStimuli(frames=4)
    with pytest.raises(ValueError, match="must be one of train, val, test, illusions"):
        MotionStimuli(split="all")
    with pytest.raises(ValueError, match="the first layer must be everywhere"):
        draw_layers([], SIZE, 3)


def test_responses_say_what_moves():
    data = MotionResponses(clips=60, scored=10, voxels=20, static=0.5, noise=0.0, grid=4, side_px=32)
    data.setup()
    arrays = data.arrays("train")
    assert arrays.response.shape == (60, 20) and arrays.true_flow.shape == (60, 2, 4, 4)
    assert data.batch([3])["frame_features"].shape == (1, 32)
    flow = data.clip(3).flow.reshape(2, 4, 8, 4, 8).mean((2, 4))
    np.testing.assert_allclose(data.batch([3])["true_flow"][0], flow, atol=1e-5)
    assert len(data.clip(0).frames) == FRAMES
    content = torch.cat([arrays.frame_features, torch.ones(60, 1)], 1).double()
    left = arrays.response.double() - content @ torch.linalg.lstsq(content, arrays.response.double()).solution
    share = left.var(0) / arrays.response.double().var(0)
    assert share[:10].max() < 1e-4 < 0.05 < share[10:].min()  # static voxels see the first frame alone
    with pytest.raises(ValueError, match="static from 0 to 1"):
        MotionResponses(static=2)
