"""Rules of decision against loops over their formulas."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from gazekit.foveation import GaussianVisibility, Grid
from gazekit.models.visual_search.bayes import rules

TWELVE = Grid((128, 96), 32.0)


def posteriors(count=3, cells=12, seed=0):
    draw = torch.randn(count, cells, generator=torch.Generator().manual_seed(seed))
    return draw.log_softmax(-1)


def detectability(visibility, peak):
    return peak * visibility.seen_from(torch.arange(len(visibility.grid))).double().numpy()


def test_elm_by_loops():
    visibility = GaussianVisibility(TWELVE, (60.0, 40.0))
    v, p = detectability(visibility, 1.0), posteriors().exp().numpy()
    wanted = [[sum(p[r, c] * v[f, c] ** 2 for c in range(12)) for f in range(12)] for r in range(3)]
    assert torch.allclose(rules.elm(posteriors(), visibility).exp(), torch.tensor(wanted).float(), rtol=1e-4)


def correct(p, v):
    """[F] the ideal rule by loops over fixations, places of the target and rivals, at 401 points."""
    w = np.linspace(-8, 8, 401)
    found = np.zeros(len(v))
    for f in range(len(v)):
        for c in range(len(p)):
            product = norm.pdf(w)
            for j in range(len(p)):
                if j != c:
                    top = -2 * np.log(p[j] / p[c]) + v[f, j] ** 2 + v[f, c] ** 2 + 2 * w * v[f, c]
                    product = product * norm.cdf(top / (2 * v[f, j]))
            found[f] += p[c] * np.trapezoid(product, w)
    return found


@pytest.mark.parametrize("sigma, peak", [(40.0, 9.0), (80.0, 1.0), (80.0, 9.0), (200.0, 3.0)])
def test_ideal_by_loops_on_twelve_cells(sigma, peak):
    visibility = GaussianVisibility(TWELVE, (sigma, 0.8 * sigma))
    found = rules.ideal(posteriors(2), visibility, peak, keep=12, seen=12, rivals=12, stride=1).exp().numpy()
    v = np.maximum(detectability(visibility, peak), 1e-4)
    wanted = np.stack([correct(p, v) for p in posteriors(2).exp().double().numpy()])
    assert np.abs(found - wanted).max() < 0.02  # 16 points across steps; the values lie between 0.2 and 1
    assert wanted.std() > 0.02


def test_ideal_is_no_worse_than_the_best_guess():
    visibility = GaussianVisibility(TWELVE, (60.0, 40.0))
    log_p = posteriors(6, seed=1)
    found = rules.ideal(log_p, visibility, 9.0, stride=1).exp()
    assert (found > log_p.exp().amax(-1, keepdim=True) - 0.02).all()
    assert (found < 1.02).all()


def test_ideal_approximations_keep_the_order():
    grid = Grid((448, 352), 32.0)
    visibility = GaussianVisibility(grid, (63.0, 51.0))
    place = torch.randn(2, 1, 5, 6, generator=torch.Generator().manual_seed(3)) * 2
    log_p = torch.nn.functional.interpolate(place, (11, 14), mode="bilinear").flatten(1).log_softmax(-1)
    quick = rules.ideal(log_p, visibility, 9.0).exp()
    full = rules.ideal(log_p, visibility, 9.0, keep=154, seen=40, rivals=12, stride=1).exp()
    for a, b in zip(quick, full, strict=True):
        assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.85
        assert b[a.argmax()] > 0.85 * b.max()


def test_ideal_on_one_cell():
    found = rules.ideal(torch.zeros(2, 1), GaussianVisibility(Grid((9, 9)), (60.0, 40.0)), 9.0)
    assert torch.allclose(found.exp(), torch.ones(2, 1), atol=0.02)


def test_certainty_and_ignorance():
    visibility = GaussianVisibility(TWELVE, (60.0, 40.0))
    sure = torch.full((1, 12), math.log(1e-9))
    sure[0, 5] = 0.0
    assert rules.elm(sure.log_softmax(-1), visibility).argmax() == 5
    assert rules.ideal(sure.log_softmax(-1), visibility, 9.0, stride=1).exp().min() > 0.97
