"""Foveated images: the laws, the pyramid, the blend, the spot on a blur, and their gradients."""

from __future__ import annotations

import math
import re
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gazekit.kernels.foveate import (
    acuity_level,
    blend_levels,
    blur_residual,
    cutoff_cycles_per_dva,
    eccentricity_dva,
    foveate,
    gaussian_bump,
    gaussian_levels,
    reveal,
    transfer_level,
)

INTERPRETED = pytest.mark.skipif(
    torch.cuda.is_available() or not find_spec("triton"), reason="the kernels cannot be interpreted here"
)
IMPLS = ["auto", "reference", pytest.param("triton", marks=INTERPRETED)]


def double(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def opencv_level(image: np.ndarray, level: int) -> np.ndarray:
    sizes = []
    for _ in range(level):
        sizes.append(image.shape[:2])
        image = cv2.pyrDown(image).reshape((image.shape[0] + 1) // 2, (image.shape[1] + 1) // 2, -1)
    for rows, columns in reversed(sizes):
        image = cv2.pyrUp(image, dstsize=(columns, rows)).reshape(rows, columns, -1)
    return image


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 6), (15, 64), (64, 33), (123, 90)])
def test_levels_are_those_of_opencv(size):
    image = double(3, *size).float()
    stack = gaussian_levels(image[None], levels=4)[0]
    for level in range(5):
        want = opencv_level(image.permute(1, 2, 0).numpy(), level)
        np.testing.assert_allclose(stack[level].permute(1, 2, 0).numpy(), want, atol=1e-6)


def test_pyramid_keeps_constants_and_has_gradients():
    torch.testing.assert_close(
        gaussian_levels(torch.ones(1, 1, 13, 6).double(), 5), torch.ones(1, 6, 1, 13, 6).double()
    )
    assert gaussian_levels(torch.rand(0, 3, 5, 4), 2).shape == (0, 3, 3, 5, 4)
    assert torch.autograd.gradcheck(lambda x: gaussian_levels(x, 3), double(1, 1, 7, 4).requires_grad_())


