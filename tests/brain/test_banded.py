"""Banded ridge: both back ends agree, with scikit-learn fit by fit, and a band that explains nothing is held back."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.model_selection import KFold

from gazekit.brain import banded_ridge_cv, ridge_cv
from gazekit.brain.banded import divisions
from gazekit.brain.banded_gradient import _error_and_gradient, _fold
from gazekit.brain.complete import band_of

ALPHAS = np.logspace(-2, 4, 5)


def bands(n: int, sizes: tuple[int, ...], voxels: int = 6, seed: int = 0, dtype=torch.float64):
    """Bands of scale 1, 0.1 and 7; every voxel answers to all of them, with noise."""
    g = torch.Generator().manual_seed(seed)
    xs = [s * torch.randn(n, k, generator=g) + 3 for k, s in zip(sizes, (1, 0.1, 7), strict=False)]
    y = sum(x @ torch.randn(x.shape[1], voxels, generator=g) for x in xs)
    return [x.to(dtype) for x in xs], (y + 2 * torch.randn(n, voxels, generator=g)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("score", ["mse", "r"])
@pytest.mark.parametrize(("n", "sizes"), [(60, (5, 8, 3)), (40, (30, 50))])
def test_both_back_ends_find_the_same(n, sizes, score, dtype):
    xs, y = bands(n, sizes, dtype=dtype)
    y[:, 2] = 4
    ours, theirs = (
        banded_ridge_cv(xs, y, ALPHAS, torch.arange(n) % 4, draws=15, score=score, backend=backend)
        for backend in ("torch", "himalaya")
    )
    near = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-8, "atol": 1e-8}
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        torch.testing.assert_close(one, other, **near)
    torch.testing.assert_close(ours.intercept, theirs.intercept, **near)
    torch.testing.assert_close(ours.deltas, theirs.deltas, equal_nan=True, **near)
    torch.testing.assert_close(ours.score, theirs.score, equal_nan=True, **near)
    assert ours.undefined == theirs.undefined == 1
    assert ours.deltas[:, 2].isnan().all() and ours.intercept[2] == 4


def test_every_division_is_a_ridge_on_scaled_bands():
    xs, y = bands(45, (6, 4))
    gammas = torch.tensor([[0.5, 0.5], [0.9, 0.1], [1.0, 0.0], [0.0, 1.0]])
    found = banded_ridge_cv(xs, y, ALPHAS, 3, draws=gammas)
    x, best = torch.cat(xs, 1).numpy(), np.full(6, -np.inf)
    wanted = np.zeros((10, 6))
    for gamma in gammas.double().numpy():
        scale = np.repeat(np.sqrt(gamma), [6, 4])
        for alpha in ALPHAS[::-1]:
            model = SklearnRidge(alpha=alpha, solver="cholesky")
            errors = []
            for train, val in KFold(3).split(x):
                predicted = model.fit(x[train] * scale, y[train].numpy()).predict(x[val] * scale)
                errors.append(((predicted - y[val].numpy()) ** 2).mean(0))
            better = -np.mean(errors, 0) > best
            best[better] = -np.mean(errors, 0)[better]
            wanted[:, better] = (model.fit(x * scale, y.numpy()).coef_ * scale).T[:, better]
    np.testing.assert_allclose(torch.cat(found.weights), wanted, atol=1e-9)
    np.testing.assert_allclose(found.score, best, rtol=1e-9)


def test_one_band_is_ridge():
    xs, y = bands(30, (8,))
    plain, found = ridge_cv(xs[0], y, ALPHAS), banded_ridge_cv(xs, y, ALPHAS, draws=3)
    torch.testing.assert_close(found.weights[0], plain.weight)
    torch.testing.assert_close(found.deltas[0], -plain.alpha.log())
    torch.testing.assert_close(found.predict(xs), plain.predict(xs[0]))


def test_the_band_that_drives_a_voxel_is_let_go_and_predicts_better_than_ridge():
    g = torch.Generator().manual_seed(3)
    xs, test = ([torch.randn(n, k, generator=g) for k in (10, 200)] for n in (100, 200))
    weight = torch.randn(10, 4, generator=g)
    y = xs[0] @ weight + torch.randn(100, 4, generator=g)
    found, plain = banded_ridge_cv(xs, y, ALPHAS, draws=10), ridge_cv(torch.cat(xs, 1), y, ALPHAS)
    assert (found.deltas[0] > found.deltas[1]).all()
    truth = test[0] @ weight
    errors = [((p - truth) ** 2).mean(0) for p in (found.predict(test), plain.predict(torch.cat(test, 1)))]
    assert (errors[0] < errors[1] / 2).all()


def test_missing_responses_and_chunks():
    xs, y = bands(40, (6, 4))
    whole = y.clone()
    y[:10, [1, 4]] = torch.nan
    fold = torch.arange(40) % 4
    found = banded_ridge_cv(xs, y, ALPHAS, fold, draws=6, target_chunk=1)
    for rows, voxels in ((slice(10, None), [1, 4]), (slice(None), [0, 2, 3, 5])):
        part = banded_ridge_cv([x[rows] for x in xs], whole[rows][:, voxels], ALPHAS, fold[rows], draws=6)
        torch.testing.assert_close(torch.cat(found.weights)[:, voxels], torch.cat(part.weights))
        torch.testing.assert_close(found.deltas[:, voxels], part.deltas)
        torch.testing.assert_close(found.score[voxels], part.score)
    with pytest.raises(ValueError, match='himalaya does not take: use backend="torch"'):
        banded_ridge_cv(xs, y, ALPHAS, fold, backend="himalaya")


def test_parts_and_a_constant_add_up_to_the_prediction():
    xs, y = bands(40, (6, 4))
    found = banded_ridge_cv(xs, y, ALPHAS, draws=4)
    rest = found.predict(xs) - found.parts(xs).sum(0)
    torch.testing.assert_close(rest, y.mean(0).expand(40, -1))
    assert found.parts(xs).mean(1).abs().max() < 1e-9


def test_the_gradient_is_that_of_the_error():
    xs, y = bands(30, (3, 4), voxels=3)
    x, band, fold = torch.cat(xs, 1), band_of(xs), torch.arange(30) % 3
    problems = [_fold(x, y, fold == k) for k in range(3)]
    delta = torch.randn(2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    _, gradient = _error_and_gradient(problems, band, delta)
    for k, v in np.ndindex(2, 3):
        errors = []
        for step in (1e-5, -1e-5):
            moved = delta.clone()
            moved[k, v] += step
            errors.append(_error_and_gradient(problems, band, moved)[0][v])
        found = gradient[k, v].item()
        assert (errors[0] - errors[1]).item() / 2e-5 == pytest.approx(found, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("backend", ["torch", "himalaya"])
def test_following_the_gradient_ends_where_scipy_does(backend):
    xs, y = bands(40, (3, 4), voxels=3)
    y[:, 1] = 2.0
    fold = torch.arange(40) % 4
    settings = {"folds": fold, "draws": 3, "backend": backend}
    before = banded_ridge_cv(xs, y, ALPHAS, **settings)
    after = banded_ridge_cv(xs, y, ALPHAS, gradient_steps=60, **settings)
    x, band = torch.cat(xs, 1), band_of(xs)
    problems = [_fold(x, y, fold == k) for k in range(4)]
    for v in (0, 2):

        def error(delta, v=v):
            deltas = torch.from_numpy(delta)[:, None].expand(2, 3)
            return _error_and_gradient(problems, band, deltas)[0][v].item()

        assert error(before.deltas[:, v].numpy()) == pytest.approx(-before.score[v].item(), rel=1e-9)
        assert error(after.deltas[:, v].numpy()) == pytest.approx(-after.score[v].item(), rel=1e-9)
        least = minimize(error, before.deltas[:, v].numpy(), method="Nelder-Mead", bounds=[(-40, 40)] * 2).fun
        assert -after.score[v] == pytest.approx(least, rel=1e-4) and after.score[v] > before.score[v]
        centred = (x - x.mean(0)).numpy()
        penalised = centred.T @ centred + np.diag(np.exp(-after.deltas[:, v].numpy())[band])
        weight = np.linalg.solve(penalised, centred.T @ y[:, v].numpy())
        np.testing.assert_allclose(torch.cat(after.weights)[:, v], weight, atol=1e-8)
    torch.testing.assert_close(after.predict(xs).mean(0), y.mean(0))
    assert after.undefined == 1 and after.deltas[:, 1].isnan().all()


def test_a_gradient_towards_no_penalty_at_all_is_followed_as_far_as_rounding_lets_it():
    """More features than pictures and no noise: the best penalty is 0, where X'X cannot be solved."""
    g = torch.Generator().manual_seed(0)
    xs = [torch.randn(30, 40, generator=g).double() for _ in range(2)]
    y = xs[0] @ torch.randn(40, 2, generator=g).double()
    before, after = (
        banded_ridge_cv(xs, y, (1e-8, 1e-4, 1.0), draws=3, gradient_steps=steps) for steps in (0, 40)
    )
    assert after.predict(xs).isfinite().all() and (after.score >= before.score).all()


