"""What saliency metrics take as fixations, and what they refuse."""

import math

import numpy as np
import pytest
import torch

from gazekit.metrics.functional import (
    auc,
    auc_borji,
    auc_judd,
    correlation_coefficient,
    density_of_map,
    log_likelihood_nats,
    nss,
    similarity,
)
from gazekit.scanpath import Scanpath, Scanpaths

RAMP = torch.arange(12.0).reshape(3, 4)
SCORES = [
    auc,
    auc_judd,
    auc_borji,
    nss,
    lambda s, x, **settings: log_likelihood_nats(density_of_map(s), x, **settings),
]


def test_row_is_floor_of_y_and_column_is_floor_of_x() -> None:
    one_hot = torch.zeros(3, 4)
    one_hot[1, 3] = 1
    for xy in ([3, 1], [3.999, 1.999], [3.5, 1.0]):
        assert auc(one_hot, [xy]).item() == pytest.approx(11.5 / 12)
    assert auc(one_hot, [[1, 2]]).item() == pytest.approx(5.5 / 12)


@pytest.mark.parametrize("score", SCORES)
def test_forms_of_fixations(score) -> None:
    points = [[3, 2], [1, 0], [2, 2]]
    value = score(RAMP, points)
    forms = [
        np.array(points),
        torch.tensor(points),
        Scanpath(np.array(points), np.array([100, 200, 300])),
        np.array([[*xy, 250] for xy in points]),
        Scanpaths.of(points),
    ]
    assert all(torch.equal(score(RAMP.numpy(), form), value) for form in forms)
    assert torch.equal(score(RAMP[None], [points]), value[None])


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("xy", [(4, 1), (-0.001, 1), (1, 3), (1, -2)])
def test_off_the_map(score, xy: tuple[float, float]) -> None:
    maps = torch.stack([RAMP, RAMP.flip(0)])
    inside = [[3, 2], [1, 0]]
    fixations = [inside, [*inside, list(xy)]]
    where = r"fixations: fixation 2 of image \(1,\) at \(.*\) px lies off the map of 4 x 3 px"
    with pytest.raises(ValueError, match=where):
        score(maps, fixations)
    torch.testing.assert_close(
        score(maps, fixations, on_outside="drop"), score(maps, [inside, inside]), rtol=0, atol=0
    )
    nearest = [min(max(math.floor(xy[0]), 0), 3), min(max(math.floor(xy[1]), 0), 2)]
    torch.testing.assert_close(
        score(maps, fixations, on_outside="clip"), score(maps, [inside, [*inside, nearest]]), rtol=0, atol=0
    )
    first = [[list(xy), *inside]] * 2  # what is dropped stands before what is kept
    torch.testing.assert_close(
        score(maps, first, on_outside="drop"), score(maps, [inside, inside]), rtol=0, atol=0
    )
    with pytest.raises(ValueError, match="on_outside must be raise, drop or clip, got 'ignore'"):
        score(maps, fixations, on_outside="ignore")


@pytest.mark.parametrize("score", SCORES)
def test_a_map_is_no_substitute_for_fixations(score) -> None:
    for density in (RAMP / RAMP.sum(), (RAMP > 5).numpy(), (RAMP > 5).double()):
        with pytest.raises(
            ValueError, match="the shape of the map: a density is no substitute for fixations"
        ):
            score(RAMP, density)
    with pytest.raises(ValueError, match="fixations must have columns x_px, y_px"):
        score(RAMP, torch.zeros(5, 7))


def test_points_are_no_substitute_for_a_map() -> None:
    for score in (correlation_coefficient, similarity):
        with pytest.raises(ValueError, match="fixations as points become a map by fixation_density"):
            score(RAMP, torch.zeros(5, 2))
        with pytest.raises(ValueError, match=r"one shape \[..., H, W\], got \[3, 4\] and \[3, 5\]$"):
            score(RAMP, torch.zeros(3, 5))


@pytest.mark.parametrize("score", SCORES)
def test_wrong_shapes_and_types_are_named(score) -> None:
    maps = torch.stack([RAMP, RAMP])
    with pytest.raises(ValueError, match=r"leading shape of the maps \[2\], got \[3\]"):
        score(maps, torch.zeros(3, 5, 2))
    with pytest.raises(TypeError, match=r"saliency must hold real numbers, got torch\.bool"):
        nss(RAMP > 3, [[0, 0]])
    with pytest.raises(ValueError, match=r"saliency must be a map of shape \[..., H, W\], got \[4\]"):
        nss(RAMP[0], [[0, 0]])
    with pytest.raises(ValueError, match=r"saliency must be a map of shape \[..., H, W\], got \[0, 4\]"):
        nss(RAMP[:0], [[0, 0]])
