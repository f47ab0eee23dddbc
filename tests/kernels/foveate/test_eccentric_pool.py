"""Pooling with a window for every output pixel: golden windows, a loop over pixels, gradients, precision."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gazekit.kernels.foveate import eccentric_avg_pool2d, eccentric_rings, eccentric_windows


def double(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


LAYER_3 = {4: 2, 5: 3, 6: 3, 7: 4, 8: 4, 9: 5, 10: 5, 11: 6, 12: 6, math.inf: 7}
LAYER_4 = {4: 2, 5: 3, 6: 3, 7: 4, 8: 5, 9: 5, 10: 6, 11: 6, 12: 7, math.inf: 8}


@pytest.mark.parametrize(
    ("side", "px_per_dva", "slope", "want"),
    [(202, 8, 0.07, LAYER_3), (101, 4, 0.16, LAYER_4), (51, 2, 0.32, LAYER_4)],
)
def test_windows_of_eccnet_at_806_pixels(side, px_per_dva, slope, want):
    """Ring outer radius in degrees (an output pixel is two input pixels) to window."""
    rings = eccentric_rings(side, px_per_dva, slope)
    assert {2 * ring.radius_px / px_per_dva: ring.window_px for ring in rings} == want


@pytest.mark.parametrize(
    ("sides", "largest"),
    [((340, 170, 85), (12, 14, 14)), ((131, 66, 33), (5, 5, 5)), ((202, 101, 51), (7, 8, 8))],
)
def test_largest_windows_of_eccnet(sides, largest):
    """Inputs of 1358, 524 and 806 pixels; layers 1 and 2 pool by 2 everywhere."""
    layers = zip(sides, (8, 4, 2), (0.07, 0.16, 0.32), strict=True)
    assert tuple(eccentric_rings(*layer)[-1].window_px for layer in layers) == largest
    assert {ring.window_px for ring in eccentric_rings(4 * sides[0], 30, 0.0)} == {2}


def test_small_layer_pools_plainly():
    assert eccentric_rings(30, 8, 0.07) == [(math.inf, 2)]
    image = double(1, 2, 8, 6)
    plain = torch.nn.functional.avg_pool2d(image, 2)
    torch.testing.assert_close(eccentric_avg_pool2d(image, eccentric_windows(8, 6, 8, 0.07)), plain)


def test_rings_where_the_fovea_ends_at_half_the_layer():
    """e_0 = O / 2 is no small layer: there is a last ring, from the corners' distance on."""
    assert eccentric_rings(32, 4, 0.25) == [(8, 2), (math.inf, 3)]
    assert eccentric_rings(30, 4, 0.25) == [(math.inf, 2)]
    windows = eccentric_windows(32, 32, 4, 0.25)[0]
    assert windows[8, 8] == 2 and windows[0, 8] == 3 and windows[1, 8] == 2 and windows[15, 15] == 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_windows_about_a_fixation_in_half_precision(dtype):
    fixation = torch.tensor([[640.0, 12.0]])
    want = eccentric_windows(20, 700, 8, 0.07, fixation)
    assert (eccentric_windows(20, 700, 8, 0.07, fixation.to(dtype)) == want).all()


def test_rings_lie_about_the_source_s_centre_or_the_fixation():
    windows = eccentric_windows(51, 51, 2, 0.32)[0]
    for i, j in np.ndindex(26, 26):
        distance = math.hypot(i - 13, j - 13)  # output pixels; one is a degree here
        want = next(r for radius, r in LAYER_4.items() if distance < radius)
        assert windows[i, j] == want
    fixation = torch.tensor([[27.0, 27.0], [7.0, 41.0]])  # output pixels (13, 13) and (3, 20)
    about = eccentric_windows(51, 51, 2, 0.32, fixation)
    assert (about[0] == windows).all()
    assert (about[1, 20, 3:13] == windows[13, 13:23]).all()


