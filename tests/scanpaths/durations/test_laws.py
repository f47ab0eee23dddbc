"""Distributions of durations against scipy, and their quantiles."""

import numpy as np
import pytest
import torch
from scipy import stats

from gazekit.scanpaths.durations.laws import GammaLaw, LogNormalMixture, quantile

MS = torch.tensor([1.0, 20.0, 137.0, 230.0, 900.0, 5000.0], dtype=torch.float64)


@pytest.fixture
def mixture() -> LogNormalMixture:
    weight = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    return LogNormalMixture(
        weight.log(), torch.tensor([3.5, 5.3, 5.9]).double(), torch.tensor([0.4, 0.3, 0.7]).double()
    )


def test_a_mixture_against_scipy(mixture):
    parts = [
        stats.lognorm(s, scale=np.exp(m)) for m, s in zip(*(x.numpy() for x in mixture[1:]), strict=True)
    ]
    weight = mixture.log_weight.exp().numpy()
    density = sum(w * part.pdf(MS.numpy()) for w, part in zip(weight, parts, strict=True))
    below = sum(w * part.cdf(MS.numpy()) for w, part in zip(weight, parts, strict=True))
    torch.testing.assert_close(mixture.log_prob(MS).exp(), torch.from_numpy(density))
    torch.testing.assert_close(mixture.cdf(MS), torch.from_numpy(below))
    torch.testing.assert_close(
        mixture.log_survival(MS).exp(), torch.from_numpy(1 - below), atol=1e-12, rtol=1e-6
    )


def test_gamma_against_scipy():
    law, known = GammaLaw(torch.tensor(4.2).double(), torch.tensor(0.02).double()), stats.gamma(4.2, scale=50)
    torch.testing.assert_close(
        law.log_prob(MS), torch.from_numpy(known.logpdf(MS.numpy())), rtol=1e-6, atol=1e-6
    )
    torch.testing.assert_close(law.cdf(MS), torch.from_numpy(known.cdf(MS.numpy())), rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(
        law.log_survival(MS[:5]).exp(), torch.from_numpy(known.sf(MS[:5].numpy())), rtol=1e-5, atol=0
    )


def test_densities_are_1_in_all(mixture):
    ms = torch.arange(0.25, 40_000, 0.5, dtype=torch.float64)
    assert float(mixture.log_prob(ms).exp().sum() * 0.5) == pytest.approx(1, abs=1e-4)
    law = GammaLaw(torch.tensor(4.2).double(), torch.tensor(0.02).double())
    assert float(law.log_prob(ms).exp().sum() * 0.5) == pytest.approx(1, abs=1e-6)


def test_a_density_is_the_probability_of_a_step_of_1_ms(mixture):
    ms = torch.arange(20.0, 2000, 1, dtype=torch.float64)
    steps = mixture.cdf(ms + 0.5) - mixture.cdf(ms - 0.5)
    torch.testing.assert_close(mixture.log_prob(ms), steps.log(), atol=2e-3, rtol=0)


def test_far_tails_are_finite(mixture):
    for ms in (1e-3, 1e7):
        assert mixture.log_prob(torch.tensor(ms)).isfinite()
        assert mixture.log_survival(torch.tensor(ms)).isfinite()


def test_quantiles_undo_probabilities(mixture):
    share = torch.tensor([0.001, 0.2, 0.5, 0.9, 0.9999], dtype=torch.float64)
    torch.testing.assert_close(mixture.cdf(quantile(mixture, share)), share)
    assert quantile(mixture, torch.tensor([0.0, 1.0], dtype=torch.float64)).isfinite().all()
