"""Noise ceilings: golden voxels, loops over stimuli, simulated signal and noise."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from gazekit.metrics import ExplainableVariance, NoiseCeiling
from gazekit.metrics.functional import explainable_variance, noise_ceiling, noise_ceiling_of_means, pearson


def simulated(repeats: int, n: int, voxels: int, noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Responses [R, n, V] with a signal of variance 1, and the signal [n, V]."""
    draw = torch.Generator().manual_seed(seed)
    signal = torch.randn(n, voxels, generator=draw, dtype=torch.float64)
    return signal + noise * torch.randn(repeats, n, voxels, generator=draw, dtype=torch.float64), signal


def by_loops(repeats: np.ndarray, mask: np.ndarray, n_averaged: int | None) -> tuple[float, float]:
    """Ceiling and explainable variance of one voxel [R, n]."""
    shown = [repeats[mask[:, i], i] for i in range(repeats.shape[1])]
    shown = [x for x in shown if len(x)]
    noise = np.mean([np.var(x, ddof=1) for x in shown if len(x) > 1])
    total = np.var(np.concatenate(shown), ddof=1)
    share = np.mean([1 / len(x) for x in shown]) if n_averaged is None else 1 / n_averaged
    ncsnr_squared = max(0, total - noise) / noise
    return ncsnr_squared / (ncsnr_squared + share), 1 - noise / total


