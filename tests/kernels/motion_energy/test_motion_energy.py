"""Motion energy: both forms agree with loops, units are tuned as their parameters say, uniform fields have none."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.datasets.motion_world import grating
from gazekit.harness import measure
from gazekit.kernels.motion_energy import motion_energy, scaled_frames, spatial_pairs, temporal_pairs
from gazekit.kernels.motion_energy.bench import Sizes, cases

SPATIAL, TEMPORAL, THETA = 0.125, 0.125, 0.7  # mid band


def filters(theta=THETA, spatial=SPATIAL, temporal=TEMPORAL, tau=2.5):
    one = torch.ones(1, dtype=torch.float64)
    return spatial_pairs(4.5 * one, one, spatial * one, theta * one), temporal_pairs(
        temporal * one, tau * one
    )


def random_filters(units, seed=0):
    draw = torch.Generator().manual_seed(seed)

    def between(low, high):
        return low + (high - low) * torch.rand(units, generator=draw, dtype=torch.float64)

    spatial = spatial_pairs(between(3, 5), between(0.7, 1.4), between(0.05, 0.2), between(0, 6.28))
    return spatial, temporal_pairs(between(0.05, 0.2), between(1, 3))


def responses(gratings, *pair):
    """[G] at the middle pixel and the last time; gratings are (spatial, temporal, theta, phase)."""
    clips = torch.stack([torch.from_numpy(grating((41, 41), 7, *g, 1.0).frames).double() for g in gratings])
    return motion_energy(clips, *pair)[:, 0, -1, 20, 20]


def test_both_forms_follow_the_definition():
    spatial, temporal = random_filters(3)
    frames = torch.rand(2, 8, 9, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = motion_energy(frames, spatial, temporal)
    torch.testing.assert_close(found, motion_energy(frames, spatial, temporal, "reference"))
    assert found.shape == (2, 3, 3, 9, 10)

    def seen(t, y, x, k):  # correlation in space, convolution in time, edges repeated; one pixel by loops
        e = o = 0.0
        for back in range(6):
            for dy in range(-7, 8):
                for dx in range(-7, 8):
                    luminance = frames[1, t - back, min(max(y + dy, 0), 8), min(max(x + dx, 0), 9)]
                    even, odd = spatial[:, k, dy + 7, dx + 7] * luminance
                    c, s = temporal[:, k, back]
                    e, o = e + even * c - odd * s, o + even * s + odd * c
        return e**2 + o**2

    for t, y, x, k in ((5, 4, 4, 0), (7, 0, 9, 2)):
        torch.testing.assert_close(found[1, k, t - 5, y, x], seen(t, y, x, k))


def test_filters_are_their_formulas():
    spatial, temporal = filters(theta=0.3)
    x, y = 4, -2
    along, across = x * math.cos(0.3) + y * math.sin(0.3), y * math.cos(0.3) - x * math.sin(0.3)
    raw = math.exp(-(along**2 + across**2) / 2 / 4.5**2) * math.sin(2 * math.pi * SPATIAL * along)
    assert spatial[1, 0, y + 7, x + 7].item() == pytest.approx(raw, abs=1e-12)  # odd: its mean is 0
    assert spatial.mean((2, 3)).abs().max() < 1e-15
    assert temporal[1, 0, 3].item() == pytest.approx(
        math.exp(-3 / 2.5) * math.sin(2 * math.pi * TEMPORAL * 3)
    )


@pytest.mark.parametrize("theta", [0.7, 2.5, 4.0])
def test_the_preferred_direction_is_theta(theta):
    steps = torch.arange(24) * 2 * math.pi / 24
    tuned = responses([(SPATIAL, TEMPORAL, float(d), 0.3) for d in steps], *filters(theta))
    away = torch.remainder(steps[tuned.argmax()] - theta + math.pi, 2 * math.pi) - math.pi
    assert away.abs() <= 2 * math.pi / 24
    both = responses([(SPATIAL, TEMPORAL, d, 0.3) for d in (theta, theta + math.pi)], *filters(theta))
    assert both[1] <= both[0] / 2


def test_the_preferred_speed_is_temporal_over_spatial_frequency():
    speeds = [0.25 * k for k in range(1, 11)]  # at the preferred spatial frequency
    tuned = responses([(SPATIAL, SPATIAL * v, THETA, 0.3) for v in speeds], *filters())
    assert abs(speeds[int(tuned.argmax())] - TEMPORAL / SPATIAL) <= 0.25
    sizes = [0.03 * k for k in range(1, 8)]  # at the preferred temporal frequency
    tuned = responses([(f, TEMPORAL, THETA, 0.3) for f in sizes], *filters())
    assert abs(sizes[int(tuned.argmax())] - SPATIAL) <= 0.03


def test_energy_does_not_depend_on_phase():
    for spatial in (2 / 15, 0.18):
        phases = torch.arange(8) * 2 * math.pi / 8
        tuned = responses([(spatial, TEMPORAL, THETA, float(p)) for p in phases], *filters(spatial=spatial))
        assert (tuned.max() - tuned.min()) / tuned.mean() < 0.05
        # what is left is the response to the opposite direction: with a slow decay it all but vanishes
        slow = filters(spatial=spatial, tau=1e6, temporal=1 / 6)
        tuned = responses([(spatial, 1 / 6, THETA, float(p)) for p in phases], *slow)
        assert (tuned.max() - tuned.min()) / tuned.mean() < 1e-3


@given(level=st.floats(0, 1), size=st.integers(1, 24))
@settings(max_examples=15, deadline=None)
def test_uniform_fields_have_no_energy(level, size):
    frames = torch.full((1, 6, size, size + 1), level, dtype=torch.float64)
    assert motion_energy(frames, *random_filters(4)).max() < 1e-20


def test_every_parameter_is_trained():
    draw = torch.Generator().manual_seed(0)
    frames = torch.rand(1, 7, 5, 6, generator=draw, dtype=torch.float64)
    values = [4.0, 1.1, 0.12, 0.6, 0.1, 2.0]
    leaves = [torch.tensor([v, 0.9 * v], dtype=torch.float64, requires_grad=True) for v in values]

    def energy(sigma, aspect, frequency, theta, temporal, tau):
        pair = spatial_pairs(sigma, aspect, frequency, theta, 2), temporal_pairs(temporal, tau)
        return motion_energy(frames, *pair)

    assert torch.autograd.gradcheck(energy, leaves)


def test_each_level_is_smaller():
    sizes = [tuple(x.shape[-2:]) for x in scaled_frames(torch.rand(1, 2, 64, 96), 8)]
    assert sizes[0] == (43, 65) and sizes[-1] == (3, 4)


def test_wrong_arguments_are_told():
    spatial, temporal = random_filters(2)
    frames = torch.rand(1, 6, 8, 8, dtype=torch.float64)
    for arguments, message in (
        ((frames[0], spatial, temporal), r"frames must be \[B, T, H, W\]"),
        ((frames, spatial[:1], temporal), r"spatial must be \[2, U, K, K\]"),
        ((frames, spatial, temporal[:, :1]), r"temporal must be \[2, U=2, taps\]"),
        ((frames[:, :5], spatial, temporal), "6 taps need as many frames, got 5"),
    ):
        with pytest.raises(ValueError, match=message):
            motion_energy(*arguments)
    with pytest.raises(TypeError, match="one dtype"):
        motion_energy(frames.float(), spatial, temporal)
    with pytest.raises(ValueError, match="there is no Triton kernel yet"):
        motion_energy(frames, spatial, temporal, impl="triton")


def test_the_bench_compares_like_with_like():
    rows = measure(cases("cpu", Sizes(units=(2,), side_px=9, clips=1, frames=7)), budget_s=0.0)
    assert len(rows) == 2
    assert all(row["largest_difference"] < 1e-4 and row["ratio"] > 0 for row in rows)
