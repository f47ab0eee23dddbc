"""Agreement of raters: against scikit-learn, loops over pairs of ratings, and three real raters."""

import csv
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score
from torch import Tensor
from torchmetrics import MetricCollection

from gazekit.metrics import CohenKappa, KrippendorffAlpha, SampleF1
from gazekit.metrics.functional import cohen_kappa, krippendorff_alpha, sample_f1

LEVELS = ("nominal", "ordinal", "interval", "ratio")
label_lists = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


def alpha_by_loops(ratings: np.ndarray, mask: np.ndarray, level: str) -> float:
    """Mean squared distance within units over that between all ratings, pair by pair."""
    units = [ratings[mask[:, u], u] for u in range(ratings.shape[1])]
    units = [unit for unit in units if len(unit) > 1]
    everything = np.concatenate(units) if units else np.zeros(0)

    def distance(c: float, k: float) -> float:
        if level == "nominal":
            return float(c != k)
        if level == "interval":
            return (c - k) ** 2
        if level == "ratio":
            return ((c - k) / (c + k)) ** 2 if c + k else 0.0
        low, high = min(c, k), max(c, k)
        between = ((everything >= low) & (everything <= high)).sum()
        return (between - ((everything == low).sum() + (everything == high).sum()) / 2) ** 2

    observed = sum(distance(c, k) / (len(unit) - 1) for unit in units for c, k in permutations(unit, 2))
    expected = sum(distance(c, k) for c, k in permutations(everything, 2))
    return 1 - (len(everything) - 1) * observed / expected if expected else float("nan")


@pytest.fixture(scope="module")
def raters(shared_data: Path) -> Tensor:
    """[3, 1188] labels of the frames that all three raters judged; the last of repeated judgements counts."""
    judged: list[dict[tuple[str, str], str]] = []
    for rater in (1, 2, 3):
        with open(shared_data / "gaze_rater_agreement" / "data" / f"data_Rater{rater}.csv") as file:
            judged.append({(row["Trial"], row["Frame"]): row["Label"] for row in csv.DictReader(file)})
    frames = sorted(judged[0].keys() & judged[1].keys() & judged[2].keys())
    names = sorted({one[frame] for one in judged for frame in frames})
    return torch.tensor([[names.index(one[frame]) for frame in frames] for one in judged])


def test_three_real_raters(raters: Tensor) -> None:
    assert raters.shape == (3, 1188)
    kappas = cohen_kappa(raters[[0, 0, 1]], raters[[1, 2, 2]])
    assert [round(kappa, 4) for kappa in kappas.tolist()] == [0.6703, 0.6951, 0.6405]
    assert round(krippendorff_alpha(raters).item(), 4) == 0.6665
    agreed = (raters[[0, 0, 1]] == raters[[1, 2, 2]]).double().mean(1)
    assert [round(share, 4) for share in agreed.tolist()] == [0.7786, 0.8056, 0.7534]


def test_real_raters_in_parts_and_with_judgements_missing(raters: Tensor) -> None:
    mask = torch.rand(raters.shape, generator=torch.Generator().manual_seed(0)) < 0.6
    metric = KrippendorffAlpha(num_classes=7)
    for part, valid in zip(raters.split(500, 1), mask.split(500, 1), strict=True):
        metric.update(part, valid)
    torch.testing.assert_close(metric.compute(), krippendorff_alpha(raters, mask), rtol=0, atol=1e-12)
    assert metric.undefined == (mask.sum(0) < 2).sum()
    assert metric.compute().item() == pytest.approx(0.6665, abs=0.05)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
@settings(deadline=None, max_examples=50)
@given(pairs=label_lists)
def test_kappa_equals_scikit_learn(weights: str | None, pairs: list[tuple[int, int]]) -> None:
    a, b = torch.tensor(pairs).T
    found = cohen_kappa(a, b, weights).item()
    if len({label for pair in pairs for label in pair}) == 1:
        assert np.isnan(found)
        return
    expected = cohen_kappa_score(a, b, weights=weights, labels=range(4))
    assert found == pytest.approx(expected, abs=1e-12)
    assert cohen_kappa(b, a, weights).item() == pytest.approx(found, abs=1e-12)
    assert -1 - 1e-12 <= found <= 1
    assert (found == 1) == bool((a == b).all())


