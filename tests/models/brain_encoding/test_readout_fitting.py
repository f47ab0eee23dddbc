"""Read-outs learn what they can express; missing responses and seeds do what they should."""

import numpy as np
import pytest
import torch

from gazekit.models.brain_encoding import (
    AttentionReadout,
    FactorisedReadout,
    FeatureWeightedRF,
    GaussianReadout,
    LinearReadout,
    SpatialTransformerReadout,
    fit_readout,
    gaussian_pools,
    masked_r,
    seeded,
)

SHAPE = (6, 5, 5)


def one_point(items=300, noise=0.5, seed=0):
    """Two voxels that see one place each."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(items, *SHAPE, generator=generator)
    weight = torch.randn(2, SHAPE[0], generator=generator)
    signal = torch.stack([maps[:, :, 1, 3] @ weight[0], maps[:, :, 2, 2] @ weight[1]], 1)
    return maps, 10 * (signal + noise * torch.randn(items, 2, generator=generator)) + 4


def content(items=500, seed=0):
    """A voxel that reads channel 1 wherever channel 0 is strong."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(items, *SHAPE, generator=generator)
    maps[:, 0] = 0
    place = torch.randint(25, (items,), generator=generator)
    maps.flatten(2)[torch.arange(items), 0, place] = 5.0
    return maps, maps.flatten(2)[torch.arange(items), 1, place][:, None]


def fitted(kind, maps, response, train, **options):
    with seeded(torch.Generator().manual_seed(1)):
        readout = kind(SHAPE, response.shape[1])
    course = fit_readout(readout, maps[:train], response[:train], (maps[train:], response[train:]), **options)
    return readout, course


@pytest.mark.parametrize("kind", [FactorisedReadout, GaussianReadout, SpatialTransformerReadout])
def test_a_point_is_found(kind):
    maps, response = one_point()
    readout, course = fitted(kind, maps, response, 200, steps=150, lr=2e-2)
    assert course.best_r > 0.9
    places = readout.attention(maps[:1])[0].abs().view(2, 5, 5)
    assert places[0].argmax() == 1 * 5 + 3
    assert places[1].argmax() == 2 * 5 + 2


def test_only_attention_follows_content():
    maps, response = content()
    scores = {
        k: fitted(k, maps, response, 400, steps=200, lr=2e-2)[1].best_r
        for k in (AttentionReadout, FactorisedReadout)
    }
    assert scores[AttentionReadout] > 0.8
    assert scores[FactorisedReadout] < 0.5


def test_the_best_step_is_kept_and_scores_are_those_of_the_readout():
    maps, response = one_point()
    readout, course = fitted(
        LinearReadout, maps, response, 200, steps=100, lr=1e-2, check_every=10, patience=None
    )
    assert course.step == list(range(10, 101, 10))
    assert course.best_r == max(course.val_r) == course.val_r[course.step.index(course.best_step)]
    assert float(masked_r(readout(maps[200:]).detach(), response[200:]).mean()) == pytest.approx(
        course.best_r, abs=1e-6
    )
    assert not readout.training
    _, short = fitted(LinearReadout, maps, response, 200, steps=100, lr=1e-2, check_every=10, patience=1)
    assert len(short.step) <= len(course.step)


def test_missing_responses_teach_nothing():
    maps, response = one_point()
    response[:100, 0] = torch.nan
    options = {"steps": 60, "lr": 1e-2, "generator": torch.Generator().manual_seed(3)}
    readout, _ = fitted(FactorisedReadout, maps, response, 200, **options)
    assert torch.allclose(readout.response_mean[0], response[100:200, 0].mean())
    assert readout(maps).isfinite().all()
    with pytest.raises(ValueError, match="all responses are NaN"):
        fit_readout(readout, maps, torch.full_like(response, torch.nan))
    with pytest.raises(ValueError, match="expected a response"):
        fit_readout(readout, maps, response[:10])


