"""Many conditions of search: published slopes and indices, SciPy, stratified draws, what is undefined."""

import math

import numpy as np
import pytest
import torch
from cases_conditions import CASES, f_test
from scipy import stats

from gazekit.metrics import (
    FoundRate,
    MeanFixations,
    SearchAsymmetry,
    SearchModelComparison,
    SearchSlopes,
    SlopeCorrelation,
)
from gazekit.metrics import functional as F
from gazekit.metrics.bootstrap import bootstrap_draws

NAN, INF = math.nan, math.inf
TASKS = ["curvature", "lighting", "intersection", "t_l", "homogeneous", "heterogeneous"]

# Gupta et al. 2021: set sizes; mean reaction times in ms of people; mean fixations of eccNET at each set size;
# for each, the condition that is hard for people and the other one
HUMAN = [
    ([8, 16, 32], [565, 640, 750], [510, 516.4, 529.2]),
    ([1, 6, 12], [488.0, 674.7, 754.7], [426.7, 432.0, 472.0]),
    ([3, 6, 9], [829, 1117, 1405], [645, 780, 915]),
    ([3, 6, 9], [573, 672, 771], [541, 583, 625]),
    ([1, 4, 8, 12], [431.6, 547.4, 552.6, 557.9], [414.7, 437.9, 441.1, 444.2]),
    ([1, 4, 8, 12], [526.3, 831.6, 1084.2, 1326.3], [431.6, 568.4, 633.7, 707.4]),
]
ECCNET = [
    ([8, 16, 32], [1.167, 1.367, 1.6], [1, 1, 1]),
    ([1, 6, 12], [1, 1.4, 1.367], [1, 1, 1]),
    ([3, 6, 9], [2, 3.25, 4.306], [1.528, 1.861, 2.306]),
    ([3, 6, 9], [1.75, 2.722, 4.111], [1.028, 1.139, 1.306]),
    ([1, 4, 8, 12], [1, 1, 1, 1], [1, 1.967, 3.633, 5.333]),
    ([1, 4, 8, 12], [1, 1.167, 1.4, 1.6], [1, 1, 1.033, 1.067]),
]
HUMAN_SLOPES = [7.59, 0.80, 23.88, 4.21, 96, 45, 33, 14, 9.86, 2.38, 71.12, 23.73]
ECCNET_SLOPES = [4.43, 0, 8.09, 0, 96.97, 32.7, 99.31, 11.68, 0, 100.39, 13.86, 1.62]