def slow_pool(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Window by window, a plain mean of the cells that lie in the image."""
    height, width = image.shape[-2:]
    out = np.empty((*image.shape[:2], (height + 1) // 2, (width + 1) // 2))
    for b, i, j in np.ndindex(len(image), *out.shape[2:]):
        r = int(window[b % len(window), i, j])
        cells = []
        for k, (side, outputs) in zip((i, j), ((height, out.shape[2]), (width, out.shape[3])), strict=True):
            start = 2 * k - max(2 * (outputs - 1) + r - side, 0) // 2
            cells.append([x for x in range(start, start + r) if 0 <= x < side])
        out[b, :, i, j] = image[b][:, cells[0]][:, :, cells[1]].mean((-2, -1))
    return out


def random_case(
    batch: int, height: int, width: int, largest: int, shared: bool = False
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height)
    shape = (1 if shared else batch, (height + 1) // 2, (width + 1) // 2)
    return double(batch, 3, height, width), torch.randint(1, largest + 1, shape, generator=generator)


CASES = [(1, 1, 1, 1), (1, 1, 7, 9), (2, 15, 12, 7), (2, 16, 9, 14), (3, 5, 6, 30)]


@pytest.mark.parametrize("impl", ["auto", "reference"])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("sizes", CASES)
def test_pool_against_a_loop(sizes, shared, impl):
    image, window = random_case(*sizes, shared)
    found = eccentric_avg_pool2d(image, window, impl)
    np.testing.assert_allclose(found.numpy(), slow_pool(image.numpy(), window.numpy()), atol=1e-12)


@pytest.mark.parametrize("impl", ["auto", "reference"])
@pytest.mark.parametrize("sizes", [(1, 5, 4, 9), (2, 3, 4, 3)])
def test_pool_gradient(sizes, impl):
    image, window = random_case(*sizes)
    assert torch.autograd.gradcheck(lambda x: eccentric_avg_pool2d(x, window, impl), image.requires_grad_())


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 20), st.floats(-1e3, 1e3))
def test_a_constant_is_its_own_mean(height, width, largest, value):
    _, window = random_case(1, height, width, largest)
    image = torch.full((1, 1, height, width), value, dtype=torch.float64)
    expected = torch.full((1, 1, *window.shape[1:]), value, dtype=torch.float64)
    torch.testing.assert_close(eccentric_avg_pool2d(image, window), expected)


def test_large_image_loses_no_precision():
    """Running sums to 400,000 in single precision would miss by 5e-3."""
    image, window = double(1, 1, 896, 896).float(), eccentric_windows(896, 896, 8, 0.07)
    exact = eccentric_avg_pool2d(image.double(), window)
    assert (eccentric_avg_pool2d(image, window) - exact).abs().max() < 1e-7


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan])
def test_a_pixel_that_is_not_finite_spoils_its_own_windows_only(wrong):
    image, window = random_case(1, 9, 8, 5)
    image[0, 1, 2, 3] = wrong
    found = eccentric_avg_pool2d(image, window)
    want = torch.from_numpy(slow_pool(image.numpy(), window.numpy()))
    torch.testing.assert_close(found, want, equal_nan=True)
    assert 0 < (~found.isfinite()).sum() < 10
    image = double(1, 3, 9, 8).requires_grad_()
    given = torch.ones(1, 3, *window.shape[1:]).double()
    given[0, 1, 2, 1] = wrong
    grads = [
        torch.autograd.grad(eccentric_avg_pool2d(image, window, impl), image, given)[0]
        for impl in ("auto", "reference")
    ]
    torch.testing.assert_close(*grads, equal_nan=True)


def test_chunks_of_planes_are_independent(monkeypatch):
    image, window = random_case(2, 9, 8, 5)
    whole = eccentric_avg_pool2d(image, window)
    monkeypatch.setattr("gazekit.kernels.foveate.table.CELLS", 100)
    torch.testing.assert_close(eccentric_avg_pool2d(image, window), whole)


def test_nothing_to_pool_and_strided_images():
    _, window = random_case(1, 6, 8, 4)
    assert eccentric_avg_pool2d(torch.rand(0, 3, 6, 8), window).shape == (0, 3, 3, 4)
    assert eccentric_avg_pool2d(torch.rand(1, 0, 6, 8), window).shape == (1, 0, 3, 4)
    image = double(1, 8, 6, 3).permute(0, 3, 2, 1).requires_grad_()
    found = eccentric_avg_pool2d(image, window.transpose(1, 2).contiguous().transpose(1, 2))
    torch.testing.assert_close(found, eccentric_avg_pool2d(image.contiguous(), window, "reference"))


IMAGE = torch.rand(2, 1, 6, 8)
ONES = torch.ones(1, 3, 4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: eccentric_avg_pool2d(IMAGE[0], ONES), ValueError, "image must be [B, C, H, W]"),
        (
            lambda: eccentric_avg_pool2d(IMAGE, ONES.float()),
            TypeError,
            "window must be integer, got torch.float32",
        ),
        (
            lambda: eccentric_avg_pool2d(IMAGE, ONES[:, :2]),
            ValueError,
            "window must be [2 or 1, 3, 4], got [1, 2, 4]",
        ),
        (
            lambda: eccentric_avg_pool2d(IMAGE, 0 * ONES),
            ValueError,
            "window must be 1 or more everywhere, got 0",
        ),
        (
            lambda: eccentric_avg_pool2d(IMAGE, 33 * ONES, "triton"),
            ValueError,
            "impl='triton' cannot run here",
        ),
        (lambda: eccentric_rings(0, 8, 0.1), ValueError, "side_px must be positive and finite, got 0"),
        (lambda: eccentric_rings(100, 1, 0.1), ValueError, "must round to 1 or more pixels, got 0.5"),
        (lambda: eccentric_rings(100, 8, -0.1), ValueError, "slope must be 0 or more and finite, got -0.1"),
        (
            lambda: eccentric_windows(9, 9, 8, 0.1, torch.rand(2)),
            ValueError,
            "fixation_xy_px must be finite [B, 2]",
        ),
        (
            lambda: eccentric_windows(9, 9, 8, 0.1, torch.full((1, 2), math.nan)),
            ValueError,
            "fixation_xy_px must be finite",
        ),
    ],
)
def test_errors_name_what_was_wanted(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()


@pytest.mark.parametrize("windows_each", (False, True))
def test_channels_last_gives_the_same(windows_each):
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(2, 5, 13, 18, generator=draw)
    window = torch.randint(1, 9, (2 if windows_each else 1, 7, 9), generator=draw)
    last = image.contiguous(memory_format=torch.channels_last).requires_grad_()
    plain = image.clone().requires_grad_()
    ours, expected = eccentric_avg_pool2d(last, window), eccentric_avg_pool2d(plain, window)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(ours, expected)
    weight = torch.rand(expected.shape, generator=draw)
    (ours * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(last.grad, plain.grad)