def test_cutoff_has_the_published_values():
    found = cutoff_cycles_per_dva(torch.tensor([0.0, 2.3], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([39.235, 39.235 / 2]).double(), atol=1e-3, rtol=0)


def test_acuity_level_counts_octaves():
    e = torch.tensor([0.0, 2.3, 6.9, math.inf], dtype=torch.float64)  # cut-offs f, f / 2, f / 4, 0
    level = acuity_level(e, 2 * 39.2348)
    torch.testing.assert_close(level, torch.tensor([0, 1, 2, math.inf]).double(), atol=1e-4, rtol=0)


def source_blend(e: float, levels: int = 5, k: float = 1.5, a: float = 2.5, sigma: float = 0.248) -> float:
    """Perry and Geisler's layers, written as in the source, without its 1e-5."""
    resolution = a / (e + a)
    transfer = [math.exp(-k * (2 ** (i - 3) * resolution / sigma) ** 2) for i in range(1, levels + 1)] + [0.0]
    limits = [sigma * math.sqrt(math.log(2) / k) / 2 ** (i - 3) for i in range(1, levels + 1)] + [0.0]
    if resolution > limits[0]:
        return 0.0
    layer = next(i for i in range(levels) if limits[i + 1] <= resolution <= limits[i])
    share = (0.5 - transfer[layer + 1]) / (transfer[layer] - transfer[layer + 1])
    return share * layer + (1 - share) * (layer + 1)


@pytest.mark.parametrize(("levels", "k"), [(5, 1.5), (5, 30.0), (2, 3.0)])
def test_transfer_level_is_the_source_s_blend(levels, k):
    e = torch.linspace(0, 80, 400, dtype=torch.float64)
    want = torch.tensor([source_blend(float(x), levels, k) for x in e]).double()
    found = transfer_level(e, levels, k)
    torch.testing.assert_close(found, want)
    assert (found.diff() >= 0).all() and found.diff().max() < 0.5
    assert torch.autograd.gradcheck(
        lambda x: transfer_level(x, levels, k), double(20).mul(30).requires_grad_()
    )


def slow_foveation(image: np.ndarray, fixations: np.ndarray, px_per_dva: float, levels: int) -> np.ndarray:
    """Pixel by pixel from OpenCV's pyramid; each pixel as its nearest fixation shows it."""
    stack = [opencv_level(image, level) for level in range(levels + 1)]
    out = np.empty_like(image)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            e = min(math.hypot(x + 0.5 - fx, y + 0.5 - fy) for fx, fy in fixations) / px_per_dva
            cutoff = 2.3 * math.log(64) / (0.106 * (e + 2.3))
            level = min(max(math.log2(px_per_dva / 2 / cutoff), 0), levels)
            k = min(int(level), levels - 1)
            out[y, x] = stack[k][y, x] + (level - k) * (stack[k + 1][y, x] - stack[k][y, x])
    return out


@pytest.mark.parametrize("impl", IMPLS)
def test_foveate_against_a_loop_over_pixels(impl):
    image, fixation = double(2, 3, 17, 30).float(), double(2, 3, 2, seed=1).float() * 25
    for memory in (False, True):
        found = foveate(image, fixation, 12.0, memory=memory, levels=3, impl=impl)
        for b in range(2):
            for t in range(3):
                points = fixation[b, 0 if memory else t : t + 1].numpy()
                want = slow_foveation(image[b].permute(1, 2, 0).numpy(), points, 12.0, 3)
                np.testing.assert_allclose(found[b, t].permute(1, 2, 0).numpy(), want, atol=2e-6)


def test_one_fixation_is_a_picture_of_several():
    image, fixation = double(2, 3, 20, 9), double(2, 4, 2, seed=1) * 9
    torch.testing.assert_close(foveate(image, fixation[:, 2], 30.0), foveate(image, fixation, 30.0)[:, 2])


def test_default_levels_reach_the_farthest_pixel():
    image, corner = double(1, 1, 40, 50), torch.tensor([[0.0, 0.0]]).double()
    torch.testing.assert_close(foveate(image, corner, 8.0), foveate(image, corner, 8.0, levels=6))


def test_gradients_of_more_rows_than_a_band():
    """Bands of 64 rows: the second has few, and other levels than the first."""
    stack = double(1, 4, 1, 70, 2)
    level = (torch.linspace(0.05, 1.9, 70).double()[None, None, :, None] + 0.4 * double(1, 2, 70, 2)) ** 1.3
    inputs = stack.requires_grad_(), level.requires_grad_()
    assert torch.autograd.gradcheck(lambda s, x: blend_levels(s, x, "auto"), inputs)
    grads = [
        torch.autograd.grad(blend_levels(*inputs, impl).square().sum(), inputs)
        for impl in ("auto", "reference")
    ]
    for found, want in zip(*grads, strict=True):
        torch.testing.assert_close(found, want)


@pytest.mark.parametrize("impl", ["auto", "reference"])
def test_gradients_to_image_and_fixation(impl):
    image, fixation = double(1, 1, 6, 5).requires_grad_(), (double(1, 2, 2, seed=3) * 5).requires_grad_()

    def seen(x: Tensor, xi: Tensor) -> Tensor:
        return foveate(x, xi, 60.0, levels=3, impl=impl)

    assert torch.autograd.gradcheck(seen, (image, fixation))


def test_gradient_is_zero_on_the_fixated_pixel_itself():
    fixation = torch.tensor([[3.5, 4.5]], dtype=torch.float64, requires_grad=True)
    eccentricity_dva(fixation, 9, 9, 10.0)[0, 4, 3].backward()
    torch.testing.assert_close(fixation.grad, torch.zeros(1, 2).double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_fixation_in_half_precision_has_exact_distances(dtype):
    """Numbers that half precision holds: only the arithmetic could go wrong, beyond 256 pixels."""
    fixation = torch.tensor([[3.5, 4.5], [500.0, 2.0]]).to(dtype)
    found, want = (eccentricity_dva(xy, 6, 700, 10.0) for xy in (fixation, fixation.double()))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, want.float())
    bump = gaussian_bump(fixation, 6, 700, 300.0)
    torch.testing.assert_close(bump, gaussian_bump(fixation.double(), 6, 700, 300.0).float())
    leaf = fixation.clone().requires_grad_()
    foveate(torch.rand(2, 1, 6, 700), leaf, 30.0, levels=2).sum().backward()
    assert leaf.grad.isfinite().all()


def test_padding_shows_the_coarsest_level_and_gets_no_gradient():
    image = double(1, 1, 12, 12)
    fixation = torch.tensor([[[3.0, 4.0], [math.nan, math.nan]]], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False]])
    seen = foveate(image, fixation, 90.0, fixation_mask=mask, levels=2)
    torch.testing.assert_close(seen[:, 1], gaussian_levels(image, 2)[:, 2])
    remembered = foveate(image, fixation, 90.0, fixation_mask=mask, levels=2, memory=True)
    torch.testing.assert_close(remembered[:, 1], remembered[:, 0])
    seen.square().sum().backward()
    assert fixation.grad[0, 0].abs().sum() > 0 and (fixation.grad[0, 1] == 0).all()


