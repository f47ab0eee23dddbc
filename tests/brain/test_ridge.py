"""Ridge regression against scikit-learn and himalaya, and what must not change it."""

from __future__ import annotations

import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.linear_model import RidgeCV as SklearnRidgeCV
from sklearn.model_selection import KFold

from gazekit.brain import Ridge, group_folds, ridge_cv
from gazekit.brain.missing import MAX_PATTERNS, patterns
from gazekit.brain.ridge_solver import RidgeSolver, few_penalties, principal_axes
from gazekit.harness import extra_memory_mb
from gazekit.metrics.functional import pearson

ALPHAS = np.logspace(-2, 4, 7)
FEW = settings(deadline=None, max_examples=20)
SHAPES = [(60, 20), (40, 90), (53, 300), (31, 30)]


def toy(n: int, features: int, voxels: int = 7, seed: int = 0, dtype=torch.float64):
    """Features of a common scale and mean, responses with signal and noise about 50."""
    g = torch.Generator().manual_seed(seed)
    x = 3 + torch.randn(n, features, generator=g, dtype=torch.float64)
    weight = torch.randn(features, voxels, generator=g, dtype=torch.float64)
    noise = torch.randn(n, voxels, generator=g, dtype=torch.float64) * torch.logspace(-1, 2, voxels)
    return x.to(dtype), (50 + x @ weight + noise).to(dtype)


def plain(x, y, alphas, folds, score="mse"):
    """Scores [A, V] by scikit-learn's solver, one fit at a time, averaged over folds."""
    x, y = x.numpy(), y.numpy()
    tables = []
    for train, val in folds:
        rows = []
        for alpha in alphas:
            predicted = SklearnRidge(alpha=alpha, solver="cholesky").fit(x[train], y[train]).predict(x[val])
            if score == "mse":
                rows.append(-((predicted - y[val]) ** 2).mean(0))
            else:
                rows.append(pearson(predicted, y[val]).numpy())
        tables.append(rows)
    return np.mean(tables, 0)


@pytest.mark.parametrize("score", ["mse", "r"])
@pytest.mark.parametrize(("n", "features"), SHAPES)
def test_the_same_as_scikit_learn_fold_by_fold(n, features, score):
    x, y = toy(n, features)
    found = ridge_cv(x, y, ALPHAS, 5, score=score)
    scores = plain(x, y, ALPHAS, KFold(5).split(x), score)
    np.testing.assert_array_equal(found.alpha.numpy(), ALPHAS[scores.argmax(0)])
    np.testing.assert_allclose(found.score.numpy(), scores.max(0), rtol=1e-9)
    whole = SklearnRidge(alpha=found.alpha.numpy(), solver="cholesky").fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(found.weight.numpy(), whole.coef_.T, atol=1e-9)
    np.testing.assert_allclose(found.intercept.numpy(), whole.intercept_, atol=1e-7)
    np.testing.assert_allclose(found.predict(x).numpy(), whole.predict(x.numpy()), atol=1e-8)
    assert found.undefined == 0


@pytest.mark.parametrize("score", ["mse", "r"])
@pytest.mark.parametrize(("n", "features"), SHAPES)
def test_the_same_as_himalaya(n, features, score):
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import correlation_score, l2_neg_loss

    x, y = toy(n, features, seed=1)
    found = ridge_cv(x, y, ALPHAS, score=score)
    settings = {"score_func": {"mse": l2_neg_loss, "r": correlation_score}[score], "warn": False}
    theirs = RidgeCV(ALPHAS, fit_intercept=True, cv=5, solver_params=settings).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(found.alpha.numpy(), theirs.best_alphas_, rtol=1e-9)
    np.testing.assert_allclose(found.weight.numpy(), theirs.coef_, atol=1e-9)
    np.testing.assert_allclose(found.intercept.numpy(), theirs.intercept_, atol=1e-8)
    np.testing.assert_allclose(found.score.numpy(), theirs.cv_scores_.ravel(), rtol=1e-7, atol=2e-9)


def test_leaving_out_single_pictures_is_scikit_learns_generalised_cross_validation():
    x, y = toy(40, 12)
    found = ridge_cv(x, y, ALPHAS, 40)
    theirs = SklearnRidgeCV(ALPHAS, alpha_per_target=True).fit(x.numpy(), y.numpy())
    np.testing.assert_array_equal(found.alpha.numpy(), theirs.alpha_)
    np.testing.assert_allclose(found.score.numpy(), theirs.best_score_, rtol=1e-8)
    np.testing.assert_allclose(found.weight.numpy(), theirs.coef_.T, atol=1e-9)


