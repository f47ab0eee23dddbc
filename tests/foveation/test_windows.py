"""Freeman-Simoncelli windows: published values, sums, the fast form against one formula per window."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.foveation.loop import region_maps
from gazekit.foveation.pooling import pool, spread
from gazekit.foveation.windows import MASK, Layout, mother_window, windows_at


def test_published_unit_values():
    layout = Layout(px_per_dva=20, scaling=0.5)
    assert layout.ring_width == pytest.approx(0.4949, abs=5e-5)
    assert layout.directions == 25
    assert layout.ring_span(15) == pytest.approx(6.87, abs=5e-3)


@given(x=st.floats(-3, 3), ramp=st.floats(0.05, 1))
def test_shifted_mother_windows_sum_to_one(x, ramp):
    shifts = torch.arange(-6, 7, dtype=torch.float64)
    assert float(mother_window(x - shifts, ramp).sum()) == pytest.approx(1, abs=1e-12)
    assert float(mother_window(torch.tensor([0.5, -0.5]), ramp).sub(0.5).abs().max()) < 1e-6


def masks_of_the_source(scaling: float, first_ring: int) -> int:
    """Fovea, and windows from a ring on whose maximum in a 512 px picture of 26 degrees is above 0.35.

    Directions start a quarter of a window before the axes, as in the source's pictures of windows.
    """
    layout = Layout(512 / 26, scaling)
    x, y = np.meshgrid(np.arange(512) - 255.5, np.arange(512) - 255.5)
    square = torch.from_numpy(x**2 + y**2).flatten()
    inner, outer_weight = layout.ring_of(square)
    turn = torch.from_numpy(np.arctan2(y, x)).flatten() / (2 * math.pi) * layout.directions + 0.25
    first, second_weight = turn.floor(), mother_window(turn - turn.floor() - 1)
    highest = torch.zeros(40 * layout.directions, dtype=torch.float64)
    for ring, g in ((inner, 1 - outer_weight), (inner + 1, outer_weight)):
        for direction, h in ((first, 1 - second_weight), (first + 1, second_weight)):
            window = (ring * layout.directions + direction % layout.directions).long()
            highest.scatter_reduce_(0, window.clamp_min(0), g * h * (window >= 0), "amax")
    return 1 + int((highest.unflatten(0, (40, -1))[first_ring:] > 0.35).sum())


@pytest.mark.parametrize(
    ("scaling", "first_ring", "published"), [(0.25, 6, 377), (0.5, 2, 126), (0.7, 0, 91)]
)
def test_published_numbers_of_regions(scaling, first_ring, published):
    """Which numbers the equations allow: the first ring and the threshold of 0.35 are chosen to fit, see the page."""
    assert masks_of_the_source(scaling, first_ring) == published


def test_rings_lie_where_those_of_the_published_masks_lie():
    """Measured in the source's masks for s = 0.25: degrees at half height, 26 degrees on 512 px."""
    boundaries = np.array([3.254, 4.177, 5.361, 6.878, 8.828, 11.327, 14.534])
    layout = Layout(512 / 26, 0.25)
    place = (np.log(boundaries) - math.log(0.5)) / layout.ring_width - 0.5
    np.testing.assert_allclose(place, np.arange(7, 14), atol=0.04)
    assert layout.directions == 50


@settings(deadline=None, max_examples=20)
@given(
    x=st.floats(-30, 60), y=st.floats(-30, 60), scaling=st.floats(0.2, 2), stride=st.sampled_from([1, 2, 8]),
)  # fmt: skip
def test_windows_are_those_of_one_formula_each_and_sum_to_one(x, y, scaling, stride):
    layout, point = Layout(2.0, scaling), torch.tensor([x, y], dtype=torch.float64)
    maps = region_maps(layout, point, (13, 22), stride, 0.5)
    for hard in (False, True):
        windows = windows_at(layout, point, (13, 22), stride, 0.5, hard)
        assert windows.regions == len(maps)
        values = torch.rand(maps[0].numel(), 3, dtype=torch.float64)
        flat = maps.flatten(1)
        near = (flat - MASK).abs() < 1e-9  # on the edge of a mask by rounding
        if hard and near.any():
            continue
        want = (flat > MASK).double() if hard else flat
        torch.testing.assert_close(pool(values, windows), want @ values, atol=1e-9, rtol=1e-9)
        table = torch.rand(len(maps), 3, dtype=torch.float64)
        if hard:
            last = torch.where(flat > MASK, torch.arange(len(maps))[:, None], -1).amax(0)
            torch.testing.assert_close(spread(table, windows), table[last])
        else:
            torch.testing.assert_close(spread(table, windows), want.T @ table, atol=1e-9, rtol=1e-9)
        torch.testing.assert_close(windows.write.sum(1), torch.ones(len(values), dtype=torch.float64))


@pytest.mark.parametrize("bad", [{"px_per_dva": 0.0}, {"scaling": -1.0}, {"inner_dva": math.nan}])
def test_settings_are_positive(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Layout(**({"px_per_dva": 10.0} | bad))
