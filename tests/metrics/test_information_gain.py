"""Information gain in bits: known values, what is undefined, what is infinite."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.metrics import InformationGain
from gazekit.metrics.functional import information_gain_bits

NAN, INF = float("nan"), float("inf")
YES = torch.tensor([True, True])
log_probs = st.lists(st.floats(-20, 0), min_size=1, max_size=8)


def test_uniform_over_n_is_log2_n_below_certainty() -> None:
    certain, uniform = torch.zeros(2, 3), torch.full((2, 3), -math.log(84))
    gain = information_gain_bits(certain, uniform, torch.ones(2, 3, dtype=torch.bool))
    assert gain.item() == pytest.approx(math.log2(84), abs=1e-6)
    assert gain.dtype == torch.float64


@settings(deadline=None)
@given(log_probs)
def test_baseline_gains_nothing_and_gains_are_antisymmetric(values: list[float]) -> None:
    p = torch.tensor(values, dtype=torch.float64)
    q, mask = torch.full_like(p, -3.0), torch.ones(len(p), dtype=torch.bool)
    assert information_gain_bits(p, p, mask) == 0
    torch.testing.assert_close(information_gain_bits(p, q, mask), -information_gain_bits(q, p, mask))


@settings(deadline=None)
@given(log_probs, st.sampled_from([0.0, 7.0, -INF, NAN]))
def test_padding_does_not_matter(values: list[float], padding: float) -> None:
    p = torch.tensor(values)
    mask = torch.ones(len(p) + 2, dtype=torch.bool)
    mask[-2:] = False
    padded = torch.cat([p, torch.full((2,), padding)])
    q = torch.cat([torch.full_like(p, -3.0), torch.full((2,), padding)])
    gain = information_gain_bits(p, torch.full_like(p, -3.0), mask[:-2])
    found = information_gain_bits(padded.numpy(), q.numpy(), mask.numpy())
    torch.testing.assert_close(found, gain, rtol=0, atol=1e-12)


def test_an_excluded_outcome_costs_everything() -> None:
    assert information_gain_bits(torch.tensor([-1.0, -INF]), torch.tensor([-1.0, -1.0]), YES) == -INF


def test_undefined() -> None:
    minus_one = torch.tensor([-1.0, -1.0])
    assert information_gain_bits(minus_one, minus_one, ~YES).isnan()
    assert information_gain_bits(torch.tensor([-1.0, NAN]), minus_one, YES).isnan()
    metric = InformationGain()
    metric.update(torch.tensor([-1.0 + math.log(2), NAN]), minus_one, YES)
    assert metric.compute().item() == pytest.approx(1)
    assert (metric.count, metric.undefined) == (2, 1)
    assert metric.interval(10)[3:] == (1, 1)


def test_gradient_reaches_the_model() -> None:
    p = torch.tensor([-1.0, -2.0, -9.0], requires_grad=True)
    information_gain_bits(p, torch.full((3,), -3.0), torch.tensor([True, True, False])).backward()
    assert p.grad.tolist() == pytest.approx([0.5 / math.log(2), 0.5 / math.log(2), 0])


@pytest.mark.parametrize("bad", [-INF, INF, NAN])
def test_a_baseline_must_allow_what_happened(bad: float) -> None:
    with pytest.raises(ValueError, match="log_baseline must be finite"):
        information_gain_bits(torch.tensor([-1.0, -1.0]), torch.tensor([-1.0, bad]), YES)


def test_wrong_input_is_named() -> None:
    p = torch.tensor([-1.0, -1.0])
    with pytest.raises(TypeError, match="mask must be bool"):
        information_gain_bits(p, p, YES.long())
    with pytest.raises(TypeError, match=r"log_prob must hold real numbers, got torch\.bool"):
        information_gain_bits(YES, p, YES)
    with pytest.raises(ValueError, match=r"must share one shape, got \[2\], \[2\] and \[1\]"):
        information_gain_bits(p, p, YES[:1])