def test_divisions_begin_equal_sum_to_one_and_follow_the_seed():
    found = divisions(40, 3, seed=1)
    assert found[0].tolist() == pytest.approx([1 / 3] * 3)
    torch.testing.assert_close(found.sum(1), torch.ones(40, dtype=torch.float64))
    assert (found > 0).all()
    assert (found[1::2].amax(1) > 0.9).sum() > (
        found[2::2].amax(1) > 0.9
    ).sum()  # concentrations 0.1 and 1 in turn
    assert torch.equal(found, divisions(40, 3, seed=1))
    assert not torch.equal(found, divisions(40, 3, seed=2))
    torch.testing.assert_close(divisions([[1, 3]], 2), torch.tensor([[0.25, 0.75]], dtype=torch.float64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xs": []}, "one band of features or more"),
        ({"draws": 0}, "draws must be at least 1"),
        ({"draws": torch.ones(2, 3)}, r"divisions \[D, 2\], got \[2, 3\]"),
        ({"draws": torch.tensor([[1.0, -1.0]])}, "divisions of 0 or more"),
        ({"draws": torch.tensor([[0.0, 0.0]])}, "at least one of them above 0"),
        ({"gradient_steps": 3, "score": "r"}, "gradient_steps needs score="),
        ({"gradient_steps": -1}, "gradient_steps must be at least 0"),
        ({"backend": "numpy"}, "backend must be torch or himalaya, got 'numpy'"),
        ({"draws": torch.tensor([[1.0, 0.0]]), "backend": "himalaya"}, "draws have divisions with a 0"),
        ({"xs": [torch.randn(30, 2), torch.randn(29, 2)]}, r"\[30, 2\] and \[29, 2\], and \[30, 6\]"),
    ],
)
def test_errors_say_what_is_wrong(change, message):
    xs, y = bands(30, (3, 2))
    with pytest.raises(ValueError, match=message):
        banded_ridge_cv(**({"xs": xs, "y": y, "alphas": [1.0]} | change))