@pytest.mark.parametrize(("n", "features"), SHAPES)
def test_float32_is_as_good_as_float64(n, features):
    x, y = toy(n, features)
    scale = torch.logspace(0, -2, features)  # eigenvalues over four decades
    exact, found = ridge_cv(x * scale, y, ALPHAS), ridge_cv((x * scale).float(), y.float(), ALPHAS)
    assert {one.dtype for one in found} == {torch.float32}
    torch.testing.assert_close(found.alpha.double(), exact.alpha, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.score.double(), exact.score, rtol=1e-4, atol=1e-5)
    predicted = found.predict((x * scale).float()).double()
    torch.testing.assert_close(predicted, exact.predict(x * scale), rtol=0, atol=3e-5 * float(y.std(0).max()))


def test_shuffled_pictures_with_their_folds_give_the_same():
    x, y = toy(60, 20)
    fold = group_folds(torch.arange(60) // 3, 4)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    for one, other in zip(
        ridge_cv(x, y, ALPHAS, fold), ridge_cv(x[order], y[order], ALPHAS, fold[order]), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@FEW
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_scale_and_mean_of_responses_change_nothing_but_scale_and_mean(scale, shift, seed):
    x, y = toy(30, 8, seed=seed)
    before, after = ridge_cv(x, y, ALPHAS, 3), ridge_cv(x, y * scale + shift, ALPHAS, 3)
    torch.testing.assert_close(after.alpha, before.alpha)
    torch.testing.assert_close(after.weight, before.weight * scale, rtol=1e-7, atol=1e-9 * scale)
    torch.testing.assert_close(after.intercept, before.intercept * scale + shift, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(after.score, before.score * scale**2, rtol=1e-6, atol=0)


@FEW
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100), seed=st.integers(0, 99))
def test_scaled_features_need_penalties_scaled_by_the_square(scale, shift, seed):
    x, y = toy(30, 8, seed=seed)
    before, after = ridge_cv(x, y, ALPHAS, 3), ridge_cv(x * scale + shift, y, ALPHAS * scale**2, 3)
    torch.testing.assert_close(after.alpha, before.alpha * scale**2)
    torch.testing.assert_close(after.weight * scale, before.weight, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(after.score, before.score, rtol=1e-6, atol=0)


@FEW
@given(order=st.permutations(range(7)), chunk=st.integers(1, 8))
def test_voxels_do_not_depend_on_each_other(order, chunk):
    x, y = toy(24, 30)
    whole, found = ridge_cv(x, y, ALPHAS, 4), ridge_cv(x, y[:, order], ALPHAS, 4, target_chunk=chunk)
    for one, other in zip(whole, found, strict=True):
        torch.testing.assert_close(one[..., order], other, rtol=1e-8, atol=1e-9)


def test_of_equally_good_penalties_the_largest():
    x, y = toy(20, 3)
    x[:, 1:] = 1
    x[:, 0] = 2  # no feature varies: all predict the mean
    found = ridge_cv(x, y, [1, 100, 10], 4)
    assert found.alpha.tolist() == [100] * 7
    assert (found.weight == 0).all()
    torch.testing.assert_close(found.intercept, y.mean(0))


def test_a_fold_whose_training_pictures_are_all_alike_predicts_their_mean():
    x, y = torch.tensor([[1.0], [1.0], [5.0]]), torch.tensor([[0.0], [2.0], [6.0]])
    found = ridge_cv(x, y, [1.0], torch.tensor([0, 0, 1]))
    # fold 0: 6 for 0 and 2, fold 1: 1 for 6
    assert found.score.item() == pytest.approx(-((36 + 16) / 2 + 25) / 2)


def test_constant_voxels_have_no_weights_and_are_counted():
    x, y = toy(30, 6)
    y[:, 2], y[:, 5] = 0.1, torch.nan
    y[:20, 4], y[20:, 4] = torch.nan, 7.0
    for dtype in (torch.float64, torch.float32):
        found = ridge_cv(x.to(dtype), y.to(dtype), ALPHAS, torch.arange(30) % 3)
        assert found.undefined == 3
        assert (
            found.alpha.isnan().tolist() == found.score.isnan().tolist() == [v in (2, 4, 5) for v in range(7)]
        )
        assert (found.weight[:, [2, 4]] == 0).all()
        assert found.intercept[[2, 4]].tolist() == pytest.approx([0.1, 7])
        assert found.weight[:, 5].isnan().all() and found.intercept[5].isnan()


def test_missing_pictures_are_as_if_never_shown():
    x, y = toy(50, 10)
    whole = y.clone()
    y[:12, [1, 3]] = torch.nan
    y[40:, 6] = torch.nan
    fold = torch.arange(50) % 4
    found = ridge_cv(x, y, ALPHAS, fold, target_chunk=2)
    for rows, voxels in ((range(12, 50), [1, 3]), (range(40), [6]), (range(50), [0, 2, 4, 5])):
        rows = list(rows)
        alone = ridge_cv(x[rows], whole[rows][:, voxels], ALPHAS, fold[rows])
        for one, other in zip(found, alone, strict=True):
            torch.testing.assert_close(one[..., voxels], other)


def test_a_voxel_seen_in_one_fold_only_is_undefined():
    x, y = toy(30, 6)
    y[10:, 0] = torch.nan
    found = ridge_cv(x, y, ALPHAS, torch.arange(30) // 10)
    assert found.undefined == 1
    assert found.weight[:, 0].isnan().all()


def test_folds_in_which_r_is_undefined_are_left_out():
    x, y = toy(40, 6)
    y[:10, 0] = 3.0
    found = ridge_cv(x, y, ALPHAS, 4, score="r")
    scores = plain(x, y, ALPHAS, list(KFold(4).split(x))[1:], "r")
    assert found.score[0] == pytest.approx(scores[:, 0].max())


def test_patterns_hold_every_voxel_once():
    y = torch.randn(9, 5000, generator=torch.Generator().manual_seed(0))
    y[3, ::2] = torch.nan
    y[0, ::7] = torch.nan
    found = patterns(y)
    assert sorted(torch.cat([voxels for _, voxels in found]).tolist()) == list(range(5000))
    for rows, voxels in found:
        present = torch.zeros(9, dtype=torch.bool)
        present[slice(None) if rows is None else rows] = True
        assert (~y[:, voxels].isnan() == present[:, None]).all()
    assert len(found) == 4


@pytest.mark.parametrize("spectrum", [np.linspace(4e3, 1.4e4, 200), 1e6 * np.arange(1, 201.0) ** -1])
def test_a_few_penalties_make_all(spectrum):
    values, alphas = torch.from_numpy(spectrum), torch.logspace(8, -2, 40, dtype=torch.float64)
    chosen, mix = few_penalties(values, alphas, 3e-8)
    assert len(chosen) < 25 and mix.shape == (40, len(chosen))
    wanted = values / (values + alphas[:, None])
    made = values * (mix @ (1 / (values + alphas[chosen, None])))
    assert ((made - wanted).abs().amax(1) < 1e-6 * wanted.amax(1)).all()


def test_a_fine_grid_in_float32_gives_the_scores_of_each_penalty():
    x, y = toy(80, 30)
    alphas = torch.logspace(6, -2, 60, dtype=torch.float64)
    fold = torch.arange(80) % 4
    tables = []
    for dtype in (torch.float32, torch.float64):
        solver = RidgeSolver(x, fold, alphas, "mse", dtype)
        tables.append(solver.scores(solver.project(y.to(dtype))))
    assert (
        solver.folds[0].mix.shape[1]
        > RidgeSolver(x, fold, alphas, "mse", torch.float32).folds[0].mix.shape[1]
    )
    torch.testing.assert_close(tables[0].double(), tables[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("n", "features"), SHAPES)
def test_principal_axes_are_a_rotation(n, features):
    x = toy(n, features)[0]
    x[:, 3] = x[:, 2]
    axes, values, turned = principal_axes(x, x.mean(0))
    assert len(values) == min(n - 1, features - 1)
    torch.testing.assert_close(axes.T @ axes, torch.eye(len(values), dtype=torch.float64))
    torch.testing.assert_close(turned @ axes.T, x - x.mean(0))
    torch.testing.assert_close(turned.T @ turned, values.diag(), rtol=1e-9, atol=1e-6)


def test_arrays_of_numpy_and_one_penalty():
    x, y = toy(30, 6)
    found = ridge_cv(x.numpy(), y.numpy(), [3.0], 2)
    assert isinstance(found, Ridge) and (found.alpha == 3).all()
    np.testing.assert_allclose(found.weight.T, SklearnRidge(alpha=3).fit(x, y).coef_, atol=1e-10)
    assert ridge_cv(x.float(), y, [3.0]).weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x": torch.randn(19, 3)},
            r"the same n pictures, at least one of each, got \[19, 3\], and \[20, 2\]",
        ),
        ({"y": torch.randn(20)}, r"y \[n, V\]"),
        ({"y": torch.randn(20, 0)}, r"at least one of each, got \[20, 3\], and \[20, 0\]"),
        ({"x": torch.randn(20, 0)}, r"at least one of each, got \[20, 0\]"),
        ({"x": torch.full((20, 3), torch.nan)}, "x has features that are NaN or infinite"),
        ({"y": torch.tensor([[0.0, torch.inf]] * 20)}, "got inf at picture 0, voxel 1"),
        ({"alphas": []}, "one or more numbers above 0"),
        ({"alphas": [1.0, 0.0]}, r"above 0, got \[1.0, 0.0\]"),
        ({"folds": 1}, "from 2 to the number of pictures, 20, got 1"),
        ({"folds": 21}, "got 21"),
        ({"folds": torch.zeros(20, dtype=torch.int64)}, "two labels or more"),
        ({"folds": torch.arange(19)}, r"label of each picture, \[20\], got \[19\]"),
        ({"folds": 10, "score": "r"}, 'score="r" needs 3 pictures or more in each fold, got 2'),
        ({"score": "r2"}, "score must be one of mse, r, got 'r2'"),
        ({"target_chunk": 0}, "target_chunk must be at least 1"),
    ],
)
def test_errors_say_what_is_wrong(change, message):
    x, y = torch.randn(20, 3), torch.randn(20, 2)
    with pytest.raises(ValueError, match=message):
        ridge_cv(**({"x": x, "y": y, "alphas": [1.0]} | change))


