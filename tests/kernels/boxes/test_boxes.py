"""Overlaps of boxes and their suppression against torchvision's values, plain loops and finite differences."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gazekit.kernels.boxes import batched_nms, nms, pairwise_ciou, pairwise_giou, pairwise_iou, suppression

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
MEASURES = {"iou": pairwise_iou, "giou": pairwise_giou, "ciou": pairwise_ciou}


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> dict[str, Tensor]:
    arrays = np.load(shared_data / "detection_ops_golden" / "ops.npz")
    return {name: torch.from_numpy(arrays[name]) for name in arrays}


def some_boxes(n: int, seed: int = 0, span: float = 30.0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    corner, side = (torch.rand(n, 2, dtype=torch.float64, generator=draw) for _ in range(2))
    return torch.cat([span * corner, span * corner + 10 * side + 1], 1)


def loop_overlap(a: list[float], b: list[float]) -> tuple[float, float, float]:
    """IoU, GIoU and CIoU of two proper boxes."""
    both = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    (aw, ah), (bw, bh) = ((box[2] - box[0], box[3] - box[1]) for box in (a, b))
    either = aw * ah + bw * bh - both
    width, height = max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])
    iou = both / either
    apart = math.dist(((a[0] + a[2]) / 2, (a[1] + a[3]) / 2), ((b[0] + b[2]) / 2, (b[1] + b[3]) / 2))
    v = 4 / math.pi**2 * (math.atan(aw / ah) - math.atan(bw / bh)) ** 2
    alpha = v / (1 - iou + v) if v else 0
    ciou = iou - apart**2 / (width**2 + height**2) - alpha * v
    return iou, iou - (width * height - either) / (width * height), ciou


def loop_nms(boxes: Tensor, scores: Tensor, classes: Tensor, threshold: float) -> list[int]:
    """The greedy definition, one box after the other."""
    iou, kept = pairwise_iou(boxes, boxes), []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i].item(), i)):
        if not any(classes[i] == classes[j] and iou[i, j] > threshold for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("name", MEASURES)
def test_overlaps_have_the_values_of_torchvision(golden, name) -> None:
    found = MEASURES[name](golden["boxes_a"], golden["boxes_b"])
    torch.testing.assert_close(found, golden[name], rtol=0, atol=1e-6)


def test_overlaps_equal_the_loop() -> None:
    a, b = some_boxes(15), some_boxes(7, seed=1)
    b[0] = a[0]
    expected = torch.tensor([[loop_overlap(x, y) for y in b.tolist()] for x in a.tolist()]).double()
    for column, measure in enumerate(MEASURES.values()):
        torch.testing.assert_close(measure(a, b), expected[..., column], rtol=0, atol=1e-6)
        batched = measure(a.expand(3, 1, 15, 4), b.expand(2, 7, 4))
        assert batched.shape == (3, 2, 15, 7)
        assert torch.equal(batched[2, 1], measure(a, b))
        assert measure(a[:0], b).shape == (0, 7)


def test_gradients_of_overlaps() -> None:
    a, b = (some_boxes(n, n, span=8.0).requires_grad_() for n in (4, 3))
    for measure in (pairwise_iou, pairwise_giou):
        assert torch.autograd.gradcheck(measure, (a, b))


def test_the_gradient_of_ciou_takes_alpha_for_a_constant() -> None:
    a, b = (some_boxes(1, n, span=3.0) for n in (4, 3))
    iou = loop_overlap(a[0].tolist(), b[0].tolist())[0]
    aspect = [math.atan((box[0, 2] - box[0, 0]) / (box[0, 3] - box[0, 1])) for box in (a, b)]
    v = 4 / math.pi**2 * (aspect[0] - aspect[1]) ** 2
    alpha = v / (1 - iou + v)

    def constant_alpha(corners: list[float]) -> float:
        of_loop = loop_overlap(corners, b[0].tolist())
        angle = math.atan((corners[2] - corners[0]) / (corners[3] - corners[1]))
        moved = 4 / math.pi**2 * (angle - aspect[1]) ** 2
        return of_loop[2] + moved**2 / (1 - of_loop[0] + moved) - alpha * moved

    (found,) = torch.autograd.grad(pairwise_ciou(a.requires_grad_(), b).sum(), a)
    for i in range(4):
        up, down = (list(a[0].tolist()) for _ in range(2))
        up[i], down[i] = up[i] + 1e-6, down[i] - 1e-6
        slope = (constant_alpha(up) - constant_alpha(down)) / 2e-6
        assert found[0, i].item() == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("name", MEASURES)
def test_boxes_without_area(name) -> None:
    """point, line, reversed in x, reversed in both, a proper box around the others."""
    boxes = torch.tensor([[2.0, 2, 2, 2], [1, 2, 3, 2], [3, 1, 1, 2], [3, 3, 1, 1], [0, 0, 4, 4]]).double()
    boxes.requires_grad_()
    value = MEASURES[name](boxes, boxes)
    assert value[:4, :4].isnan().all()
    assert value[4, 4] == 1
    with_area = value[4, :4]
    if name == "iou":
        assert with_area.tolist() == [0, 0, 0, 0]
    elif name == "giou":
        assert with_area.tolist() == [0, 0, 0, 0]
    else:
        assert with_area.isnan().tolist() == [True, False, True, True]
    everything, defined = (
        torch.autograd.grad(v.sum(), boxes, retain_graph=True)[0] for v in (value, value[~value.isnan()])
    )
    assert everything.isfinite().all()
    assert torch.equal(everything, defined)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("padding", [math.nan, math.inf])
def test_padded_rows_leave_the_other_boxes_alone(name, padding) -> None:
    a, b = (some_boxes(3, n, span=5.0).requires_grad_() for n in (4, 3))
    filled = torch.cat([b, torch.full((2, 4), padding).double()])
    value = MEASURES[name](a, filled)
    assert value[:, 3:].isnan().all()
    expected = MEASURES[name](a, b)
    assert torch.equal(value[:, :3], expected)
    for total in (value.sum(), MEASURES[name](filled, a).sum()):
        for found, alone in zip(
            torch.autograd.grad(total, (a, b)),
            torch.autograd.grad(expected.sum(), (a, b), retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(found, alone)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_areas_beyond_half_precision(dtype) -> None:
    """300 pixels squared are beyond float16: infinite areas, and NaN of a box with itself."""
    boxes = torch.tensor([[0.0, 0, 300, 300], [100, 0, 400, 300], [1000, 1000, 1600, 1400]], dtype=dtype)
    for measure in MEASURES.values():
        leaf = boxes.clone().requires_grad_()
        found = measure(leaf, boxes)
        assert found.dtype == dtype
        assert torch.equal(found, measure(boxes.double(), boxes.double()).to(dtype))
        assert found.diagonal().tolist() == [1, 1, 1]
        assert torch.autograd.grad(found.sum(), leaf)[0].isfinite().all()
    assert nms(boxes[[0, 0, 1, 2]], torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.6).tolist() == [0, 2, 3]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 12), min_size=4, max_size=4), min_size=2, max_size=6))
def test_properties_of_overlaps(corners) -> None:
    boxes = torch.tensor(corners).double()
    iou, giou, ciou = (measure(boxes, boxes) for measure in MEASURES.values())
    for value in (iou, giou, ciou):
        torch.testing.assert_close(value, value.T, rtol=0, atol=1e-12, equal_nan=True)
    defined = ~iou.isnan()
    assert torch.equal(defined, ~giou.isnan())
    assert ((iou >= 0) & (iou <= 1) & (giou >= -1) & (giou <= iou))[defined].all()
    assert (ciou <= iou)[~ciou.isnan()].all()


def test_suppression_has_the_values_of_torchvision(golden) -> None:
    boxes, scores, classes = golden["boxes_a"], golden["scores"], golden["classes"]
    assert torch.equal(nms(boxes, scores, 0.5), golden["nms_05"])
    assert torch.equal(nms(boxes, scores, 0.2), golden["nms_02"])
    assert torch.equal(batched_nms(boxes, scores, classes, 0.3), golden["bnms_03"])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n", [0, 1, 15, 64, 123])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_suppression_equals_the_loop(monkeypatch, device, n, threshold) -> None:
    boxes = some_boxes(n, span=20.0)
    draw = torch.Generator().manual_seed(n)
    scores = torch.randint(5, (n,), generator=draw) / 4  # many ties
    classes = torch.randint(-1, 3, (n,), generator=draw)
    there = [tensor.to(device) for tensor in (boxes, scores, classes)]
    for block in (7, 128):
        monkeypatch.setitem(suppression.BLOCK, device, block)
        found = batched_nms(*there, threshold)
        assert found.tolist() == loop_nms(boxes, scores, classes, threshold)
        assert nms(*there[:2], threshold).tolist() == loop_nms(boxes, scores, 0 * classes, threshold)


def test_a_long_chain_of_suppressions() -> None:
    """Each box would suppress the next only: every second one stays."""
    left = torch.arange(200.0)
    boxes = torch.stack([left * 3, 0 * left, left * 3 + 10, 0 * left + 10], 1)
    assert nms(boxes, -left, 0.5).tolist() == list(range(0, 200, 2))


def test_an_overlap_of_the_threshold_itself_is_no_suppression() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 1], [0, 0, 1, 1]])
    scores = torch.tensor([0.1, 0.2])
    assert nms(boxes, scores, 0.5).tolist() == [1, 0]
    assert nms(boxes, scores, 0.49).tolist() == [1]


def test_far_from_the_origin_classes_keep_their_precision() -> None:
    """A shift by class x largest coordinate, as others do it, would round these boxes to nothing in float32."""
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 0.4], [1e5, 0, 1e5 + 1, 1]]).repeat(400, 1)
    classes = torch.arange(400).repeat_interleave(3)
    kept = batched_nms(boxes, torch.ones(1200), classes, 0.5)
    assert kept.tolist() == list(range(1200))


def test_boxes_without_area_and_masked_scores() -> None:
    boxes = torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 1], [3, 3, 0, 0], [0, 0, 4, 4]])
    scores = torch.tensor([0.5, 0.4, -torch.inf, 0.1])
    assert nms(boxes, scores, 0.0).tolist() == [0, 1, 3, 2]
    assert nms(boxes.bfloat16(), scores, 0.0).tolist() == [0, 1, 3, 2]
    assert nms(boxes.T.contiguous().T, scores, 0.0).tolist() == [0, 1, 3, 2]


def test_wrong_input_is_named() -> None:
    boxes, scores, classes = torch.zeros(2, 4), torch.zeros(2), torch.zeros(2, dtype=torch.long)
    for wrong, text in [
        ((boxes[0], scores, classes, 0.5), r"boxes_px must have shape \[..., N, 4\]"),
        ((boxes[None], scores, classes, 0.5), r"boxes_px must have shape \[N, 4\]"),
        ((boxes, scores[:1], classes, 0.5), r"scores must have shape \[2\]"),
        ((boxes, scores, classes[:1], 0.5), r"classes must have shape \[2\]"),
        ((boxes, scores * torch.nan, classes, 0.5), "scores not NaN"),
        ((boxes + torch.inf, scores, classes, 0.5), "must be finite"),
        ((boxes, scores, classes, 1.5), "iou_threshold must lie in"),
    ]:
        with pytest.raises(ValueError, match=text):
            batched_nms(*wrong)
    for wrong, text in [
        ((boxes.long(), scores, classes, 0.5), "boxes_px must be floating"),
        ((boxes, classes, classes, 0.5), "scores must be floating"),
        ((boxes, scores, scores, 0.5), "classes must be integers"),
    ]:
        with pytest.raises(TypeError, match=text):
            batched_nms(*wrong)
    with pytest.raises(ValueError, match="b_px must have shape"):
        pairwise_iou(boxes, boxes[:, :3])
    with pytest.raises(TypeError, match=r"dtype of a_px, torch.float32, got torch.float64"):
        pairwise_giou(boxes, boxes.double())
