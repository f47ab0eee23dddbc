"""Representational similarity: golden patterns, scipy, loops over pairs, and the 92 objects in real brains."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gazekit.metrics import RSA
from gazekit.metrics.functional import rdm, rsa, rsa_ceiling
from gazekit.metrics.functional.ranks import average_ranks, kendall_tau_a

METHODS = ("spearman", "kendall_tau_a", "pearson")
numbers = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25)


def patterns(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def square(vector: np.ndarray) -> np.ndarray:
    return scipy.spatial.distance.squareform(vector)


def test_golden(shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden_metrics" / "misc_expected.json").read_text())["encoding"]
    found = rsa(rdm(np.array(golden["rsa_a"])), rdm(np.array(golden["rsa_b"])))
    assert found.item() == pytest.approx(golden["expected"]["rsa_spearman"], abs=1e-9)


@pytest.fixture(scope="module")
def objects92(shared_data: Path) -> dict[str, np.ndarray]:
    """RDMs of models, and under "human" those of 4 subjects [4, 92, 92], the mean of two sessions each."""
    folder = shared_data / "rdm_92images"
    brains = scipy.io.loadmat(folder / "92_brainRDMs.mat")["RDMs"][0]
    human = np.array([[session["RDM"] for session in subject] for subject in brains]).mean(1)
    models = scipy.io.loadmat(folder / "92_modelRDMs.mat")["Models"][0]
    found = {str(model["name"][0]): model["RDM"].astype(float) for model in models}
    paper = scipy.io.loadmat(folder / "Kriegeskorte_Neuron2008_supplementalData.mat")["RDMs_mIT_hIT_fig1"][0]
    found |= {
        name: square(one["RDM"][0]) for name, one in zip(("monkey 2008", "human 2008"), paper, strict=True)
    }
    return found | {"human": human}


def test_models_of_92_objects(objects92: dict[str, np.ndarray]) -> None:
    """Reference correlations that were computed apart from this library."""
    assert objects92["human"].shape == (4, 92, 92)
    reference = {
        "animacy": 0.386,
        "monkeyIT": 0.296,
        "FaceBodyManmadeNatobj": 0.277,
        "EVA": 0.245,
        "HMAX": 0.160,
        "Silhouette": 0.097,
        "RADON": 0.038,
    }
    found = {name: rsa(objects92[name], objects92["human"]).mean().item() for name in reference}
    assert {name: round(value, 3) for name, value in found.items()} == reference
    monkey = rsa(objects92["monkey 2008"], objects92["human 2008"])
    assert round(monkey.item(), 3) == 0.439


def test_ceiling_of_92_objects(objects92: dict[str, np.ndarray]) -> None:
    ceiling = rsa_ceiling(objects92["human"])
    assert (round(ceiling.lower.item(), 3), round(ceiling.upper.item(), 3)) == (0.379, 0.661)
    ranked = np.array([square(scipy.stats.rankdata(square(one))) for one in objects92["human"]])
    assert round(rsa_ceiling(ranked).upper.item(), 3) == 0.666


def test_spearman_favours_ties_and_tau_a_does_not(objects92: dict[str, np.ndarray]) -> None:
    human, animacy = objects92["human"][0], objects92["animacy"]
    found = rsa(animacy, human, "kendall_tau_a").item()
    row, column = np.triu_indices(92, 1)
    x, y = animacy[row, column], human[row, column]
    agreement = sum(
        (np.sign(x[i] - x[i + 1 :]) * np.sign(y[i] - y[i + 1 :])).sum() for i in range(len(x) - 1)
    )
    assert found == pytest.approx(agreement / (len(x) * (len(x) - 1) / 2), abs=1e-12)
    assert found < rsa(animacy, human).item()


def test_rdm_equals_numpy() -> None:
    x = patterns(3, 7, 5)
    for i in range(3):
        np.testing.assert_allclose(rdm(x)[i], 1 - np.corrcoef(x[i]), rtol=0, atol=1e-12)
    assert (rdm(x).diagonal(dim1=-2, dim2=-1) == 0).all()
    torch.testing.assert_close(rdm(2 * x + 30), rdm(x))
    assert rdm(x[:, :0]).shape == (3, 0, 0)


def test_undefined_patterns() -> None:
    x = patterns(5, 4)
    x[2] = 0.1
    undefined = rdm(x).isnan()
    assert undefined[2].all() and undefined[:, 2].all()
    assert undefined.sum() == 9
    assert rsa(rdm(x), rdm(patterns(5, 4, seed=1))).isnan()
    metric = RSA(4, 3)
    metric.update(x, patterns(5, 3))
    assert metric.compute().isnan()
    assert metric.undefined == 1


@settings(deadline=None, max_examples=50)
@given(numbers)
def test_ranks_and_tau_with_ties(pairs: list[tuple[int, int]]) -> None:
    x, y = torch.tensor(pairs, dtype=torch.float64).T.contiguous()
    np.testing.assert_array_equal(average_ranks(x), scipy.stats.rankdata(x.numpy()))
    signs = [
        np.sign(pairs[i][0] - pairs[j][0]) * np.sign(pairs[i][1] - pairs[j][1])
        for i in range(len(pairs))
        for j in range(i)
    ]
    expected = np.mean(signs) if signs else float("nan")
    assert kendall_tau_a(x, y).item() == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_tau_of_many_values_equals_scipy() -> None:
    """Without ties tau-a is tau-b. Sizes around powers of two, where digits change."""
    for size in (2, 63, 64, 65, 1000):
        x, y = patterns(2, size, seed=size)
        expected = scipy.stats.kendalltau(x, y).statistic
        assert kendall_tau_a(x, y).item() == pytest.approx(expected, abs=1e-12)
    x, y = patterns(2, 3, 2, 17)
    for i in range(3):
        for j in range(2):
            assert kendall_tau_a(x, y)[i, j] == kendall_tau_a(x[i, j], y[i, j])


@pytest.mark.parametrize(
    ("method", "oracle"),
    [
        ("spearman", scipy.stats.spearmanr),
        ("kendall_tau_a", scipy.stats.kendalltau),
        ("pearson", scipy.stats.pearsonr),
    ],
)
def test_rsa_equals_scipy_in_batches(method: str, oracle) -> None:
    a, b = rdm(patterns(4, 1, 8, 6)), rdm(patterns(3, 8, 6, seed=1))
    found = rsa(a, b, method)
    assert found.shape == (4, 3)
    row, column = np.triu_indices(8, 1)
    for i in range(4):
        for j in range(3):
            expected = oracle(a[i, 0, row, column], b[j, row, column]).statistic
            assert found[i, j].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_identity_symmetry_and_scale(method: str) -> None:
    a, b = rdm(patterns(9, 20)), rdm(patterns(9, 20, seed=1))
    assert rsa(a, a, method).item() == pytest.approx(1, abs=1e-12)
    assert rsa(a, b, method).item() == pytest.approx(rsa(b, a, method).item(), abs=1e-12)
    assert rsa(3 * a + 1, b, method).item() == pytest.approx(rsa(a, b, method).item(), abs=1e-12)
    if method != "pearson":
        assert rsa(a**3, b, method).item() == pytest.approx(rsa(a, b, method).item(), abs=1e-12)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    shuffled = rsa(a[order][:, order], b[order][:, order], method)
    assert shuffled.item() == pytest.approx(rsa(a, b, method).item(), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_undefined(method: str) -> None:
    a = rdm(patterns(6, 5))
    flat = 1 - torch.eye(6)
    if method == "kendall_tau_a":
        assert rsa(a, flat, method) == 0  # all tied: neither concordant nor discordant
    else:
        assert rsa(a, flat, method).isnan()
    assert rsa(a[:2, :2], a[:2, :2], method).isnan()
    assert rsa(a[:0, :0], a[:0, :0], method).isnan()
    broken = a.clone()
    broken[1, 4] = broken[4, 1] = torch.nan
    assert rsa(a, broken, method).isnan()
    anything = a.clone()
    anything.fill_diagonal_(torch.nan)
    assert rsa(a, anything, method).item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_ceiling_equals_a_loop_over_subjects(method: str) -> None:
    rdms = rdm(patterns(5, 7, 12) + 1.5 * patterns(7, 12, seed=9))
    lower = [rsa(rdms[s], rdms[[t for t in range(5) if t != s]].mean(0), method) for s in range(5)]
    upper = [rsa(rdms[s], rdms.mean(0), method) for s in range(5)]
    found = rsa_ceiling(rdms, method)
    assert found.lower.item() == pytest.approx(np.mean(lower), abs=1e-12)
    assert found.upper.item() == pytest.approx(np.mean(upper), abs=1e-12)
    assert found.lower < found.upper
    batch = rsa_ceiling(torch.stack([rdms, rdms.flip(0)]), method)
    torch.testing.assert_close(batch.lower, found.lower.expand(2), rtol=0, atol=1e-12)
    assert all(bound.isnan() for bound in rsa_ceiling(rdms[:1], method))
    assert all(bound.isnan() for bound in rsa_ceiling(rdms[:0], method))


def test_gradient_of_the_pearson_form() -> None:
    x, other = patterns(5, 4).requires_grad_(), rdm(patterns(5, 4, seed=1))
    assert torch.autograd.gradcheck(rdm, x)
    assert torch.autograd.gradcheck(lambda x: rsa(rdm(x), other, "pearson"), x)


def test_patterns_in_parts() -> None:
    model, brain = patterns(12, 5), patterns(12, 9, seed=1)
    for method in METHODS:
        metric = RSA(5, 9, method)
        for part in torch.arange(12).split(5):
            metric.update(model[part], brain[part])
        assert metric.compute().item() == pytest.approx(rsa(rdm(model), rdm(brain), method).item(), abs=1e-12)


@pytest.mark.parametrize("factor", [1e-170, 1e-300, 1e200])
def test_no_scale_of_patterns_is_too_small_or_too_large(factor: float) -> None:
    some = patterns(6, 5).double()
    torch.testing.assert_close(rdm(factor * some), rdm(some), rtol=0, atol=1e-12)
    a, b = rdm(some), rdm(patterns(6, 5, seed=1))
    torch.testing.assert_close(rsa(factor * a, b, "pearson"), rsa(a, b, "pearson"), rtol=0, atol=1e-9)


def test_matrices_as_lists() -> None:
    a, b = rdm(patterns(4, 3)), rdm(patterns(4, 3, seed=1))
    assert rsa(a.tolist(), b.numpy()) == rsa(a, b)
    with pytest.raises(ValueError, match="equally many stimuli"):
        rsa(a.tolist(), b[:3, :3].tolist())


def test_wrong_input_is_named() -> None:
    a = rdm(patterns(4, 3))
    with pytest.raises(ValueError, match=r"patterns must have shape \[\.\.\., n, D\], got \[3\]"):
        rdm(torch.zeros(3))
    with pytest.raises(ValueError, match=r"rdm_b must have shape \[\.\.\., n, n\], got \[4, 3\]"):
        rsa(a, a[:, :3])
    with pytest.raises(ValueError, match="rdm_a must be symmetric"):
        rsa(patterns(4, 4), a)
    with pytest.raises(ValueError, match=r"equally many stimuli and broadcast, got \[4, 4\] and \[2, 2\]"):
        rsa(a, a[:2, :2])
    with pytest.raises(ValueError, match=r"broadcast, got \[2, 4, 4\] and \[3, 4, 4\]"):
        rsa(a.expand(2, 4, 4), a.expand(3, 4, 4))
    with pytest.raises(ValueError, match="method must be spearman, kendall_tau_a or pearson, got 'tau'"):
        RSA(3, 3, "tau")
    with pytest.raises(ValueError, match=r"rdms must have shape \[\.\.\., S, n, n\], got \[4, 4\]"):
        rsa_ceiling(a)
    with pytest.raises(ValueError, match=r"brain_patterns must have shape \[n, 9\], got \[4, 3\]"):
        RSA(3, 9).update(patterns(4, 3), patterns(4, 3))
    with pytest.raises(ValueError, match="num_features must be at least 1, got 0"):
        RSA(0, 3)
