"""All transforms: forms of pictures and fixations, edge cases, gradients, and what each does to a picture."""

import math
import re

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from gazekit.foveation import (
    FoveatedBlur,
    FoveatedTexture,
    GeislerPerry,
    LogPolar,
    PerryGeisler,
    Reference,
    RetinaWarp,
    UniformBlur,
)
from gazekit.foveation.blur import gaussian_blur, sigma_level
from gazekit.foveation.sampling import retina_radii
from gazekit.kernels.foveate import foveate, gaussian_levels

SAME_SIZE = {
    "reference": Reference(),
    "texture": FoveatedTexture(4.0, 0.6),
    "hard texture": FoveatedTexture(4.0, 0.6, hard=True),
    "uniform blur": UniformBlur(1.5),
    "foveated blur": FoveatedBlur(4.0, 0.6, sigma_px=[0.5, 1, 2, 3]),
    "acuity": GeislerPerry(4.0),
    "pyramid": PerryGeisler(4.0),
}
ALL = SAME_SIZE | {"log-polar": LogPolar(5, 8, 2.0, 12.0), "retina": RetinaWarp(12)}
each = pytest.mark.parametrize("transform", ALL.values(), ids=ALL)
each_of_one_size = pytest.mark.parametrize("transform", SAME_SIZE.values(), ids=SAME_SIZE)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    """Smooth enough to be told from their own noise."""
    noise = torch.rand(*shape, generator=torch.Generator().manual_seed(seed))
    return gaussian_blur(noise, 1.0) if min(shape[-2:]) > 8 else noise


@each
def test_pictures_and_fixations_are_independent(transform):
    images = pictures(2, 3, 20, 23)
    points = torch.tensor([[[3.0, 4.0], [20.0, 11.0]], [[11.5, 10.0], [3.0, 4.0]]])
    together = transform(images, points)
    for b in range(2):
        for t in range(2):
            if transform is not ALL["pyramid"] or t == 0:  # it remembers
                alone = transform(images[b : b + 1], points[b : b + 1, t])
                torch.testing.assert_close(together[b, t], alone[0], atol=1e-5, rtol=1e-5)
    middle = transform(images, (11.5, 10.0))
    torch.testing.assert_close(middle, transform(images))
    torch.testing.assert_close(middle[1], together[1, 0], atol=1e-5, rtol=1e-5)


@each_of_one_size
def test_bytes_come_back_in_their_form(transform):
    colour = (pictures(1, 3, 20, 24)[0].movedim(0, -1).numpy() * 255).round().astype(np.uint8)
    seen = transform(colour, (3.0, 4.0))
    assert isinstance(seen, np.ndarray) and seen.dtype == np.uint8 and seen.shape == colour.shape
    want = transform(torch.from_numpy(colour).movedim(-1, 0)[None] / 255, (3.0, 4.0))[0].movedim(0, -1)
    assert np.abs(seen - want.numpy() * 255).max() <= 0.5 + 1e-3
    opaque = np.concatenate((colour, colour[..., :1]), -1)
    again = transform(opaque, np.array([[3.0, 4.0], [9.0, 9.0]]))
    assert again.shape == (2, 20, 24, 4)
    np.testing.assert_array_equal(again[0, ..., :3], seen)
    np.testing.assert_array_equal(again[1, ..., 3], colour[..., 0])
    grey = transform(torch.from_numpy(colour[..., 0]))
    assert isinstance(grey, Tensor) and grey.dtype == torch.uint8 and grey.shape == (20, 24)
    assert transform(colour[None, ..., :1]).shape == (1, 20, 24, 1)


@each
def test_no_fixations_and_no_pictures(transform):
    size = transform(pictures(1, 3, 20, 24)).shape[1:]
    assert transform(pictures(2, 3, 20, 24), torch.zeros(2, 0, 2)).shape == (2, 0, *size)
    assert transform(torch.zeros(0, 3, 20, 24), torch.zeros(0, 4, 2)).shape == (0, 4, *size)


@each_of_one_size
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (1, 7), (2, 1), (5, 300)])
def test_tiny_pictures_and_fixations_outside(transform, size):
    image = pictures(1, 3, *size)
    for point in ((0.5, 0.5), (-40.0, 3.0), (1e4, -1e4)):
        seen = transform(image, point)
        assert seen.shape == image.shape and seen.isfinite().all()
        assert -1e-6 <= seen.min() and seen.max() <= 1 + 1e-6


