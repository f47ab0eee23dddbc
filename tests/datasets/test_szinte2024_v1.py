"""The run of receptive field mapping: what is read, how time is cut, and what is refused."""

import shutil

import numpy as np
import pytest
import torch

from gazekit.datasets.check import check
from gazekit.datasets.szinte2024_v1 import INFO, Szinte2024V1, load
from gazekit.errors import DataError


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "szinte2024_v1_prf"


@pytest.fixture(scope="module")
def data(folder):
    made = Szinte2024V1(folder)
    made.setup()
    return made


def test_known_copy(folder):
    report = check("szinte2024_v1", folder)
    facts = report.fingerprint
    assert report.known == "whole run, 150 volumes, 2,365 voxels"
    assert (facts["voxels_with_listed_r2"], facts["constant_voxels"]) == (1279, 57)
    assert facts["response_sd"] == pytest.approx(0.5107, abs=1e-4)
    assert report.skipped == ()


def test_bar_goes_left_down_right_and_up(data):
    x, y = torch.tensor(data.run.x_dva), torch.tensor(data.run.y_dva)
    assert x[0] < -8.9 and y[0] > 5
    mass = data.stimulus.double()
    centre_x, centre_y = ((mass.sum(d) @ at) / mass.sum((1, 2)) for d, at in ((2, x), (1, y)))
    left, down, right, up = slice(12, 40), slice(53, 69), slice(82, 110), slice(123, 139)
    assert (centre_x[left].diff() < 0).all() and (centre_x[right].diff() > 0).all()
    assert (centre_y[down].diff() < 0).all() and (centre_y[up].diff() > 0).all()


def test_parts_are_apart_in_time(data):
    parts = {name: set(index.tolist()) for name, index in data.parts.items()}
    assert parts["learning"] == set(range(90)) and parts["test"] == set(range(90, 150))
    assert min(parts["val"]) - max(parts["train"]) == 7 and max(parts["val"]) == 89
    assert min(parts["test_after_gap"]) == 96
    assert not parts["test"] & parts["learning"]


def test_batch_shows_nothing_that_comes_later(data):
    batch = data.batch([3, 40])
    assert len(batch["stimulus"]) == 41
    assert batch["group"].tolist() == [0, 6]
    assert torch.equal(batch["response"][1], data.response[40])
    assert batch["stimulus"].max() == 9


def test_regions_are_the_listed_ones(data):
    regions = data.facts()["regions"]
    assert [len(regions[name]) for name in ("listed_r2_5", "listed_r2_7")] == [276, 82]
    assert data.repeats("test") is None
    assert "no noise ceiling" in data.about()["notes"][0]


def test_files_that_do_not_agree_are_refused(folder, tmp_path):
    for name in INFO.files:
        shutil.copy(folder / name, tmp_path / name)
    np.savez(tmp_path / "dm_gazecenter.npz", arr_0=np.zeros((149, 80, 45)))
    with pytest.raises(DataError, match=r"dm_gazecenter.npz has 149 volumes, expected 150"):
        load(tmp_path)
    (tmp_path / "grid_coordinates.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks grid_coordinates\.tsv"):
        load(tmp_path)


@pytest.mark.parametrize("settings", [{"val_tr": 0}, {"gap_tr": -1}, {"val_tr": 84}, {"block_tr": 0}])
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match="must be at least 1"):
        Szinte2024V1("x", **settings)