@pytest.mark.parametrize("impl", IMPLS)
def test_nan_fixation_is_a_nan_picture_and_no_other(impl):
    fixation = torch.tensor([[[math.nan, 1.0], [2.0, 3.0]]])
    seen = foveate(torch.rand(1, 2, 9, 8), fixation, 20.0, levels=2, impl=impl)
    assert seen[:, 0].isnan().all() and not seen[:, 1].isnan().any()


@pytest.mark.parametrize("impl", IMPLS)
def test_gradient_at_whole_levels_is_that_of_the_upper_side(impl):
    stack = torch.tensor([1.0, 10.0, 100.0, 1000.0])[None, :, None, None, None].expand(1, 4, 1, 1, 4)
    level = torch.tensor([0.0, 1.0, 2.0, 3.0])[None, None, None].requires_grad_()
    seen = blend_levels(stack, level, impl)
    seen.sum().backward()
    assert seen.flatten().tolist() == [1, 10, 100, 1000]
    assert level.grad.flatten().tolist() == [9, 90, 900, 900]  # the last level has no upper side


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.floats(1, 100), st.booleans())
def test_foveation_stays_within_the_image_s_range(seed, px_per_dva, memory):
    """Every picture is an average of the image; a scaled image gives a scaled picture."""
    image, fixation = double(1, 1, 14, 11, seed=seed), double(1, 3, 2, seed=seed + 1) * 40 - 10
    seen = foveate(image, fixation, px_per_dva, memory=memory)
    assert seen.min() >= image.min() - 1e-9 and seen.max() <= image.max() + 1e-9
    torch.testing.assert_close(foveate(3 * image - 1, fixation, px_per_dva, memory=memory), 3 * seen - 1)


def test_real_photograph_is_sharp_at_the_fixation_only(shared_data):
    file = shared_data / "foveation_images" / "neurofovea_1.png"
    image = torch.from_numpy(cv2.imread(str(file))).permute(2, 0, 1)[None].double()
    seen = foveate(image, torch.tensor([[100.0, 380.0]]).double(), 512 / 26)
    lost = (seen - image).abs().mean(1)[0]
    assert lost[370:390, 90:110].max() == 0 and lost[:100, 400:].mean() > 1
    jump = seen.diff(dim=-1).abs().max() / image.diff(dim=-1).abs().max()
    assert jump <= 1  # no border between levels is sharper than the photograph's own edges