@each
@pytest.mark.parametrize(
    ("images", "point", "error", "words"),
    [
        (torch.rand(1, 3, 20, 20), (math.nan, 2.0), ValueError, "finite.*fixation 0 of picture 0"),
        (torch.rand(1, 3, 20, 20), (math.inf, 2.0), ValueError, "finite"),
        (torch.rand(2, 3, 20, 20), torch.zeros(3, 2), ValueError, r"\[2, 2\].*\[3, 2\]"),
        (torch.rand(3, 20, 20), None, ValueError, "images\\[None\\]"),
        (torch.zeros(1, 3, 20, 0), None, ValueError, "with pixels"),
        (torch.zeros(1, 3, 20, 20, dtype=torch.int64), None, TypeError, "uint8"),
        (torch.zeros(20, 20, 5, dtype=torch.uint8), None, ValueError, "1, 3 or 4 channels"),
    ],
)
def test_wrong_input_is_said(transform, images, point, error, words):
    with pytest.raises(error, match=re.compile(words)):
        transform(images, point)


@each
def test_gradients_of_pictures_and_fixations(transform):
    images = (pictures(2, 3, 9, 12).double() * 0.6 + 0.2).requires_grad_()
    points = torch.tensor([[3.2, 4.1], [7.7, 2.3]], dtype=torch.float64)
    smooth = transform not in (ALL["hard texture"], ALL["reference"], ALL["uniform blur"])
    assert torch.autograd.gradcheck(
        transform, (images, points.requires_grad_(smooth)), atol=1e-5, fast_mode=True
    )


def test_reference_and_constant_pictures_stay_as_they_are():
    image = pictures(1, 3, 33, 20)
    torch.testing.assert_close(Reference()(image), image, atol=1e-6, rtol=0)
    flat = torch.full((1, 3, 33, 20), 0.4)
    for name, transform in SAME_SIZE.items():
        tolerance = 0.05 if "texture" in name else 1e-5  # eps of the variance lets a little noise through
        torch.testing.assert_close(transform(flat, (4.0, 9.0)), flat, atol=tolerance, rtol=0)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.0])
def test_uniform_blur_is_opencvs(sigma):
    image = pictures(1, 3, 40, 31)
    reach = math.ceil(4 * sigma)
    want = cv2.GaussianBlur(
        image[0].movedim(0, -1).numpy(), (2 * reach + 1,) * 2, sigma, borderType=cv2.BORDER_REFLECT_101
    )
    torch.testing.assert_close(
        UniformBlur(sigma)(image)[0].movedim(0, -1), torch.from_numpy(want), atol=2e-6, rtol=0
    )
    assert torch.equal(UniformBlur(0)(image), image)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0, 4.0, 9.0])
def test_a_level_has_the_variance_it_should_have(sigma):
    """Of an impulse, blended between octaves."""
    impulse = torch.zeros(1, 1, 257, 257, dtype=torch.float64)
    impulse[..., 128, 128] = 1
    seen = FoveatedBlur(1e-6, sigma_px=sigma, inner_dva=1e-6)(impulse, (5e4, 5e4))[0, 0]
    x = torch.arange(257, dtype=torch.float64) - 128
    assert float((seen.sum(0) * x**2).sum() / seen.sum()) == pytest.approx(sigma**2, rel=0.02)
    assert float(seen.sum()) == pytest.approx(1, abs=0.05)  # octaves sample an impulse by their phase


def test_levels_of_deviations():
    sigma = torch.tensor([0.0, math.sqrt(2), math.sqrt(10), math.sqrt(42)], dtype=torch.float64)
    torch.testing.assert_close(sigma_level(sigma), torch.arange(4.0).double(), atol=1e-6, rtol=0)


def test_the_deviation_of_a_ring_holds_where_only_that_ring_is():
    blur = FoveatedBlur(10.0, 0.5, sigma_px=[1.0, 2.0, 3.0])
    middle = 0.5 * math.exp(2 * blur.layout.ring_width) * 10  # px of the second ring's middle
    found = blur.sigmas(torch.tensor([[0.5, 0.5]]), 1, 200)[0, 0]
    assert float(found[round(middle)]) == pytest.approx(2, abs=1e-5)
    assert found[0] == 0 and found[-1] == 3


def test_geisler_perry_is_the_kernel():
    image, points = pictures(1, 3, 20, 30), torch.tensor([[[3.0, 4.0], [20.0, 9.0]]])
    torch.testing.assert_close(
        GeislerPerry(4.0, memory=True)(image, points), foveate(image, points, 4.0, memory=True)
    )