def test_a_seed_gives_one_result_and_leaves_the_global_generator_alone():
    maps, response = one_point(100)
    found = []
    for _ in range(2):
        torch.manual_seed(7)
        options = {"steps": 20, "generator": torch.Generator().manual_seed(3)}
        readout, _ = fitted(GaussianReadout, maps, response, 80, **options)
        found.append((readout(maps), torch.rand(1)))
    assert torch.equal(found[0][0], found[1][0])
    torch.manual_seed(7)
    assert torch.equal(found[0][1], torch.rand(1))


def test_without_validation_the_last_step_is_kept():
    maps, response = one_point(100)
    course = fit_readout(FactorisedReadout(SHAPE, 2), maps, response, steps=30, check_every=10)
    assert course.best_step == 30


@pytest.mark.parametrize("pictures", [0, 1])
def test_validation_that_says_nothing_is_refused(pictures):
    """Else no step would be the best one, and the read-out would stay as it began."""
    maps, response = one_point(20)
    with pytest.raises(ValueError, match="no voxel varies"):
        fit_readout(LinearReadout(SHAPE, 2), maps, response, (maps[:pictures], response[:pictures]), steps=2)


def test_masked_r_is_numpys():
    x, y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))
    y[:5, 1], y[:, 2] = torch.nan, 1.0
    found = masked_r(x, y)
    assert float(found[0]) == pytest.approx(np.corrcoef(x[:, 0], y[:, 0])[0, 1])
    assert float(found[1]) == pytest.approx(np.corrcoef(x[5:, 1], y[5:, 1])[0, 1])
    assert found[2].isnan()


def test_pools_are_gaussians():
    pools = gaussian_pools(5, 7, 3, (0.3, 1.0)).view(2, 3, 3, 5, 7)
    assert torch.allclose(pools.sum((-1, -2)), torch.ones(2, 3, 3))
    middle = pools[1, 1, 1]
    assert middle.argmax() == 2 * 7 + 3
    assert float(middle[2, 6] / middle[2, 3]) == pytest.approx(np.exp(-0.5))
    narrow, same = gaussian_pools(5, 5, 3, (0.5,), own_sigma=0.3), gaussian_pools(5, 5, 3, (0.4,))
    assert torch.allclose(narrow, same)


def test_fwrf_finds_pool_and_weights():
    """A voxel that averages a Gaussian pool of the grid is predicted, and its pool is that pool."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(200, *SHAPE, generator=generator)
    readout = FeatureWeightedRF(SHAPE, 2, positions=3, sigmas=(0.2, 0.8))
    drive = maps.flatten(2) @ readout.pools[[4, 11]].T  # [n, C, 2]
    response = torch.einsum("ncv,vc->nv", drive, torch.randn(2, SHAPE[0], generator=generator))
    response = response + 0.05 * torch.randn(200, 2, generator=generator)
    found = readout.fit(maps[:150], response[:150], (maps[150:], response[150:]))
    assert (found > 0.9).all()
    assert readout.pool.tolist() == [4, 11]
    assert torch.allclose(masked_r(readout(maps[150:]).detach(), response[150:]), found.double(), atol=1e-4)


def test_fwrf_is_ridge_regression():
    """One pool, one penalty: the weights solve the normal equations; a constant voxel keeps 0."""
    maps, response = one_point(60)
    response[:, 1] = 3.0
    readout = FeatureWeightedRF(SHAPE, 2, positions=1, sigmas=(0.5,))
    found = readout.fit(maps, response, (maps, response), alphas=(5.0,))
    x = readout.standardised(maps).flatten(2) @ readout.pools[0]
    y = (response[:, 0] - readout.response_mean[0]) / readout.response_scale[0]
    x, y = x - x.mean(0), y - y.mean()
    expected = torch.linalg.solve(x.T @ x + 5 * torch.eye(6), x.T @ y)
    assert torch.allclose(readout.weight[0], expected, atol=1e-4)
    assert found[1].isnan()
    assert readout.weight[1].abs().max() == 0
    with pytest.raises(ValueError, match="NaN"):
        readout.fit(maps, torch.full_like(response, torch.nan), (maps, response))
