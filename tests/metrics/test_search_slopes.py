"""Search slopes and the asymmetry index: the golden value, published human data, numpy, what is undefined."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchmetrics import MetricCollection

from gazekit.metrics import AsymmetryIndex, SearchSlope
from gazekit.metrics.functional import asymmetry_index, search_slope

NAN, INF = math.nan, math.inf
slopes = st.floats(-100, 100)

# mean reaction times in ms of people, target present: set sizes, hard condition, easy condition (Gupta et al. 2021)
HUMAN = {
    "curvature": ([8, 16, 32], [565, 640, 750], [510, 516.4, 529.2], 0.809),
    "lighting": ([1, 6, 12], [488.0, 674.7, 754.7], [426.7, 432.0, 472.0], 0.701),
    "intersection": ([3, 6, 9], [829, 1117, 1405], [645, 780, 915], 0.362),
    "letters": ([3, 6, 9], [573, 672, 771], [541, 583, 625], 0.404),
    "homogeneous": ([1, 4, 8, 12], [431.6, 547.4, 552.6, 557.9], [414.7, 437.9, 441.1, 444.2], 0.611),
    "heterogeneous": ([1, 4, 8, 12], [526.3, 831.6, 1084.2, 1326.3], [431.6, 568.4, 633.7, 707.4], 0.500),
}


def test_golden(shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden_metrics" / "misc_expected.json").read_text())[
        "search_asymmetry"
    ]
    expected = golden["expected"]
    hard, easy = (search_slope(golden["set_sizes"], golden[f"cost_{side}"]) for side in ("hard", "easy"))
    for line, side in ((hard, "hard"), (easy, "easy")):
        np.testing.assert_allclose(
            line, [expected[f"slope_{side}"], expected[f"intercept_{side}"]], rtol=0, atol=1e-9
        )
    assert asymmetry_index(hard[0], easy[0]).item() == pytest.approx(expected["asymmetry_index"], abs=1e-9)


@pytest.mark.parametrize("task", HUMAN)
def test_asymmetries_of_people(task: str) -> None:
    set_size, hard, easy, expected = HUMAN[task]
    metric = AsymmetryIndex()
    metric.update(set_size, hard, [True] * len(hard))
    metric.update(set_size, easy, [False] * len(easy))
    assert metric.compute().item() == pytest.approx(expected, abs=5e-4)


@settings(deadline=None, max_examples=50)
@given(arrays(float, (3, 5), elements=st.floats(-1e3, 1e3)))
def test_numpy_fits_the_same_line(cost: np.ndarray) -> None:
    set_size = np.array([1.0, 2.0, 2.0, 7.0, 12.0])
    lines = search_slope(set_size, cost)
    expected = [np.polyfit(set_size, row, 1) for row in cost]
    np.testing.assert_allclose(lines, expected, rtol=0, atol=1e-9)
    for row, line in zip(cost, lines, strict=True):
        torch.testing.assert_close(search_slope(set_size, row), line, rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(slopes, slopes)
def test_index_is_antisymmetric_and_bounded(hard: float, easy: float) -> None:
    index = asymmetry_index(hard, easy)
    assert -1 <= index <= 1
    assert index == -asymmetry_index(easy, hard)
    if hard > 0 >= easy:
        assert index == 1
    if hard <= 0 and easy <= 0:
        assert index == 0


def test_trials_are_averaged_at_each_set_size() -> None:
    metric = SearchSlope()
    metric.update([4, 4, 8, 8, 8], [1.0, 3.0, 6.0, INF, NAN])  # means 2 and 6
    assert metric.compute().tolist() == [1, -2]
    assert metric.undefined == 2


def test_interval_of_a_slope() -> None:
    draw = torch.Generator().manual_seed(1)
    set_size = torch.tensor([4, 8, 16]).repeat(30)
    metric = SearchSlope()
    metric.update(set_size, 500 + 20 * set_size + 50 * torch.randn(90, generator=draw))
    slope, intercept = metric.interval(n_resamples=300).values()
    assert slope.value == metric.compute()[0] and slope.low < 20 < slope.high and slope.high - slope.low < 10
    assert intercept.value == metric.compute()[1] and intercept.low < 500 < intercept.high
    assert (slope.n, slope.undefined) == (90, 0)
    once = SearchSlope()
    once.update([4, 8], [1.0, 2.0])
    assert math.isnan(once.interval(n_resamples=20)[""].low)


def test_a_collection_keeps_apart_what_is_equal_at_first() -> None:
    collection = MetricCollection([SearchSlope(), AsymmetryIndex()])
    collection.update(set_size=[4, 8], cost=[1.0, 2.0], is_hard=[False, False])
    collection.update(set_size=[4, 8], cost=[1.0, 4.0], is_hard=[True, True])
    found = collection.compute()
    assert found["SearchSlope"].tolist() == [0.5, -1] and found["AsymmetryIndex"] == 0.5


def test_undefined() -> None:
    assert search_slope([4, 4], [1.0, 2.0]).isnan().all()
    assert search_slope([4], [1.0]).isnan().all() and search_slope([], []).isnan().all()
    assert search_slope([4, 8], [1.0, INF]).isnan().all() and search_slope([4, NAN], [1.0, 2.0]).isnan().all()
    assert asymmetry_index(NAN, 1.0).isnan()
    only_hard = AsymmetryIndex()
    only_hard.update([4, 8], [1.0, 2.0], [True, True])
    assert only_hard.compute().isnan()


def test_gradient_reaches_the_cost() -> None:
    cost = torch.tensor([[5.0, 7.0, 8.0], [1.0, 1.0, 2.0]]).double().requires_grad_()
    set_size = torch.tensor([[3.0, 6.0, 9.0], [4.0, 4.0, 4.0]]).double()
    search_slope(set_size, cost)[0, 0].backward()
    np.testing.assert_allclose(cost.grad, [[-1 / 6, 0, 1 / 6], [0, 0, 0]], atol=1e-12)


def test_every_trial_may_have_a_set_size_of_its_own() -> None:
    """A table of trials by set sizes would hold 320 GB."""
    set_size = torch.arange(200_000)
    metric = SearchSlope()
    metric.update(set_size, 500.0 + 20 * set_size)
    torch.testing.assert_close(metric.compute(), torch.tensor([20.0, 500.0]).double(), rtol=1e-9, atol=0)


def test_wrong_input_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"set_size and cost must have equally many values, got \[2\] and \[3\]"
    ):
        search_slope([4, 8], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"must broadcast, got \[2, 3\] and \[4, 3\]"):
        search_slope(np.ones((2, 3)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="one set size, cost and condition"):
        AsymmetryIndex().update([4, 8], [1.0, 2.0], [True])
    with pytest.raises(ValueError, match="set_size must be finite"):
        SearchSlope().update([4, NAN], [1.0, 2.0])
    with pytest.raises(TypeError, match="is_hard must hold booleans or the integers 0 and 1"):
        AsymmetryIndex().update([4, 8], [1.0, 2.0], [1.0, 0.0])
    with pytest.raises(ValueError, match=r"slope_hard and slope_easy must broadcast, got \[2\] and \[3\]"):
        asymmetry_index([1.0, 2.0], [1.0, 2.0, 3.0])
