"""Overlap of masks and label maps: goldens, scikit-learn, empty masks, means over objects and frames."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score

from gazekit.metrics import ClassIoU, Dice, IoU, MacroIoU
from gazekit.metrics.functional import class_dice, class_iou, dice, iou, macro_dice, macro_iou

MASKS = arrays(bool, (2, 3, 4, 5))
LABELS = arrays(np.int64, (2, 3, 4, 3), elements=st.integers(0, 3))


def test_golden(shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden_metrics" / "misc_expected.json").read_text())["segmentation"]
    prediction, target = (np.array([item[side] for item in golden]) for side in ("pred", "target"))
    for function, key in ((dice, "dice"), (iou, "iou")):
        expected = [item["expected"][key] for item in golden]
        np.testing.assert_allclose(function(prediction, target), expected, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(MASKS)
def test_sets_of_pixels(masks: np.ndarray) -> None:
    prediction, target = masks
    d, j = dice(prediction, target), iou(prediction, target)
    for i in range(len(prediction)):
        a, b = (set(np.flatnonzero(mask)) for mask in (prediction[i], target[i]))
        expected = len(a & b) / len(a | b) if a | b else 1
        assert j[i].item() == pytest.approx(expected, abs=1e-12)
        assert iou(prediction[i], target[i]) == j[i]
    torch.testing.assert_close(j, d / (2 - d), rtol=0, atol=1e-12)
    assert torch.equal(dice(target, prediction), d)


@settings(deadline=None, max_examples=50)
@given(LABELS)
def test_classes_are_those_of_sklearn(maps: np.ndarray) -> None:
    prediction, target = maps
    for per_class, macro, reference in (
        (class_dice, macro_dice, f1_score),
        (class_iou, macro_iou, jaccard_score),
    ):
        found = per_class(prediction, target, 5)
        for i in range(len(prediction)):
            present = np.union1d(prediction[i], target[i])
            expected = np.full(5, np.nan)
            expected[present] = reference(
                target[i].ravel(), prediction[i].ravel(), labels=present, average=None
            )
            np.testing.assert_allclose(found[i], expected, rtol=0, atol=1e-12)
            assert macro(prediction[i], target[i], 5).item() == pytest.approx(np.nanmean(expected), abs=1e-12)


@pytest.mark.parametrize(("empty", "expected"), [("one", 1), ("zero", 0), ("nan", math.nan)])
def test_empty_masks(empty: str, expected: float) -> None:
    nothing, something = np.zeros((3, 3), bool), np.eye(3, dtype=bool)
    for function in (dice, iou):
        assert function(nothing, nothing, empty).item() == pytest.approx(expected, nan_ok=True)
        assert function(nothing, something, empty) == 0 == function(something, nothing, empty)
    assert macro_dice(torch.zeros(0, 3, dtype=torch.long), torch.zeros(0, 3, dtype=torch.long), 2).isnan()


def test_objects_frames_and_pixels() -> None:
    """Object 0 in two frames, 1 in one: IoU 1, 0 and 0.5 of 1, 4 and 2 pixels."""
    prediction = torch.zeros(3, 2, 4, dtype=torch.bool)
    target = prediction.clone()
    prediction[0, 0, 0] = target[0, 0, 0] = True
    prediction[1, 0, :2] = target[1, 1, :2] = True
    prediction[2, 1, 3] = target[2, :, 3] = True
    expected = {
        ("group", (0, 0, 1)): 0.5,
        ("group", (0, 1, 0)): 0.375,
        ("weight", None): 2 / 7,
        ("item", None): 0.5,
    }
    for (aggregation, ids), value in expected.items():
        metric = IoU(aggregation=aggregation)
        metric.update(prediction, target, None if ids is None else torch.tensor(ids))
        assert metric.compute().item() == pytest.approx(value, abs=1e-12)
    pooled = Dice(aggregation="weight")
    pooled.update(prediction, target)
    assert pooled.compute().item() == pytest.approx(4 / 9, abs=1e-12)


def test_a_class_is_averaged_over_the_images_that_show_it() -> None:
    prediction, target = torch.tensor([[[0, 1]], [[0, 0]]]), torch.tensor([[[0, 1]], [[0, 0]]])
    target[0, 0, 1] = 0
    metric = ClassIoU(n_classes=3)
    metric.update(prediction, target)
    assert metric.compute()[:2].tolist() == [0.75, 0] and metric.compute()[2].isnan()
    assert metric.undefined.tolist() == [0, 1, 2]
    macro = MacroIoU(n_classes=3)
    macro.update(prediction, target)
    assert macro.compute() == 0.625  # (0.25 + 1) / 2


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<u4", ">i4", "<i8"])
def test_label_maps_of_any_integers_and_layout(dtype: str) -> None:
    maps = np.random.default_rng(0).integers(0, 4, (2, 5, 6))
    expected = class_iou(maps[0], maps[1], 4)
    stored = maps.astype(dtype)
    stored.flags.writeable = False
    backwards = stored[:, ::-1, ::-1]
    for a, b in (stored, backwards):
        torch.testing.assert_close(class_iou(a, b, 4), expected, rtol=0, atol=0)
        torch.testing.assert_close(dice(a // 2, b // 2), dice(maps[0] // 2, maps[1] // 2), rtol=0, atol=0)


def test_words_are_checked_at_construction() -> None:
    for make in (Dice, IoU):
        with pytest.raises(ValueError, match="empty must be one, nan or zero, got 'two'"):
            make(empty="two")


def test_wrong_input_is_named() -> None:
    mask, labels = torch.zeros(2, 3, 3, dtype=torch.bool), torch.zeros(3, 3, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"prediction must hold booleans .* 0 and 1, got torch\.float32"):
        dice(mask.float(), mask)
    with pytest.raises(ValueError, match="target must hold 0 and 1 only, got 0 to 255"):
        iou(mask, torch.tensor([[0, 255]], dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"of one H and W, got \[2, 3, 3\] and \[3, 2\]"):
        dice(mask, mask[0, :, :2])
    with pytest.raises(ValueError, match=r"must broadcast, got \[2, 3, 3\] and \[5, 3, 3\]"):
        dice(mask, mask[:1].expand(5, 3, 3))
    with pytest.raises(ValueError, match="empty must be one, nan or zero, got 'none'"):
        dice(mask, mask, empty="none")
    with pytest.raises(ValueError, match=r"labels of target must lie in 0 \.\.\. 1, got 0 to 2"):
        class_iou(labels, labels + torch.eye(3, dtype=torch.uint8) * 2, 2)
    with pytest.raises(TypeError, match=r"prediction must hold integer labels, got torch\.bool"):
        class_iou(labels > 0, labels, 2)
    with pytest.raises(ValueError, match="n_classes must be at least 1, got 0"):
        MacroIoU(n_classes=0)
