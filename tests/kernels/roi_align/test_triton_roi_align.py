"""The Triton form of box pooling against the plain one: values and every gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gazekit.kernels.roi_align import roi_align

pytest.importorskip("triton")

DEVICES = [
    pytest.param(
        "cpu",
        marks=pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are compiled on this machine"),
    ),
    pytest.param("cuda", marks=pytest.mark.gpu),
]
TOLERANCE = {torch.float32: (1e-5, 1e-5), torch.bfloat16: (2e-2, 2e-2)}  # relative, absolute


def inputs(device: str, c: int, k: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(c)
    features = torch.randn(2, c, 5, 7, generator=draw).to(device, dtype).requires_grad_()
    corner, extent = torch.rand(k, 2, generator=draw) * 8 - 2, torch.rand(k, 2, generator=draw) * 6
    if k > 1:
        corner[1] += 30  # wholly off the map
    boxes = torch.cat([torch.randint(2, (k, 1), generator=draw), corner, corner + extent], 1)
    return features, boxes.to(device).requires_grad_()


def compare(features: Tensor, boxes: Tensor, size: tuple[int, int], **options: int | bool) -> None:
    results = []
    for impl in ("triton", "reference"):
        out = roi_align(features, boxes, size, impl=impl, **options)
        weight = torch.linspace(-1, 1, out.numel(), device=out.device).view(out.shape).to(out)
        results.append([out, *torch.autograd.grad(out, (features, boxes), weight)])
    rtol, atol = TOLERANCE[features.dtype]
    for name, found, expected in zip(("out", "features", "boxes"), *results, strict=True):
        torch.testing.assert_close(
            found, expected, rtol=rtol, atol=atol * max(1, expected.abs().max().item()),
            msg=lambda text, name=name: f"{name}: {text}",
        )  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [1, 15, 64, 123])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_channels(device, channels, dtype) -> None:
    compare(*inputs(device, channels, 2, dtype), (1, 2))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
def test_sampling(device, ratio, aligned) -> None:
    compare(*inputs(device, 3, 4), (2, 1), sampling_ratio=ratio, aligned=aligned)


@pytest.mark.parametrize("device", DEVICES)
def test_more_channels_than_a_block_and_views(device) -> None:
    features, boxes = inputs(device, 5, 3)
    wide = features.repeat(1, 60, 1, 1).transpose(2, 3).detach().requires_grad_()
    compare(wide, boxes.detach().T.contiguous().T.requires_grad_(), (1, 1), sampling_ratio=1)


@pytest.mark.parametrize("device", DEVICES)
def test_samples_at_the_last_place_that_counts(device) -> None:
    """Divisions by 3 and by 7, the product and the sum have to be rounded as plain torch rounds them."""
    features, _ = inputs(device, 3, 1)
    side, way = torch.linspace(3, 11, 200), torch.tensor((1 + 0.5 / 3) / 7)
    left = -1 - side * way
    right = left + side
    exactly = left + (right - left) * way == -1
    assert exactly.sum() > 20
    left, right = (x[exactly][: 4 if device == "cpu" else 200] for x in (left, right))
    boxes = torch.stack([0 * left, left, 0 * left + 1, right, 0 * left + 3], 1)
    compare(features, boxes.to(device).requires_grad_(), (1, 7), sampling_ratio=3, aligned=False)


@pytest.mark.parametrize("device", DEVICES)
def test_a_box_far_larger_than_the_map(device) -> None:
    features, _ = inputs(device, 3, 1)
    boxes = torch.tensor([[0.0, -2e4, -1e4, 1e4, 1e4], [1, 0, -50, 0, 60]], device=device).requires_grad_()
    compare(features, boxes, (2, 2))


@pytest.mark.parametrize("device", DEVICES)
def test_one_gradient_alone(device) -> None:
    features, boxes = inputs(device, 3, 2)
    for wanted, other in ((features, boxes), (boxes, features)):
        other.requires_grad_(False)
        found, expected = (
            torch.autograd.grad(roi_align(features, boxes, (1, 1), impl=impl).sum(), wanted)[0]
            for impl in ("triton", "reference")
        )
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        other.requires_grad_(True)


@pytest.mark.parametrize("device", DEVICES)
def test_no_boxes_and_no_real_box(device) -> None:
    features, boxes = inputs(device, 3, 2)
    assert roi_align(features, boxes[:0], (2, 3), impl="triton").shape == (0, 3, 2, 3)
    wrong = boxes.detach().clone()
    wrong[1, 3] = wrong[1, 1] - 1
    out = roi_align(features, wrong.requires_grad_(), (1, 1), impl="triton")
    assert out.isnan().flatten(1).all(1).tolist() == [False, True]
    assert torch.autograd.grad(out[1].sum(), features)[0].abs().sum() == 0


@pytest.mark.parametrize("device", DEVICES)
def test_double_precision_is_refused(device) -> None:
    features, boxes = inputs(device, 1, 1)
    with pytest.raises(ValueError, match="float64"):
        roi_align(features.double(), boxes, (1, 1), impl="triton")
