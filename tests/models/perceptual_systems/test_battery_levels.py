"""The levels of the battery are the published ones at 256 px, and in proportion at other sides."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from gazekit.models.perceptual_systems.conflicts import (
    WINDOW_SHARES,
    crossing,
    partners,
    square_mask,
    window_mask,
)
from gazekit.models.perceptual_systems.manipulations import (
    HIGH_PASS_SIGMA_PX,
    LOW_PASS_SIGMA_PX,
    grey,
    high_pass,
    low_pass,
    occlude,
)


@pytest.fixture
def picture():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 256, 256))).float()


def published_occlusion(picture, kind, z):
    """The scripts' loop, with rows and columns counted from 1."""
    area = 16 * (z - 1) * 256
    hidden = np.zeros((256, 256), bool)
    if kind == "left to right":
        hidden[:, : 16 * (z - 1)] = True
    if kind == "top to bottom":
        hidden[: 16 * (z - 1)] = True
    if kind == "scotoma":
        half = math.ceil(math.sqrt(area) / 2)
        hidden[128 - half + 1 - 1 : 128 + half, 128 - half + 1 - 1 : 128 + half] = True
    if kind == "glaucoma":
        half = math.ceil(math.sqrt(256**2 - area) / 2)
        hidden[:] = True
        hidden[128 - half + 1 - 1 : 128 + half, 128 - half + 1 - 1 : 128 + half] = False
    return np.where(hidden, 128.0, picture.numpy())


@pytest.mark.parametrize("kind", ["scotoma", "glaucoma", "left to right", "top to bottom"])
def test_occlusions_are_the_published_ones(picture, kind):
    for level in range(1, 18):
        assert np.array_equal(
            occlude(picture, kind, level).numpy(), published_occlusion(picture, kind, level)
        )
    assert torch.equal(occlude(picture, kind, 1), picture) and (occlude(picture, kind, 17) == 128).all()


@pytest.mark.parametrize("side", [64, 96])
def test_occlusions_scale_with_the_side(side):
    white = torch.full((3, side, side), 255.0)
    for kind in ("scotoma", "glaucoma", "left to right", "top to bottom"):
        for level in range(1, 18):
            share = (occlude(white, kind, level) == 128).float().mean()
            assert abs(float(share) - (level - 1) / 16) < 4 / side
    with pytest.raises(ValueError, match="levels 1 to 17"):
        occlude(white, "scotoma", 18)


def matlab_blur(picture, sigma):
    """`imgaussfilt`: 2 ceil(2 sigma) + 1 samples, borders repeated."""
    reach = math.ceil(2 * sigma)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    blurred = picture.numpy().astype(float)
    for axis in (1, 2):
        blurred = correlate1d(blurred, taps / taps.sum(), axis=axis, mode="nearest")
    return blurred


def test_frequencies_are_the_published_ones(picture):
    assert LOW_PASS_SIGMA_PX == (1, 3, 5, 7, 9, 15, 40)
    assert HIGH_PASS_SIGMA_PX == (3, 1.5, 1, 0.7, 0.55, 0.45, 0.4)
    colour = torch.tensor([100.0, 120.0, 140.0])
    assert low_pass(picture, 1) is picture and high_pass(picture, 1, colour) is picture
    for level in range(2, 9):
        low = matlab_blur(picture, LOW_PASS_SIGMA_PX[level - 2])
        assert np.abs(low_pass(picture, level).numpy() - low).max() < 0.51
        high = picture.numpy() - matlab_blur(picture, HIGH_PASS_SIGMA_PX[level - 2])
        high += colour.numpy()[:, None, None] - high.mean((1, 2), keepdims=True)
        assert np.abs(high_pass(picture, level, colour).numpy() - high.clip(0, 255)).max() < 0.51


def test_a_small_picture_is_filtered_like_its_enlargement():
    small = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, 64, 64))).float()
    large = small.repeat_interleave(4, 1).repeat_interleave(4, 2)
    for level in range(2, 9):
        low = matlab_blur(large, LOW_PASS_SIGMA_PX[level - 2]).reshape(3, 64, 4, 64, 4).mean((2, 4))
        assert np.abs(low_pass(small, level).numpy() - low).max() < 0.51
        assert high_pass(small, level, torch.full((3,), 128.0)).std() > 1  # none of the levels is empty


def test_grey_is_the_luminance_of_rgb2gray():
    picture = torch.tensor([200.0, 100.0, 50.0])[:, None, None].expand(3, 4, 4)
    assert (grey(picture) == round(0.2989 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_windows_have_the_published_areas():
    assert WINDOW_SHARES == (0, 0.0155, 0.0343, 0.0759, 0.168, 0.3718, 0.8077, 1)
    masks = [window_mask(level, 256) for level in range(1, 9)]
    for mask, share in zip(masks, WINDOW_SHARES, strict=True):
        assert abs(float((mask > 0.5).float().mean()) - share) < 0.01
        assert torch.allclose(mask, mask.flip(0)) and torch.allclose(mask, mask.T)
    assert all((large >= small).all() for small, large in pairwise(masks))
    assert any(((mask > 0.01) & (mask < 0.99)).any() for mask in masks)  # they fade


def test_squares_are_those_of_the_scotoma(picture):
    for level in range(1, 18):
        hidden = occlude(torch.zeros(3, 256, 256), "scotoma", level)[0] == 128
        assert torch.equal(square_mask(level, 256).bool(), hidden)


def test_partners_have_the_same_place_in_another_class():
    labels = np.arange(60) % 4
    following = partners(labels, cycle=False)
    assert (labels[following] == (labels + 1) % 4).all() and (following // 4 == np.arange(60) // 4).all()
    cycled = partners(labels, cycle=True)
    pairs = np.stack([labels, labels[cycled]])
    assert (pairs[0] != pairs[1]).all()
    assert (np.unique(pairs, axis=1, return_counts=True)[1] == 5).all()
    with pytest.raises(ValueError, match="two classes"):
        partners(np.zeros(3, int), cycle=False)


def test_the_crossing_is_on_straight_lines_between_levels():
    shares = torch.tensor([0.0, 0.2, 0.6, 1.0])
    foveal = torch.tensor([[0.0, 0.2, 0.8, 0.9], [0.0, 0.1, 0.2, 0.3], [0.0, 0.5, 0.8, 0.9]])
    peripheral = torch.tensor([[0.9, 0.8, 0.2, 0.0], [0.9, 0.8, 0.7, 0.6], [0.9, 0.5, 0.1, 0.0]])
    found = crossing(shares, foveal, peripheral)
    assert found[0] == pytest.approx(0.4) and found[1].isnan() and found[2] == pytest.approx(0.2)
