"""The two stages: units, symmetric attention, up-sampling, loss; and that training beats standing still."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.datasets.motion_world import grating
from gazekit.kernels.motion_energy import SCALE
from gazekit.models.motion_energy.bank import ChannelDivisiveNorm, MotionEnergy, TemporalPooling
from gazekit.models.motion_energy.decoder import ConvexUpsampling, FlowDecoder, bilinear_flow
from gazekit.models.motion_energy.integration import (
    GraphMotionIntegration,
    place_code,
    symmetric_attention,
)
from gazekit.models.motion_energy.net import MotionNet, flow_loss, sequence_loss
from gazekit.models.motion_energy.physiology import grating_energy, pattern_index


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def whole(unit, value, scale):
    """By definition, the matrix divided by its maximum."""
    m = torch.exp(scale[:, None, None] * unit @ unit.mT)
    m = m / m.amax((1, 2), keepdim=True)
    root = m.sum(2).rsqrt()
    return root[:, :, None] * m * root[:, None] @ value


@given(n=st.integers(1, 12), scale=st.floats(1, 1 + 3 * math.pi), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_symmetric_attention_is_its_definition(n, scale, seed):
    draw = torch.Generator().manual_seed(seed)
    unit = torch.nn.functional.normalize(torch.randn(2, n, 5, generator=draw, dtype=torch.float64), dim=2)
    value = torch.randn(2, n, 3, generator=draw, dtype=torch.float64)
    scale = torch.tensor([scale, 1.0], dtype=torch.float64)
    torch.testing.assert_close(symmetric_attention(unit, value, scale), whole(unit, value, scale))
    adjacency = symmetric_attention(unit, torch.eye(n, dtype=torch.float64).expand(2, n, n), scale)
    torch.testing.assert_close(adjacency, adjacency.mT)
    assert (adjacency > 0).all()


def test_symmetric_attention_learns_as_its_definition_does():
    leaves = [torch.randn(1, 4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    scale = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)

    def through(function):
        unit = torch.nn.functional.normalize(leaves[0], dim=2)
        out = function(unit, leaves[1], scale)
        return torch.autograd.grad(out.square().sum(), [*leaves, scale])

    for ours, theirs in zip(through(symmetric_attention), through(whole), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_equal_places_share_equally():
    unit = torch.nn.functional.normalize(torch.ones(1, 6, 4), dim=2)
    rows = symmetric_attention(unit, torch.ones(1, 6, 1), torch.tensor([5.0]))
    torch.testing.assert_close(rows, torch.ones(1, 6, 1))


def test_a_uniform_field_is_the_spontaneous_rate():
    bank = MotionEnergy(levels=2, units=3)
    bank.norm = torch.nn.Identity()
    found = bank(torch.full((1, 11, 24, 16), 0.7))
    assert found.shape == (1, 6, 3, 2)
    torch.testing.assert_close(found, torch.full_like(found, 0.3**2), rtol=1e-4, atol=1e-6)


def test_units_prefer_what_the_bank_says():
    bank = MotionEnergy(levels=3, units=4)
    direction, speed = bank.preferred()
    assert direction.shape == speed.shape == (12,)
    steps = torch.arange(24) * 2 * math.pi / 24
    level = 1
    frequency = (bank.frequency.detach().sigmoid() * 0.25)[level]
    temporal = (bank.temporal_frequency.detach().sigmoid() * 0.25)[level]
    for unit in range(4):
        f, w = float(frequency[unit]), float(temporal[unit])
        tuned = grating_energy(bank, [f] * 24, [w] * 24, steps.tolist(), level=level, size_px=(41, 41))
        if f < 0.1:  # fewer than 1.5 cycles in a filter: the mean that is taken out matters
            continue
        away = (steps[tuned[:, unit].argmax()] - direction[4 * level + unit] + math.pi) % (
            2 * math.pi
        ) - math.pi
        assert abs(away) < 2.5 * 2 * math.pi / 24
    torch.testing.assert_close(speed[4:8], temporal / frequency / SCALE**2)


def test_pooling_and_normalisation():
    pooling = TemporalPooling(2, 3)
    energy = torch.rand(1, 2, 3, 4, 4)
    torch.testing.assert_close(pooling(energy), energy.mean(2))
    norm = ChannelDivisiveNorm(4.0, 0.2)
    x = torch.rand(2, 5, 3, 3)
    torch.testing.assert_close(norm(x), 4 * x / (x.mean(1, keepdim=True) + 0.04))
    torch.testing.assert_close(norm(1e6 * x).mean(1), torch.full((2, 3, 3), 4.0))


def test_place_codes_keep_the_size_of_activity():
    feature = torch.rand(2, 6, 4, 5) + 0.1
    coded = place_code(feature)
    torch.testing.assert_close(coded.abs().mean((1, 2, 3)), feature.abs().mean((1, 2, 3)))
    assert len(torch.unique((coded / feature)[0].flatten(1).mT.round(decimals=4), dim=0)) == 20


def test_constant_flow_stays_constant_in_both_ways_of_up_sampling():
    flow = torch.tensor([0.5, -0.25]).view(1, 2, 1, 1).expand(1, 2, 3, 4)
    up = ConvexUpsampling(6)
    for fine in (up(flow, torch.randn(1, 6, 3, 4)), bilinear_flow(flow, 8)):
        assert fine.shape == (1, 2, 24, 32)
        torch.testing.assert_close(fine, 8 * flow[..., :1, :1].expand_as(fine))


def test_convex_weights_are_of_the_places_around():
    up = ConvexUpsampling(2)
    with torch.no_grad():
        up.weights[2].weight.zero_()
        up.weights[2].bias.view(9, 64)[4] = 50  # the middle of 3 x 3
    flow = torch.randn(1, 2, 3, 4)
    torch.testing.assert_close(
        up(flow, torch.randn(1, 2, 3, 4)), 8 * flow.repeat_interleave(8, 2).repeat_interleave(8, 3)
    )


def test_the_decoder_is_linear():
    decoder = FlowDecoder(16)
    a, b = torch.randn(2, 1, 16, 3, 3)
    nothing = decoder(torch.zeros_like(a))
    torch.testing.assert_close(decoder(a + b), decoder(a) + decoder(b) - nothing, rtol=1e-4, atol=1e-5)


def test_the_loss_is_its_formula():
    true = torch.zeros(1, 2, 2, 2)
    true[0, 0, 0, 0], true[0, :, 1, 1] = torch.nan, 300.0  # unknown, and too long together
    flows = [torch.full((1, 2, 2, 2), v) for v in (1.0, 2.0, 4.0)]
    weight = [0.85**2, 0.85, 1.0]
    expected = sum(w * v for w, v in zip(weight, (1.0, 2.0, 4.0), strict=True)) / sum(weight)
    assert sequence_loss(flows, true).item() == pytest.approx(expected)
    assert sequence_loss(flows, torch.full_like(true, torch.nan)) == 0


def test_all_parameters_are_trained():
    net = MotionNet(levels=2, units=4, iterations=2)
    found = net(torch.rand(2, 11, 16, 24))
    assert len(found.convex) == len(found.bilinear) == len(found.codes) == 3
    assert found.convex[-1].shape == (2, 2, 16, 24)
    flow_loss(found, torch.randn(2, 2, 16, 24)).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    with pytest.raises(ValueError, match="multiples of 8 px, got"):
        net(torch.rand(1, 11, 20, 24))
    with pytest.raises(ValueError, match="6 taps need as many frames, got 5"):
        MotionNet(frames=5)
    with pytest.raises(ValueError, match="iterations must be at least 1"):
        GraphMotionIntegration(8, 0)


def test_pattern_index_tells_patterns_from_components():
    angle = torch.arange(16) * 2 * math.pi / 16
    tuning = torch.exp(3 * (angle.cos() - 1))[:, None]
    component = (tuning.roll(3, 0) + tuning.roll(-3, 0)) * 0.6 + (
        tuning.roll(2, 0) + tuning.roll(-2, 0)
    ) * 0.4
    noise = 0.01 * torch.randn(16, 1)
    assert pattern_index(tuning, tuning + noise) > 1.28
    assert pattern_index(tuning, component + noise) < -1.28
    assert pattern_index(torch.ones(16, 1), tuning).isnan()


def gratings(number, seed):
    """Clips 32 px wide, and their flow."""
    draw = torch.Generator().manual_seed(seed)
    frames, flows = [], []
    for u in torch.rand(number, 4, generator=draw).tolist():
        spatial = 0.06 + 0.06 * u[0]
        clip = grating((32, 32), 11, spatial, spatial * 2 * u[1], 2 * math.pi * u[2], 2 * math.pi * u[3])
        frames.append(torch.from_numpy(clip.frames))
        flows.append(torch.from_numpy(clip.flow.copy()))
    return torch.stack(frames), torch.stack(flows)


@pytest.mark.slow
def test_two_hundred_steps_halve_the_error_of_no_motion():
    net = MotionNet(levels=4, units=8, iterations=2)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, 200, pct_start=0.1)
    for step in range(200):
        frames, flow = gratings(8, step)
        loss = flow_loss(net(frames), flow)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    frames, flow = gratings(64, 10_000)
    with torch.no_grad():
        error = (net(frames).convex[-1] - flow).norm(dim=1).mean()
    assert error < flow.norm(dim=1).mean() / 2
