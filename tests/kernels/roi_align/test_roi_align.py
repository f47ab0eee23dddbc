"""Box pooling against torchvision's values, a plain loop, and finite differences."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gazekit.kernels.roi_align import bags, reference, roi_align
from gazekit.kernels.roi_align.frames import AxisSamples, axis_samples

FORMS = ("auto", "reference")


def loop_sample(page: np.ndarray, y: float, x: float) -> np.ndarray:
    """[C] of a map [C, H, W], as the definition says it."""
    h, w = page.shape[1:]
    if not (-1 <= y <= h and -1 <= x <= w):
        return np.zeros(len(page))
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    i, j = int(y), int(x)
    v, u = y - i, x - j
    below, right = min(i + 1, h - 1), min(j + 1, w - 1)
    top = (1 - u) * page[:, i, j] + u * page[:, i, right]
    return (1 - v) * top + v * ((1 - u) * page[:, below, j] + u * page[:, below, right])


def loop_roi_align(
    features: Tensor, boxes: Tensor, size: tuple[int, int], scale: float, ratio: int, aligned: bool
):
    pages, out = features.numpy(), np.zeros((len(boxes), features.shape[1], *size))
    for k, (image, *corners) in enumerate(boxes.tolist()):
        x1, y1, x2, y2 = (scale * corner - (0.5 if aligned else 0.0) for corner in corners)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        n, m = (
            ratio or max(1, math.ceil(side / bins)) for side, bins in zip((height, width), size, strict=True)
        )
        for p, q in np.ndindex(*size):
            out[k, :, p, q] = np.mean(
                [
                    loop_sample(pages[int(image)], y1 + height * (p + (i + 0.5) / n) / size[0],
                                x1 + width * (q + (j + 0.5) / m) / size[1])
                    for i, j in np.ndindex(n, m)
                ],
                axis=0,
            )  # fmt: skip
    return torch.from_numpy(out)


def some_boxes(k: int, images: int, side: float) -> Tensor:
    """[K, 5]; some reach beyond a picture of this side, one is wholly off it, one is a point, one is huge."""
    draw = torch.Generator().manual_seed(k)
    corner, extent = (torch.rand(k, 2, dtype=torch.float64, generator=draw) * side for _ in range(2))
    boxes = torch.cat([torch.randint(images, (k, 1), generator=draw), corner - 2, corner - 2 + extent], 1)
    if k > 3:
        boxes[1, 1:] += 3 * side
        boxes[2, 3:] = boxes[2, 1:3]
        boxes[3, 1:] = torch.tensor([-2.03, -3.07, 4.11, 5.13]) * side  # no sample at a kink
    return boxes


def some_features(b: int, c: int, h: int, w: int) -> Tensor:
    return torch.randn(b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(c))


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize(
    ("key", "size", "ratio", "aligned"),
    [
        ("roi_aligned_s2", (7, 7), 2, True),
        ("roi_legacy_s2", (7, 7), 2, False),
        ("roi_aligned_s0", (3, 5), 0, True),
    ],
)
def test_it_gives_the_values_of_torchvision(shared_data: Path, impl, key, size, ratio, aligned) -> None:
    golden = np.load(shared_data / "detection_ops_golden" / "ops.npz")
    features, rois, expected = (torch.from_numpy(golden[name]) for name in ("feat", "rois", key))
    found = roi_align(
        features, rois, size, spatial_scale=0.5, sampling_ratio=ratio, aligned=aligned, impl=impl
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("shape", [(2, 3, 9, 7), (3, 1, 1, 1), (1, 2, 15, 1)])
@pytest.mark.parametrize("ratio", [0, 1, 3])
@pytest.mark.parametrize("aligned", [True, False])
def test_it_equals_the_loop(impl, shape, ratio, aligned) -> None:
    features, boxes = some_features(*shape), some_boxes(7, shape[0], 2 * max(shape[2:]))
    found = roi_align(
        features, boxes, (2, 3), spatial_scale=0.5, sampling_ratio=ratio, aligned=aligned, impl=impl
    )
    expected = loop_roi_align(features, boxes, (2, 3), 0.5, ratio, aligned)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(
    corner=st.tuples(*[st.floats(-8, 16)] * 2),
    extent=st.tuples(*[st.floats(0, 40)] * 2),
    ratio=st.integers(0, 3),
    aligned=st.booleans(),
)
def test_any_box_equals_the_loop(corner, extent, ratio, aligned) -> None:
    features = some_features(1, 2, 6, 8)
    box = torch.tensor([[0, *corner, corner[0] + extent[0], corner[1] + extent[1]]], dtype=torch.float64)
    expected = loop_roi_align(features, box, (3, 2), 1.0, ratio, aligned)
    for impl in FORMS:
        found = roi_align(features, box, (3, 2), sampling_ratio=ratio, aligned=aligned, impl=impl)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
def test_gradients_to_features_and_boxes(impl, ratio, aligned) -> None:
    features, boxes = some_features(2, 2, 5, 6).requires_grad_(), some_boxes(4, 2, 6.0)
    image, corners = boxes[:, :1], boxes[:, 1:].clone()
    corners[2, 2:] += 0.7  # at a point the reversed side of the difference would be NaN

    def run(features: Tensor, corners: Tensor) -> Tensor:
        boxes = torch.cat([image, corners], 1)
        return roi_align(features, boxes, (2, 2), sampling_ratio=ratio, aligned=aligned, impl=impl)

    assert torch.autograd.gradcheck(run, (features, corners.requires_grad_()))


@pytest.mark.parametrize("impl", FORMS)
def test_the_gradient_of_a_ramp_is_known(impl) -> None:
    """The mean of the x coordinate over a box inside the map is its centre less half a pixel."""
    ramp = torch.arange(12.0, dtype=torch.float64).expand(1, 1, 12, 12)
    box = torch.tensor([[2.2, 3.1, 8.7, 9.4]], dtype=torch.float64, requires_grad=True)
    value = roi_align(ramp, [box], (1, 1), impl=impl).squeeze()
    assert value.item() == pytest.approx((2.2 + 8.7) / 2 - 0.5, abs=1e-12)
    (gradient,) = torch.autograd.grad(value, box)
    assert gradient.tolist() == [pytest.approx([0.5, 0, 0.5, 0], abs=1e-12)]


@pytest.mark.parametrize("ratio", [0, 2])
def test_chunks_change_nothing(monkeypatch, ratio) -> None:
    features, boxes = some_features(2, 3, 9, 7), some_boxes(15, 2, 9.0)
    inputs = features.requires_grad_(), boxes.requires_grad_()

    def run(impl) -> list[Tensor]:
        out = roi_align(*inputs, (3, 2), sampling_ratio=ratio, impl=impl)
        return [out, *torch.autograd.grad(out.square().sum(), inputs)]

    expected = run("reference")
    monkeypatch.setattr(bags, "CHUNK_TAPS", 200)
    monkeypatch.setattr(reference, "CHUNK_BYTES", 4 * 3 * 9 * 7 * 8)
    for impl in FORMS:
        for found, value in zip(run(impl), expected, strict=True):
            torch.testing.assert_close(found, value, rtol=0, atol=1e-11)


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("ratio", [0, 70])
def test_a_huge_box_among_small_ones_needs_little(monkeypatch, impl, ratio) -> None:
    """Only samples on the map are made, and small boxes are not padded to its size."""
    side, made = 1e5 if ratio == 0 else 900.0, []
    features, boxes = some_features(1, 2, 6, 8), torch.tensor([[0.0, 1, 1, 4, 3]]).repeat(1000, 1).double()
    boxes[7, 1:] = torch.tensor([-side, 1 - side, side + 1, side])

    def spied(*inputs) -> AxisSamples:
        made.append(axis_samples(*inputs))
        return made[-1]

    monkeypatch.setattr(bags if impl == "auto" else reference, "axis_samples", spied)
    monkeypatch.setattr(bags, "CHUNK_TAPS", 2**16)
    found = roi_align(features, boxes, (3, 5), sampling_ratio=ratio, impl=impl)
    assert max(samples.low.shape[2] for samples in made) <= (2 * (8 + 1) + 4 if ratio == 0 else 70)
    assert max(samples.low.numel() for samples in made) <= (2**16 if impl == "auto" else 1000 * 5 * 70)
    small = roi_align(features, boxes[:1], (3, 5), sampling_ratio=ratio, impl="reference")
    torch.testing.assert_close(found[[0, 999]], small.expand(2, -1, -1, -1))
    n, m = (ratio or math.ceil(2 * side / 3), ratio or math.ceil((2 * side + 1) / 5))
    total = torch.zeros(2, dtype=torch.float64)
    for y in 0.5 - side + (2 * side - 1) * (torch.arange(n).double() + n + 0.5) / (3 * n):
        if -1 <= y <= 6:
            xs = -0.5 - side + (2 * side + 1) * (torch.arange(m).double() + 2 * m + 0.5) / (5 * m)
            for x in xs[(xs >= -1) & (xs <= 8)].tolist():
                total += torch.from_numpy(loop_sample(features[0].numpy(), y.item(), x))
    torch.testing.assert_close(found[7, :, 1, 2], total / (n * m))


@pytest.mark.parametrize("impl", FORMS)
def test_no_boxes(impl) -> None:
    features = some_features(2, 3, 4, 4).requires_grad_()
    for none in (torch.zeros(0, 5), [torch.zeros(0, 4)] * 2):
        out = roi_align(features, none, (2, 5), impl=impl)
        assert out.shape == (0, 3, 2, 5)
        assert torch.equal(torch.autograd.grad(out.sum(), features)[0], torch.zeros_like(features))
    assert roi_align(features[:0], [], (1, 1), impl=impl).shape == (0, 3, 1, 1)


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("aligned", [True, False])
def test_what_is_no_box_gives_nan_and_leaves_the_others_alone(impl, aligned) -> None:
    nan, inf = torch.nan, torch.inf
    boxes = torch.tensor([[1.0, 1, 3, 3], [3, 1, 1, 3], [1, nan, 3, 3], [0, 0, inf, 3]], requires_grad=True)
    features = some_features(1, 2, 4, 4).float().requires_grad_()
    out = roi_align(features, [boxes], (2, 2), aligned=aligned, impl=impl)
    assert out.isnan().flatten(1).all(1).tolist() == [False, True, True, True]
    from_all = torch.autograd.grad(out.nansum(), (features, boxes), retain_graph=True)
    alone = torch.autograd.grad(out[0].sum(), (features, boxes))
    for found, expected in zip(from_all, alone, strict=True):
        torch.testing.assert_close(found, expected)
        assert found.isfinite().all()


@pytest.mark.parametrize("impl", FORMS)
def test_a_list_is_the_boxes_image_by_image_and_views_are_read_right(impl) -> None:
    features, boxes = some_features(3, 4, 8, 6).transpose(2, 3), some_boxes(15, 3, 7.0)
    boxes = boxes[boxes[:, 0].argsort(stable=True)]
    parts = [boxes[boxes[:, 0] == image, 1:] for image in range(3)]
    found = roi_align(features, parts, (2, 2), impl=impl)
    assert torch.equal(found, roi_align(features, boxes, (2, 2), impl=impl))
    assert torch.equal(found, roi_align(features.contiguous(), boxes.T.contiguous().T, (2, 2), impl=impl))
    assert torch.equal(found[:1], roi_align(features, boxes[:1], (2, 2), impl=impl))


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(impl, dtype) -> None:
    features, boxes = some_features(2, 3, 6, 6).to(dtype), some_boxes(5, 2, 6.0).float()
    found = roi_align(features, boxes, (2, 2), impl=impl)
    assert found.dtype == dtype
    expected = roi_align(features.float(), boxes, (2, 2), impl="reference").to(dtype)
    torch.testing.assert_close(found, expected, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.uint8, torch.int64])
def test_a_list_of_boxes_of_any_dtype_reads_its_own_images(dtype) -> None:
    """bfloat16 has no 257, uint8 neither; nor has it room for what half a pixel leaves of a corner."""
    features, boxes = (
        torch.arange(258.0)[:, None, None, None].expand(-1, 1, 4, 4),
        torch.tensor([[1, 1, 3, 3]]),
    )
    found = roi_align(features, [boxes.to(dtype)] * 258, (1, 1))
    assert found.flatten().tolist() == list(range(258))


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("aligned", [True, False])
def test_samples_at_the_last_place_that_counts(impl, aligned) -> None:
    """At -1 and at the map's length, exactly, a sample takes the border's value; beyond them it is 0."""
    features, shift = torch.arange(1.0, 13.0).view(1, 1, 3, 4), 0.5 * aligned
    middles = {(-1.0, 0.0): 1, (4.0, 0.0): 4, (0.0, 3.0): 9, (-1.0, -1.0): 1, (4.0, 3.0): 12}
    beyond = {(-1.0625, 0.0): 0, (4.0625, 0.0): 0, (0.0, 3.0625): 0, (0.0, -1.0625): 0}
    for (x, y), want in {**middles, **beyond}.items():
        box = torch.tensor([[x - 1, y - 1, x + 1, y + 1]]) + shift
        out = roi_align(features, [box], (1, 1), sampling_ratio=1, aligned=aligned, impl=impl)
        assert out.item() == want, (x, y)


@pytest.mark.parametrize("impl", FORMS)
def test_autocast_does_not_round_the_weights(impl) -> None:
    features, boxes = some_features(2, 3, 9, 7).float().requires_grad_(), some_boxes(7, 2, 9.0).float()
    expected = roi_align(features, boxes, (2, 2), impl=impl)
    with torch.autocast("cpu", torch.bfloat16):
        found = roi_align(features, boxes, (2, 2), impl=impl)
    assert torch.equal(found, expected)
    for grads in zip(*(torch.autograd.grad(out.sum(), features) for out in (found, expected)), strict=True):
        assert torch.equal(*grads)


def test_the_second_derivative_of_the_reference() -> None:
    features, corners = (
        some_features(1, 1, 4, 4).requires_grad_(),
        torch.tensor([[0.6, 0.7, 2.9, 3.2]]).double(),
    )
    run = lambda f, c: roi_align(f, [c], (2, 2), sampling_ratio=1, impl="reference")  # noqa: E731
    assert torch.autograd.gradgradcheck(run, (features, corners.requires_grad_()))


def test_wrong_input_is_named() -> None:
    features, boxes = torch.zeros(2, 3, 4, 4), torch.zeros(1, 5)
    for wrong, text in [
        ((features[0], boxes, (1, 1)), r"features must have shape \[B, C, H, W\]"),
        ((features, boxes[:, 1:], (1, 1)), r"boxes_px must have shape \[K, 5\]"),
        ((features, [boxes], (1, 1)), "list of"),
        ((features, [boxes[:, 1:]], (1, 1)), "list of 2 tensors"),
        ((features, boxes + 2, (1, 1)), "image index from 0 to 1"),
        ((features, boxes + 0.5, (1, 1)), "image index from 0 to 1"),
        ((features, boxes, (0, 1)), "size must be"),
    ]:
        with pytest.raises(ValueError, match=text):
            roi_align(*wrong)
    with pytest.raises(ValueError, match="sampling_ratio must be at least 0, got -1"):
        roi_align(features, boxes, (1, 1), sampling_ratio=-1)
    with pytest.raises(ValueError, match="spatial_scale must be positive, got 0"):
        roi_align(features, boxes, (1, 1), spatial_scale=0)
    with pytest.raises(ValueError, match="impl must be"):
        roi_align(features, boxes, (1, 1), impl="cuda")
    with pytest.raises(TypeError, match="features must be floating"):
        roi_align(features.long(), boxes, (1, 1))
    with pytest.raises(TypeError, match="must be integers"):
        roi_align(features, boxes, (1.5, 1))
    with pytest.raises(TypeError, match="boxes_px must hold real numbers"):
        roi_align(features, boxes.bool(), (1, 1))
