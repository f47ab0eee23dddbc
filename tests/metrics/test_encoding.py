"""Encoding scores: golden voxels, scipy and scikit-learn, streaming against everything at once."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score as sklearn_r2
from torch import Tensor
from torchmetrics import MetricCollection

from gazekit.metrics import (
    R2,
    IdentificationAccuracy,
    NormalisedCorrelation,
    NormalisedR2,
    Pearson,
    TwoVersusTwo,
)
from gazekit.metrics.functional import (
    identification_accuracy,
    normalised_correlation,
    normalised_r2,
    pearson,
    r2_score,
    two_versus_two,
)
from gazekit.metrics.functional.moments import block_moments, merge_moments, moments, moments_drawer

NAN = float("nan")


def draws(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    response = torch.randn(*shape, generator=draw, dtype=torch.float64)
    return response + torch.randn(*shape, generator=draw, dtype=torch.float64), response


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> dict:
    return json.loads((shared_data / "golden_metrics" / "misc_expected.json").read_text())["encoding"]


def test_golden_voxels(golden: dict) -> None:
    prediction, response = np.array(golden["yhat"]), np.array(golden["y"])
    np.testing.assert_allclose(
        pearson(prediction, response), golden["expected"]["pearson"], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(r2_score(prediction, response), golden["expected"]["r2"], rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(3, 30), st.floats(-1e4, 1e4), st.floats(0.01, 100), st.integers(0, 1000))
def test_equals_scipy_and_scikit_learn_anywhere_on_the_scale(
    n: int, offset: float, scale: float, seed: int
) -> None:
    prediction, response = draws(n, 3, seed=seed)
    prediction, response = offset + scale * prediction, offset + scale * response
    r = scipy.stats.pearsonr(prediction, response, axis=0).statistic
    np.testing.assert_allclose(pearson(prediction, response), r, rtol=0, atol=1e-8)
    r2 = sklearn_r2(response, prediction, multioutput="raw_values")
    np.testing.assert_allclose(r2_score(prediction, response), r2, rtol=1e-8, atol=1e-8)


def test_invariances() -> None:
    prediction, response = draws(20, 4)
    r = pearson(prediction, response)
    torch.testing.assert_close(pearson(3 * prediction + 7, response), r)
    torch.testing.assert_close(pearson(-prediction, response), -r)
    torch.testing.assert_close(pearson(response, prediction), r)
    assert (pearson(response, 2 * response - 1) > 1 - 1e-12).all()
    assert (r2_score(response, response) == 1).all()
    assert (r2_score(response.mean(0).expand(20, 4), response).abs() < 1e-12).all()
    assert (r2_score(prediction, response) <= r**2).all()


def test_any_shape_of_voxels_at_once_or_alone() -> None:
    prediction, response = draws(12, 2, 3)
    for metric in (pearson, r2_score):
        whole = metric(prediction, response)
        assert whole.shape == (2, 3)
        for i in range(2):
            for j in range(3):
                one = metric(prediction[:, i, j].numpy(), response[:, i, j].numpy())
                torch.testing.assert_close(whole[i, j], one, rtol=0, atol=1e-14)


def test_what_does_not_vary_is_undefined_exactly() -> None:
    """0.1 has no exact mean in binary: a mean taken naively would leave a spread of 1e-17."""
    prediction, response = draws(11, 4)
    prediction[:, 0] = 0.1
    response[:, 1] = 0.1
    response[3, 2] = NAN
    assert pearson(prediction, response).isnan().tolist() == [True, True, True, False]
    assert r2_score(prediction, response).isnan().tolist() == [False, True, True, False]
    zeroed = pearson(prediction, response, constant="zero")
    assert zeroed[:2].tolist() == [0.0, 0.0]
    assert zeroed[2].isnan()
    for few in (0, 1):
        assert pearson(prediction[:few], response[:few], constant="zero").isnan().all()
        assert r2_score(prediction[:few], response[:few]).isnan().all()


def test_a_large_mean_costs_no_digits() -> None:
    prediction, response = draws(50, 3)
    far = pearson(prediction + 2.0**30, response - 2.0**30)
    expected = pearson((prediction + 2.0**30) - 2.0**30, (response - 2.0**30) + 2.0**30)
    torch.testing.assert_close(far, expected, rtol=0, atol=1e-13)
    metric = Pearson(3)
    for part in torch.arange(50).split(7):
        metric.update(prediction[part] + 2.0**12, response[part] - 2.0**12)
    torch.testing.assert_close(metric.compute(), pearson(prediction, response), rtol=0, atol=1e-11)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.integers(0, 1000))
def test_moments_merge_in_any_parts(sizes: list[int], seed: int) -> None:
    x, y = draws(sum(sizes), 2, seed=seed)
    x[:, 1] = 0.7
    whole = moments(x, y)
    parts = torch.stack([moments(*p) for p in zip(x.split(sizes), y.split(sizes), strict=True)])
    torch.testing.assert_close(merge_moments(parts), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(merge_moments(parts.flip(0)), whole, rtol=0, atol=1e-12)
    if sum(sizes):
        assert whole[1, 1] == merge_moments(parts)[1, 1] == 0.7
        assert whole[3, 1] == merge_moments(parts)[3, 1] == 0
        torch.testing.assert_close(whole[4] / sum(sizes), ((x - x.mean(0)) * (y - y.mean(0))).mean(0))


def test_gradients() -> None:
    prediction, response = draws(6, 3)
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: pearson(p, response), prediction)
    assert torch.autograd.gradcheck(lambda p: r2_score(p, response), prediction)
    ceiling = torch.tensor([0.3, 0.5, 0.9])
    assert torch.autograd.gradcheck(lambda p: normalised_r2(pearson(p, response), ceiling, 0.1), prediction)
    response[:, 1] = 0.1
    pearson(prediction, response).nansum().backward()
    assert prediction.grad.isfinite().all()  # an undefined voxel spoils no other
    assert (prediction.grad[:, 1] == 0).all()


def test_normalised_by_the_ceiling() -> None:
    r = torch.tensor([0.6, -0.6, 0.3, 0.9, NAN, 0.5, 0.5])
    ceiling = torch.tensor([0.81, 0.81, 0.04, 0.0, 0.5, NAN, 0.05], dtype=torch.float64)
    found = normalised_correlation(r.double(), ceiling, 0.05)
    np.testing.assert_allclose(found[:2], [0.6 / 0.9, -0.6 / 0.9], rtol=1e-6)
    assert found.isnan().tolist() == [False, False, True, True, True, True, False]
    squared = normalised_r2(r.double(), ceiling, 0.05)
    np.testing.assert_allclose(squared[:2], [0.36 / 0.81, -0.36 / 0.81], rtol=1e-6)
    assert squared.isnan().tolist() == found.isnan().tolist()
    assert normalised_correlation(r[3], ceiling[3], 0.0).isnan()


def test_voxels_apart_and_put_together() -> None:
    prediction, response = draws(30, 5)
    response[:, 2] = 4.2
    ceiling = torch.tensor([0.9, 0.01, 0.5, 0.7, 0.4], dtype=torch.float64)
    metrics = {
        "r": Pearson(5),
        "r0": Pearson(5, constant="zero"),
        "r2": R2(5),
        "norm": NormalisedCorrelation(ceiling, 0.05),
        "median": NormalisedR2(ceiling, 0.05, "median"),
        "mean": R2(5, "mean"),
    }
    collection = MetricCollection(metrics)
    for part in torch.arange(30).split(8):
        collection.update(prediction[part], response[part])
    assert len(collection.compute_groups) == 1  # all of them are told by the same moments
    found = collection.compute()
    r = pearson(prediction, response)
    for name, expected in {
        "r": r,
        "r0": pearson(prediction, response, "zero"),
        "r2": r2_score(prediction, response),
        "norm": normalised_correlation(r, ceiling, 0.05),
        "median": normalised_r2(r, ceiling, 0.05).nanquantile(0.5),
        "mean": r2_score(prediction, response).nanmean(),
    }.items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-12, equal_nan=True)
    undefined = {name: int(collection[name].undefined) for name in metrics}
    assert undefined == {"r": 1, "r0": 0, "r2": 1, "norm": 2, "median": 2, "mean": 1}


def two_versus_two_by_loops(p: np.ndarray, y: np.ndarray, similarity) -> tuple[float, float]:
    n = len(p)
    s = np.array([[similarity(p[i], y[j]) for j in range(n)] for i in range(n)])
    pairs = [s[i, i] + s[j, j] - s[i, j] - s[j, i] for i in range(n) for j in range(i)]
    singles = [s[i, i] - s[i, j] for i in range(n) for j in range(n) if i != j]
    return tuple(float(np.mean([(m > 1e-12) + 0.5 * (abs(m) <= 1e-12) for m in x])) for x in (pairs, singles))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))


@pytest.mark.parametrize("similarity", ["pearson", "cosine"])
def test_matching_equals_loops(similarity: str) -> None:
    prediction, response = draws(9, 4, seed=3)
    prediction[2] = prediction[5]  # ties
    one = cosine if similarity == "cosine" else lambda a, b: np.corrcoef(a, b)[0, 1]
    expected = two_versus_two_by_loops(prediction.numpy(), response.numpy(), one)
    for metric, value in zip((two_versus_two, identification_accuracy), expected, strict=True):
        for chunk in (None, 1, 4):
            assert metric(prediction, response, similarity, chunk).item() == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("metric", [two_versus_two, identification_accuracy])
def test_matching_at_its_ends(metric) -> None:
    prediction, response = draws(40, 30, seed=5)
    assert metric(response, response) == 1
    assert metric(prediction[:1].expand(40, 30), response).item() == pytest.approx(0.5, abs=0.1)
    assert metric(response[:1].expand(40, 30), response[:1].expand(40, 30)) == 0.5
    chance = [metric(draws(40, 30, seed=s)[0], response).item() for s in range(10, 20)]
    assert np.mean(chance) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("metric", [two_versus_two, identification_accuracy])
def test_matching_without_patterns(metric) -> None:
    """A stimulus with a constant prediction can't be compared: it is left out and counted."""
    prediction, response = draws(8, 5, seed=6)
    whole = metric(prediction[1:], response[1:])
    prediction[0] = 0.1
    if metric is two_versus_two:
        assert metric(prediction, response) == whole
    assert metric(prediction[:1], response[:1]).isnan()
    assert metric(prediction[:0], response[:0]).isnan()
    accumulated = (TwoVersusTwo if metric is two_versus_two else IdentificationAccuracy)(5)
    accumulated.update(prediction[:3], response[:3])
    accumulated.update(prediction[3:], response[3:])
    assert accumulated.compute() == metric(prediction, response)
    assert accumulated.undefined == 1


