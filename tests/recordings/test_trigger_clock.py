"""Triggers of two clocks are matched whatever either missed, and nothing is guessed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.recordings.eeg.trigger_clock import fit_clock, match_triggers


def two_clocks(rng, n, drift=5e-4, jitter_s=5e-4):
    """True times, and the same on both clocks with jitter."""
    t = np.cumsum(rng.uniform(0.8, 3.0, n))
    return t + rng.normal(0, jitter_s, n), (t + 7.25) * (1 + drift) + rng.normal(0, jitter_s, n)


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 10**6), n=st.integers(12, 80), drift=st.floats(-8e-4, 8e-4),
    lost=st.floats(0, 0.3), extra=st.integers(0, 6),
)  # fmt: skip
def test_pairs_are_the_true_ones_whatever_is_lost_or_added(seed, n, drift, lost, extra):
    rng = np.random.default_rng(seed)
    a, b = two_clocks(rng, n, drift)
    keep_a, keep_b = (np.flatnonzero(rng.random(n) >= lost) for _ in range(2))
    both = np.intersect1d(keep_a, keep_b)
    if len(both) < 0.5 * max(len(keep_a), len(keep_b)) + 3:
        return
    # Extra triggers halfway between two true ones, where neither clock can take them for another.
    odd = rng.choice(n - 1, min(extra, n // 6), replace=False)
    first = np.sort(np.append(a[keep_a], (a[odd] + a[odd + 1]) / 2))
    pairs = match_triggers(first, b[keep_b])
    found = {(round(first[i], 9), round(b[keep_b][j], 9)) for i, j in pairs}
    assert found == {(round(a[k], 9), round(b[k], 9)) for k in both}
    assert (np.diff(pairs, axis=0) > 0).all()
    assert abs(fit_clock(first, b[keep_b], pairs).drift_ppm - 1e6 * drift) < 600 / np.ptp(a[both]) * 10


def test_a_long_stretch_may_be_missing():
    a, b = two_clocks(np.random.default_rng(3), 100)
    pairs = match_triggers(a, np.delete(b, np.arange(50, 80)))
    assert pairs[:, 0].tolist() == [*range(50), *range(80, 100)]


def test_evenly_spaced_triggers_are_no_answer_unless_codes_tell():
    a = np.arange(40) * 2.0
    b = a + 3
    with pytest.raises(
        ValueError, match=r"match in more than one way: one assignment pairs 40 of 40 and 40, another 39"
    ):
        match_triggers(a, b)
    codes = np.random.default_rng(0).integers(1, 9, 40)
    pairs = match_triggers(a[3:], b[:-1], (codes[3:], codes[:-1]))
    assert pairs.tolist() == [[k, k + 3] for k in range(36)]


def test_triggers_of_something_else_are_refused():
    rng = np.random.default_rng(1)
    a, b = np.sort(rng.uniform(0, 200, (2, 60)))
    with pytest.raises(ValueError, match=r"only \d+ of 60 and 60 triggers fit one line .* at least 30 must"):
        match_triggers(a, b)
    a, b = two_clocks(rng, 60)
    with pytest.raises(ValueError, match="both in seconds"):
        match_triggers(a, 1000 * b)


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        ([0, 1], [0, 1, 2], "3 to 5000 triggers are needed on each clock, the first list has 2"),
        ([0, 1, 3], [0, 2, 1], "finite and increasing; the second list is not"),
        ([0, np.nan, 3], [0, 1, 2], "the first list is not"),
        (range(6000), [0, 1, 2], "the first list has 6000; use those of one code"),
    ],
)
def test_times_that_are_none(a, b, text):
    with pytest.raises(ValueError, match=text):
        match_triggers(np.asarray(a, float), np.asarray(b, float))


def test_codes_need_a_trigger_each():
    with pytest.raises(ValueError, match="2 and 3 codes for 3 and 3 triggers"):
        match_triggers(np.arange(3.0), np.arange(3.0), ([1, 2], [1, 2, 3]))


def test_the_line_is_that_of_least_squares():
    rng = np.random.default_rng(5)
    a, b = two_clocks(rng, 30, jitter_s=0.002)
    clock = fit_clock(a, b, np.column_stack([np.arange(30)] * 2))
    slope, intercept = np.polyfit(b, a, 1)
    assert clock.rate == pytest.approx(slope, rel=1e-12) and clock.offset_s == pytest.approx(intercept)
    rest = a - np.polyval([slope, intercept], b)
    assert clock.rms_ms == pytest.approx(1000 * np.sqrt((rest**2).sum() / 28))
    assert clock.max_ms == pytest.approx(1000 * np.abs(rest).max())
    np.testing.assert_allclose(clock(b), a - rest)
    assert np.isnan(fit_clock(a, b, np.array([[0, 0], [1, 1]])).rms_ms)
