"""What the classes of saliency metrics add to the functions: settings, weights, groups, one reading of fixations."""

import numpy as np
import pytest
import torch

import gazekit.metrics as m
import gazekit.metrics.functional as f
from gazekit.scanpath import Scanpaths

DRAW = np.random.default_rng(0)
MAPS, TRUTH = DRAW.random((3, 6, 7)), DRAW.random((3, 6, 7))
# 1 distinct pixel of 4 fixations, 3 of 3, 2 of 3
FIXATIONS = [[[1, 1]] * 4, [[2, 3], [4, 4], [0, 0]], [[5, 5], [6, 0], [5.5, 5.5]]]
OTHERS = [[[0, 5], [3, 3]]] * 3


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: m.AUC("all"), "negatives must be uniform or unfixated"),
        (lambda: m.AUC(on_outside="ignore"), "on_outside must be raise, drop or clip"),
        (lambda: m.AUCJudd("judd"), "variant must be pysaliency or matlab"),
        (lambda: m.AUCJudd(jitter=-1), "jitter must be a finite share"),
        (lambda: m.AUCBorji(0), "n_splits must be a whole number"),
        (lambda: m.AUCBorji(1.5), "n_splits must be a whole number"),
        (lambda: m.ShuffledAUC(on_outside="ignore"), "on_outside must be"),
        (lambda: m.ShuffledAUCMatlab(0), "n_splits must be a whole number"),
        (lambda: m.NSS("other"), "variant must be pysaliency or matlab"),
        (lambda: m.LogLikelihood(on_outside="ignore"), "on_outside must be"),
        (lambda: m.MapInformationGain(-1), "eps must be finite and at least 0"),
        (lambda: m.MapInformationGain(variant="other"), "variant must be density or matlab"),
        (lambda: m.SIM("other"), "variant must be pysaliency or matlab"),
        (lambda: m.KLD(0), "eps must be positive and finite"),
        (lambda: m.KLD(variant="other"), "variant must be pysaliency or matlab"),
        (lambda: m.EMD((0, 8)), "grid must be"),
        (lambda: m.EMD((2.5, 8)), "grid must be"),
        (lambda: m.ConditionalAUC("other"), "variant must be exact or hat"),
        (lambda: m.ConditionalNSS(on_outside="ignore"), "on_outside must be"),
        (lambda: m.ConditionalInformationGain(float("nan")), "eps must be finite and at least 0"),
    ],
)
def test_settings_are_checked_before_there_are_data(make, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make()


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="n_splits"):
        m.ShuffledAUC(n_splits=5)


@pytest.mark.parametrize(
    ("make", "score", "counts"),
    [
        (m.NSS, f.nss, [4, 3, 3]),
        (lambda **s: m.NSS("matlab", **s), lambda s, x: f.nss(s, x, "matlab"), [1, 3, 2]),
        (lambda **s: m.AUCJudd("matlab", **s), lambda s, x: f.auc_judd(s, x, "matlab"), [1, 3, 2]),
        (m.AUCBorji, f.auc_borji, [1, 3, 2]),
    ],
)
def test_an_image_weighs_what_its_value_is_the_mean_of(make, score, counts: list[int]) -> None:
    metric = make(aggregation="weight")
    metric.update(MAPS[0], FIXATIONS[0])
    metric.update(MAPS[1:], FIXATIONS[1:])
    each, weight = score(MAPS, FIXATIONS), torch.tensor(counts, dtype=torch.float64)
    expected = (each * weight).nansum() / weight[~each.isnan()].sum()
    torch.testing.assert_close(metric.compute(), expected, rtol=0, atol=1e-12)


def test_pixels_of_shuffled_aucs_weigh_by_their_rule() -> None:
    for kind, counts in ((m.ShuffledAUC, [4, 3, 3]), (m.ShuffledAUCMatlab, [1, 3, 2])):
        metric, weight = kind(aggregation="weight"), torch.tensor(counts, dtype=torch.float64)
        metric.update(MAPS, FIXATIONS, OTHERS)
        each = type(metric).function(MAPS, FIXATIONS, OTHERS)
        torch.testing.assert_close(metric.compute(), (each * weight).sum() / weight.sum())


def test_weights_and_groups_of_pairs_of_maps() -> None:
    each = f.correlation_coefficient(MAPS, TRUTH)
    weighted, grouped = m.CC(aggregation="weight"), m.CC(aggregation="group")
    weighted.update(MAPS[0], TRUTH[0], weight=2)
    weighted.update(MAPS[1:], TRUTH[1:], weight=[1, 5])
    torch.testing.assert_close(weighted.compute(), (each * torch.tensor([2, 1, 5])).sum() / 8)
    grouped.update(MAPS, TRUTH, group=[7, 3, 7])
    torch.testing.assert_close(grouped.compute(), (each[[0, 2]].mean() + each[1]) / 2)
    for bad in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="weight must be finite and at least 0"):
            m.CC(aggregation="weight").update(MAPS[0], TRUTH[0], weight=bad)
    with pytest.raises(ValueError, match="aggregation='weight' needs the weight"):
        m.CC(aggregation="weight").update(MAPS[0], TRUTH[0])


def test_groups_of_single_fixations_are_those_of_their_scanpaths() -> None:
    maps, paths = DRAW.random((2, 3, 6, 7)), Scanpaths.of([[[1, 1], [2, 2], [3, 3]], [[4, 4]]])
    metric = m.ConditionalNSS(aggregation="group")
    metric.update(maps, paths, group=[0, 1])
    each = f.conditional_nss(maps, paths)
    torch.testing.assert_close(metric.compute(), (each[0].mean() + each[1, 0]) / 2)


def test_fixations_are_read_once(monkeypatch) -> None:
    calls, of = [], Scanpaths.of
    monkeypatch.setattr(Scanpaths, "of", lambda *arguments: calls.append(1) or of(*arguments))
    metric = m.NSS()
    metric.update(MAPS, FIXATIONS)
    assert len(calls) == 1
    monkeypatch.undo()
    assert metric.compute() == f.nss(MAPS, FIXATIONS).mean()
