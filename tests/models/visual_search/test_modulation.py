"""Each step from maps to the priority of pixels, beside plain forms of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gazekit.models.visual_search.modulation import combined, correlated, sharpened, to_pixels


def random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", ((1, 1), (2, 3), (4, 4)))
def test_correlation_is_a_convolution_with_the_unflipped_kernel(size: tuple[int, int]) -> None:
    maps, kernels, which = random(3, 5, 9, 7), random(2, 5, *size) - 0.5, torch.tensor([1, 0, 1])
    expected = torch.stack(
        [F.conv2d(m[None], kernels[k, None])[0, 0] for m, k in zip(maps, which, strict=True)]
    )
    torch.testing.assert_close(correlated(maps, kernels, which), expected, atol=1e-5, rtol=1e-5)


def test_a_target_larger_than_the_map_is_an_error() -> None:
    with pytest.raises(ValueError, match="larger than the picture"):
        correlated(random(1, 2, 3, 3), random(1, 2, 4, 2), torch.tensor([0]))


def test_maps_are_weighted_by_their_peaks() -> None:
    maps = [torch.tensor([[[0.0, 4.0]]]), torch.tensor([[[2.0, 0.0]]])]
    torch.testing.assert_close(combined(maps, "peak"), torch.tensor([[[2 / 6, 4 / 6]]]))
    torch.testing.assert_close(combined(maps, "equal"), torch.tensor([[[0.5, 0.5]]]))


def test_a_map_without_positive_evidence_has_no_weight() -> None:
    maps = [torch.tensor([[[0.0, 4.0]]]), torch.tensor([[[-2.0, -5.0]]])]
    assert combined(maps, "peak").tolist() == [[[0.0, 1.0]]]
    assert combined(maps[1:], "peak").tolist() == [[[0.0, 0.0]]]


def test_maps_without_any_difference_say_nothing() -> None:
    flat = torch.zeros(1, 2, 2)
    assert combined([flat, flat], "peak").tolist() == flat.tolist()
    assert combined([flat + 3, flat + 1], "equal").tolist() == flat.tolist()


@pytest.mark.parametrize("sharpening", (((3, 1), (5, 3)), ((5, 3), (7, 5)), ((3, 0), (5, 1))))
def test_sharpening_is_opencvs(sharpening: tuple) -> None:
    maps = random(2, 12, 15)
    expected = maps.numpy().copy()
    for k in range(len(expected)):
        for _ in range(3):
            narrow, wide = (cv2.GaussianBlur(expected[k], (n, n), s) for n, s in sharpening)
            expected[k] += narrow - wide
    np.testing.assert_allclose(sharpened(maps, sharpening).numpy(), expected, atol=1e-5)


def test_pixels_are_where_the_target_would_be_centred() -> None:
    maps = torch.zeros(1, 4, 5)
    maps[0, 2, 3] = 1  # upper left corner of the target at (3 * 16 - 5, 2 * 16 - 7)
    found = to_pixels(maps, torch.tensor([[-5, -7]]), 16, (20, 10), (60, 70))[0]
    y, x = divmod(int(found.argmax()), 70)
    assert abs(x + 0.5 - (43 + 5)) <= 0.5
    assert abs(y + 0.5 - (25 + 10)) <= 0.5
    assert float(found.max()) > 0.9
