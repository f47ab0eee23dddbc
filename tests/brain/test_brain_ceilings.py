"""Ceilings against loops in numpy, and against what simulated noise implies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gazekit.brain.ceilings import (
    leave_one_subject_out,
    noise_ceiling_of,
    repeat_blocks,
    split_half_ceiling,
)
from gazekit.metrics.functional import noise_ceiling
from gazekit.metrics.functional.moments import merge_moments
from gazekit.metrics.functional.noise_ceiling import ceiling_of


def presented(repeats: int = 4, n: int = 400, noise=(0.5, 1.0, 2.0), seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    signal = torch.randn(n, len(noise), generator=generator)
    return signal + torch.tensor(noise) * torch.randn(repeats, n, len(noise), generator=generator)


def test_noise_ceiling_where_voxels_lack_presentations_of_their_own() -> None:
    repeats = presented(3, 60)
    assert torch.allclose(noise_ceiling_of(repeats), noise_ceiling(repeats))
    assert torch.allclose(noise_ceiling_of(repeats, 1), noise_ceiling(repeats, n_averaged=1))
    mask = torch.rand(3, 60, generator=torch.Generator().manual_seed(1)) > 0.3
    repeats[..., 1] = torch.where(mask, repeats[..., 1], torch.nan)
    found = noise_ceiling_of(repeats)
    known = mask.any(0)
    alone = noise_ceiling(torch.where(mask, repeats[..., 1], 0.0)[:, known, None], mask[:, known])
    assert found[1] == pytest.approx(float(alone), rel=1e-6)
    assert torch.allclose(found[[0, 2]], noise_ceiling(repeats[..., [0, 2]]))


def test_blocks_of_pictures_add_up() -> None:
    repeats = presented(3, 60)
    packed, sums = repeat_blocks(repeats, torch.arange(60) % 7, 7)
    whole = ceiling_of(merge_moments(packed.movedim(1, 0)), sums.sum(1), None)
    assert torch.allclose(whole, noise_ceiling(repeats))


def test_split_halves_equal_a_loop() -> None:
    repeats = presented(5, 30)
    generator = torch.Generator().manual_seed(3)
    r = []
    for _ in range(4):
        order = torch.rand(5, 30, generator=generator).argsort(0).numpy()
        dealt = np.take_along_axis(repeats.numpy(), order[..., None], 0)
        a, b = dealt[:2].mean(0), dealt[2:4].mean(0)
        r.append([np.corrcoef(a[:, v], b[:, v])[0, 1] for v in range(3)])
    r = np.mean(r, 0)
    expected = 2.5 * r / (1 + 1.5 * r)
    assert split_half_ceiling(repeats, 4, seed=3).numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_split_halves_estimate_the_same_as_the_variance(k: int) -> None:
    repeats = presented(k, 4000)
    truth = 1 / (1 + torch.tensor([0.25, 1.0, 4.0]).double() / k)
    assert torch.allclose(split_half_ceiling(repeats, 10), truth, atol=0.03)
    assert torch.allclose(noise_ceiling_of(repeats), truth, atol=0.03)


def test_split_halves_leave_out_pictures_that_were_shown_once() -> None:
    repeats = presented(4, 100)
    repeats[1:, 50:, 0] = torch.nan
    repeats[1:, :, 1] = torch.nan
    repeats[:, :, 2] = 1.0
    found = split_half_ceiling(repeats, 3)
    assert found[0] == pytest.approx(float(split_half_ceiling(repeats[:, :50], 3)[0]), abs=0.1)
    assert found[1:].isnan().all()
    with pytest.raises(ValueError, match="splits"):
        split_half_ceiling(repeats, 0)


def test_leave_one_subject_out_equals_a_loop() -> None:
    response = presented(4, 50).numpy()  # four subjects
    lower = [
        [np.corrcoef(response[s, :, v], np.delete(response, s, 0).mean(0)[:, v])[0, 1] for v in range(3)]
        for s in range(4)
    ]
    upper = [
        [np.corrcoef(response[s, :, v], response.mean(0)[:, v])[0, 1] for v in range(3)] for s in range(4)
    ]
    found = leave_one_subject_out(torch.from_numpy(response))
    assert found.lower.numpy() == pytest.approx(np.mean(lower, 0))
    assert found.upper.numpy() == pytest.approx(np.mean(upper, 0))
    assert (found.lower < found.upper).all()


def test_leave_one_subject_out_with_pictures_that_few_have_seen() -> None:
    response = presented(3, 40)
    response[2, 10:] = torch.nan
    response[1:, 35:] = torch.nan  # the first subject alone
    found = leave_one_subject_out(response)
    y = response[:, :35].numpy()
    r = [np.corrcoef(y[0, :, 0], np.nanmean(y[1:], 0)[:, 0])[0, 1]]
    r += [np.corrcoef(y[1, :, 0], np.nanmean(y[[0, 2]], 0)[:, 0])[0, 1]]
    r += [np.corrcoef(y[2, :10, 0], y[:2, :10].mean(0)[:, 0])[0, 1]]
    assert float(found.lower[0]) == pytest.approx(np.mean(r), abs=1e-6)
    assert leave_one_subject_out(response[:1]).lower.isnan().all()
    with pytest.raises(ValueError, match=r"\[S, n, V\]"):
        leave_one_subject_out(response[0])
