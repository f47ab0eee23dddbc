"""Real V1: reference values of the listed fields and of ridge, and the whole comparison in small."""

import pytest
import torch

from gazekit.base.scores import Settings
from gazekit.datasets.szinte2024_v1 import Szinte2024V1
from gazekit.metrics.functional.encoding import pearson
from gazekit.models.receptive_fields import (
    FittedField,
    GlobalSignal,
    HeldOutTime,
    ListedFields,
    ReceptiveFields,
    RidgeInTime,
    TimeChance,
)


@pytest.fixture(scope="module")
def data(shared_data):
    made = Szinte2024V1(shared_data / "szinte2024_v1_prf")
    made.setup()
    return made


def said(row, data, part):
    batch = data.batch(data.parts[part].tolist())
    with torch.no_grad():
        prediction = row.predict(batch, torch.Generator().manual_seed(0))["prediction"]
    return pearson(prediction, batch["response"])


def test_listed_fields_give_the_reference_values(data):
    row = ListedFields(data.facts())
    row.encoder.amplitude.fill_(1.0)  # the reference ignores amplitudes, negative ones too
    r = said(row, data, "all")
    best, better = (r[data.regions[f"listed_r2_{k}"]] for k in (5, 7))
    assert float(best.mean()) == pytest.approx(0.743, abs=0.001)
    assert float(best.square().mean()) == pytest.approx(0.605, abs=0.001)
    assert float(better.mean()) == pytest.approx(0.860, abs=0.001)
    assert float(better.square().mean()) == pytest.approx(0.740, abs=0.001)


def test_ridge_gives_the_reference_values(data):
    row = RidgeInTime(data.facts())
    row.fit(data)
    r = said(row, data, "test")
    assert float(r[data.regions["listed_r2_5"]].mean()) == pytest.approx(0.613, abs=0.001)
    assert float(r.nan_to_num(0).mean()) == pytest.approx(0.242, abs=0.001)
    assert int(r.isnan().sum()) == 57


def test_simple_rows_know_little(data):
    global_signal, chance = GlobalSignal(data.facts()), TimeChance(data.facts())
    for row in (global_signal, chance):
        row.fit(data)
    reference = data.regions["listed_r2_5"]
    assert 0.15 < float(said(global_signal, data, "test")[reference].mean()) < 0.3
    assert abs(float(said(chance, data, "test")[reference].mean())) < 0.05


def test_grid_alone_beats_ridge_where_the_learning_time_chooses(data):
    rows = {"attention": ReceptiveFields(data.facts(), steps=1), "ridge": RidgeInTime(data.facts())}
    for row in rows.values():
        row.fit(data)
    found = HeldOutTime().scores(rows, data, Settings(resamples=50), lambda *_: None)
    ours, ridge = found.table["attention"], found.table["ridge"]
    assert 200 < ours["r.chosen"].n < 500
    assert ours["r.listed_r2_5"].value > 0.78
    assert ridge["r.listed_r2_5"].value == pytest.approx(0.613, abs=0.001)
    paired = found.table["attention - ridge"]
    assert paired["r.chosen"].low > 0.1 and paired["r.listed_r2_5 over voxels"].low > 0.1
    assert paired["r.chosen after gap"].value == pytest.approx(
        ours["r.chosen after gap"].value - ridge["r.chosen after gap"].value
    )
    assert ours["r"].undefined == 57
    figures = rows["attention"].figures(data, found.table)
    assert set(figures) == {"time_courses", "visual_field", "response_function", "attention"}
    assert "peak at" in rows["attention"].notes()[0]


def test_too_much_is_asked_of_voxels(data):
    with pytest.raises(ValueError, match=r"no voxel has a cross-validated r above 0\.99"):
        HeldOutTime(min_training_r=0.99).scores({}, data, Settings(), lambda *_: None)


def test_reads_a_stimulus_of_ones_own(data, tmp_path):
    import numpy as np

    np.save(tmp_path / "movie.npy", data.run.stimulus[:30])
    system = ReceptiveFields(data.facts())
    items, batch = next(system.read(tmp_path / "movie.npy"))
    assert len(items) == 30
    assert system.predict(batch, torch.Generator())["prediction"].shape == (30, 2365)
    np.save(tmp_path / "flat.npy", data.run.stimulus[0])
    with pytest.raises(ValueError, match=r"must hold a stimulus \[T, X, Y\], got \[80, 45\]"):
        next(system.read(tmp_path / "flat.npy"))


@pytest.mark.slow
def test_fitted_rows_are_as_good_as_the_page_says(data):
    bars = {"gaussian": 0.81, "compressive": 0.81, "difference": 0.81, "point": 0.81}
    for field, least in bars.items():
        row = FittedField(data.facts(), field)
        row.fit(data)
        assert float(said(row, data, "test")[data.regions["listed_r2_5"]].mean()) > least, field