def test_labels_are_numbers_when_weighted() -> None:
    """0, 1, 5: taken at their places, as scikit-learn does by itself, they would be 0, 1, 2."""
    a, b = torch.tensor([0, 1, 5, 5, 0, 1]), torch.tensor([0, 5, 5, 1, 1, 1])
    expected = cohen_kappa_score(a, b, weights="linear", labels=range(6))
    assert cohen_kappa(a, b, "linear").item() == pytest.approx(expected, abs=1e-12)
    assert abs(cohen_kappa_score(a, b, weights="linear") - expected) > 0.01
    assert cohen_kappa(a - 7, b - 7, "linear").item() == pytest.approx(expected, abs=1e-12)


def test_a_known_table() -> None:
    """20 both yes, 5 and 10 disagree, 15 both no: (0.7 - 0.5) / (1 - 0.5)."""
    a = torch.tensor([1] * 25 + [0] * 25)
    b = torch.tensor([1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
    assert cohen_kappa(a, b).item() == pytest.approx(0.4, abs=1e-12)


def test_kappa_of_nothing_to_agree_on() -> None:
    same = torch.ones(5, dtype=torch.long)
    assert cohen_kappa(same, same).isnan()  # expected agreement 1
    assert cohen_kappa(same, 0 * same) == 0  # never agree, and were not expected to
    assert cohen_kappa(same[:0], same[:0]).isnan()
    assert cohen_kappa(same, 0 * same, mask=torch.zeros(5, dtype=torch.bool)).isnan()


def test_batches_masks_and_devices_of_labels() -> None:
    draw = torch.Generator().manual_seed(2)
    a, b = torch.randint(3, (2, 4, 5, 20), generator=draw)
    mask = torch.rand(4, 5, 20, generator=draw) < 0.7
    for metric in (lambda *x: cohen_kappa(*x[:2], "quadratic", x[2]), lambda *x: sample_f1(*x[:2], 3, x[2])):
        whole = metric(a, b, mask)
        spoilt = metric(torch.where(mask, a, -99), torch.where(mask, b, 2**40), mask)
        torch.testing.assert_close(whole, spoilt, rtol=0, atol=0)
        for i in range(4):
            for j in range(5):
                chosen = mask[i, j]
                one = metric(a[i, j][chosen], b[i, j][chosen], chosen[chosen])
                torch.testing.assert_close(whole[i, j], one, rtol=0, atol=1e-12)
    assert cohen_kappa(a.numpy(), b.numpy(), mask=mask.numpy()).shape == (4, 5)


@settings(deadline=None, max_examples=30)
@given(pairs=label_lists)
def test_sample_f1_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    a, b = torch.tensor(pairs).T
    expected = f1_score(b, a, labels=range(4), average=None, zero_division=np.nan)
    np.testing.assert_allclose(sample_f1(a, b, 4), expected, atol=1e-12)
    np.testing.assert_allclose(sample_f1(b, a, 4), expected, atol=1e-12)


@pytest.mark.parametrize("level", LEVELS)
@settings(deadline=None, max_examples=40)
@given(
    ratings=st.lists(st.lists(st.integers(-1, 3), min_size=3, max_size=3), min_size=1, max_size=12),
)
def test_alpha_equals_loops_over_pairs(level: str, ratings: list[list[int]]) -> None:
    """-1 stands for a missing rating."""
    table = torch.tensor(ratings).T
    mask = table >= 0
    expected = alpha_by_loops(table.numpy(), mask.numpy(), level)
    assert krippendorff_alpha(table, mask, level).item() == pytest.approx(expected, abs=1e-10, nan_ok=True)
    metric = KrippendorffAlpha(4, level)
    metric.update(table, mask)
    assert metric.compute().item() == pytest.approx(expected, abs=1e-10, nan_ok=True)


def test_alpha_of_real_numbers_in_batches() -> None:
    draw = torch.Generator().manual_seed(1)
    ratings = torch.rand(2, 4, 9, generator=draw, dtype=torch.float64)
    mask = torch.rand(2, 4, 9, generator=draw) < 0.8
    spoilt = torch.where(mask, ratings, torch.nan)
    for level in ("interval", "ratio"):
        found = krippendorff_alpha(spoilt, mask, level)
        expected = [alpha_by_loops(r.numpy(), m.numpy(), level) for r, m in zip(ratings, mask, strict=True)]
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_alpha_of_nothing_to_agree_on() -> None:
    ratings = torch.full((3, 4), 2)
    assert krippendorff_alpha(ratings).isnan()
    assert krippendorff_alpha(ratings[:, :0]).isnan()
    alone = torch.zeros(3, 4, dtype=torch.bool)
    alone[0] = True
    assert krippendorff_alpha(torch.arange(12).reshape(3, 4), alone).isnan()


@settings(deadline=None, max_examples=30)
@given(pairs=label_lists, permutation=st.permutations([0, 1, 2, 3]))
def test_names_of_labels_do_not_matter(pairs: list[tuple[int, int]], permutation: list[int]) -> None:
    table = torch.tensor(pairs).T
    renamed = torch.tensor(permutation)[table]
    for metric in (lambda t: cohen_kappa(t[0], t[1]), krippendorff_alpha):
        torch.testing.assert_close(metric(table), metric(renamed), rtol=0, atol=1e-12, equal_nan=True)


def test_metrics_of_one_table_in_a_collection() -> None:
    draw = torch.Generator().manual_seed(0)
    metrics = {"plain": CohenKappa(4), "linear": CohenKappa(4, "linear"), "f1": SampleF1(4)}
    collection = MetricCollection(metrics)
    a, b = torch.randint(4, (2, 3, 50), generator=draw)
    for i in range(3):
        collection.update(a[i], b[i])
    found = collection.compute()
    a, b = a.flatten(), b.flatten()
    torch.testing.assert_close(found["plain"], cohen_kappa(a, b), rtol=0, atol=1e-12)
    torch.testing.assert_close(found["linear"], cohen_kappa(a, b, "linear"), rtol=0, atol=1e-12)
    torch.testing.assert_close(found["f1"], sample_f1(a, b, 4), rtol=0, atol=1e-12)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_as_many_labels_as_samples(weights: str | None) -> None:
    """A table of labels would hold 320 GB; of few samples it gives the same."""
    a = torch.arange(200_000)
    assert cohen_kappa(a, a, weights) == 1
    assert -1.001 < cohen_kappa(a, a.flip(0), weights) < 0.001
    few, other = a[:40] ** 2, a[:40].flip(0) // 3
    expected = cohen_kappa_score(few, other, weights=weights, labels=range(1600))
    assert cohen_kappa(few, other, weights).item() == pytest.approx(expected, abs=1e-12)


def test_labels_of_any_integers_and_layout() -> None:
    a, b = np.random.default_rng(0).integers(0, 3, (2, 30))
    expected = cohen_kappa(a, b)
    for dtype in ("u1", ">u2", "<u4"):
        x, y = a.astype(dtype), b.astype(dtype)
        x.flags.writeable = False
        assert cohen_kappa(x, y) == cohen_kappa(x[::-1], y[::-1]) == expected
    metric = CohenKappa(3)
    metric.update(x[::-1], y[::-1], np.ones(30, bool)[::-1])
    assert metric.compute() == expected


def test_wrong_input_is_named() -> None:
    labels = torch.zeros(3, dtype=torch.long)
    with pytest.raises(TypeError, match=r"a must hold integer labels, got torch\.float32"):
        cohen_kappa(labels.float(), labels)
    with pytest.raises(TypeError, match=r"mask must be bool, got torch\.int64"):
        cohen_kappa(labels, labels, mask=labels)
    with pytest.raises(ValueError, match=r"share one shape \[\.\.\., N\], got \[3\], \[2\] and \[3\]"):
        cohen_kappa(labels, labels[:2])
    with pytest.raises(ValueError, match=r"weights must be None, 'linear' or 'quadratic', got 'cubic'"):
        CohenKappa(3, "cubic")
    with pytest.raises(ValueError, match="b must lie between 0 and 1 wherever mask is True, got 2 to 2"):
        sample_f1(labels, labels + 2, 2)
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        CohenKappa(0)
    with pytest.raises(ValueError, match=r"\[\.\.\., raters, units\], got \[3\]"):
        krippendorff_alpha(labels)
    with pytest.raises(ValueError, match="level must be nominal"):
        krippendorff_alpha(labels[None], level="weird")
    with pytest.raises(ValueError, match="finite wherever mask is True"):
        krippendorff_alpha(torch.full((2, 2), torch.nan))
    with pytest.raises(ValueError, match="ratio scale must be at least 0, got -1"):
        krippendorff_alpha(labels[None] - 1, level="ratio")
    with pytest.raises(TypeError, match=r"ratings must hold integers, got torch\.float32"):
        KrippendorffAlpha(3).update(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="ratings must lie between 0 and 2"):
        KrippendorffAlpha(3).update(torch.full((2, 2), 3))