def test_himalaya_is_optional_and_its_switch_is_put_back(monkeypatch):
    from himalaya.backend import get_backend, set_backend

    xs, y = bands(30, (3, 2))
    before = get_backend().name
    try:
        set_backend("numpy")
        banded_ridge_cv(xs, y, [1.0], draws=2, backend="himalaya")
        assert get_backend().name == "numpy"
    finally:
        set_backend(before)
    monkeypatch.setitem(sys.modules, "himalaya", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install gazekit-attention\[himalaya\]"):
        banded_ridge_cv(xs, y, [1.0], draws=2, backend="himalaya")
    assert banded_ridge_cv(xs, y, [1.0], draws=2).undefined == 0


def test_bands_are_arrays_of_any_kind_but_a_list():
    rng = np.random.default_rng(0)
    xs, y = [rng.normal(size=(20, 4)), rng.normal(size=(20, 2))], rng.normal(size=(20, 3))
    found = banded_ridge_cv(xs, y, [1.0], 4, draws=2)
    tensors = [torch.from_numpy(x) for x in xs]
    np.testing.assert_array_equal(found.predict(xs), found.predict(tensors))
    np.testing.assert_array_equal(found.parts(xs), found.parts(tensors))
    with pytest.raises(ValueError, match=r"list of bands, each \[n, F_k\], got one array \[20, 4\]"):
        banded_ridge_cv(xs[0], y, [1.0], 4)
