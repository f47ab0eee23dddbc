import math

import numpy as np
import pytest
import torch

from gazekit.foveation import Grid
from gazekit.scanpaths.picture_density import CELL_WIDTHS, FixationCounts, smoothed

GRID = Grid((60, 40), 10)


def counts(paths, pictures, number=3):
    return FixationCounts.of(GRID, [torch.tensor(p) for p in paths], pictures, number)


@pytest.fixture
def people() -> FixationCounts:
    draw = np.random.default_rng(0)
    paths = [draw.uniform(0, [60, 40], (5, 2)) for _ in range(9)]
    return counts(paths, [0, 0, 0, 1, 1, 1, 2, 2, 2])


def test_smoothing_keeps_mass_and_is_symmetric():
    one = torch.zeros(24)
    one[7] = 3
    for width in CELL_WIDTHS:
        spread = smoothed(one, 4, width)
        assert math.isclose(spread.sum(), 3, rel_tol=1e-6) and int(spread.argmax()) == 7


def test_leave_one_out_knows_nothing_of_its_picture(people):
    log, width = people.leave_one_out()
    torch.testing.assert_close(log.exp().sum(1), torch.ones(3).double())
    rest = people.by_picture()[[0, 2]].sum(0)
    expected = smoothed(rest, 4, width)
    expected = (0.99 * expected / expected.sum() + 0.01 / 24).log()
    torch.testing.assert_close(log[1], expected)


def test_the_chosen_width_is_the_best(people):
    log, _ = people.leave_one_out()
    own = float((log * people.by_picture()).sum())
    for other in CELL_WIDTHS:
        maps = smoothed(people.by_picture(), 4, other)
        rest = maps.sum(0) - maps
        rest = (0.99 * rest / rest.sum(1, keepdim=True) + 0.01 / 24).log()
        assert float((rest * people.by_picture()).sum()) <= own + 1e-9


def test_other_people_share_places():
    same = [[[5.0, 5.0]] * 3] * 4 + [[[55.0, 35.0]] * 3] * 4
    found = counts(same, [0] * 4 + [1] * 4, 2)
    assert (found.other_people() > math.log(0.5)).all()  # and the other picture says nothing of it
    assert (found.leave_one_out()[0][found.picture, found.cell] < math.log(0.05)).all()


def test_one_person_is_predicted_by_the_centre_bias(people):
    alone = counts([[[5.0, 5.0]], [[15.0, 5.0]]], [0, 1], 2)
    centre = alone.leave_one_out()[0][alone.picture, alone.cell]
    torch.testing.assert_close(alone.other_people(), centre)


def test_nobody_is_uniform():
    none = counts([np.zeros((0, 2))], [0], 1)
    torch.testing.assert_close(none.centre_bias()[0].exp(), torch.full((24,), 1 / 24).double())
    assert none.other_people().shape == (0,)