@pytest.mark.parametrize("factor", [1e-170, 1e-300, 1e200])
def test_no_scale_of_responses_is_too_small_or_too_large(factor: float) -> None:
    p, y = draws(20, 3)
    expected = pearson(p, y)
    for found in (pearson(factor * p, y), pearson(factor * p, factor * y, "zero")):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(r2_score(factor * p, factor * y), r2_score(p, y), rtol=1e-12, atol=1e-12)


def test_wrong_input_is_named() -> None:
    x = torch.zeros(4, 3)
    with pytest.raises(TypeError, match=r"prediction must hold real numbers, got torch\.bool"):
        pearson(x.bool(), x)
    with pytest.raises(ValueError, match=r"stimuli first, got \[4, 3\] and \[4, 2\]"):
        r2_score(x, x[:, :2])
    with pytest.raises(ValueError, match="constant must be 'nan' or 'zero', got 'one'"):
        Pearson(3, constant="one")
    with pytest.raises(ValueError, match=r"not percent\), got 0 to 50"):
        normalised_correlation(x[0], torch.tensor([0.0, 0.5, 50.0]), 0.1)
    with pytest.raises(ValueError, match=r"min_ceiling must lie between 0 and 1, got -1"):
        normalised_r2(x[0], x[0], -1)
    with pytest.raises(ValueError, match=r"r and ceiling must broadcast, got \[3\] and \[2\]"):
        normalised_r2(x[0], x[0, :2], 0.1)
    with pytest.raises(ValueError, match=r"V = 5 voxels, got \[4, 3\]"):
        R2(5).update(x, x)
    with pytest.raises(ValueError, match=r"\[n, V\], got \[4\]"):
        R2(4).update(x[:, 0], x[:, 0])
    with pytest.raises(ValueError, match="aggregation must be none, mean or median, got 'sum'"):
        Pearson(3, "sum")
    with pytest.raises(ValueError, match="num_voxels must be at least 1, got 0"):
        Pearson(0)
    with pytest.raises(ValueError, match=r"ceiling must have shape \[V\], got \[4, 3\]"):
        NormalisedR2(x, 0.1)
    with pytest.raises(ValueError, match="similarity must be pearson or cosine, got 'dot'"):
        two_versus_two(x, x, "dot")
    with pytest.raises(ValueError, match="similarity must be pearson or cosine, got 'dot'"):
        TwoVersusTwo(3, "dot")
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        identification_accuracy(x, x, chunk=0)
    with pytest.raises(ValueError, match=r"response must have shape \[n, 3\], got \[4, 2\]"):
        TwoVersusTwo(3).update(x, x[:, :2])
    with pytest.raises(ValueError, match="prediction and response hold 4 and 2 stimuli"):
        TwoVersusTwo(3).update(x, x[:2])


