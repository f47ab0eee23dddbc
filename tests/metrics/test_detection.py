"""COCO's numbers for boxes: COCO's own results, the rules written as loops, order of images, wrong input."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gazekit.metrics import DetectionAP
from gazekit.metrics.functional import (
    DETECTION_PARTS,
    box_iou,
    detection_ap,
    detection_ap_per_class,
    detection_matching,
)

AREAS = [(0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10)]


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> tuple[list[dict], list[dict], dict]:
    folder = shared_data / "detection_ops_golden"
    true, found, expected = (
        json.loads((folder / f"coco_{name}.json").read_text()) for name in ("gt", "dets", "eval")
    )
    images = [image["id"] for image in true["images"]]
    truth = [columns(true["annotations"], image, "area", "iscrowd") for image in images]
    return [columns(found, image, "score") for image in images], truth, expected


def columns(records: list[dict], image: int, *extra: str) -> dict:
    mine = [record for record in records if record["image_id"] == image]
    boxes = np.array([record["bbox"] for record in mine]).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    named = {"boxes": boxes, "labels": np.array([record["category_id"] for record in mine], int)}
    for name in extra:
        values = np.array([record[name] for record in mine])
        named["scores" if name == "score" else name] = values.astype(int) if name == "iscrowd" else values
    return named


def test_golden(golden: tuple[list[dict], list[dict], dict]) -> None:
    predictions, truth, expected = golden
    numbers = dict(zip(DETECTION_PARTS, detection_ap(predictions, truth).tolist(), strict=True))
    assert numbers == pytest.approx(expected["stats"], abs=1e-9)
    labels, ap = detection_ap_per_class(predictions, truth)
    assert labels.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(ap, list(expected["AP_per_class"].values()), rtol=0, atol=1e-9)


def test_box_iou_is_that_of_torchvision(shared_data: Path) -> None:
    golden = np.load(shared_data / "detection_ops_golden" / "ops.npz")
    found = box_iou(golden["boxes_a"], golden["boxes_b"])
    np.testing.assert_allclose(found, golden["iou"], rtol=0, atol=1e-6)  # float32 there
    assert torch.equal(box_iou(golden["boxes_b"], golden["boxes_a"]), found.T)
    batch = box_iou(np.stack([golden["boxes_a"]] * 2), golden["boxes_b"])
    assert torch.equal(batch[1], found)
    assert box_iou([[1, 1, 1, 1]], [[1, 1, 1, 1]]).isnan().all()


def random_images(seed: int, images: int = 6, most: int = 7) -> tuple[list[dict], list[dict]]:
    """Crowds, equal scores, equal overlaps, areas that aren't those of the boxes, empty images."""
    rng = np.random.default_rng(seed)
    predictions, truth = [], []
    for _ in range(images):
        count = rng.integers(0, most)
        corner, side = rng.integers(0, 60, (count, 2)), rng.choice([8, 25, 40, 110], (count, 2))
        boxes, labels = np.concatenate([corner, corner + side], 1), rng.integers(0, 3, count)
        area = side.prod(1) * rng.choice([0.5, 1.0], count)
        truth.append({"boxes": boxes, "labels": labels, "area": area, "iscrowd": rng.random(count) < 0.2})
        again = rng.integers(0, max(count, 1), 2 * count)
        shifted = boxes[again] + rng.integers(-5, 6, (len(again), 4)) * rng.choice([0, 1], (len(again), 1))
        shifted[:, 2:] = np.maximum(shifted[:, 2:], shifted[:, :2] + 1)
        wrong = np.where(rng.random(len(again)) < 0.2, rng.integers(0, 4, len(again)), labels[again])
        scores = rng.integers(0, 6, len(again)) / 5
        predictions.append({"boxes": shifted, "scores": scores, "labels": wrong})
    return predictions, truth


def match_by_loop(found: dict, true: dict, label: int, low: float, high: float, threshold: float, most: int):
    """(score, status) of the detections of one image and class, 1 hit, 0 miss, -1 ignored; and boxes to find."""
    own = [i for i in np.argsort(-found["scores"], kind="stable") if found["labels"][i] == label][:most]
    boxes = [j for j in range(len(true["labels"])) if true["labels"][j] == label]
    ignore = {j: bool(true["iscrowd"][j]) or not low <= true["area"][j] <= high for j in boxes}
    boxes.sort(key=lambda j: ignore[j])
    taken, result = set(), []
    for i in own:
        best, best_overlap = None, threshold
        for j in boxes:
            if j in taken and not true["iscrowd"][j]:
                continue
            if best is not None and not ignore[best] and ignore[j]:
                break
            overlap = overlap_by_hand(found["boxes"][i], true["boxes"][j], true["iscrowd"][j])
            if overlap >= best_overlap:
                best, best_overlap = j, overlap
        area = np.prod(found["boxes"][i][2:] - found["boxes"][i][:2])
        if best is None:
            status = 0 if low <= area <= high else -1
        else:
            taken.add(best)
            status = -1 if ignore[best] else 1
        result.append((found["scores"][i], status))
    return result, sum(not flag for flag in ignore.values())


def overlap_by_hand(a: np.ndarray, b: np.ndarray, crowd: bool) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = width * height if width > 0 and height > 0 else 0
    own, other = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return both / (own if crowd else own + other - both)


