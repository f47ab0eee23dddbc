"""Delays against a plain loop and a known response kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.brain import delayed, group_folds, ridge_cv


def loop(x, delays, runs):
    found = np.zeros((len(x), len(delays), x.shape[1]))
    for t in range(len(x)):
        for d, delay in enumerate(delays):
            if 0 <= t - delay < len(x) and runs[t - delay] == runs[t]:
                found[t, d] = x[t - delay]
    return found.reshape(len(x), -1)


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    delays=st.lists(st.integers(-6, 6), min_size=1, max_size=4, unique=True),
)
def test_the_same_as_a_loop_and_runs_never_mix(lengths, delays):
    runs = np.repeat(np.arange(len(lengths))[::-1] * 3, lengths)
    x = np.random.default_rng(0).standard_normal((len(runs), 2))
    np.testing.assert_array_equal(delayed(x, delays, runs), loop(x, delays, runs))
    one = delayed(x, delays, runs)
    x[runs != runs[0]] = 99.0  # what other runs show does not matter
    assert torch.equal(delayed(x, delays, runs)[runs == runs[0]], one[runs == runs[0]])


def test_a_response_kernel_is_recovered_from_runs():
    g = torch.Generator().manual_seed(0)
    x, runs = torch.randn(400, 1, generator=g, dtype=torch.float64), torch.arange(400) // 50
    kernel = torch.tensor([0.0, 0.3, 1.0, 0.6, -0.2], dtype=torch.float64)
    y = delayed(x, range(5), runs) @ kernel[:, None]
    found = ridge_cv(delayed(x, range(5), runs), y, [1e-8], group_folds(runs, 4))
    torch.testing.assert_close(found.weight[:, 0], kernel, rtol=0, atol=1e-9)


def test_types_and_empty_series():
    assert delayed(torch.ones(3, 2, dtype=torch.float32), [1]).dtype == torch.float32
    assert delayed(torch.ones(0, 2), [0, 1]).shape == (0, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.ones(4), [1]), ValueError, r"x must have shape \[T, F\], samples first, got \[4\]"),
        ((torch.ones(4, 1), []), ValueError, "one or more different numbers"),
        ((torch.ones(4, 1), [1, 1]), ValueError, r"different numbers of samples, got \[1, 1\]"),
        ((torch.ones(4, 1), [0.5]), TypeError, "whole numbers of samples"),
        ((torch.ones(4, 1), [1], [0, 0, 1]), ValueError, r"label of each sample, \[4\], got \[3\]"),
        ((torch.ones(4, 1), [1], [0, 1, 0, 0]), ValueError, "a label comes back after another"),
    ],
)
def test_errors_say_what_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        delayed(*arguments)