def test_reveal_is_neva_s_blend():
    image, xi = (
        double(2, 3, 24, 24),
        torch.tensor([[0.3, -0.2], [-0.9, 1.0]], dtype=torch.float64),
    )  # (row, column)
    grid = torch.stack(torch.meshgrid(*2 * [torch.linspace(-1, 1, 24).double()], indexing="ij"), -1)
    bump = torch.exp(-(grid - xi[:, None, None]).square().sum(-1) / 0.2)
    fixation = (xi.flip(-1) + 1) / 2 * 23 + 0.5
    found = gaussian_bump(fixation, 24, 24, sigma_px=math.sqrt(0.2 / 2) * 23 / 2)
    torch.testing.assert_close(found, bump, atol=1e-6, rtol=0)
    blurred = np.stack([cv2.GaussianBlur(x.permute(1, 2, 0).numpy(), (5, 5), 5.0) for x in image])
    residual = blur_residual(image, 5.0, 5)
    np.testing.assert_allclose((image + residual).permute(0, 2, 3, 1).numpy(), blurred, atol=1e-9)
    memory = double(2, 24, 24, seed=5)
    want = image + residual * (1 - (memory + found)).clamp(0, 1)[:, None]
    torch.testing.assert_close(reveal(image, residual, memory + found), want)
    both = torch.stack((found, memory + found), 1)
    torch.testing.assert_close(reveal(image, residual, both)[:, 1], want)


def test_reveal_has_gradients():
    def seen(image: Tensor, fixation: Tensor) -> Tensor:
        return reveal(image, blur_residual(image, 2.0, 3), gaussian_bump(fixation, 6, 5, 2.0))

    assert torch.autograd.gradcheck(
        seen, (double(2, 2, 6, 5).requires_grad_(), (double(2, 2) * 5).requires_grad_())
    )


IMAGE, POINT = torch.rand(2, 3, 8, 9), torch.rand(2, 2)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: foveate(IMAGE[0], POINT, 8.0), ValueError, "image must be [B, C, H, W]"),
        (lambda: foveate(IMAGE.int(), POINT, 8.0), TypeError, "image must be floating, got torch.int32"),
        (
            lambda: foveate(IMAGE, POINT[:1], 8.0),
            ValueError,
            "fixation_xy_px must be [2, 2] or [2, T, 2], got [1, 2]",
        ),
        (lambda: foveate(IMAGE, POINT.long(), 8.0), TypeError, "fixation_xy_px must be floating"),
        (lambda: foveate(IMAGE, POINT, 0.0), ValueError, "px_per_dva must be positive and finite, got 0.0"),
        (lambda: foveate(IMAGE, POINT, 8.0, levels=0), ValueError, "levels must be positive"),
        (
            lambda: foveate(IMAGE, POINT, 8.0, fixation_mask=torch.ones(2, 2) > 0),
            ValueError,
            "fixation_mask must be [2, 1], got [2, 2]",
        ),
        (lambda: foveate(IMAGE, POINT, 8.0, fixation_mask=torch.ones(2, 1)), TypeError, "must be bool"),
        (lambda: blend_levels(IMAGE[:, None], IMAGE), ValueError, "L >= 2, got [2, 1, 3, 8, 9]"),
        (
            lambda: blend_levels(torch.rand(2, 2, 3, 8, 9), IMAGE[:1]),
            ValueError,
            "level must be [2, T, 8, 9]",
        ),
        (lambda: gaussian_levels(IMAGE, -1), ValueError, "levels must be 0 or more, got -1"),
        (lambda: blur_residual(IMAGE, 1.0, 4), ValueError, "kernel_px must be odd and positive, got 4"),
        (lambda: blur_residual(IMAGE, 1.0, 41), ValueError, "larger than kernel_px // 2 = 20"),
        (lambda: reveal(IMAGE, IMAGE[:1], IMAGE[:, 0]), ValueError, "residual must have the shape of image"),
        (lambda: reveal(IMAGE, IMAGE, IMAGE[:1, 0]), ValueError, "seen must be [2, 8, 9] or [2, T, 8, 9]"),
    ],
)
def test_errors_name_what_was_wanted(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()
