import numpy as np
import pytest
import torch

from gazekit.foveation import Grid


def test_cells_of_a_picture_that_they_do_not_divide():
    grid = Grid((100, 50), 32.0)
    assert (grid.rows, grid.columns, len(grid)) == (2, 4, 8)
    assert grid.axes_px[0].tolist() == [16, 48, 80, 98]
    assert grid.axes_px[1].tolist() == [16, 41]
    assert grid.centres_px[5].tolist() == [48, 41]


def test_every_centre_is_in_its_own_cell():
    for size in ((1280, 1024), (100, 50), (33, 31), (7.5, 400)):
        grid = Grid(size, 32.0)
        assert grid.cell_of(grid.centres_px).tolist() == list(range(len(grid)))


def test_a_picture_smaller_than_a_cell_is_one_cell():
    grid = Grid((20, 10), 32.0)
    assert len(grid) == 1
    assert grid.centres_px.tolist() == [[10, 5]]


def test_points_off_the_picture_belong_to_the_nearest_cell():
    grid = Grid((100, 50), 32.0)
    assert grid.cell_of(torch.tensor([[-5.0, -5.0], [500.0, 500.0], [40.0, -1.0]])).tolist() == [0, 7, 1]


def test_distances_and_touched_cells_against_pixels():
    grid, box = Grid((100, 50), 10.0), torch.tensor([[12.0, 20.0, 31.0, 44.0]])
    inside = np.zeros((50, 100), bool)
    inside[20:44, 12:31] = True
    touched = inside.reshape(5, 10, 10, 10).any((1, 3)).flatten()
    assert grid.touched(box)[0].tolist() == touched.tolist()
    x, y = grid.centres_px.T.numpy()
    away = np.hypot(np.maximum(np.maximum(12 - x, x - 31), 0), np.maximum(np.maximum(20 - y, y - 44), 0))
    assert np.allclose(grid.distance_px(box)[0], away)


def test_no_common_grid_of_different_sizes():
    with pytest.raises(ValueError, match=r"must have one size .* data\.batch_size=1"):
        Grid.over(torch.tensor([[100.0, 50.0], [50.0, 100.0]]))
    assert Grid.over(torch.tensor([[100.0, 50.0]] * 3)) == Grid((100.0, 50.0), 32.0)


@pytest.mark.parametrize("size, cell", [((0, 5), 32), ((5, float("nan")), 32), ((5, 5), 0)])
def test_impossible_grids(size, cell):
    with pytest.raises(ValueError, match="positive size_px"):
        Grid(size, cell)


def test_areas_are_those_of_the_picture():
    grid = Grid((70, 50), 20)
    areas = grid.areas_px.view(3, 4)
    assert areas[0, 0] == 400 and areas[0, 3] == 200 and areas[2, 0] == 200 and areas[2, 3] == 100
    assert areas.sum() == 70 * 50
