"""Folds as scikit-learn's, and groups that stay together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from gazekit.brain import fold_numbers, group_folds


@given(n=st.integers(2, 60), folds=st.integers(2, 12))
def test_numbered_folds_are_scikit_learns(n, folds):
    if folds > n:
        return
    found = fold_numbers(folds, n).numpy()
    for k, (_, val) in enumerate(KFold(folds).split(np.zeros(n))):
        np.testing.assert_array_equal(np.flatnonzero(found == k), val)


def test_labels_become_numbers():
    assert fold_numbers(torch.tensor([7, -1, 7, 3]), 4).tolist() == [2, 0, 2, 1]


@settings(deadline=None)
@given(group=st.lists(st.integers(0, 12), min_size=1, max_size=60), folds=st.integers(2, 5))
def test_no_group_is_split_and_folds_are_even(group, folds):
    group = torch.tensor(group)
    if len(group.unique()) < folds:
        with pytest.raises(ValueError, match=f"{folds} folds need as many groups"):
            group_folds(group, folds)
        return
    fold = group_folds(group, folds)
    assert sorted(fold.unique().tolist()) == list(range(folds))
    for one in group.unique():
        assert len(fold[group == one].unique()) == 1
    sizes = fold.bincount(minlength=folds)
    assert sizes.max() - sizes.min() <= group.bincount().max()
