"""scanDDM: races, their times, and what drives them."""

import math

import pytest
import torch
from classic_toys import noise
from scipy import stats

from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths.race import STEP_S, ScanDDM, drifts, race


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("drift", [2.0, 4.0, 8.0])
def test_one_racer_is_a_diffusion_to_one_bound(drift):
    """Inverse Gaussian, mean a / v, shape a^2 / noise; Euler steps raise the bound by .5826 sqrt(noise dt)."""
    noise_, n = 1.0, 4000
    _, time = race(torch.full((n, 1), drift), noise_, 1.0, 20.0, draw())
    bound = 1 + 0.5826 * math.sqrt(noise_ * STEP_S)
    error = math.sqrt(bound * noise_ / drift**3 / n)
    assert time.mean().item() == pytest.approx(bound / drift, abs=4 * error)
    expected = stats.invgauss(noise_ / (bound * drift), scale=bound**2 / noise_)
    assert stats.kstest(time.numpy() - STEP_S / 2, expected.cdf).statistic < 0.04


def test_more_drift_is_faster_and_wins_more_often():
    times, wins = [], []
    for strong in (2.0, 4.0, 8.0, 16.0):
        nu = torch.tensor([strong, 2.0, 2.0]).expand(1500, 3)
        winner, time = race(nu, 2.0, 1.0, 20.0, draw())
        times.append(time.mean().item())
        wins.append((winner == 0).float().mean().item())
    assert times == sorted(times, reverse=True) and wins == sorted(wins)
    assert wins[0] == pytest.approx(1 / 3, abs=0.04) and wins[-1] > 0.9


def test_who_does_not_race_does_not_win():
    nu = torch.tensor([-torch.inf, 3.0, -torch.inf, 3.0]).expand(400, 4)
    winner, time = race(nu, 1.0, 1.0, 20.0, draw())
    assert set(winner.tolist()) == {1, 3} and (time < 20).all()


def test_an_open_race_is_won_by_the_leader():
    winner, time = race(torch.tensor([[1.0, 0.0, 0.5]]), 1e-12, 10.0, 0.4, draw())
    assert winner.item() == 0 and time.item() == pytest.approx(0.4)


def test_without_noise_time_is_the_threshold_over_the_lead():
    """Racers 5 and 3 per s: the lead grows by 2 per s and is 1 after .5 s."""
    winner, time = race(torch.tensor([[3.0, 5.0]]), 1e-12, 1.0, 5.0, draw())
    assert winner.item() == 1 and time.item() == pytest.approx(0.5, abs=2 * STEP_S)


def slow_drifts(salient, at, grid, width, drift):
    """One fixated cell, cell by cell."""
    w, h = grid.size_px
    kx, ky = width * w / min(w, h), width * h / min(w, h)
    row, column = divmod(at, grid.columns)
    values = []
    for c in range(len(grid)):
        dy, dx = c // grid.columns - row, c % grid.columns - column
        angle = 4 * math.atan2(dy, dx)
        values.append(salient[c] * (1 + dx**2 / kx + dy**2 / ky) ** -1.5 * (math.cos(angle) + 1) / 2)
    top = max(values)
    nu = [drift * v / top / (1 + math.log2(1 + salient[at])) for v in values]
    return [v if v > 1e-3 else -math.inf for v in nu]


def test_drifts_by_hand():
    grid = Grid((90, 60), 10)
    salient = torch.rand(2, 54, generator=draw())
    found = drifts(salient, torch.tensor([[3, 20], [53, 0]]), grid, 10.0, 17.0)
    for s, n, at in ((0, 0, 3), (0, 1, 20), (1, 0, 53), (1, 1, 0)):
        expected = slow_drifts(salient[s].tolist(), at, grid, 10.0, 17.0)
        assert found[s, n].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_diagonal_saccades_do_not_race_and_a_flat_map_counts_alike():
    grid = Grid((150, 150), 10)
    found = drifts(torch.zeros(1, 225), torch.tensor([[112]]), grid, 10.0, 17.0)[0, 0].view(15, 15)
    assert found[8, 8] == -torch.inf and found[7, 8] > 0
    assert found[7, 7] == found.max() == pytest.approx(17 / 2)


def test_fixations_have_the_durations_of_their_races():
    model = ScanDDM(saliency="centre", drift=1e4, noise=1e-6, threshold=1.0)
    paths = model.view(noise(2), 3, 5, draw())
    assert paths.xy_px.shape == (2, 3, 5, 2)
    # one step decides
    assert (paths.duration_ms < 1000 * (30 * STEP_S)).all() and (paths.duration_ms > 5).all()
