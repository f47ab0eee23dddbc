"""Weights of an ensemble, correlations over batches, and features as seen by gaze."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gazekit.models.brain_encoding.ensemble import Correlations, member_weights
from gazekit.models.brain_encoding.gaze import gazed


def test_weights_of_members_sum_to_one_and_follow_the_source() -> None:
    r = torch.tensor([[0.3, 0.1], [0.5, 0.1], [0.2, torch.nan], [0.2, 0.1]])  # two layers, two runs
    found = member_weights(r, runs=2)
    torch.testing.assert_close(found.sum(0), torch.ones(2))
    best = np.exp(40 * 0.4) / (np.exp(40 * 0.4) + np.exp(40 * 0.2))
    assert found[0, 0] == found[1, 0] == pytest.approx(best / 2)
    torch.testing.assert_close(member_weights(torch.full((4, 3), torch.nan), 2), torch.full((4, 3), 0.25))


def test_correlations_over_batches_leave_out_what_is_missing() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(2, 50, 3)), draw.normal(size=(50, 3))
    y[draw.random((50, 3)) < 0.3] = np.nan
    y[:, 2] = np.nan
    x[1, :, 0] = 2.0
    seen = Correlations()
    for part in (slice(0, 7), slice(7, 50)):
        seen.add(torch.tensor(x[:, part]), torch.tensor(y[part]))
    found = seen.value()
    for m in range(2):
        for v in range(2):
            there = np.isfinite(y[:, v])
            if m == 1 and v == 0:
                assert found[m, v].isnan()  # a constant prediction
            else:
                assert found[m, v] == pytest.approx(np.corrcoef(x[m, there, v], y[there, v])[0, 1], abs=1e-5)
    assert found[:, 2].isnan().all()


def test_gaze_weights_and_recentres() -> None:
    maps = torch.randn(2, 3, 4, 4)
    look = torch.zeros(2, 8, 8)
    look[0, 2:4, 6:8] = 5.0  # all of it in cell (1, 3)
    weighted = gazed(maps, look, "weight")
    torch.testing.assert_close(weighted[0].mean((1, 2)), maps[0, :, 1, 3])
    torch.testing.assert_close(weighted[1], maps[1])  # nobody looked
    odd = torch.randn(1, 3, 5, 5)
    look = torch.zeros(1, 5, 5)
    look[0, 1, 3] = 1.0
    moved = gazed(odd, look, "recentre")
    torch.testing.assert_close(moved[0, :, 2, 2], odd[0, :, 1, 3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        moved[0, :, 0, 4], torch.zeros(3), atol=1e-6, rtol=0
    )  # from outside the picture
    vector = torch.randn(1, 3, 1, 1)
    assert torch.equal(gazed(vector, look, "recentre"), vector)


def test_gaze_refuses_what_it_does_not_know() -> None:
    maps = torch.randn(1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"gaze must be one of weight, recentre, got 'shift'"):
        gazed(maps, torch.ones(1, 4, 4), "shift")
    with pytest.raises(ValueError, match=r"must not be negative or NaN"):
        gazed(maps, torch.full((1, 4, 4), torch.nan), "weight")