def design(table: list) -> dict[str, torch.Tensor]:
    """A trial per set size and condition."""
    rows = [
        (task, 2 * task + side, side == 0, size, value)
        for task, (sizes, *sides) in enumerate(table)
        for side in (0, 1)
        for size, value in zip(sizes, sides[side], strict=True)
    ]
    names = "task", "condition", "is_hard", "set_size", "cost"
    return {
        n: torch.tensor(column, dtype=None) for n, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def in_ms(trials: dict) -> dict:
    return trials | {"cost": 252.359 * trials["cost"].double() + 376.271}


def made(metric, trials: dict):
    metric.update(**metric._filter_kwargs(**trials))
    return metric


def test_published_indices_of_people() -> None:
    found = made(SearchAsymmetry(TASKS), design(HUMAN)).compute()
    np.testing.assert_allclose(found, [0.809, 0.701, 0.362, 0.404, 0.611, 0.500, 0.564], atol=5.1e-4)
    slopes = made(SearchSlopes([str(k) for k in range(12)]), design(HUMAN)).compute()
    # the listed slopes are of times with more digits: 0.1 ms over set sizes 1 to 12 is 0.01 ms per item
    np.testing.assert_allclose(slopes, HUMAN_SLOPES, atol=0.01)


def test_published_indices_of_eccnet_from_its_stored_fixations() -> None:
    """Means of 30 displays, 36 in tasks 3 and 4, are listed to three digits, which gives all digits back."""
    trials = design(ECCNET)
    displays = torch.where((trials["task"] == 2) | (trials["task"] == 3), 36, 30)
    exact = in_ms(trials | {"cost": (trials["cost"].double() * displays).round() / displays})
    published = [1, 1, 0.495, 0.789, -1, 0.791, 0.513]
    found = made(SearchAsymmetry(TASKS), exact).compute()
    np.testing.assert_allclose(found, published, atol=5.1e-4)
    slopes = made(SearchSlopes([str(k) for k in range(12)]), exact).compute()
    np.testing.assert_allclose(slopes, ECCNET_SLOPES, atol=0.014)  # one is listed as 32.7
    rounded = made(SearchAsymmetry(TASKS), in_ms(trials)).compute()
    np.testing.assert_allclose(rounded, published, atol=1.2e-3)  # heterogeneous is 0.790


def test_correlation_with_people_is_scipys() -> None:
    trials = in_ms(design(ECCNET))
    human = torch.tensor(HUMAN_SLOPES)[trials["condition"]]
    metric = SlopeCorrelation([str(k) for k in range(12)])
    metric.update(trials["condition"], trials["set_size"], trials["cost"], human)
    model = made(SearchSlopes([str(k) for k in range(12)]), trials).compute()
    assert metric.compute() == pytest.approx(stats.pearsonr(model, HUMAN_SLOPES).statistic, abs=1e-7)
    human[trials["condition"] == 3] = torch.nan
    metric.reset()
    metric.update(trials["condition"], trials["set_size"], trials["cost"], human)
    keep = np.arange(12) != 3
    rest = stats.pearsonr(model[keep], np.array(HUMAN_SLOPES)[keep]).statistic
    assert metric.compute() == pytest.approx(rest, abs=1e-7)
    assert metric.interval(5)[2:] == pytest.approx((NAN, 11, 1), nan_ok=True)


def test_no_resample_lacks_a_set_size() -> None:
    strata = torch.tensor([3, 0, 3, 3, 0, 7])
    drawn = torch.cat(list(bootstrap_draws(6, 3000, 0, strata=strata)))
    for stratum in (0, 3, 7):
        of = strata == stratum
        assert (drawn[:, of].sum(1) == of.sum()).all()
        np.testing.assert_allclose(drawn[:, of].mean(0), 1, atol=0.06)  # every one as often
    assert drawn[:, strata == 3].var() == pytest.approx(1 - 1 / 3, abs=0.05)  # of a multinomial


def test_interval_of_displays_is_that_of_the_fitted_line() -> None:
    """Against the standard error of a slope through means with independent noise."""
    draw = torch.Generator().manual_seed(0)
    condition, set_size = torch.arange(360) % 2, torch.tensor([1, 4, 8, 12]).repeat_interleave(90)
    cost = 500 + 20 * set_size + 100 * torch.randn(360, generator=draw)
    metric = SearchSlopes(["a", "b"])
    metric.update(condition, set_size, cost, group=torch.arange(360))
    spread = set_size.unique().double()
    error = 100 / math.sqrt(45 * (spread - spread.mean()).square().sum())
    for score in metric.interval().values():
        assert score.high - score.low == pytest.approx(2 * 1.96 * error, rel=0.15)
        assert (score.n, score.undefined) == (180, 0)


def test_displays_stay_in_their_cell_and_subjects_stay_whole() -> None:
    """Costs that only differ between cells leave a display design nothing to draw, but a design of subjects does."""
    trials = in_ms(design(ECCNET))
    twice = {name: torch.cat([value, value]) for name, value in trials.items()}
    alone = made(SearchAsymmetry(TASKS), twice | {"group": torch.arange(2 * len(trials["cost"]))})
    for score in alone.interval(50).values():
        assert score.low == pytest.approx(score.value, abs=1e-12) == score.high
    subjects = torch.arange(2).repeat_interleave(len(trials["cost"]))
    people = twice | {
        "group": subjects,
        "cost": twice["cost"] + 300 * subjects * twice["is_hard"] * twice["set_size"],
    }
    assert made(SearchAsymmetry(TASKS), people).interval(50)["t_l"].high > 0.8


def test_published_means_have_no_interval() -> None:
    found = made(SearchAsymmetry(TASKS), design(HUMAN)).interval(20)
    assert all(math.isnan(score.low) for score in found.values())
    assert found["mean"].value == pytest.approx(0.564, abs=5e-4)
    assert found["curvature"][3:] == (6, 0) and found["mean"][3:] == (6, 0)


def test_rounding_is_no_slope() -> None:
    """Thirty times 628.63 ms, added up and divided by thirty, is 628.63 ms but for the last digits."""
    trials = {"task": torch.zeros(120).long(), "is_hard": torch.arange(120) < 60}
    trials |= {
        "set_size": torch.tensor([1, 12]).repeat(60),
        "cost": torch.full((120,), 628.63, dtype=torch.float64),
    }
    metric = made(SearchAsymmetry(["a"]), trials)
    metric.update(torch.zeros(7).long(), [1] * 7, [628.63] * 7, [True] * 7)
    assert metric.compute().tolist() == [0, 0]
    score = metric.interval(200)["a"]
    assert (score.low, score.high) == (0, 0)


def test_flat_slopes_have_no_index() -> None:
    trials = in_ms(design(ECCNET))
    metric = made(SearchAsymmetry(TASKS, min_slope=5), trials)
    found = metric.compute()
    assert found[0].isnan() and found[1:6].isfinite().all()  # 4.43 ms per item
    assert found[6] == pytest.approx(found[1:6].mean().item())
    scores = metric.interval(5)
    assert scores["curvature"][3:] == (0, 6) and scores["mean"][3:] == (5, 1)
    np.testing.assert_allclose(F.asymmetry_index([-3.0, 5, 4], [-1.0, 0, 4.9], 5), [NAN, 1, NAN])
    assert F.asymmetry_index(-3.0, -1.0) == 0 and F.asymmetry_index(NAN, 9.0, 5).isnan()
    with pytest.raises(ValueError, match="min_slope must be at least 0"):
        SearchAsymmetry(TASKS, min_slope=-1)


def test_a_task_without_trials_is_left_out_of_the_mean() -> None:
    trials = design(HUMAN)
    first = {name: value[:6] for name, value in trials.items()}
    scores = made(SearchAsymmetry(TASKS), first).interval(5)
    assert scores["mean"].value == scores["curvature"].value
    assert math.isnan(scores["lighting"].value) and scores["lighting"][3:] == (0, 0)
    assert scores["mean"][3:] == (1, 0)


@pytest.mark.parametrize("seed", range(5))
def test_comparison_of_models_is_that_of_design_matrices(seed: int) -> None:
    draw = np.random.default_rng(seed)
    set_size, hard = draw.choice([1.0, 4.0, 8.0], 40), draw.random(40) < 0.4
    cost = 1e4 + 30 * draw.normal(size=40) + seed * hard * set_size
    expected = f_test(set_size, cost, hard)
    np.testing.assert_allclose(F.search_model_comparison(set_size, cost, hard), expected, rtol=1e-7)


def test_comparison_without_noise() -> None:
    size, hard = [3, 6, 9, 3, 6, 9], [True] * 3 + [False] * 3
    assert F.search_model_comparison(size, [629.0, 881, 1133, 629, 700, 771], hard).tolist() == [INF, 0]
    assert F.search_model_comparison(size, [628.63] * 6, hard).isnan().all()
    assert F.search_model_comparison(size, [629.0, 881, 1133] * 2, hard).isnan().all()
    assert F.search_model_comparison([3, 3, 3, 3, 6, 9], [1.0, 2, 3, 4, 5, 7], hard).isnan().all()
    assert F.search_model_comparison(size, [1.0, 2, NAN, 4, 5, INF], hard).isnan().all()  # four trials
    metric = SearchModelComparison(["a"])
    metric.update(torch.zeros(6).long(), size, [1.0, 2, 3.5, 4, 5, 7], hard)
    assert math.isnan(metric.interval(20)["a"].low)  # one display per set size


def test_means_count_their_own_conditions() -> None:
    metric = MeanFixations(["a", "b"])
    metric.update(torch.tensor([0, 0, 0, 1]), [1.0, 2.0, NAN, 7.0])
    scores = metric.interval(50)
    assert scores["a"][3:] == (2, 1) and scores["b"][3:] == (1, 0)
    assert scores["a"].low >= 1 and math.isnan(scores["b"].low)
    found = FoundRate(["a", "b"])
    found.update(torch.tensor([0, 0, 1]), [True, False, True])
    assert found.compute().tolist() == [0.5, 1]


@pytest.mark.parametrize("name", CASES)
def test_functions_equal_the_classes(name: str) -> None:
    case = CASES[name]
    b = case.batch(3)
    t, c = {k: b[k] for k in ("set_size", "cost")}, b["condition"]
    human = torch.tensor([9.0, 2.0, 1.0, 4.0])
    one = {k: [b[k][b["task"] == task] for task in (0, 1)] for k in ("set_size", "cost", "is_hard")}
    found = {
        "search_slopes": lambda: F.search_slopes(**t, condition=c, conditions=4),
        "search_asymmetry": lambda: F.search_asymmetry(**t, is_hard=b["is_hard"], task=b["task"], tasks=2),
        "slope_correlation": lambda: F.slope_correlation(
            F.search_slopes(**t, condition=c, conditions=4), human
        ),
        "search_model_comparison": lambda: torch.stack(
            [F.search_model_comparison(*rest)[1] for rest in zip(*one.values(), strict=True)]
        ),
        "mean_fixations": lambda: F.mean_fixations(b["saccades"], c, 4),
        "found_rate": lambda: F.found_rate(b["found"], c, 4),
    }[name]()
    torch.testing.assert_close(found, case.expected([b]), rtol=1e-9, atol=1e-12)


def test_wrong_input_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"condition must be places 0 ... 1 in the list of names, got 0 to 2"
    ):
        SearchSlopes(["a", "b"]).update(torch.tensor([0, 2]), [1, 2], [1.0, 2.0])
    with pytest.raises(ValueError, match="conditions must be a list of different names, got 'a'"):
        SearchSlopes("a")
    with pytest.raises(ValueError, match="name 'mean'"):
        SearchAsymmetry(["mean"])
    twice = SlopeCorrelation(["a", "b"])
    with pytest.raises(ValueError, match="condition 'b' has more than one human_slope_ms"):
        made(twice, {"condition": torch.ones(2).long(), "set_size": [1, 2], "cost": [1.0, 2.0],
                     "human_slope_ms": [3.0, 4.0]}).compute()  # fmt: skip
    with pytest.raises(ValueError, match="one task, set size, cost and is_hard"):
        SearchModelComparison(["a"]).update(torch.tensor([0]), [1, 2], [1.0, 2.0], [True, False])
    with pytest.raises(ValueError, match="one value and one condition"):
        MeanFixations(["a"]).update(torch.tensor([0]), [1.0, 2.0])
    with pytest.raises(ValueError, match="must broadcast"):
        F.slope_correlation([1.0, 2.0], [1.0, 2.0, 3.0])
    assert F.slope_correlation([1.0, 2.0], [1.0, 2.0]).isnan()
    assert F.slope_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]).isnan()