def source_display(image: np.ndarray, fixations: list[tuple[float, float]], p: float, k: float) -> np.ndarray:
    """Specification 6a, written with OpenCV and a loop over layers, for [H, W] pictures."""
    offset = np.arange(5) - 2
    taps = np.exp(-0.5 * (offset / 0.248) ** 2)
    kernel = np.outer(taps, taps) / taps.sum() ** 2
    smooth = lambda x: cv2.filter2D(x, -1, kernel, borderType=cv2.BORDER_REFLECT_101)  # noqa: E731
    sizes, down = [image.shape], [image]
    for _ in range(5):
        size = (max(1, sizes[-1][0] // 2), max(1, sizes[-1][1] // 2))
        down.append(cv2.resize(smooth(down[-1]), size[::-1], interpolation=cv2.INTER_LINEAR))
        sizes.append(size)
    layers = []
    for level, picture in enumerate(down):
        for size in reversed(sizes[:level]):
            picture = smooth(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR))
        layers.append(picture)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    theta = np.min([np.hypot(x - a, y - b) for a, b in fixations], 0) / p
    r = 2.5 / (theta + 2.5)
    transfer = [np.exp(-k * (2.0 ** (i - 3) * r / 0.248) ** 2) for i in range(1, 6)] + [np.zeros_like(r)]
    omega = [min(1, 0.248 * math.sqrt(math.log(2) / k) / 2 ** (i - 3)) for i in range(1, 6)] + [0]
    out = layers[0].copy()
    for i in range(1, 6):
        here = (r >= omega[i]) & (r <= omega[i - 1]) & (r < omega[0])
        with np.errstate(all="ignore"):  # in other layers
            b = (0.5 - transfer[i]) / (transfer[i - 1] - transfer[i])
        b, finer, coarser = (x[here] for x in (b, layers[i - 1], layers[i]))
        out[here] = b * finer + (1 - b) * coarser
    return out


@pytest.mark.parametrize("k", [1.5, 4.0])
def test_perry_geisler_is_the_sources_display(k):
    image = torch.rand(1, 1, 64, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    fixations = [(20.0, 30.0), (80.0, 12.5)]
    seen = PerryGeisler(3.0, sharpness=k)(image, torch.tensor([fixations], dtype=torch.float64))[0, :, 0]
    for t in range(2):
        want = source_display(image[0, 0].numpy(), fixations[: t + 1], 3.0, k)
        np.testing.assert_allclose(seen[t].numpy(), want, atol=1e-4)
    fresh = PerryGeisler(3.0, memory=False, sharpness=k)(image, torch.tensor([fixations]))
    np.testing.assert_allclose(
        fresh[0, 1, 0], source_display(image[0, 0].numpy(), fixations[1:], 3.0, k), atol=1e-4
    )


def test_log_polar_samples_and_comes_back():
    x, y = torch.meshgrid(torch.arange(120) + 0.5, torch.arange(120) + 0.5, indexing="xy")
    angle = torch.atan2(y - 60, x - 60)
    image = ((1 + torch.cos(3 * angle)) / 2)[None, None]
    warp = LogPolar(40, 96, 8.0, 55.0)
    samples = warp(image, (60.0, 60.0))
    want = (1 + torch.cos(3 * (torch.arange(96) + 0.5) * 2 * math.pi / 96)) / 2
    torch.testing.assert_close(samples[0, 0, 20:], want.expand(20, 96), atol=0.01, rtol=0)
    back = warp.inverse(samples, 120, 120, torch.tensor([[60.0, 60.0]]))
    inside = torch.hypot(x - 60, y - 60)
    ring = (inside > 15) & (inside < 50)
    assert (back[0, 0] - image[0, 0])[ring].abs().max() < 0.03
    assert (back[0, 0][inside > 56] == 0).all()
    both = warp.inverse(
        samples[:, None].expand(1, 2, 1, 40, 96), 120, 120, torch.tensor([[[60.0, 60.0]] * 2])
    )
    torch.testing.assert_close(both[0, 1], back[0])
    with pytest.raises(ValueError, match="offset_px"):
        LogPolar(offset_px=0)


def test_retina_steps_hit_the_border_and_grow_tenfold():
    square, straight = retina_radii(224, 224)
    assert square * 112**2 + straight * 112 == pytest.approx(112, rel=0.06)
    growth = (2 * square * 112 + straight) / straight
    assert growth > 1.5
    with pytest.raises(ValueError, match="cannot be warped"):
        retina_radii(10, 400)


def test_retina_magnifies_the_fixation():
    image = pictures(1, 1, 64, 64)
    warp = RetinaWarp(64)
    seen = warp(image, (32.0, 32.0))
    straight = retina_radii(64, 64)[1]
    assert seen[0, 0, 31:33, 31:33].mean() == pytest.approx(float(image[0, 0, 31:33, 31:33].mean()), abs=0.02)
    assert straight < 1
    assert set(RetinaWarp(64, nearest=True)(image).flatten().tolist()) <= {0.0, *image.flatten().tolist()}


def test_huge_pictures_fit():
    image = torch.rand(1, 1, 40, 5000)
    for transform in SAME_SIZE.values():
        assert transform(image, (2500.0, 20.0)).shape == image.shape


def test_levels_keep_half_precision_outside():
    half = pictures(1, 3, 12, 12).half()
    assert FoveatedTexture(4.0)(half).dtype == torch.float16
    assert gaussian_levels(half.float(), 1).dtype == torch.float32
