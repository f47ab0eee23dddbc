"""Itti and Koch's saliency: what differs stands out."""

import cv2
import numpy as np
import pytest
import torch

from gazekit.models.classic_scanpaths.itti_koch import _pyramid, itti_koch, promote_peaks


def bars(odd, colour=(0, 160, 0), odd_colour=(0, 160, 0), upright=True, odd_upright=True, size=(400, 300)):
    """4 x 3 bars on grey; number `odd` differs."""
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    for k in range(12):
        x, y = 50 + 100 * (k % 4), 50 + 100 * (k // 4)
        long = upright if k != odd else odd_upright
        w, h = (8, 24) if long else (24, 8)
        cv2.rectangle(picture, (x - w, y - h), (x + w, y + h), odd_colour if k == odd else colour, -1)
    return torch.from_numpy(picture)[None]


def item_at_peak(picture):
    saliency = itti_koch(picture)[0]
    row, column = divmod(int(saliency.argmax()), saliency.shape[1])
    return int(row / saliency.shape[0] * 3) * 4 + int(column / saliency.shape[1] * 4)


@pytest.mark.parametrize("odd", [0, 3, 5, 10])
def test_an_odd_colour_wins(odd):
    """Blue among equally bright green ones."""
    assert item_at_peak(bars(odd, odd_colour=(0, 0, 160))) == odd


@pytest.mark.parametrize("odd", [5, 6, 9, 10])
def test_red_among_green_wins_where_the_surround_is_green(odd):
    """Red and green are opposite responses of the same maps: only the surround, which at the edge holds fewer of the
    others, tells them apart."""
    assert item_at_peak(bars(odd, odd_colour=(160, 0, 0))) == odd


@pytest.mark.parametrize("odd", [1, 6, 8, 11])
def test_an_odd_orientation_wins(odd):
    assert item_at_peak(bars(odd, odd_upright=False)) == odd


def test_a_bright_item_wins_among_dark_ones():
    assert item_at_peak(bars(6, colour=(70, 70, 70), odd_colour=(250, 250, 250))) == 6


@pytest.mark.parametrize("colour", [0, 128, (250, 10, 10)])
def test_a_uniform_picture_has_no_saliency(colour):
    picture = torch.zeros(1, 60, 80, 3, dtype=torch.uint8) + torch.tensor(colour, dtype=torch.uint8)
    assert itti_koch(picture).abs().max() == 0


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (5, 300), (700, 40)])
def test_any_size_is_finite(size):
    picture = torch.randint(0, 256, (2, size[1], size[0], 3), dtype=torch.uint8)
    found = itti_koch(picture)
    assert found.isfinite().all() and (found >= 0).all()


def test_pictures_of_a_batch_do_not_see_each_other():
    a, b = bars(2, odd_colour=(0, 0, 220)), bars(7, odd_upright=False)
    both = itti_koch(torch.cat([a, b]))
    assert torch.allclose(both[0], itti_koch(a)[0], atol=1e-5)
    assert torch.allclose(both[1], itti_koch(b)[0], atol=1e-5)


def test_the_pyramid_is_that_of_opencv():
    image = torch.rand(1, 1, 53, 40)
    levels = _pyramid(image)
    expected = cv2.pyrDown(image[0, 0].numpy())
    inside = slice(1, -1)  # OpenCV mirrors at the border
    assert np.allclose(levels[1][0, 0][inside, inside], expected[inside, inside], atol=1e-6)
    assert [tuple(level.shape[2:]) for level in levels[2:7]] == [(14, 10), (7, 5), (4, 3), (2, 2), (1, 1)]


def peaks(*heights):
    maps = torch.zeros(1, 1, 5, 3 * len(heights) + 2)
    for k, height in enumerate(heights):
        maps[0, 0, 2, 2 + 3 * k] = height
    return maps


def test_one_peak_stays_and_equal_ones_vanish():
    one = peaks(3.0)
    assert torch.allclose(promote_peaks(one), one / 3)
    assert promote_peaks(peaks(2.0, 2.0, 2.0)).max() == pytest.approx(0, abs=1e-6)


def test_promotion_by_hand():
    """Others .5 and .25: mean .375, so all is multiplied by .625 squared; what is below a tenth does not count."""
    found = promote_peaks(peaks(4.0, 2.0, 1.0, 0.2))[0, 0, 2]
    assert found[[2, 5, 8]].tolist() == pytest.approx([0.625**2, 0.625**2 / 2, 0.625**2 / 4])
    assert promote_peaks(torch.full((1, 2, 4, 4), 7.0)).abs().max() == 0
