"""Wilcoxon's exact test and corrections, against scipy and against all signs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.metrics.functional import benjamini_hochberg, holm, signed_rank_p, signed_rank_test


@pytest.mark.parametrize("n", [1, 2, 5, 8, 25])
def test_without_ties_it_is_scipys(n):
    draw = np.random.default_rng(n)
    a, b = draw.normal(0.3, 1, (6, n)), draw.normal(0, 1, (6, n))
    found = signed_rank_test(a, b)
    for k in range(6):
        known = scipy.stats.wilcoxon(a[k], b[k], method="exact")
        assert float(found.statistic[k]) == known.statistic
        assert float(found.p[k]) == pytest.approx(known.pvalue, abs=1e-12)
        assert float(signed_rank_p(known.statistic, n)) == pytest.approx(known.pvalue, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_with_ties_it_is_the_share_of_all_signs(values):
    found = signed_rank_test(np.array(values, float))
    different = np.array([v for v in values if v])
    assert int(found.n) == len(different)
    if not len(different):
        assert found.p.isnan()
        return
    rank = scipy.stats.rankdata(abs(different))
    w = min(rank[different > 0].sum(), rank[different < 0].sum())
    sums = np.array([rank[np.array(signs)].sum() for signs in product([False, True], repeat=len(rank))])
    assert float(found.statistic) == w
    assert float(found.p) == pytest.approx(min(1, 2 * (sums <= w).mean()))


def test_missing_pairs_are_left_out():
    a, b = np.array([1.0, 2.5, np.nan, 4.0, 3.0]), np.array([0.5, 2.7, 1.0, 1.0, 3.0])
    found = signed_rank_test(a, b)
    assert int(found.n) == 3 and float(found.p) == float(signed_rank_test(a[[0, 1, 3]], b[[0, 1, 3]]).p)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_corrections(p):
    p = np.array(p)
    np.testing.assert_allclose(benjamini_hochberg(p), scipy.stats.false_discovery_control(p), atol=1e-12)
    order, running, known = np.argsort(p), 0.0, np.empty(len(p))
    for k, i in enumerate(order):
        running = max(running, min(1, p[i] * (len(p) - k)))
        known[i] = running
    np.testing.assert_allclose(holm(p), known, atol=1e-12)
    with_gap = np.append(p, np.nan)
    for correct in (holm, benjamini_hochberg):
        found = correct(with_gap)
        assert found[-1].isnan() and torch.equal(found[:-1], correct(p))
        assert torch.equal(correct(np.stack([p, p])), correct(p).expand(2, -1))


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(ValueError, match="alike"):
        signed_rank_test(np.zeros(3), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="whole sums of ranks"):
        signed_rank_p(1.5, 8)
    with pytest.raises(ValueError, match="chances from 0 to 1"):
        holm([0.2, 1.2])
