import math

import pytest
import torch
from toys import stepwise
from viewing_toys import spots, viewing

from gazekit.scanpaths.cells import CellPredictor
from gazekit.scanpaths.viewer import draw_lengths
from gazekit.scene import TrialBatch


class Returns(CellPredictor):
    """Half uniform, half the cell of the last fixation; keeps durations."""

    def first(self, display, n):
        return {"total": display.start_xy_px.new_zeros(len(display.start_xy_px), n)}

    def update(self, state, fixated, generator):
        return {"total": state.memory["total"] + fixated.duration_ms.nan_to_num()}

    def log_map(self, state):
        cells = len(state.display.grid)
        even = torch.full((*state.here.shape, cells), 1 / cells)
        if not state.step:
            return even.log()
        there = torch.nn.functional.one_hot(state.past[..., 0], cells)
        return (even / 2 + there / 2).log()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return viewing(spots(tmp_path_factory.mktemp("spots"), 8))


@pytest.fixture(scope="module")
def batch(data) -> TrialBatch:
    return next(data.batches("all"))


@pytest.fixture(scope="module")
def model(data) -> Returns:
    return Returns(data.facts(), across=8)


def test_the_likelihood_is_that_of_the_maps(model, batch):
    maps = model.next_fixation_maps(batch)
    assert maps.shape[2:] == (6, 8)
    cell = model.grid_of(batch.scenes).cell_of(batch.xy_px)
    expected = maps.flatten(2).gather(2, cell[..., None])[..., 0].where(batch.mask, torch.tensor(0.0))
    torch.testing.assert_close(model.fixation_log_prob(batch), expected)
    same = (cell[:, 1:] == cell[:, :-1]) & batch.mask[:, 1:]
    assert (expected[:, 1:][same] > math.log(0.5)).all() and same.any()


def test_memory_follows_people(model, batch):
    last = {}
    for _, rows, state in model.along(batch, 1):
        last |= dict(zip(rows.tolist(), state.memory["total"][:, 0].tolist(), strict=True))
    for row, total in last.items():
        assert math.isclose(total, float(batch.duration_ms[row].sum()), rel_tol=1e-5)


def test_objects_step_by_step_and_at_once(model, batch):
    log = model.log_prob(batch)
    torch.testing.assert_close(log.exp().sum(-1), torch.ones(log.shape[:2]))
    told = stepwise(model, batch)  # which knows objects only: the stops are the same
    valid = torch.arange(log.shape[1]) <= batch.mask.sum(1)[:, None]
    torch.testing.assert_close(log[..., -1][valid], told[..., -1][valid])


def test_generated_scanpaths(model, batch, data):
    paths = model.scanpaths(batch.scenes, 200, torch.Generator().manual_seed(0))
    again = model.scanpaths(batch.scenes, 200, torch.Generator().manual_seed(0))
    torch.testing.assert_close(paths.xy_px, again.xy_px)
    assert (paths.xy_px >= 0).all() and (paths.xy_px < torch.tensor([64.0, 48.0])).all()
    shares = torch.bincount(paths.lengths.flatten(), minlength=7) / paths.lengths.numel()
    counts = torch.tensor(data.facts()["length_counts"])
    torch.testing.assert_close(shares, counts / counts.sum(), atol=0.05, rtol=0)
    cell = model.grid_of(batch.scenes).cell_of(paths.xy_px)
    returned = (cell[..., 1:] == cell[..., :-1])[paths.mask[..., 1:]].double().mean()
    assert abs(float(returned) - (0.5 + 0.5 / 48)) < 0.03
    assert paths.duration_ms is None


def test_positions_are_those_of_each_trials_picture(model, batch):
    found = model.positions_px(batch, torch.Generator().manual_seed(1), 3)
    assert len(found) == 3 * len(batch) and all(xy.shape[1] == 2 and len(xy) for xy in found)
    first, second = (k for k in range(2) if batch.scene_of_trial[0] == batch.scene_of_trial[1])
    torch.testing.assert_close(found[3 * first], found[3 * second])


def test_lengths():
    generator = torch.Generator().manual_seed(0)
    drawn = draw_lengths(torch.tensor([50, 0, 1, 3]), (2, 500), generator)
    assert set(drawn.unique().tolist()) == {2, 3} and abs(float((drawn == 3).double().mean()) - 0.75) < 0.05
    assert draw_lengths(torch.tensor([0, 1]), (0, 3), generator).shape == (0, 3)
    with pytest.raises(ValueError, match="no scanpath of the training part has a fixation"):
        draw_lengths(torch.tensor([4]), (1,), generator)


def test_a_grid_needs_a_cell():
    with pytest.raises(ValueError, match="across must be at least 1"):
        Returns(across=0)
