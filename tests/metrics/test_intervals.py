"""Intervals of every metric: one schema, and draws that equal measuring the drawn items anew."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from cases import Case
from test_classes import CASES

from gazekit.metrics import (
    R2,
    RSA,
    AsymmetryIndex,
    AveragePrecision,
    CohenKappa,
    DetectionAP,
    EventTiming,
    IdentificationAccuracy,
    KrippendorffAlpha,
    NoiseCeiling,
    Pearson,
    SampleF1,
    Score,
    SearchSlope,
    TwoVersusTwo,
)
from gazekit.metrics import functional as F
from gazekit.metrics.bootstrap import bootstrap_statistic

DRAWS = 20


def scores_of(found) -> dict[str, Score]:
    return found if isinstance(found, dict) else {"": found}


@pytest.mark.parametrize("name", CASES)
def test_every_metric_gives_scores(name: str) -> None:
    case: Case = CASES[name]
    metric = case.make()
    for batch in case.batches(3):
        case.update(metric, batch)
    first = metric.interval(n_resamples=DRAWS)
    found = scores_of(first)
    for part, score in found.items():
        assert isinstance(part, str)
        assert isinstance(score, Score)
        assert [type(number) for number in score] == [float, float, float, int, int]
        assert score.n >= 0 and score.undefined >= 0
        if math.isfinite(score.value) and not math.isnan(score.low):
            assert score.low <= score.high
    values = torch.atleast_1d(metric.compute()).tolist()
    if len(values) == len(found):
        for score, value in zip(found.values(), values, strict=True):
            assert score.value == pytest.approx(value, abs=1e-12, nan_ok=True)
    else:  # the delta, whose parts have scores too
        assert name == "behaviour_delta" and found[""].value == pytest.approx(values[0], abs=1e-12)
    assert str(metric.interval(n_resamples=DRAWS)) == str(first)
    defined = [score for score in found.values() if math.isfinite(score.value)]
    assert any(score.low < score.high for score in defined)
    with pytest.raises(ValueError, match="n_resamples must be at least 1"):
        metric.interval(n_resamples=0)
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        metric.interval(level=95)


@pytest.mark.parametrize("name", CASES)
def test_nothing_seen_has_no_interval(name: str) -> None:
    case: Case = CASES[name]
    metric = case.make()
    case.update(metric, {key: values[:0] for key, values in case.batch(0).items()})
    for score in scores_of(metric.interval(n_resamples=2)).values():
        assert math.isnan(score.value) and math.isnan(score.low) and score.n == 0


def draws_of(units: int, n_resamples: int, seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(units, (n_resamples, units), generator=generator).numpy()


def assert_bounds(found, measured: list[torch.Tensor]) -> None:
    """That the bounds are the percentiles of these draws."""
    low, high = np.nanpercentile(
        torch.stack(measured).reshape(len(measured), -1).numpy(), (2.5, 97.5), axis=0
    )
    for k, score in enumerate(scores_of(found).values()):
        assert score.low == pytest.approx(low[k], abs=1e-9)
        assert score.high == pytest.approx(high[k], abs=1e-9)


def test_average_precision_of_drawn_groups() -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.randint(9, (40,), generator=draw).double()
    labels, group = torch.rand(40, generator=draw) < 0.4, torch.arange(40) % 8
    metric = AveragePrecision()
    metric.update(scores, labels, group)
    measured = []
    for drawn in draws_of(8, DRAWS, 1):
        rows = torch.cat([(group == k).nonzero()[:, 0] for k in drawn])
        measured.append(F.average_precision(scores[rows], labels[rows]))
    assert_bounds(metric.interval(DRAWS, seed=1), measured)


def test_detections_of_drawn_images() -> None:
    batch = CASES["detection_ap"].batch(2)
    metric = DetectionAP()
    order = [3, 0, 4, 1, 2]
    metric.update(
        batch["image"][order], [batch["predictions"][i] for i in order], [batch["truth"][i] for i in order]
    )
    measured = []
    for drawn in draws_of(
        5, 5, 0
    ):  # units are images in order of their ids for `drawn`, as they were added here
        rows = [order[k] for k in drawn]
        measured.append(
            F.detection_ap([batch["predictions"][i] for i in rows], [batch["truth"][i] for i in rows])
        )
    found = metric.interval(5, seed=0)
    wanted = torch.stack(measured)
    for k, (part, score) in enumerate(found.items()):
        # copies of an image tie their scores with each other, which moves AP a little
        assert score.low == pytest.approx(np.nanpercentile(wanted[:, k], 2.5), abs=0.05), part


@pytest.mark.parametrize("make", [lambda: CohenKappa(3, "linear"), lambda: SampleF1(3)])
def test_labels_of_drawn_recordings(make) -> None:
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randint(3, (2, 6, 30), generator=draw)
    mask = torch.rand(6, 30, generator=draw) < 0.9
    metric = make()
    metric.update(a, b, mask, group=torch.arange(6))
    measured = []
    for drawn in draws_of(6, DRAWS, 0):
        rows = torch.as_tensor(drawn)
        pair = a[rows].flatten(), b[rows].flatten()
        valid = mask[rows].flatten()
        kappa = isinstance(metric, CohenKappa)
        measured.append(F.cohen_kappa(*pair, "linear", valid) if kappa else F.sample_f1(*pair, 3, valid))
    assert_bounds(metric.interval(DRAWS), measured)


def test_ratings_of_drawn_groups() -> None:
    draw = torch.Generator().manual_seed(0)
    ratings = torch.randint(4, (40,), generator=draw) + torch.randint(2, (3, 40), generator=draw)
    mask, group = torch.rand(3, 40, generator=draw) < 0.8, torch.arange(40) % 5
    metric = KrippendorffAlpha(5, "interval")
    metric.update(ratings, mask, group)
    measured = []
    for drawn in draws_of(5, DRAWS, 0):
        rows = torch.cat([(group == k).nonzero()[:, 0] for k in drawn])
        measured.append(F.krippendorff_alpha(ratings[:, rows], mask[:, rows], "interval"))
    assert_bounds(metric.interval(DRAWS), measured)


def test_labels_without_groups_are_drawn_one_by_one() -> None:
    """The interval of kappa is about as wide as its standard error says, and as if each label were a group."""
    draw = torch.Generator().manual_seed(0)
    a = torch.randint(2, (400,), generator=draw)
    b = torch.where(torch.rand(400, generator=draw) < 0.85, a, 1 - a)
    alone, grouped, alpha = CohenKappa(2), CohenKappa(2), KrippendorffAlpha(2)
    alone.update(a, b)
    grouped.update(a, b, group=torch.arange(400))
    alpha.update(torch.stack([a, b]))
    one, other, third = (metric.interval(2000) for metric in (alone, grouped, alpha))
    assert one.n == other.n == third.n == 400
    error = 4 * math.sqrt(0.85 * 0.15 / 400)  # 2 sd of agreement, over 1 - 0.5 expected, on both sides
    for score in (one, other, third):
        assert score.high - score.low == pytest.approx(2 * error, rel=0.15)
    assert one.low == pytest.approx(other.low, abs=0.02)


@pytest.mark.parametrize("make", [lambda: TwoVersusTwo(6), lambda: IdentificationAccuracy(6)])
def test_identification_of_drawn_stimuli(make) -> None:
    draw = torch.Generator().manual_seed(0)
    response = torch.randn(9, 6, generator=draw, dtype=torch.float64)
    prediction = response + 2 * torch.randn(9, 6, generator=draw, dtype=torch.float64)
    metric = make()
    metric.update(prediction, response)
    s = 1 - torch.cdist(*(torch.nn.functional.normalize(x - x.mean(1, keepdim=True), dim=1)
                          for x in (prediction, response))) ** 2 / 2  # fmt: skip
    measured = []
    for drawn in draws_of(9, DRAWS, 0):
        won = []
        for i in drawn:
            for j in drawn:
                if i != j:
                    matched, swapped = s[i, i], s[i, j]
                    if isinstance(metric, TwoVersusTwo) and not isinstance(metric, IdentificationAccuracy):
                        matched, swapped = s[i, i] + s[j, j], s[i, j] + s[j, i]
                    won.append(float(matched > swapped))
        measured.append(torch.tensor(np.mean(won)))
    assert_bounds(metric.interval(DRAWS), measured)


def test_similarity_of_drawn_stimuli_without_identical_pairs() -> None:
    draw = torch.Generator().manual_seed(0)
    brain = torch.randn(8, 6, generator=draw, dtype=torch.float64)
    model = brain[:, :4] + torch.randn(8, 4, generator=draw, dtype=torch.float64)
    metric = RSA(4, 6)
    metric.update(model, brain)
    a, b = F.rdm(model), F.rdm(brain)
    from scipy.stats import spearmanr

    measured = []
    for drawn in draws_of(8, DRAWS, 0):
        pairs = [(i, j) for n, i in enumerate(drawn) for j in drawn[n + 1 :] if i != j]
        rows, columns = torch.tensor(pairs).T
        measured.append(torch.tensor(spearmanr(a[rows, columns], b[rows, columns]).statistic))
    assert_bounds(metric.interval(DRAWS), measured)


@pytest.mark.parametrize("kind", ["pearson", "r2", "median", "ceiling"])
def test_voxels_over_drawn_stimuli(kind: str) -> None:
    draw = torch.Generator().manual_seed(0)
    response = 100 + torch.randn(20, 5, generator=draw, dtype=torch.float64)
    prediction = response + torch.randn(20, 5, generator=draw, dtype=torch.float64)
    response[:, 2] = 7.0
    repeats = response + torch.randn(3, 20, 5, generator=draw, dtype=torch.float64).mul(0.5)
    repeats[..., 2] = 7.0
    metric = {"pearson": Pearson(5), "r2": R2(5), "median": Pearson(5, "median"), "ceiling": NoiseCeiling(5)}[
        kind
    ]

    def value(rows) -> torch.Tensor:
        if kind == "ceiling":
            return F.noise_ceiling(repeats[:, rows]).nanmean()
        found = (F.r2_score if kind == "r2" else F.pearson)(prediction[rows], response[rows])
        return found.nanquantile(0.5) if kind == "median" else found.nanmean()

    for part in (slice(0, 13), slice(13, 20)):
        metric.update(*((repeats[:, part],) if kind == "ceiling" else (prediction[part], response[part])))
    found = metric.interval(DRAWS)
    assert (found.n, found.undefined) == (4, 1)
    assert found.value == pytest.approx(value(torch.arange(20)).item(), abs=1e-12)
    assert_bounds(found, [value(torch.as_tensor(drawn)) for drawn in draws_of(20, DRAWS, 0)])


def test_voxels_over_many_stimuli_take_bounded_memory() -> None:
    """The interval of 32 blocks is about as wide as that of 2,000 stimuli, after forward calls as well."""
    draw = torch.Generator().manual_seed(0)
    response = torch.randn(2000, 1, generator=draw, dtype=torch.float64)
    prediction = response + torch.randn(2000, 1, generator=draw, dtype=torch.float64)
    metric = Pearson(1)
    for start in range(0, 2000, 4):
        metric(prediction[start : start + 4], response[start : start + 4])
    assert metric.moments.shape == (7, 32, 1)
    found = metric.interval()
    r = float(F.pearson(prediction, response))
    assert found.high - found.low == pytest.approx(2 * 1.96 * (1 - r**2) / math.sqrt(2000), rel=0.35)


def test_groups_of_stimuli_stay_together() -> None:
    response = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    metric = Pearson(3)
    metric.update(response + 1, response, group=[4, 4, 4, 4, 4, 4, 4, 4])
    assert math.isnan(metric.interval(5).low)
    with pytest.raises(ValueError, match=r"group must have shape \[8\], got \[1\]"):
        metric.update(response, response, group=[1])


def test_timing_of_drawn_recordings() -> None:
    batch = CASES["event_timing_ms"].batch(0)
    metric = EventTiming(1, 0.25)
    metric.update(batch["detected"], batch["reference"])
    measured = []
    for drawn in draws_of(6, DRAWS, 0):
        again = EventTiming(1, 0.25)
        again.update([batch["detected"][i] for i in drawn], [batch["reference"][i] for i in drawn])
        measured.append(again.compute())
    found = metric.interval(DRAWS)
    assert_bounds(found, measured)
    assert {(score.n, score.undefined) for score in found.values()} == {(5, 1)}


@pytest.mark.parametrize("metric", [SearchSlope, AsymmetryIndex])
def test_slopes_of_drawn_subjects(metric) -> None:
    draw = torch.Generator().manual_seed(0)
    facts = {
        "set_size": torch.tensor([4, 8, 16]).repeat(20),
        "cost": 500 + 100 * torch.rand(60, generator=draw, dtype=torch.float64),
        "is_hard": torch.arange(60) // 3 % 2 == 0,
        "group": torch.arange(60) // 6,
    }
    made = metric()
    made.update(**made._filter_kwargs(**facts))
    measured = []
    for drawn in draws_of(10, DRAWS, 0):
        rows = torch.cat([(facts["group"] == k).nonzero()[:, 0] for k in drawn])
        again = metric()
        again.update(**again._filter_kwargs(**{k: v[rows] for k, v in facts.items()}))
        measured.append(again.compute())
    assert_bounds(made.interval(DRAWS), measured)


def test_chunks_of_draws_do_not_matter() -> None:
    def mean(counts: torch.Tensor) -> torch.Tensor:
        return (counts @ torch.arange(7.0).double()) / 7

    whole = bootstrap_statistic(mean, 7, 50)
    parts = bootstrap_statistic(mean, 7, 50, bytes_per_draw=10 * 2**20)
    assert all(torch.equal(one, other) for one, other in zip(whole, parts, strict=True))
    assert bootstrap_statistic(lambda counts: counts.sum(1), 1, 50).low.isnan()
