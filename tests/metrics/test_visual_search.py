"""Steps to the target, the curves made of them, and the directness of the way: goldens, loops, what is undefined."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gazekit.metrics import TFPAUC, ProbabilityMismatch, ScanpathRatio, TargetFoundCurve
from gazekit.metrics.functional import (
    probability_mismatch,
    scanpath_ratio,
    steps_to_target,
    target_found_curve,
    tfp_auc,
    tfp_auc_mean,
)
from gazekit.scanpath import Scanpaths

NAN, INF = math.nan, math.inf
BOX = [600.0, 400.0, 700.0, 500.0]
PATHS = arrays(float, st.tuples(st.integers(1, 6), st.just(2)), elements=st.integers(0, 12).map(float))


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> dict:
    data = json.loads((shared_data / "golden_metrics" / "misc_expected.json").read_text())["visual_search"]
    boxes = np.array([trial["bbox_xywh"] for trial in data["trials"]])
    data["boxes"] = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    return data


def column(golden: dict, key: str, missing: float) -> np.ndarray:
    return np.array([missing if trial[key] is None else trial[key] for trial in golden["trials"]], float)


@pytest.mark.parametrize("who", ["model", "human"])
def test_golden_trials(golden: dict, who: str) -> None:
    paths = [trial[who] for trial in golden["trials"]]
    steps = steps_to_target(paths, golden["boxes"])
    assert steps.tolist() == column(golden, f"{who}_step", INF).tolist()
    curve = target_found_curve(steps, golden["max_step"])
    np.testing.assert_allclose(curve, golden["expected"][f"{who}_cdf"], rtol=0, atol=1e-9)
    ratio = scanpath_ratio(paths, golden["boxes"], golden["max_step"])
    np.testing.assert_allclose(ratio, column(golden, f"{who}_spr", NAN), rtol=0, atol=1e-9)


def test_golden_summaries(golden: dict) -> None:
    expected, max_step = golden["expected"], golden["max_step"]
    model, human = ([trial[who] for trial in golden["trials"]] for who in ("model", "human"))
    curves = [
        target_found_curve(steps_to_target(paths, golden["boxes"]), max_step) for paths in (model, human)
    ]
    assert tfp_auc(curves[0]).item() == pytest.approx(expected["tfp_auc"], abs=1e-9)
    assert tfp_auc_mean(curves[0]).item() == pytest.approx(expected["tfp_auc_normalised"], abs=1e-9)
    assert probability_mismatch(*curves).item() == pytest.approx(expected["prob_mismatch"], abs=1e-9)
    metrics = TFPAUC(max_step), ScanpathRatio(max_step), ProbabilityMismatch(max_step)
    for metric, key in zip(metrics, ("tfp_auc", "mean_scanpath_ratio", "prob_mismatch"), strict=True):
        paths = {"model": model, "human": human} if key == "prob_mismatch" else {"paths": model}
        metric.update(**paths, boxes_xyxy_px=golden["boxes"])
        assert metric.compute().item() == pytest.approx(expected[key], abs=1e-9)


def steps_by_loop(path: np.ndarray, box: list[float]) -> float:
    for number, (x, y) in enumerate(path, start=1):
        if box[0] < x < box[2] and box[1] < y < box[3]:
            return number
    return INF


def ratio_by_loop(path: np.ndarray, box: list[float]) -> float:
    steps = steps_by_loop(path, box)
    if steps == INF:
        return NAN
    length = sum(math.dist(path[i], path[i + 1]) for i in range(int(steps) - 1))
    centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return min(1.0, math.dist(centre, path[0]) / length) if length else NAN


@settings(deadline=None, max_examples=50)
@given(st.lists(PATHS, min_size=1, max_size=5))
def test_loops_agree_and_batches_equal_single_trials(paths: list[np.ndarray]) -> None:
    box = [3.0, 4.0, 8.0, 9.0]
    steps, ratio = steps_to_target(paths, box), scanpath_ratio(paths, box)
    assert steps.tolist() == [steps_by_loop(path, box) for path in paths]
    np.testing.assert_allclose(ratio, [ratio_by_loop(path, box) for path in paths], rtol=0, atol=1e-12)
    single = torch.stack([scanpath_ratio(path, box) for path in paths])
    torch.testing.assert_close(single, ratio, rtol=0, atol=0, equal_nan=True)
    curve = target_found_curve(steps, 4)
    assert curve.tolist() == [np.mean(steps.numpy() <= k) for k in range(1, 6)]
    torch.testing.assert_close(tfp_auc(curve), 5 * tfp_auc_mean(curve))


def test_the_border_of_the_box_is_outside() -> None:
    path = [[600, 450], [700, 450], [650, 400], [650, 500], [600.001, 499.999]]
    assert steps_to_target(path, BOX) == 5


@pytest.mark.parametrize("padding", [650.0, NAN])
def test_padding_does_not_matter(padding: float) -> None:
    xy = torch.tensor(
        [[[0.0, 0.0], [10.0, 0.0], [650.0, 450.0]], [[0.0, 0.0], [padding, padding], [650.0, 450.0]]]
    )
    xy = xy.double().requires_grad_()
    paths = Scanpaths(xy, torch.tensor([[True, True, True], [True, False, False]]))
    assert steps_to_target(paths, BOX).tolist() == [3, INF]
    ratio = scanpath_ratio(paths, BOX)
    assert ratio.isnan().tolist() == [False, True]
    ratio[0].backward()
    assert xy.grad.isfinite().all() and not xy.grad[1].any()


def test_undefined() -> None:
    assert steps_to_target(torch.zeros(0, 2), BOX) == INF
    assert scanpath_ratio(torch.zeros(0, 2), BOX).isnan()
    assert steps_to_target([[650, 450]], [NAN] * 4).isnan()
    assert scanpath_ratio([[0, 0], [650, 450]], [NAN] * 4).isnan()
    assert scanpath_ratio([[650, 450], [0, 0]], BOX).isnan()  # found by the first fixation
    late = [[0, 0], [1, 1], [650, 450]]
    assert scanpath_ratio(late, BOX, max_step=1).isnan() and not scanpath_ratio(late, BOX, max_step=2).isnan()
    assert target_found_curve(torch.tensor([2.0, NAN, INF]), 1).tolist() == [0, 0.5]
    assert target_found_curve(torch.tensor([NAN]), 1).isnan().all()
    assert target_found_curve(torch.zeros(3, 0), 1).isnan().all()


def test_gradient_of_the_ratio() -> None:
    xy = torch.tensor([[3.0, 5.0], [300.0, 20.0], [650.0, 450.0], [9.0, 9.0]]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda xy: scanpath_ratio(xy, BOX), xy)


def test_categories_weigh_equally() -> None:
    found, lost = [[0, 0], [650, 450]], [[0, 0], [10, 10]]
    trials, boxes, group = [found, found, found, lost], [BOX] * 4, torch.tensor([0, 0, 0, 1])
    by_trial, by_category = TargetFoundCurve(1), TargetFoundCurve(1, "group")
    for metric in (by_trial, by_category):
        metric.update(trials, boxes, group)
    assert by_trial.compute().tolist() == [0, 0.75]
    assert by_category.compute().tolist() == [0, 0.5]


def test_interval_of_the_mismatch_holds_it() -> None:
    draw = torch.Generator().manual_seed(0)
    model, human = 100 * torch.rand(2, 40, 5, 2, generator=draw)
    metric = ProbabilityMismatch(4)
    metric.update(model, human, torch.tensor([[20.0, 20.0, 70.0, 70.0]]).expand(40, 4))
    value, low, high, n, undefined = metric.interval(n_resamples=200)
    assert value == metric.compute() and 0 < low < high < 5 and (n, undefined) == (40, 0)


def test_trials_of_different_numbers_of_people() -> None:
    """In lists everybody is there, and one without fixations failed; in a padded panel that is nobody."""
    found, lost = [[0, 0], [650, 450]], [[0, 0], [10, 10]]
    trials = [[found, found, lost, []], [lost], []]
    listed, arrays_, padded = (TargetFoundCurve(1, "none") for _ in range(3))
    listed.update(trials, [BOX] * 3)
    arrays_.update([Scanpaths.of(trial) for trial in trials], [BOX] * 3)
    panel = Scanpaths.of([found, found, lost, [], lost, [], [], [], [], [], [], []])
    padded.update(Scanpaths(panel.xy_px.reshape(3, 4, 2, 2), panel.mask.reshape(3, 4, 2)), [BOX] * 3)
    for metric, seen in ((listed, 2 / 4), (arrays_, 2 / 4), (padded, 2 / 3)):
        torch.testing.assert_close(
            metric.compute()[:, 1], torch.tensor([seen, 0, NAN]).double(), rtol=0, atol=1e-7, equal_nan=True
        )
        assert metric.undefined.tolist() == [1, 1]
    mismatch = ProbabilityMismatch(1)
    mismatch.update([found, lost, found], trials, [BOX] * 3)  # the third counts on neither side
    assert mismatch.compute() == 1 / 4 and mismatch.undefined == 1


def test_people_are_not_mixed_with_trials() -> None:
    path = [[0, 0], [650, 450]]
    with pytest.raises(ValueError, match=r"paths\[1\] must be a list of scanpaths"):
        TFPAUC(6).update([[path, path], path], [BOX] * 2)
    with pytest.raises(ValueError, match="paths must hold trials"):
        TFPAUC(6).update(path, [BOX] * 2)


def test_steps_and_their_number_are_checked() -> None:
    for steps in (0.0, 1.5, -INF):
        with pytest.raises(ValueError, match=r"steps must be 1, 2, \.\.\., inf or NaN, got"):
            target_found_curve(torch.tensor([2.0, steps]), 3)
    for make in (TargetFoundCurve, TFPAUC, ScanpathRatio, ProbabilityMismatch):
        with pytest.raises(TypeError, match=r"max_step must be an integer, got 2\.5"):
            make(2.5)
        with pytest.raises(ValueError, match="max_step must be at least 0, got -1"):
            make(-1)


def test_wrong_input_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"boxes_xyxy_px must be x_min, y_min, x_max, y_max .* \[600\.0, 400\.0"
    ):
        steps_to_target([[0, 0]], [600.0, 400.0, 100.0, 100.0])
    with pytest.raises(ValueError, match=r"boxes_xyxy_px must have shape \[\.\.\., 4\], got \[2\]"):
        steps_to_target([[0, 0]], [600.0, 400.0])
    with pytest.raises(ValueError, match=r"paths and boxes_xyxy_px must broadcast, got \[2\] and \[3\]"):
        steps_to_target(torch.zeros(2, 4, 2), [BOX] * 3)
    with pytest.raises(ValueError, match="max_step must be at least 0, got -1"):
        target_found_curve(torch.zeros(2), -1)
    with pytest.raises(ValueError, match="equally many steps"):
        probability_mismatch(torch.zeros(3), torch.zeros(4))
    with pytest.raises(ValueError, match="aggregation must be item or group, got 'none'"):
        ProbabilityMismatch(6, aggregation="none")
    with pytest.raises(ValueError, match="paths and boxes_xyxy_px must hold equally many trials"):
        TFPAUC(6).update(torch.zeros(2, 4, 2), [BOX])
