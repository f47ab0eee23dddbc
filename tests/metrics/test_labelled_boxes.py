"""`ClassKappa` and `BoxAP`: values against the functions, intervals against samples that are written out."""

import pytest
import torch

from gazekit.metrics.box_ap import BoxAP
from gazekit.metrics.class_kappa import ClassKappa
from gazekit.metrics.functional import cohen_kappa, detection_ap
from gazekit.metrics.functional.detection import detection_rows, truth_rows
from gazekit.metrics.functional.resampled_ap import resampled_ap


def images(count, seed=0, classes=3):
    draw = torch.Generator().manual_seed(seed)

    def objects(n, near=None):
        corner = 80 * torch.rand(n, 2, generator=draw)
        boxes = torch.cat([corner, corner + 10 + 40 * torch.rand(n, 2, generator=draw)], 1)
        if near is not None:
            boxes = near + 4 * torch.randn(near.shape, generator=draw)
            boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        return {"boxes": boxes, "labels": torch.randint(classes, (len(boxes),), generator=draw)}

    truth, found = [], []
    for _ in range(count):
        n = int(torch.randint(5, (1,), generator=draw))
        true = objects(n)
        guess = objects(n, true["boxes"])
        guess["labels"] = torch.where(torch.rand(n, generator=draw) < 0.8, true["labels"], guess["labels"])
        truth.append(true)
        found.append({**guess, "scores": torch.rand(n, generator=draw)})
    return found, truth


def test_ap_of_samples_is_that_of_images_that_are_there_repeatedly():
    found, truth = images(12)
    numbers = torch.arange(12)
    rows = detection_rows(numbers, found), truth_rows(numbers, truth)
    draws = torch.randint(3, (6, 12), generator=torch.Generator().manual_seed(1)).double()
    fast = resampled_ap(*rows, numbers, draws)
    for mine, draw in zip(fast, draws.long().tolist(), strict=True):
        chosen = [k for k, times in enumerate(draw) for _ in range(times)]
        ap = detection_ap([found[k] for k in chosen], [truth[k] for k in chosen])
        torch.testing.assert_close(torch.stack([mine.mean(), mine[0], mine[5]]), ap[:3])


def test_box_ap_has_the_value_of_all_and_bounds_around_it():
    found, truth = images(30, seed=2)
    metric = BoxAP()
    for k in range(0, 30, 10):
        part = slice(k, k + 10)
        metric.update(torch.arange(k, k + 10), found[part], truth[part], torch.arange(k, k + 10) // 3)
    scores, ap = metric.interval(200), detection_ap(found, truth)
    assert scores["AP"].value == pytest.approx(float(ap[0])) and scores["AP50"].value == pytest.approx(
        float(ap[1])
    )
    assert all(score.low < score.value < score.high and score.n == 30 for score in scores.values())
    torch.testing.assert_close(metric.compute(), ap, equal_nan=True)


def test_box_ap_of_one_group_has_no_interval():
    found, truth = images(6, seed=3)
    metric = BoxAP()
    metric.update(torch.arange(6), found, truth, torch.zeros(6, dtype=torch.long))
    score = metric.interval(20)["AP50"]
    assert score.value > 0 and score.low != score.low
    with pytest.raises(ValueError, match="group must hold an id for each image"):
        metric.update(torch.arange(6), found, truth, torch.zeros(5, dtype=torch.long))


def test_class_kappa_against_the_function():
    draw = torch.Generator().manual_seed(0)
    label = torch.randint(4, (200,), generator=draw)
    predicted = torch.where(
        torch.rand(200, generator=draw) < 0.7, label, torch.randint(4, (200,), generator=draw)
    )
    metric = ClassKappa()
    metric.update(predicted[:90], label[:90], torch.arange(90) // 10)
    metric.update(predicted[90:], label[90:], torch.arange(90, 200) // 10)
    expected = float(cohen_kappa(predicted, label))
    score = metric.interval(300)
    assert float(metric.compute()) == score.value == pytest.approx(expected)
    assert score.low < expected < score.high and (score.n, score.undefined) == (200, 0)


def test_class_kappa_of_little():
    metric = ClassKappa()
    assert metric.interval(10).n == 0 and metric.interval(10).value != metric.interval(10).value
    metric.update([1, 1, 0], [1, -1, 0])
    assert float(metric.compute()) == 1 and metric.interval(10).undefined == 1
    with pytest.raises(ValueError, match="must all be"):
        metric.update([1], [1, 2])
