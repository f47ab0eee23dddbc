import math

import pytest
import torch
from torch import nn
from viewing_toys import spots, viewing

from gazekit.base.scores import Settings
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths.cells import CellPredictor
from gazekit.scanpaths.viewer import Viewer
from gazekit.scanpaths.viewing_scores import BITS, ViewingComparison

SETTINGS = Settings(samples=3, resamples=100)
METRICS = {"scanmatch": {"on_outside": "clip"}, "nss": {"on_outside": "drop"}}


class Uniform(CellPredictor):
    def log_map(self, state):
        cells = len(state.display.grid)
        return torch.full((*state.here.shape, cells), -math.log(cells))


class Memory(CellPredictor):
    """Knows by heart where people looked on the pictures that it was fitted on; elsewhere it is uniform."""

    def __init__(self, facts=None, across=8):
        super().__init__(facts, across)
        self.known = {}

    def fit(self, data):
        for batch in data.batches("train"):
            for picture, row in zip(batch.scenes.pictures, range(len(batch.scenes)), strict=True):
                trial = (batch.scene_of_trial == row).nonzero()[0, 0]
                self.known[picture.numpy().tobytes()] = batch.xy_px[trial, 0]

    def look(self, scenes, grid):
        maps = torch.full((len(scenes), len(grid)), 0.1 / len(grid))
        for k, picture in enumerate(scenes.pictures):
            spot = self.known.get(picture.numpy().tobytes())
            if spot is None:
                maps[k] = 1 / len(grid)
            else:
                near = torch.exp(-((grid.centres_px - spot) ** 2).sum(1) / (2 * 6**2))
                maps[k] += 0.9 * near / near.sum()
        return {"log": maps.log()}

    def log_map(self, state):
        return state.display.maps["log"][:, None].expand(-1, state.here.shape[1], -1)


class Trained(Uniform):
    """Has weights that nothing here fits."""

    def __init__(self, facts=None, across=8):
        super().__init__(facts, across)
        self.weight = nn.Parameter(torch.zeros(1))


class Corner(Viewer):
    """Always looks into a corner, without a likelihood."""

    def view(self, scenes, n, fixations, generator):
        shape = (len(scenes), n, fixations)
        return Scanpaths(torch.ones(*shape, 2), torch.ones(shape, dtype=torch.bool))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return spots(tmp_path_factory.mktemp("spots"), 9)


def scores(data, **rows):
    made = {name: row(data.facts(), **({} if row is Corner else {"across": 8})) for name, row in rows.items()}
    return ViewingComparison(METRICS, across=8).scores(made, data, SETTINGS, lambda *_: None)


def test_bits_are_relative_to_the_centre_bias_and_grids_may_differ(dataset):
    data = viewing(dataset)
    rows = {"coarse": Uniform(data.facts(), across=4), "fine": Uniform(data.facts(), across=16)}
    table = ViewingComparison(METRICS, across=8).scores(rows, data, SETTINGS, lambda *_: None).table
    for name in rows:  # uniform on any grid is chance
        assert math.isclose(table[name][BITS].value, table["chance"][BITS].value, abs_tol=1e-5)
    assert table["other images"][BITS].value == 0
    assert table["people, leave one out"][BITS].value > 1 > table["chance"][BITS].value
    assert table["fine"][BITS].n == sum(len(t.objects) for t in dataset.trials)


def test_folds_never_score_what_was_learned(dataset):
    data = viewing(dataset)
    crossed = scores(data, memory=Memory).table["memory"][BITS].value
    chance = scores(data, memory=Memory).table["chance"][BITS].value
    assert math.isclose(crossed, chance, abs_tol=1e-5)
    learned = Memory(data.facts(), across=8)
    data.split = "train"
    learned.fit(data)
    known = ViewingComparison(METRICS, across=8).scores({"memory": learned}, data, SETTINGS, lambda *_: None)
    assert known.table["memory"][BITS].value > chance + 1


def test_rows_that_cannot_be_fitted_anew_are_left_out(dataset):
    data = viewing(dataset)
    found = scores(data, trained=Trained)
    assert "trained" not in found.table
    assert "data.split=test" in found.reasons["trained", BITS]
    data = viewing(dataset, split="test")
    assert BITS in scores(data, trained=Trained).table["trained"]


def test_a_row_without_a_likelihood_has_scanpaths(dataset):
    found = scores(viewing(dataset), corner=Corner)
    assert found.reasons["corner", BITS] == "it gives scanpaths, not probabilities"
    assert BITS not in found.table["corner"]
    people = found.table["people, leave one out"]
    assert found.table["corner"]["nss"].value < 0 < people["nss"].value
    assert found.table["corner"]["scanmatch"].value < people["scanmatch"].value


def test_an_unknown_metric_is_told():
    with pytest.raises(ValueError, match="unknown metric 'nope'"):
        ViewingComparison({"nope": {}})
