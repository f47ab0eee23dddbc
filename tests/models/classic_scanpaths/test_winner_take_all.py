"""Winner-take-all over pictures: peaks in order, and inhibition of return."""

import pytest
import torch
from classic_toys import grey, noise, scenes, walkers

from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths import WinnerTakeAll
from gazekit.models.classic_scanpaths.winner import inhibited

PEAKS = ((30, 80, 1.0), (120, 30, 0.8), (70, 40, 0.6))  # x, y, height


def model(**settings):
    made = WinnerTakeAll(saliency="centre", **settings)
    y, x = torch.arange(120)[:, None], torch.arange(160)
    hills = [h * torch.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 32.0) for cx, cy, h in PEAKS]
    made.saliency = type("Fixed", (), {"on_cells": lambda self, s, grid: hills_on(sum(hills), s, grid)})()
    return made


def hills_on(hills, scene, grid):
    from gazekit.models.classic_scanpaths.saliency import cell_means

    return cell_means(hills[None].expand(len(scene), -1, -1), grid)


def picture():
    return scenes(torch.zeros(1, 120, 160, 3, dtype=torch.uint8))


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_peaks_are_visited_in_order():
    xy = model().view(picture(), 2, 3, draw()).xy_px
    expected = torch.tensor([[x, y] for x, y, _ in PEAKS]).float()
    assert ((xy - expected).abs() <= 4).all()


def test_what_recovers_is_visited_again():
    """All comes back at once with a time constant far below a fixation, and nothing with one far above."""
    quick = model(recovery_s=0.01).view(picture(), 1, 4, draw()).xy_px[0, 0]
    assert (quick[2] - quick[0]).norm() < 6 and (quick[3] - quick[1]).norm() < 6
    slow = model(recovery_s=1e6).view(picture(), 1, 3, draw()).xy_px[0, 0]
    assert (slow[2] - slow[0]).norm() > 20


def test_the_disc_is_a_sixth_of_the_shorter_side():
    grid = Grid((160, 120), 4)
    found = inhibited(torch.zeros(1, 1, len(grid)), torch.tensor([[600]]), grid, 1 / 6)[0, 0]
    away = (grid.centres_px - grid.centres_px[600]).norm(dim=-1)
    assert torch.equal(found > 0, away <= 20)
    assert inhibited(found[None, None], torch.tensor([[600]]), grid, 100.0).sum() == 0


def test_its_likelihood_sums_to_1_and_is_the_leaky_map():
    batch = walkers(picture(), 5, 6)
    made = model()
    maps = made.next_fixation_maps(batch).exp()[batch.mask].flatten(1)
    assert torch.allclose(maps.sum(1), torch.ones(len(maps)), atol=1e-5)
    assert (maps >= 0.0499 / maps.shape[1]).all()
    found = made.fixation_log_prob(batch)
    cells = made.grid_of(batch.scenes).cell_of(batch.xy_px)[batch.mask]
    assert torch.allclose(found[batch.mask], maps.gather(1, cells[:, None])[:, 0].log(), atol=1e-4)


def test_a_uniform_map_gives_places_everywhere():
    xy = WinnerTakeAll(saliency="itti_koch").view(grey(1, (160, 120)), 40, 1, draw()).xy_px
    assert xy.flatten(0, 2).std(0).min() > 25


def test_errors():
    with pytest.raises(ValueError, match="must be positive"):
        WinnerTakeAll(saliency="centre", radius=0)
    with pytest.raises(ValueError, match="must be positive"):
        WinnerTakeAll(saliency="centre", recovery_s=-1)
    assert WinnerTakeAll(saliency="centre").view(noise(), 1, 2, draw()).duration_ms is None
