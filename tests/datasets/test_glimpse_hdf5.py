"""The released layout of glimpses: what is written is read, by part and by kind of gaze; what is wrong is said."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from gazekit.datasets import info
from gazekit.datasets.check import check
from gazekit.datasets.glimpse_files import GAZE, write_split
from gazekit.datasets.glimpse_hdf5 import GlimpseHdf5, load
from gazekit.errors import DataError

h5py = pytest.importorskip("h5py")

PICTURES = {"train": 3, "val": 2, "test": 4}
SHAPE = (2, 7, 4)  # scanpaths, fixations, kinds of gaze


def content(split: str) -> dict:
    draw, count = np.random.default_rng(list(PICTURES).index(split)), PICTURES[split]
    xy = draw.integers(0, 256, (count, *SHAPE, 2))
    xy[:, :, 0] = 128
    return {
        "embeddings": draw.normal(0, 1, (count, *SHAPE, 5)).astype(np.float16),
        "xy_px": xy,
        "caption": draw.normal(0, 1, (count, 768)).astype(np.float32),
        "whole": draw.normal(0, 1, (count, 5)),
    }


@pytest.fixture
def folder(tmp_path):
    for split in PICTURES:
        write_split(tmp_path, split, **content(split))
    return tmp_path


def test_names_and_arrays_are_those_of_the_release(folder):
    with h5py.File(folder / "coco_NSD_dg3fix91_r50v6ap_7fix_val.h5") as file:
        group, made = file["val"], content("val")
        assert group["dg3_fix_actvs"].shape == (2, 2, 7, 4, 5) and group["dg3_fix_actvs"].dtype == np.float16
        assert group["next_fix_coords"].dtype == group["next_fix_rel_coords"].dtype == np.int32
        np.testing.assert_array_equal(group["next_fix_coords"][()], made["xy_px"][:, :, 1:] - 128)
        np.testing.assert_array_equal(group["next_fix_rel_coords"][()], np.diff(made["xy_px"], axis=2))
        assert group["mpnet_embeddings"].shape == (2, 768) and group["full_image_actvs"].dtype == np.float16


@pytest.mark.parametrize("provider", GAZE)
def test_what_is_written_is_read(folder, provider):
    data = GlimpseHdf5(folder, provider, batch_size=4)
    data.setup()
    assert {part: len(index) for part, index in data.parts.items()} == {"train": 6, "val": 4, "test": 8}
    batch = data.batch([7, 0, 17])  # of val, train and test
    for row, (split, picture, scanpath) in enumerate((("val", 0, 1), ("train", 0, 0), ("test", 3, 1))):
        made, gaze = content(split), GAZE.index(provider)
        np.testing.assert_array_equal(batch["glimpse"][row], made["embeddings"][picture, scanpath, :, gaze])
        np.testing.assert_array_equal(batch["xy_px"][row], made["xy_px"][picture, scanpath, :, gaze])
        np.testing.assert_array_equal(batch["caption"][row], made["caption"][picture])
    assert batch["centre_px"].eq(128).all() and batch["mask"].all() and batch["group"].tolist() == [3, 0, 8]
    facts = data.facts()
    assert (
        facts["glimpse_px"] == 91 and facts["backbone"] == {"name": "resnet50 SimCLR"} and facts["steps"] == 6
    )
    assert data.items([17]) == ["test00003, scanpath 1"]
    again = pickle.loads(pickle.dumps(data)).batch([7, 0, 17])
    assert torch.equal(again["glimpse"], batch["glimpse"])


def test_shared_pictures_are_tested_and_the_other_test_pictures_train(folder):
    np.save(folder / "pythonic_conds515.npy", np.array([1, 2]))
    data = GlimpseHdf5(folder)
    data.setup()
    used = {part: np.unique(data.records.picture[index]).tolist() for part, index in data.parts.items()}
    assert used == {"train": [0, 1, 2, 5, 8], "val": [3, 4], "test": [6, 7]}
    np.save(folder / "pythonic_conds515.npy", np.array([4]))
    with pytest.raises(DataError, match="names picture 4, but there are 4 test pictures"):
        GlimpseHdf5(folder).setup()


def test_labels_of_the_pictures(folder):
    with h5py.File(folder / "ms_coco_embeddings.h5", "w") as file:
        for split, count in PICTURES.items():
            file[f"{split}/img_multi_hot"] = np.eye(91)[:count]
    data = GlimpseHdf5(folder)
    data.setup()
    assert data.facts()["categories"] == 91
    assert data.batch([8, 2])["category"].argmax(1).tolist() == [1, 1]


def test_check_reports_counts(folder):
    report = check("glimpse_hdf5", folder)
    assert report.fingerprint["test pictures"] == 4 and report.fingerprint["numbers"] == 5
    assert report.lines()[-1].split() == ["broken", "none"]
    data = GlimpseHdf5(folder)
    data.setup()
    assert info("glimpse_hdf5").caution in data.about()["notes"]


def test_a_folder_without_files_says_where_they_come_from(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"(?s)lacks coco_.*gen_datasets.*MIT"):
        load(tmp_path)


def test_broken_files_are_named(folder):
    path = folder / "coco_NSD_dg3fix91_r50v6ap_7fix_val.h5"
    with h5py.File(path, "r+") as file:
        file["val/next_fix_rel_coords"][1, 0, 0, 0] += 1
    with pytest.raises(
        DataError, match=r"not the differences of next_fix_coords in 1 pictures, the first is number 1"
    ):
        check("glimpse_hdf5", folder)
    with h5py.File(path, "r+") as file:
        del file["val/mpnet_embeddings"]
    with pytest.raises(DataError, match=r"val/mpnet_embeddings must be \[2, 768\], got nothing"):
        load(folder)
    path.write_bytes(b"no")
    with pytest.raises(DataError, match="is not an HDF5 file"):
        load(folder)


def test_files_of_two_backbones_are_refused(folder):
    write_split(folder, "val", **content("val"), backbone=1)
    with pytest.raises(DataError, match="a folder must hold those of one only"):
        load(folder)


def test_what_cannot_be_written_is_refused(tmp_path):
    made = content("val")
    with pytest.raises(ValueError, match="split must be one of"):
        write_split(tmp_path, "all", **made)
    with pytest.raises(ValueError, match="expected embeddings"):
        write_split(tmp_path, "val", **made | {"xy_px": made["xy_px"][:1]})
    with pytest.raises(ValueError, match="float16"):
        write_split(tmp_path, "val", **made | {"embeddings": made["embeddings"].astype(float) + 1e6})
    with pytest.raises(ValueError, match=r"data\.provider must be one of model"):
        GlimpseHdf5(tmp_path, "human")
