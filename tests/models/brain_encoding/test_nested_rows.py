"""Nested cross-validation: nothing is chosen or learned on the picture that is predicted."""

from copy import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gazekit.base import Predictor
from gazekit.base.scores import Settings
from gazekit.models.brain_encoding import (
    FoldComparison,
    HeldOut,
    NestedEncoder,
    NestedReadout,
    NestedRidge,
    ReadoutRow,
    RidgeRow,
    inner_folds,
    masked_r,
)

N, V = 120, 3


class MadeData:
    """Two layers; the voxels are linear in tokens of "good"."""

    folds, split = 3, "all"

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        content = torch.randn(N, 6, 1, 1, generator=generator)
        self.features = {
            "bad": torch.randn(N, 4, 4, 4, generator=generator),
            "good": 5 + 3 * (content + 0.3 * torch.randn(N, 6, 4, 4, generator=generator)),
        }
        weight = 2 * torch.nn.functional.normalize(torch.randn(V, 6, generator=generator), dim=1)
        signal = self.features["good"][:, :, 1, 1] @ weight.T
        self.response = signal / 3 + 0.3 * torch.randn(N, V, generator=generator)
        self.parts = {"all": np.arange(N)} | self._fold(0)

    def _fold(self, k):
        test = np.arange(k, N, self.folds)
        rest = np.setdiff1d(np.arange(N), test)
        return {"train": rest[10:], "val": rest[:10], "test": test}

    def in_fold(self, k):
        other = copy(self)
        other.split, other.parts = "test", {"all": np.arange(N)} | self._fold(k)
        return other

    def arrays(self, part):
        index = torch.from_numpy(self.parts[part])
        features = {layer: maps[index] for layer, maps in self.features.items()}
        return SimpleNamespace(features=features, response=self.response[index], group=index)

    def batches(self, part, facts=None):
        found = self.arrays(part)
        yield {"features": found.features, "response": found.response, "group": found.group}

    def facts(self):
        return {"layers": {"bad": [4, 4, 4], "good": [6, 4, 4]}, "voxels": V}

    def repeats(self, part):
        return None


class Pairs:
    """The same as named tuples, as rows outside of nested ones take them."""

    def __init__(self, data):
        self.data = data

    def arrays(self, part):
        found = vars(self.data.arrays(part))
        return SimpleNamespace(_asdict=lambda: found)


def silent(*_):
    pass


SHORT = {"grid": 4, "members": 2, "steps": 60, "lr": 2e-2}


def test_inner_folds_are_even():
    assert torch.bincount(inner_folds(103, 5)).tolist() == [21, 21, 21, 20, 20]


def test_ridge_takes_the_layer_that_helps_and_predicts_in_raw_units():
    data = MadeData().in_fold(1)
    row = NestedRidge(data.facts(), grid=4)
    row.fit(data)
    assert row.chosen["voxels of layers"] == {"bad": 0, "good": V}
    batch = next(data.batches("test"))
    prediction = row.predict(batch, torch.Generator())["prediction"]
    assert (masked_r(prediction, batch["response"]) > 0.8).all()
    assert row.weight0.abs().max() == 0


def test_ridge_is_a_penalised_regression_of_standardised_channels():
    """One layer, one penalty: the normal equations, and the mean over voxels without features."""
    data = MadeData().in_fold(0)
    row = NestedRidge(data.facts(), layers=["good"], grid=4, alphas=(2, 2, 1))
    row.fit(data)
    parts = [data.arrays(part) for part in ("train", "val")]
    x = torch.cat([part.features["good"] for part in parts])
    y = torch.cat([part.response for part in parts]).double()
    deviation, mean = torch.std_mean(x, (0, 2, 3), keepdim=True, correction=0)
    z = ((x - mean) / deviation).flatten(1).double()
    centred, target = z - z.mean(0), y - y.mean(0)
    expected = torch.linalg.solve(centred.T @ centred + 100 * torch.eye(96).double(), centred.T @ target)
    batch = next(data.batches("train"))
    got = row.predict(batch, torch.Generator())["prediction"]
    wanted = (z[: len(got)] - z.mean(0)) @ expected + y.mean(0)
    assert torch.allclose(got.double(), wanted, atol=1e-3)


@pytest.mark.parametrize("readout", ["factorised", "gaussian", "attention"])
def test_members_are_averaged(readout):
    data = MadeData().in_fold(0)
    row = NestedReadout(data.facts(), readout, **SHORT)
    before = [p.clone() for p in row.members[0].parameters()]
    row.fit(data)
    assert any(not torch.equal(a, b) for a, b in zip(before, row.members[0].parameters(), strict=True))
    batch = next(data.batches("test"))
    prediction = row.predict(batch, torch.Generator())["prediction"]
    x = torch.cat([batch["features"]["bad"], batch["features"]["good"]], 1)
    assert torch.allclose(prediction, (row.members[0](x) + row.members[1](x)) / 2)
    assert (masked_r(prediction, batch["response"]) > 0.5).all()
    assert 0.5 < row.chosen["inner r"] <= 1


class Spy(Predictor):
    """Remembers what it was fitted on and predicts the mean of that."""

    def fit(self, data):
        assert data.split == "test"
        self.seen = np.concatenate([data.parts["train"], data.parts["val"]])
        self.mean = data.response[self.seen].mean(0)
        self.chosen = len(self.seen)

    def predict(self, batch, generator, samples=1):
        assert not set(batch["group"].tolist()) & set(self.seen.tolist())
        return {"prediction": batch["features"]["good"][:, :V, 1, 1] + self.mean}