def test_blocks_of_observations_that_are_not_all_there() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = 100 + torch.randn(2, 40, 3, generator=generator, dtype=torch.float64)
    present = torch.rand(40, 3, generator=generator) < 0.7
    present[:, 2] = False
    block = torch.randint(5, (40,), generator=generator)
    found = block_moments(block, 6, present, torch.where(present, x, torch.nan), y)
    for b in range(6):
        for v in range(3):
            own = present[:, v] & (block == b)
            assert found[0, b, v] == own.sum()
            if own.any():
                assert torch.allclose(found[:, b, v], moments(x[own, v], y[own, v]), atol=1e-9)
    known = present[:, 0]
    assert torch.allclose(
        merge_moments(found.movedim(1, 0))[:, 0], moments(x[known, 0], y[known, 0]), atol=1e-9
    )
    assert (merge_moments(found[:, :0].movedim(1, 0)) == 0).all()


def test_moments_of_draws_are_those_of_the_drawn_observations() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = 100 + torch.randn(2, 12, 3, generator=generator, dtype=torch.float64)
    parts = torch.stack([moments(x[k : k + 2], y[k : k + 2]) for k in range(0, 12, 2)])
    counts = torch.tensor([[2, 0, 1, 0, 3, 0], [1, 1, 1, 1, 1, 1]])
    drawer = moments_drawer(parts)
    for row in counts:
        drawn = torch.arange(12).view(6, 2)[torch.arange(6).repeat_interleave(row)].flatten()
        assert torch.allclose(drawer(row[None].double())[:, 0], moments(x[drawn], y[drawn]), atol=1e-9)