def curve_by_loop(predictions, truth, label, area, threshold, most) -> tuple[float, float]:
    """AP at 101 levels of recall, and the recall."""
    scored, to_find = [], 0
    for found, true in zip(predictions, truth, strict=True):
        result, boxes = match_by_loop(found, true, label, *area, threshold, most)
        scored, to_find = scored + result, to_find + boxes
    if not to_find:
        return np.nan, np.nan
    statuses = [status for _, status in sorted(scored, key=lambda pair: -pair[0]) if status >= 0]
    hits = np.cumsum(np.array(statuses, float))
    recall, precision = hits / to_find, hits / np.arange(1, len(hits) + 1)
    levels = [precision[recall >= level].max(initial=0) for level in np.linspace(0, 1, 101)]
    return np.mean(levels), (recall[-1] if len(recall) else 0.0)


def twelve_by_loop(predictions, truth) -> list[float]:
    labels = sorted({int(label) for true in truth for label in true["labels"]})
    thresholds = np.linspace(0.5, 0.95, 10)

    def mean(part: int, area: tuple[float, float], most: int = 100, at: np.ndarray = thresholds) -> float:
        values = [
            curve_by_loop(predictions, truth, label, area, threshold, most)[part]
            for label in labels
            for threshold in at
        ]
        return np.nan if np.isnan(values).all() else np.nanmean(values)

    ap = [mean(0, AREAS[0]), mean(0, AREAS[0], at=thresholds[:1]), mean(0, AREAS[0], at=thresholds[5:6])]
    recall = [mean(1, AREAS[0], most) for most in (1, 10, 100)]
    return [*ap, *(mean(0, a) for a in AREAS[1:]), *recall, *(mean(1, a) for a in AREAS[1:])]


@pytest.mark.parametrize("seed", range(4))
def test_rules_written_as_loops(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    predictions, truth = random_images(seed)
    expected = twelve_by_loop(predictions, truth)
    found = detection_ap(predictions, truth)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    monkeypatch.setattr(detection_matching, "_CHUNK_BYTES", 1)
    torch.testing.assert_close(detection_ap(predictions, truth), found, rtol=0, atol=0, equal_nan=True)


def test_only_the_hundred_highest_count() -> None:
    box = np.array([[0, 0, 40, 40]])
    scores = np.linspace(1, 0.5, 101)
    far = np.repeat(box + 100, 101, 0)
    far[100] = box  # rank 101
    truth = [{"boxes": box, "labels": [1]}]
    found = {"boxes": far, "scores": scores, "labels": np.ones(101, int)}
    assert detection_ap([found], truth)[0] == 0
    far[99] = box
    numbers = dict(zip(DETECTION_PARTS, detection_ap([found], truth).tolist(), strict=True))
    assert numbers["AP"] == pytest.approx(0.01) and (numbers["AR10"], numbers["AR100"]) == (0, 1)


def test_order_of_batches_does_not_matter() -> None:
    predictions, truth = random_images(7, images=9)
    expected = detection_ap(predictions, truth)
    metric = DetectionAP()
    for part in ([8, 3], [0], [5, 1, 7], [6, 2, 4]):
        metric.update(torch.tensor(part), [predictions[i] for i in part], [truth[i] for i in part])
    assert torch.equal(metric.compute(), expected)
    labels, ap = metric.per_class()
    assert labels.tolist() == [0, 1, 2, 3]
    assert ap[3].isnan() and metric.undefined == 1  # detected, never there
    assert ap[:3].mean().item() == pytest.approx(expected[0].item(), abs=1e-12)


def test_perfect_and_nothing() -> None:
    predictions, truth = random_images(11)
    for true in truth:
        true["iscrowd"][:] = False
        true["area"] = np.prod(true["boxes"][:, 2:] - true["boxes"][:, :2], 1)
    perfect = [
        {"boxes": t["boxes"], "labels": t["labels"], "scores": np.ones(len(t["labels"]))} for t in truth
    ]
    numbers = detection_ap(perfect, truth)
    np.testing.assert_allclose(numbers[[0, 1, 2, 3, 4, 5, 8, 9, 10, 11]], 1, rtol=0, atol=1e-12)
    none = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int)}
    assert (detection_ap([none | {"scores": np.zeros(0)}] * 6, truth) == 0).all()
    assert detection_ap(predictions, [none] * 6).isnan().all()
    assert detection_ap([], []).isnan().all()
    assert detection_ap_per_class([], [])[0].shape == (0,)


def test_wrong_input_is_named() -> None:
    found = {"boxes": [[0, 0, 4, 4]], "scores": [0.5], "labels": [1]}
    true = {"boxes": [[0, 0, 4, 4]], "labels": [1]}
    with pytest.raises(ValueError, match="equally many images, got 1 and 2"):
        detection_ap([found], [true, true])
    with pytest.raises(
        ValueError, match=r"predictions of image 0 must have 'scores', got \['boxes', 'labels'\]"
    ):
        detection_ap([true], [true])
    with pytest.raises(
        ValueError, match=r"truth of image 0: boxes must be x_min, .* got \[5\.0, 5\.0, 4\.0, 4\.0\]"
    ):
        detection_ap([found], [true | {"boxes": [[5, 5, 4, 4]]}])
    with pytest.raises(ValueError, match=r"predictions of image 0: labels must have shape \[1\], got \[2\]"):
        detection_ap([found | {"labels": [1, 2]}], [true])
    with pytest.raises(
        TypeError, match=r"predictions of image 0: labels must hold integers, got torch\.float64"
    ):
        detection_ap([found | {"labels": [1.5]}], [true])
    with pytest.raises(ValueError, match="scores must be finite"):
        detection_ap([found | {"scores": [float("nan")]}], [true])
    with pytest.raises(ValueError, match=r"image must hold an id for each .* got \[2\], 1 and 1"):
        DetectionAP().update(torch.tensor([0, 1]), [found], [true])
