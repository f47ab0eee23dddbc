"""Scores of single fixations: as those of whole images with one fixation, and the published variant."""

import math

import numpy as np
import pytest
import torch

from gazekit.metrics import NSS, ConditionalAUC, ConditionalNSS
from gazekit.metrics.functional import (
    auc,
    center_bias_density,
    conditional_auc,
    conditional_information_gain_bits,
    conditional_nss,
    density_of_map,
    map_information_gain_bits,
    nss,
)
from gazekit.scanpath import Scanpaths

BASELINE = center_bias_density((7, 6), 3)


def example() -> tuple[torch.Tensor, torch.Tensor, Scanpaths]:
    """Three scanpaths of up to 4 fixations, one empty; padding holds what must not matter."""
    draw = torch.Generator().manual_seed(0)
    maps = torch.randint(9, (3, 4, 6, 7), generator=draw).double()
    density = density_of_map(maps, 0.1)
    mask = torch.tensor([[True] * 4, [False] * 4, [True] * 2 + [False] * 2])
    xy = torch.rand(3, 4, 2, generator=draw, dtype=torch.float64) * torch.tensor([7, 6])
    maps[~mask], density[~mask] = math.nan, math.nan
    return maps, density, Scanpaths(torch.where(mask[..., None], xy, -5.0), mask)


@pytest.mark.parametrize(
    ("conditional", "score"),
    [
        (lambda s, p, x: conditional_auc(s, x), lambda s, p, x: auc(s, x)),
        (lambda s, p, x: conditional_nss(s, x), lambda s, p, x: nss(s, x)),
        (
            lambda s, p, x: conditional_information_gain_bits(p, BASELINE, x, 1e-3),
            lambda s, p, x: map_information_gain_bits(p, BASELINE, x, 1e-3),
        ),
    ],
)
def test_each_fixation_as_an_image_of_its_own(conditional, score) -> None:
    maps, density, paths = example()
    found = conditional(maps, density, paths)
    assert found.dtype == torch.float64
    assert torch.equal(~found.isnan(), paths.mask)
    for i, t in paths.mask.nonzero().tolist():
        expected = score(maps[i, t], density[i, t], paths.xy_px[i, t][None])
        assert found[i, t].item() == pytest.approx(expected.item(), abs=1e-12)
    one = conditional(maps[0], density[0], paths[0])
    torch.testing.assert_close(one, found[0], rtol=0, atol=1e-12)
    assert conditional(maps[:0], density[:0], paths[:0]).shape == (0, 4)


def test_baselines_by_step() -> None:
    _, density, paths = example()
    every = BASELINE.expand_as(density).clone()
    every[~paths.mask] = math.nan
    found = conditional_information_gain_bits(density, every, paths)
    torch.testing.assert_close(
        found, conditional_information_gain_bits(density, BASELINE, paths), equal_nan=True
    )


def test_hat_is_half_way_to_one_without_ties_and_its_chance_is_three_quarters() -> None:
    draw = torch.Generator().manual_seed(0)
    maps = torch.rand(2000, 1, 5, 5, generator=draw)
    paths = torch.zeros(2000, 1, 2)
    hat = conditional_auc(maps, paths, "hat")
    exact = auc(maps[:, 0], paths, "unfixated")[:, None]
    torch.testing.assert_close(hat, (1 + exact) / 2, rtol=0, atol=1e-12)
    assert hat.mean().item() == pytest.approx(0.75, abs=0.01)
    tied = conditional_auc(torch.tensor([[[1.0, 1.0], [0.0, 2.0]]]), [[0, 0]], "hat")
    assert tied.item() == pytest.approx(1 - (2 / 3) / 2)


def test_fixations_off_the_map_and_constant_maps() -> None:
    maps = torch.ones(3, 6, 7)
    maps[1:, 0, 0] = 5
    path = [[0, 0], [0, 0], [9, 9]]
    with pytest.raises(ValueError, match="scanpaths: fixation 2 at"):
        conditional_nss(maps, path)
    found = conditional_nss(maps, path, on_outside="drop")
    assert found.isnan().tolist() == [True, False, True]
    metric = ConditionalNSS(on_outside="drop")
    metric.update(maps, path)
    assert (metric.count, metric.undefined) == (3, 2)  # the one at the constant map, and the dropped one
    assert metric.compute() == found[1]


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"one map per fixation, got \[2, 6, 7\] and \[3\]"):
        conditional_auc(torch.ones(2, 6, 7), torch.zeros(3, 2))
    with pytest.raises(ValueError, match="variant must be exact or hat, got 'judd'"):
        conditional_auc(torch.ones(1, 6, 7), torch.zeros(1, 2), "judd")
    with pytest.raises(ValueError, match=r"baseline must have the shape of density \[1, 6, 7\]"):
        conditional_information_gain_bits(
            torch.full((1, 6, 7), 1 / 42), BASELINE[None, :3], torch.zeros(1, 2)
        )
    maps = torch.ones(1, 6, 7)
    maps[0, 1, 2] = math.nan
    with pytest.raises(ValueError, match="saliency: the pixel in row 1, column 2"):
        conditional_auc(maps, [[0, 0]])
    with pytest.raises(ValueError, match="items are fixations, which have no weights"):
        ConditionalAUC(aggregation="weight")


def test_gradient() -> None:
    _, density, paths = example()
    maps = density[paths.mask][:2].requires_grad_()
    step = paths.xy_px[0, :2]
    assert torch.autograd.gradcheck(lambda m: conditional_nss(m, step), (maps,))
    assert torch.autograd.gradcheck(
        lambda m: conditional_information_gain_bits(m / m.sum((1, 2), True), BASELINE, step), (maps,)
    )


def test_means_over_images_fixations_and_groups() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 6, 7))
    fixations = [[[1, 1]], [[2, 3], [4, 4], [0, 0]], [[5, 5], [6, 0]]]
    each = nss(maps, fixations)
    expected = {
        "item": each.mean(),
        "weight": (each * torch.tensor([1, 3, 2])).sum() / 6,
        "group": torch.stack([each[:2].mean(), each[2]]).mean(),
        "none": each,
    }
    for aggregation, value in expected.items():
        metric = NSS(aggregation=aggregation)
        metric.update(maps[0], fixations[0], group=0)
        metric.update(maps[1:], fixations[1:], group=torch.tensor([0, 1]))
        torch.testing.assert_close(metric.compute(), value, rtol=0, atol=1e-12)
