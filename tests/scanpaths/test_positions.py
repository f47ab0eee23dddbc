"""Positions in pixels: whose scanpaths are compared with whose."""

import numpy as np
import pytest
import torch
from toys import random_scene, random_trial

from gazekit.base import Predictor
from gazekit.base.scores import Comparison, Settings
from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.scanpath_data import ScanpathData
from gazekit.scanpaths.baselines import Uniform
from gazekit.scanpaths.people import OtherPeople
from gazekit.scanpaths.positions import PositionComparison, model_scanpaths, people_of


@pytest.fixture
def data() -> ScanpathData:
    """Four scenes, two of one picture; three people on each, of whom one has no name and comes twice."""
    rng = np.random.default_rng(0)
    names = ["a", "b", "c", "c"]
    scenes = [random_scene(rng, 5, name=f"s{i}", attributes={"image": names[i]}) for i in range(4)]
    trials = [random_trial(rng, i % 4, scenes, 3 + i % 3) for i in range(16)]
    for k, trial in enumerate(trials):
        object.__setattr__(trial.scanpath, "observer", ("x", "y", "", "")[k // 4])
    data = ScanpathData("toy", split="all", batch_size=3)
    data.use(ScanpathDataset("toy", tuple(scenes), tuple(trials)))
    return data


def test_people_of_some_trials(data):
    index = [0, 4, 8, 12, 3]
    people = people_of(data.dataset, index)
    assert list(people.image) == [0, 0, 0, 0, 3]
    assert list(people.observer) == ["x", "y", "", " #1", "x"]  # two without a name are two people
    assert list(people.picture) == ["a", "a", "a", "a", "c"]
    assert people.size_px == {0: (600, 400), 3: (600, 400)}


def test_a_model_gives_scanpaths_of_each_scene_once(data):
    row = Uniform({"max_fixations": 6})
    found = model_scanpaths(row, data, list(range(16)), samples=3, seed=0)
    assert sorted(found.image.tolist()) == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    for k, scene in enumerate(found.image):
        path = found.scanpaths.xy_px[k][found.scanpaths.mask[k]].numpy()
        boxes = data.dataset.scenes[scene].boxes_px
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert (np.abs(path[:, None] - centres).sum(-1).min(1) == 0).all()
    again = model_scanpaths(row, data, list(range(16)), samples=3, seed=0)
    assert torch.equal(found.scanpaths.xy_px, again.scanpaths.xy_px)
    part = model_scanpaths(row, data, [5, 1], samples=1, seed=0)
    assert part.image.tolist() == [1]


def test_rows_of_models_people_and_chance(data):
    class Silent(Predictor):
        """Gives no positions."""

    comparison = PositionComparison({"multimatch": {}, "dtw_px": {}})
    assert isinstance(comparison, Comparison)
    told = []
    rows = {
        "uniform": Uniform({"max_fixations": 6}),
        "silent": Silent(),
        "people": OtherPeople(data.dataset.trials, []),
    }
    found = comparison.scores(rows, data, Settings(2, 20), lambda row, share: told.append(share))
    assert "uniform" in found.table
    assert not {"silent", "people"} & set(found.table)
    assert {"people, leave one out", "people, split half", "other images", "chance"} <= set(found.table)
    assert set(found.about) == set(found.table) - {"uniform"}
    columns = {f"multimatch.{part}" for part in ("vector", "direction", "length", "position")} | {"dtw_px"}
    assert columns <= set(found.table["uniform"])
    assert found.higher_is_better["multimatch.position"] is True
    assert found.higher_is_better["dtw_px"] is False
    assert [note.startswith("comparisons of positions: ") for note in found.notes] == [True]
    assert told
    seed = comparison.scores(rows, data, Settings(2, 20, seed=1), lambda row, share: None)
    assert seed.table["uniform"]["dtw_px"].value != found.table["uniform"]["dtw_px"].value
    assert torch.isfinite(torch.tensor(found.table["people, leave one out"]["dtw_px"].value))


def test_unknown_metrics_are_named():
    with pytest.raises(ValueError, match="unknown metric 'multimach'"):
        PositionComparison({"multimach": {}})