def test_no_picture_is_predicted_by_a_row_that_saw_it():
    data = MadeData()
    spy = Spy()
    found = FoldComparison().scores({"spy": spy}, data, Settings(resamples=20), silent)
    assert not hasattr(spy, "seen")  # copies learn
    assert found.details["chosen"] == {"spy": [80, 80, 80]}
    assert "3 folds" in " ".join(found.notes)
    known = torch.full((N, V), torch.nan)
    for k in range(3):
        fold = data.in_fold(k)
        rest = np.concatenate([fold.parts["train"], fold.parts["val"]])
        test = fold.parts["test"]
        known[test] = data.features["good"][test][:, :V, 1, 1] + data.response[rest].mean(0)
    expected = float(masked_r(known, data.response).mean())
    assert found.table["spy"]["r"].value == pytest.approx(expected, abs=1e-5)


def test_rows_are_compared_in_pairs():
    data, truth = MadeData(), MadeData().response
    generator = torch.Generator().manual_seed(1)
    rows = {
        name: HeldOut(truth + noise * torch.randn(N, V, generator=generator), name)
        for name, noise in (("best", 0.1), ("middle", 1.0), ("worst", 3.0))
    }
    data.split = "test"
    found = FoldComparison(pairs=[["middle", "worst"]]).scores(rows, data, Settings(resamples=50), silent)
    assert {"best - middle", "best - worst", "middle - worst"} < set(found.table)
    gain = found.table["middle - worst"]["r"]
    assert gain.low > 0
    assert gain.value == pytest.approx(found.table["middle"]["r"].value - found.table["worst"]["r"].value)
    with pytest.raises(ValueError, match="pairs name rows that there are not: nobody"):
        FoldComparison(pairs=[["middle", "nobody"]]).scores(rows, data, Settings(), silent)


def test_a_row_that_cannot_be_fitted_is_refused():
    class Trained(Predictor):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

    class Scaled(Trained):
        """Trained elsewhere, perhaps on all folds; `fit` only measures the data."""

        def fit(self, data):
            self.scale = data.arrays("train").response.std(0)

    for row in (Trained(), Scaled()):
        with pytest.raises(ValueError, match="does not learn by fit"):
            FoldComparison().scores({"trained": row}, MadeData(), Settings(), silent)


def test_a_readout_begins_anew_in_each_fit():
    """Else a row that was fitted on one fold would bring what it knows of the pictures of the others."""
    data = MadeData()
    facts = data.facts() | {"regions": {}, "subject_of": [0] * V}
    rows = [ReadoutRow(facts, "factorised", "good", steps=20) for _ in range(2)]
    rows[0].fit(Pairs(data.in_fold(1)))
    for row in rows:
        row.fit(Pairs(data.in_fold(0)))
    batch = next(data.in_fold(0).batches("test"))
    a, b = (row.predict(batch, torch.Generator())["prediction"] for row in rows)
    assert torch.equal(a, b)
    fold = data.in_fold(0)
    fold.parts["val"] = fold.parts["val"][:0]
    rows[0].fit(Pairs(fold))  # without validation pictures the last step is kept
    begun = ReadoutRow(facts, "factorised", "good", steps=20)
    a, b = (row.predict(batch, torch.Generator())["prediction"] for row in (rows[0], begun))
    assert not torch.equal(a, b)


def test_folds_of_ridge_do_not_depend_on_how_pictures_are_numbered():
    data = MadeData()
    rows = [RidgeRow(data.facts()) for _ in range(2)]
    for row, step in zip(rows, (1, 5), strict=True):
        found = [vars(data.in_fold(0).arrays(part)) for part in ("train", "val")]
        spread = {
            part: SimpleNamespace(_asdict=lambda one=one, step=step: one | {"group": step * one["group"]})
            for part, one in zip(("train", "val"), found, strict=True)
        }
        row.fit(SimpleNamespace(arrays=spread.get))
    assert torch.equal(rows[0].weight, rows[1].weight)


def test_voxels_without_a_correlation_are_predicted_by_their_mean_and_counted():
    data = MadeData()
    data.response[:, 1] = 3.0
    row = NestedRidge(data.facts(), grid=4)
    row.fit(data.in_fold(0))
    assert row.chosen["voxels of layers"] == {"bad": 0, "good": V - 1} and row.chosen["voxels without r"] == 1
    assert 0.5 < row.chosen["inner r"] <= 1
    assert (row.predict(next(data.batches("test")), torch.Generator())["prediction"][:, 1] == 3).all()


def test_a_system_of_all_pictures_waits_for_its_folds():
    data = MadeData()
    system = NestedEncoder(data.facts(), **SHORT)
    system.fit(data)
    assert system.chosen == {}
    with pytest.raises(ValueError, match=r"use data\.split=test"):
        system.predict(next(data.batches("all")), torch.Generator())
    with pytest.raises(ValueError, match="learns by fit alone"):
        system.loss({})
    with pytest.raises(ValueError, match="readout must be one of"):
        NestedReadout(data.facts(), "none")
    with pytest.raises(ValueError, match="members must be at least 2"):
        NestedReadout(data.facts(), members=1)
