"""Constrained Levy exploration: jumps and refusals."""

import math

import pytest
import torch
from classic_toys import noise, scenes
from scipy import stats

from gazekit.models.classic_scanpaths.levy import ConstrainedLevy, _slopes, _spread, accepted, candidates


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_jumps_are_cauchy_of_the_published_scale_in_all_directions():
    """.05 r with r of scale (2 min(w, h) / 6)^2, and from the slope -.05 grad V."""
    size, slope = torch.tensor([800.0, 600.0]), torch.tensor([[[4.0, -8.0]]])
    xy = torch.tensor([[[100.0, 50.0]]])
    found = candidates(xy, slope, size, 20000, draw())[0, 0].double()
    jump = found - torch.tensor([100.0 - 0.2, 50.0 + 0.4])
    length = jump.norm(dim=-1) / 0.05
    assert stats.kstest(length.numpy(), stats.halfcauchy(scale=200.0**2).cdf).statistic < 0.012
    angle = torch.atan2(jump[:, 1], jump[:, 0]) / math.pi
    assert stats.kstest(angle.numpy(), stats.uniform(-1, 2).cdf).statistic < 0.012


@pytest.mark.parametrize(
    "gain, probability", [(5.0, 1.0), (0.0, 1.0), (-25.0, math.exp(-1)), (-50.0, math.exp(-2))]
)
def test_metropolis(gain, probability):
    taken = accepted(torch.full((40000,), gain), 25.0, draw()).float().mean().item()
    assert taken == pytest.approx(probability, abs=0.01)


def test_the_slope_is_that_of_the_potential():
    """On a ramp the potential is 100 exp(-x / W), x in px of the picture."""
    ramp = ((torch.arange(50) + 0.5) / 50).expand(1, 20, 50)
    across, down = _slopes(_spread(ramp), torch.tensor([500.0, 200.0]))
    x = (torch.arange(50) + 0.5) / 50
    x = (x - x[0]) / (x[-1] - x[0])
    expected = -100 * torch.exp(-x) / (x[-1] - x[0] + 0) / 490
    assert torch.allclose(across[0, 0, 5, 1:-1], expected[1:-1], rtol=1e-3)
    assert down.abs().max() < 1e-5


def test_gaze_stays_where_it_is_salient():
    """A bright disc in the dark, once found, is left for no other place."""
    y, x = torch.arange(120)[:, None], torch.arange(160)
    disc = ((x - 120) ** 2 + (y - 40) ** 2 < 20**2)[..., None].expand(-1, -1, 3)
    batch = scenes((disc * 255).to(torch.uint8)[None])
    model = ConstrainedLevy(saliency="itti_koch")
    model.saliency = lambda scene: disc[None, ..., 0].float()
    xy = model.view(batch, 20, 6, draw()).xy_px
    near = (xy - torch.tensor([120.0, 40.0])).norm(dim=-1) < 24
    assert near[:, :, 3:].float().mean() > 0.9


def test_temperature_lets_gaze_leave():
    def spread(temperature):
        model = ConstrainedLevy(saliency="centre", temperature=temperature, draws=1)
        return model.view(noise(1, (160, 120)), 30, 8, draw()).xy_px.std(dim=2).mean()

    assert spread(1000.0) > 1.3 * spread(5.0)


def test_one_clear_error():
    with pytest.raises(ValueError, match="draws must be at least 1"):
        ConstrainedLevy(draws=0)
    with pytest.raises(ValueError, match="temperature positive"):
        ConstrainedLevy(temperature=0.0)