def test_golden_voxels_from_means(shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden_metrics" / "misc_expected.json").read_text())["encoding"]
    repeats = torch.tensor(golden["repeats_stim_voxel_rep"], dtype=torch.float64)  # [20, 5, 3]
    noise = repeats.var(-1).mean(0)
    found = noise_ceiling_of_means(repeats.mean(-1), noise, repeats=3)
    expected = golden["expected"]["nsd_noise_ceiling_var_fraction_3rep"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    # the form that sees all repeats estimates the same
    np.testing.assert_allclose(noise_ceiling(repeats.permute(2, 0, 1)), expected, rtol=0, atol=0.06)


@pytest.mark.parametrize("n_averaged", [None, 1, 4])
def test_equals_loops_with_presentations_missing(n_averaged: int | None) -> None:
    repeats, _ = simulated(4, 15, 6, noise=1.5)
    draw = torch.Generator().manual_seed(1)
    mask = torch.rand(4, 15, generator=draw) < 0.6
    mask[:, 0] = False
    spoilt = torch.where(mask[..., None], repeats, torch.nan)
    ceiling, variance = noise_ceiling(spoilt, mask, n_averaged), explainable_variance(spoilt, mask)
    for v in range(6):
        expected = by_loops(repeats[..., v].numpy(), mask.numpy(), n_averaged)
        assert (ceiling[v].item(), variance[v].item()) == pytest.approx(expected, abs=1e-12)


def test_is_what_the_true_signal_reaches() -> None:
    """A perfect model's squared correlation with the mean of 3, and with a single trial."""
    repeats, signal = simulated(3, 4000, 5, noise=1.4)
    for n_averaged, response in ((None, repeats.mean(0)), (1, repeats[0])):
        reached = pearson(signal, response) ** 2
        np.testing.assert_allclose(noise_ceiling(repeats, n_averaged=n_averaged), reached, atol=0.03)
    np.testing.assert_allclose(explainable_variance(repeats), 1 / (1 + 1.4**2), atol=0.03)
    truth = noise_ceiling_of_means(repeats.mean(0), torch.full((5,), 1.4**2), 3)
    np.testing.assert_allclose(truth, noise_ceiling(repeats), atol=0.03)


def test_pure_noise_and_no_noise() -> None:
    noise = torch.randn(3, 50, 200, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert explainable_variance(noise).mean().abs() < 0.01  # not cut at 0
    assert (explainable_variance(noise) < 0).any()
    assert (noise_ceiling(noise) >= 0).all()
    assert (noise_ceiling(noise) == 0).any()
    pure = noise[:1].expand(3, 50, 200)
    torch.testing.assert_close(noise_ceiling(pure), torch.ones(200).double())
    torch.testing.assert_close(explainable_variance(pure), torch.ones(200).double())


def test_single_trials_have_the_explainable_variance_as_ceiling() -> None:
    repeats, _ = simulated(3, 20, 8, noise=0.8)
    torch.testing.assert_close(noise_ceiling(repeats, n_averaged=1), explainable_variance(repeats))


def test_undefined() -> None:
    repeats, _ = simulated(3, 6, 4, noise=1.0)
    repeats[..., 1] = 0.1  # says nothing
    repeats[0, 2, 2] = torch.nan
    for metric in (noise_ceiling, explainable_variance):
        assert metric(repeats).isnan().tolist() == [False, True, True, False]
        assert metric(repeats[:1]).isnan().all()  # no repeats
        assert metric(repeats[:, :1]).isnan().all()  # one stimulus
        assert metric(repeats[:0]).isnan().all()
        assert metric(repeats[:, :0]).isnan().all()
    flat = torch.tensor([[1.0, 2.0], [1.0, 3.0]])
    assert noise_ceiling_of_means(flat, torch.tensor([0.0, 0.0]), 3).isnan().tolist() == [True, False]
    assert noise_ceiling_of_means(flat[:1], torch.tensor([1.0, 1.0]), 3).isnan().all()


def test_voxels_alone_and_a_large_mean() -> None:
    repeats, _ = simulated(3, 10, 4, noise=1.0)
    for metric in (noise_ceiling, explainable_variance):
        whole = metric(repeats)
        for v in range(4):
            torch.testing.assert_close(metric(repeats[..., v].numpy()), whole[v], rtol=0, atol=1e-14)
        np.testing.assert_allclose(metric(repeats + 2.0**20), whole, rtol=0, atol=1e-9)
        np.testing.assert_allclose(metric(100 * repeats), whole, rtol=0, atol=1e-12)


def test_gradients() -> None:
    repeats, _ = simulated(3, 4, 2, noise=0.5)
    repeats.requires_grad_()
    mask = torch.tensor([[True, True, True, False], [True, False, True, True], [True, True, True, True]])
    assert torch.autograd.gradcheck(lambda x: noise_ceiling(x, mask), repeats)
    assert torch.autograd.gradcheck(explainable_variance, repeats)


def test_streaming_shares_its_states() -> None:
    repeats, _ = simulated(3, 21, 4, noise=1.0)
    repeats[..., 2] = 0.1
    collection = MetricCollection(
        {"ceiling": NoiseCeiling(4), "single": NoiseCeiling(4, n_averaged=1), "ev": ExplainableVariance(4)}
    )
    for part in repeats.split(5, 1):
        collection.update(part)
    assert len(collection.compute_groups) == 1
    found = collection.compute()
    for name, expected in {
        "ceiling": noise_ceiling(repeats),
        "single": noise_ceiling(repeats, n_averaged=1),
        "ev": explainable_variance(repeats),
    }.items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-12, equal_nan=True)
        assert collection[name].undefined == 1


def test_wrong_input_is_named() -> None:
    repeats = torch.zeros(3, 5, 2)
    with pytest.raises(ValueError, match=r"repeats must have shape \[R, n, \.\.\.\], got \[3\]"):
        noise_ceiling(repeats[:, 0, 0])
    with pytest.raises(TypeError, match=r"mask must be bool, got torch\.float32"):
        noise_ceiling(repeats, repeats[..., 0])
    with pytest.raises(ValueError, match=r"mask must have shape \[3, 5\], got \[5\]"):
        explainable_variance(repeats, torch.ones(5, dtype=torch.bool))
    with pytest.raises(ValueError, match="n_averaged must be at least 1, got 0"):
        NoiseCeiling(2, n_averaged=0)
    with pytest.raises(ValueError, match=r"V = 7 voxels, got \[3, 5, 2\]"):
        NoiseCeiling(7).update(repeats)
    with pytest.raises(ValueError, match=r"repeats \[R, n, V\], got \[3, 5\]"):
        NoiseCeiling(5).update(repeats[..., 0])
    with pytest.raises(ValueError, match=r"shapes \[n, \.\.\.\] and \[\.\.\.\], got \[5, 2\] and \[5\]"):
        noise_ceiling_of_means(repeats[0], torch.ones(5), 3)
    with pytest.raises(ValueError, match="noise_variance must be at least 0, got -1"):
        noise_ceiling_of_means(repeats[0], -torch.ones(2), 3)
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        noise_ceiling_of_means(repeats[0], torch.ones(2), 0)
