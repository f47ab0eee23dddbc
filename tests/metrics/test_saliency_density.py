"""Densities of maps, of fixations and of the centre bias, against SciPy's Gaussian filter and by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from gazekit.metrics.functional import center_bias_density, density_of_map, fixation_density
from gazekit.metrics.functional import density as module

SIZE = (23, 17)


def counts(xy: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    found = np.zeros(size[::-1])
    for x, y in xy:
        found[math.floor(y), math.floor(x)] += 1
    return found


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 1.0, 2.5, 9.0]), st.sampled_from([4.0, 1.5]))
def test_scipy_filters_the_counts(seed: int, sigma: float, truncate: float) -> None:
    draw = np.random.default_rng(seed)
    xy = draw.random((draw.integers(1, 9), 2)) * SIZE
    xy[0] = [[0, 0], [22, 16], [0, 9], [11, 16], [5, 5]][seed % 5]  # corners and borders
    for padding, mode in (("nearest", "nearest"), ("zero", "constant")):
        blurred = gaussian_filter(counts(xy), sigma, mode=mode, truncate=truncate)
        found = fixation_density(xy, SIZE, sigma, padding, truncate)
        np.testing.assert_allclose(found, blurred / blurred.sum(), rtol=0, atol=1e-12)
        assert found.sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (2, 3)])
@pytest.mark.parametrize("padding", ["nearest", "zero"])
def test_pictures_smaller_than_the_blur(size: tuple[int, int], padding: str) -> None:
    xy = np.array([[0, 0], [size[0] - 1, size[1] - 1]])
    mode = {"nearest": "nearest", "zero": "constant"}[padding]
    blurred = gaussian_filter(counts(xy, size), 3, mode=mode)
    found = fixation_density(xy, size, 3, padding)
    np.testing.assert_allclose(found, blurred / blurred.sum(), rtol=0, atol=1e-12)


def test_batches_and_no_fixation() -> None:
    draw = np.random.default_rng(0)
    images = [draw.random((n, 2)) * SIZE for n in (3, 0, 7)]
    found = fixation_density(images, SIZE, 2)
    assert found.shape == (3, 17, 23)
    assert found[1].isnan().all()
    for i in (0, 2):
        torch.testing.assert_close(found[i], fixation_density(images[i], SIZE, 2), rtol=0, atol=1e-15)
    assert fixation_density([], SIZE, 2).isnan().all()
    dropped = fixation_density([[1, 1], [99, 99]], SIZE, 2, on_outside="drop")
    torch.testing.assert_close(dropped, fixation_density([[1, 1]], SIZE, 2))


def test_memory_does_not_grow_with_the_fixations(monkeypatch) -> None:
    images = [np.random.default_rng(n).random((n, 2)) * SIZE for n in (3, 0, 50)]
    whole, plain, sizes = fixation_density(images, SIZE, 2), module._profiles, []

    def profiles(*arguments) -> torch.Tensor:
        sizes.append(plain(*arguments).numel())
        return plain(*arguments)

    monkeypatch.setattr(module, "_AT_ONCE", 200)
    monkeypatch.setattr(module, "_profiles", profiles)
    torch.testing.assert_close(fixation_density(images, SIZE, 2), whole, rtol=0, atol=1e-15, equal_nan=True)
    assert max(sizes) <= 200


def test_center_bias() -> None:
    found = center_bias_density((6, 5), (2.0, 1.0))
    y, x = np.mgrid[:5, :6]
    expected = np.exp(-(((x - 2.5) / 2) ** 2 + (y - 2.0) ** 2) / 2)
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=0, atol=1e-15)
    torch.testing.assert_close(center_bias_density((6, 5), 2), center_bias_density((6, 5), (2, 2)))


def test_density_of_map() -> None:
    positive = np.array([[1.0, 3.0]])
    assert density_of_map(positive).tolist() == [[0.25, 0.75]]
    assert density_of_map(positive - 3).tolist() == [[0.0, 1.0]]
    assert density_of_map(positive - 3, 1).tolist() == [[0.25, 0.75]]
    assert density_of_map(np.zeros((2, 1, 2)), 0.1).tolist() == [[[0.5, 0.5]], [[0.5, 0.5]]]
    assert density_of_map(np.zeros((2, 3))).isnan().all()
    assert density_of_map(np.stack([positive, positive - 3]).astype(np.float32)).dtype == torch.float64


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="padding must be nearest or zero, got 'reflect'"):
        fixation_density([[0, 0]], SIZE, 2, "reflect")
    with pytest.raises(ValueError, match="sigma_px and truncate must be positive, got 0 and"):
        fixation_density([[0, 0]], SIZE, 0)
    for size in ((3, 2.5), (0, 4), (3, 4, 5), 7):
        with pytest.raises(ValueError, match=r"size_px must be \(width, height\) in whole pixels"):
            fixation_density([[0, 0]], size, 2)
    with pytest.raises(ValueError, match="lies off the map of 23 x 17 px"):
        fixation_density([[23, 0]], SIZE, 2)
    with pytest.raises(ValueError, match="sigma_px must be positive, got 0"):
        center_bias_density(SIZE, 0)
    with pytest.raises(ValueError, match="minimum_value must be finite and at least 0, got -1"):
        density_of_map(np.ones((2, 2)), -1)
    with pytest.raises(ValueError, match="saliency: the pixel in row 0, column 1 is not finite"):
        density_of_map(np.array([[0, math.nan]]))
