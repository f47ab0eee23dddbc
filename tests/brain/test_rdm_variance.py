"""Non-negative variance explained between dissimilarities, against scipy's non-negative least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from gazekit.brain.rdm_variance import ceiling_r2, nonnegative_r2, partition_r2


def by_nnls(models: np.ndarray, brain: np.ndarray) -> float:
    x = (models - models.mean(1, keepdims=True)) / models.std(1, keepdims=True)
    y = (brain - brain.mean()) / brain.std()
    return 1 - nnls(x.T, y)[1] ** 2 / len(y)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_one_and_two_models_are_non_negative_least_squares(seed):
    draw = np.random.default_rng(seed)
    common = draw.normal(0, 1, 40)
    models = draw.normal(0, 1, (2, 40)) + draw.normal(0, 1, (2, 1)) * common
    brain = draw.normal(0, 1, (3, 40)) + draw.normal(0, 1, (3, 1)) * common
    alone = nonnegative_r2(torch.tensor(models), torch.tensor(brain))
    found = partition_r2(*torch.tensor(models), torch.tensor(brain))
    for s in range(3):
        known = [by_nnls(models[[m]], brain[s]) for m in (0, 1)]
        both = by_nnls(models, brain[s])
        np.testing.assert_allclose(alone[:, s], known, atol=1e-9)
        np.testing.assert_allclose(found.both[s], both, atol=1e-9)
        np.testing.assert_allclose(found.unique_first[s], max(0, both - known[1]), atol=1e-9)
        np.testing.assert_allclose(found.unique_second[s], max(0, both - known[0]), atol=1e-9)
        np.testing.assert_allclose(found.shared[s], max(0, sum(known) - both), atol=1e-9)


def test_opposite_models_explain_nothing_and_equal_ones_share_all():
    brain = torch.randn(2, 30, generator=torch.Generator().manual_seed(0))
    assert nonnegative_r2(-brain[:1], brain)[0, 0] == 0
    assert nonnegative_r2(3 * brain[:1] + 1, brain)[0, 0] == pytest.approx(1)
    found = partition_r2(brain[0], 2 * brain[0], brain)
    assert found.shared[0] == pytest.approx(1) and found.unique_first[0] == pytest.approx(0, abs=1e-9)


def test_ceiling_is_each_subject_with_the_mean_of_the_others():
    brain = torch.randn(4, 50, generator=torch.Generator().manual_seed(1)) + torch.linspace(0, 3, 50)
    known = [
        max(0, np.corrcoef(np.delete(brain.numpy(), s, 0).mean(0), brain[s])[0, 1]) ** 2 for s in range(4)
    ]
    np.testing.assert_allclose(ceiling_r2(brain), known, rtol=1e-5)
    assert ceiling_r2(brain[:1]).isnan().all()


def test_undefined_and_wrong_shapes():
    brain = torch.rand(2, 6)
    assert nonnegative_r2(torch.full((1, 6), 0.3), brain).isnan().all()
    with pytest.raises(ValueError, match="expected pairs"):
        nonnegative_r2(brain[0], brain)
