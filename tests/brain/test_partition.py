"""R2 split among bands against himalaya, and nested models against ordinary least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from himalaya.scoring import r2_score_split
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.brain import banded_ridge_cv, ridge_cv, split_r2, variance_partition
from gazekit.metrics.functional import r2_score


@settings(deadline=None, max_examples=25)
@given(bands=st.integers(1, 4), n=st.integers(3, 20), shift=st.floats(-50, 50), seed=st.integers(0, 99))
def test_shares_are_himalayas_and_add_up_to_r2(bands, n, shift, seed):
    g = torch.Generator().manual_seed(seed)
    parts = torch.randn(bands, n, 5, generator=g, dtype=torch.float64)
    y = parts.sum(0) + torch.randn(n, 5, generator=g, dtype=torch.float64)
    y -= y.mean(0)
    found = split_r2(parts, y + shift)
    np.testing.assert_allclose(found, r2_score_split(y.numpy(), parts.numpy()), atol=1e-9)
    torch.testing.assert_close(found.sum(0), r2_score(parts.sum(0), y))


def test_shares_of_constant_and_missing_responses():
    parts, y = torch.ones(2, 6, 4), torch.randn(6, 4)
    y[:, 1], y[:, 2], y[3:, 3] = 0.1, torch.nan, torch.nan
    found = split_r2(parts, y)
    assert found.isnan().any(0).tolist() == [False, True, True, False]
    torch.testing.assert_close(found[:, 3], split_r2(parts[:, :3], y[:3])[:, 3])
    with pytest.raises(
        ValueError, match=r"parts must have shape \[K, n, V\] and response \[n, V\], got \[6, 4\]"
    ):
        split_r2(y, y)


def test_independent_bands_explain_uniquely_and_the_same_band_twice_nothing():
    g = torch.Generator().manual_seed(0)
    a, b, noise = (torch.randn(400, 3, generator=g, dtype=torch.float64) for _ in range(3))
    b -= a @ torch.linalg.lstsq(a, b).solution  # orthogonal, and centred
    y = torch.stack([a[:, 0], b[:, 0], a[:, 1] + b[:, 1]], 1) + 0.5 * noise

    def fit(xs):
        return banded_ridge_cv(xs, y, [1e-6], 2, draws=1)

    found = variance_partition(fit, [a, b], [a, b], y)
    torch.testing.assert_close(found.full, found.unique.sum(0) + found.shared)
    torch.testing.assert_close(found.unique, found.alone, rtol=0, atol=0.02)
    assert (found.shared.abs() < 0.02).all()
    assert (found.unique[0, 1] < 0.02) and (found.unique[1, 0] < 0.02) and found.full.min() > 0.7
    parts = fit([a, b])
    torch.testing.assert_close(split_r2(parts.parts([a, b]), y), found.unique, rtol=0, atol=0.02)

    twice = variance_partition(fit, [a, a], [a, a], y)
    assert twice.unique.abs().max() < 1e-6
    torch.testing.assert_close(twice.shared, twice.full, rtol=0, atol=1e-6)


def test_three_bands_need_seven_fits_and_two_three():
    g = torch.Generator().manual_seed(0)
    xs, y = [torch.randn(30, 2, generator=g) for _ in range(3)], torch.randn(30, 2, generator=g)
    for bands, wanted in ((3, 7), (2, 3)):
        fits = []

        def fit(chosen, fits=fits):
            fits.append(len(chosen))
            model = ridge_cv(torch.cat(chosen, 1), y, [1.0])
            return type("Joined", (), {"predict": lambda self, xs: model.predict(torch.cat(xs, 1))})()

        found = variance_partition(fit, xs[:bands], xs[:bands], y)
        assert len(fits) == wanted and found.unique.shape == found.alone.shape == (bands, 2)
    with pytest.raises(ValueError, match="two or more, got 1 and 1"):
        variance_partition(fit, xs[:1], xs[:1], y)
