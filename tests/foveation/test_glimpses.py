"""Glimpses against the slice rule of the released code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gazekit.foveation import GeislerPerry, GlimpseSampler


def sliced(picture: np.ndarray, x: int, y: int, g: int) -> np.ndarray:
    """A canvas of zeros, large enough for every fixation, and a slice of it."""
    far = 200
    canvas = np.zeros(
        (picture.shape[0] + 2 * far, picture.shape[1] + 2 * far, picture.shape[2]), picture.dtype
    )
    canvas[far : far + picture.shape[0], far : far + picture.shape[1]] = picture
    top, left = y + far - g // 2, x + far - g // 2
    return canvas[top : top + g, left : left + g]


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(-90, 120), st.integers(-90, 120)), min_size=1, max_size=4),
)
def test_whole_pixels_are_the_slices(g: int, fixations: list[tuple[int, int]]) -> None:
    picture = np.random.default_rng(0).integers(1, 256, (23, 31, 3), np.uint8)
    found = GlimpseSampler(g)(torch.from_numpy(picture)[None], torch.tensor([fixations], dtype=torch.float))
    assert found.dtype == torch.uint8
    for t, (x, y) in enumerate(fixations):
        np.testing.assert_array_equal(found[0, t].numpy(), sliced(picture, x, y, g))


def test_between_pixels_crops_are_mixed() -> None:
    picture = torch.rand(1, 12, 14, 3, dtype=torch.double, requires_grad=True)
    at = torch.tensor([[[5.25, 6.5]]], dtype=torch.double)
    sampler = GlimpseSampler(5)
    whole = {
        (x, y): sampler(picture, torch.tensor([[[x, y]]], dtype=torch.double)) for x in (5, 6) for y in (6, 7)
    }
    expected = 0.5 * (0.75 * whole[5, 6] + 0.25 * whole[6, 6]) + 0.5 * (
        0.75 * whole[5, 7] + 0.25 * whole[6, 7]
    )
    torch.testing.assert_close(sampler(picture, at), expected)
    byte = (picture.detach() * 255).to(torch.uint8)
    found = sampler(byte, at)
    assert found.dtype == torch.uint8
    torch.testing.assert_close(found.double(), sampler(byte.double(), at).round())
    at.requires_grad_()
    assert torch.autograd.gradcheck(sampler, (picture, at))


def test_padding_and_places_far_outside_are_black() -> None:
    picture = torch.full((1, 8, 8, 1), 7.0)
    at = torch.tensor([[[4.0, 4.0], [torch.nan, 4.0], [1e6, 4.0], [-1e6, -1e6]]])
    found = GlimpseSampler(3)(picture, at)
    assert (found[0, 0] == 7).all()
    assert (found[0, 1:] == 0).all()


def test_size_follows_degrees() -> None:
    assert GlimpseSampler.of_degrees(256, 8.4).glimpse_px == 91
    assert GlimpseSampler.of_degrees(256, 21.61).glimpse_px == 36
    with pytest.raises(ValueError, match=r"must be above 0, got 256, 0"):
        GlimpseSampler.of_degrees(256, 0)
    with pytest.raises(ValueError, match=r"whole number of at least 1, got 0"):
        GlimpseSampler(0)
    with pytest.raises(ValueError, match=r"expected pictures \[S, H, W, C\]"):
        GlimpseSampler(3)(torch.zeros(8, 8, 3), torch.zeros(1, 1, 2))


@pytest.mark.parametrize("kind", [torch.uint8, torch.float])
def test_glimpses_of_foveated_pictures(kind: torch.dtype) -> None:
    picture = torch.randint(0, 256, (2, 24, 30, 3), dtype=torch.uint8)
    picture = picture if kind == torch.uint8 else picture / 255
    at = torch.tensor([[[10.0, 12.0], [torch.nan, 3.0]], [[20.0, 5.0], [3.0, 20.0]]])
    fovea = GeislerPerry(px_per_dva=4)
    found = GlimpseSampler(9, fovea)(picture, at)
    assert found.shape == (2, 2, 9, 9, 3)
    assert (found[0, 1] == 0).all()
    image = picture[1:] if kind == torch.uint8 else picture[1:].movedim(-1, 1)
    seen = fovea(image, at[1:])[0, 1]
    seen = seen if kind == torch.uint8 else seen.movedim(0, -1)
    torch.testing.assert_close(found[1, 1], GlimpseSampler(9)(seen[None], at[1:, 1:])[0, 0])
