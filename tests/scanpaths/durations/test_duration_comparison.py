"""Cross-validated durations: every fixation by a model that never saw its picture; the gain on real recordings."""

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from duration_toys import random_timed

from gazekit.base.scores import Comparison, Settings
from gazekit.datasets.scanpath_data import ScanpathData
from gazekit.metrics import DurationGain
from gazekit.scanpaths.durations import DurationModel, LogNormal, PersonLogNormal, Timed
from gazekit.scanpaths.durations import comparison as room
from gazekit.scanpaths.durations.comparison import DurationComparison, held_out


class Spy(LogNormal):
    """Keeps what it was given."""

    seen: ClassVar[list] = []

    def fit(self, train, val=None, seed=0):
        super().fit(train, val, seed)
        self.given = torch.cat([train.start_xy_px[:, 0], val.start_xy_px[:, 0]])

    def log_prob(self, timed):
        self.seen.append((self.given, timed.start_xy_px[:, 0]))
        return super().log_prob(timed)


def test_pictures_are_cut_as_the_issue_says():
    picture = torch.arange(44) // 2  # two scanpaths each of 22 pictures, told by where the eye starts
    start, mask = torch.stack([picture.float()] * 2, 1), torch.ones(44, 3, dtype=torch.bool)
    timed = random_timed(44, 3, start_xy_px=start, mask=mask)
    Spy.seen = []
    said = held_out(Spy, timed, picture + 100)
    order = np.random.default_rng(0).permutation(22)
    for (given, tested), wanted in zip(Spy.seen, np.array_split(order, 5), strict=True):
        assert set(tested.int().tolist()) == set(wanted)
        assert set(given.int().tolist()) == set(order) - set(wanted)
    assert said["duration_log_prob"].shape == timed.mask.shape
    # the log-normal of a model and the one that it is compared with are fitted on the same pictures but for validation
    assert (said["duration_log_prob"] - said["duration_log_chance"]).abs().max() < 1
    with pytest.raises(ValueError, match="more pictures than folds"):
        held_out(Spy, timed, picture % 5)


@pytest.fixture(scope="module")
def osie(shared_data) -> tuple[Timed, torch.Tensor]:
    """One scanpath in sixteen of OSIE."""
    data = ScanpathData("osie", shared_data / "osie", split="all")
    data.setup()
    batch = data.batch(range(0, len(data.dataset.trials), 16))
    assert batch.observer.unique().tolist() == list(range(15))
    return Timed.of(batch), batch.group


def test_people_of_osie_are_predicted(osie):
    """A sixteenth of the data and a short training: the gain of README.md is of all of it."""
    timed, picture = osie
    model, law = DurationModel(15), PersonLogNormal(15)
    test = picture % 5 == 0
    rest, held = timed.select((~test).nonzero()[:, 0]), timed.select(test.nonzero()[:, 0])
    model.fit(rest, held, epochs=6)
    law.fit(rest)
    with torch.no_grad():
        known = held.known
        chance = model.baseline.log_prob(held)[known].mean()
        causal = DurationModel.log_prob(model, held.select(torch.arange(len(held.mask))))[known].mean()
        assert causal - chance > 0.05
        assert law.log_prob(held)[known].mean() - chance > 0.02


def test_rows_of_a_report(osie, monkeypatch):
    timed, picture = osie
    few = {name: room.MODELS[name] for name in ("log-normal", "gamma", "log-normal for each person")}
    monkeypatch.setattr(room, "MODELS", few)
    batch = SimpleNamespace(group=picture)
    monkeypatch.setattr(room.Timed, "of", lambda batch: timed)
    data = SimpleNamespace(
        dataset=SimpleNamespace(trials=[None]), batch=lambda index: batch, groups=lambda index: [index]
    )
    compared = DurationComparison()
    assert isinstance(compared, Comparison)
    told = []
    found = compared.scores({}, data, Settings(resamples=50), lambda name, share: told.append(share))
    assert list(found.table) == list(few) and told[-1] == 1
    assert found.table["log-normal"]["durations.gain_nats"].value == pytest.approx(0, abs=2e-3)
    person = found.table["log-normal for each person"]["durations.gain_nats"]
    assert 0.03 < person.low < person.value < person.high < 0.09
    assert person.n == int(timed.mask.sum())
    assert set(found.table["gamma"]) == set(found.higher_is_better)
    metric = DurationGain()
    metric.update(**metric._filter_kwargs(**held_out(lambda: few["gamma"](15), timed, picture)))
    assert float(metric.compute()) == pytest.approx(found.table["gamma"]["durations.gain_nats"].value)