def test_scattered_gaps_are_an_error():
    y = torch.randn(100, 100)
    y[torch.arange(100), torch.arange(100)] = torch.nan
    with pytest.raises(ValueError, match=f"100 patterns of missing pictures, at most {MAX_PATTERNS}"):
        ridge_cv(torch.randn(100, 3), y, [1.0])


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from Linux")
def test_memory_does_not_grow_with_voxels_beyond_the_result():
    """400 pictures, 40 features: a quarter of the voxels, then all, 1,000 at once."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(400, 40, generator=g), torch.randn(400, 40_000, generator=g)
    result_mb = 4 * (40 + 3) * y.shape[1] / 1e6
    parts = y[:, :10_000].clone(), y
    small, large = (  # the least of three: the allocator keeps more or less of what was freed
        min(extra_memory_mb(lambda one=one: ridge_cv(x, one, ALPHAS, target_chunk=1000)) for _ in range(3))
        for one in parts
    )
    # besides the result: the voxels' numbers, twice 8 bytes each; all voxels at once would be 48 MB more
    assert large - small < 0.75 * result_mb + 0.75 * 16 * 0.04 + 12
    assert large < y.nbytes / 1e6  # 64 MB: the responses are not copied


@pytest.mark.parametrize(
    ("n", "features", "penalties", "folds"), [(10_000, 1_000, 20, 5), (500, 2_000, 10, 3)]
)
def test_the_default_chunk_is_as_large_as_256_mib_allow(n, features, penalties, folds):
    """What a chunk holds at once, counted from the definition."""
    r, val = min(features, n), n // folds
    solver = object.__new__(RidgeSolver)  # without its decompositions
    solver.order, solver.spectrum, solver.dtype = torch.empty(n), torch.empty(r), torch.float32
    fold = SimpleNamespace(triangle=torch.empty(min(val, r), 1), mix=torch.empty(penalties, penalties))
    solver.folds = [fold] * folds
    numbers = 2 * n + folds * (min(val, r) + r) + 5 * r + 64 * 2 * penalties
    assert solver.chunk(None) == 2**28 // (4 * numbers)
    assert solver.chunk(7) == 7


def test_nothing_warns_on_many_features():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ridge_cv(*toy(20, 60, dtype=torch.float32), ALPHAS)


def test_predictions_take_what_the_fit_takes():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 3))
    found = ridge_cv(x, y, [1.0], 4)
    np.testing.assert_array_equal(found.predict(x), found.predict(torch.from_numpy(x)))
    with pytest.raises(ValueError, match=r"x must have shape \[n, 4\], as in the fit, got \[20, 3\]"):
        found.predict(x[:, :3])
