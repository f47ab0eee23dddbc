"""Class folders in the layout of ImageNet."""

import cv2
import numpy as np
import pytest
import torch

from gazekit.datasets.diet_folders import DietFolders
from gazekit.datasets.diet_manipulations import manipulate
from gazekit.errors import DataError


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(0)
    for part, many in (("train", 3), ("val", 2)):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for k in range(many):
                picture = cv2.resize(draw.integers(0, 255, (6, 8, 3), np.uint8), (320, 240 + 40 * k))
                cv2.imwrite(str(tmp_path / part / name / f"{k}.jpg"), picture)
    return tmp_path


def made(root, **settings):
    data = DietFolders(str(root), batch_size=2, **settings)
    data.setup()
    return data


def test_parts_labels_and_the_middle(folder):
    data = made(folder)
    assert data.facts()["classes"] == ["cat", "dog"]
    assert {part: len(index) for part, index in data.parts.items()} == {"train": 6, "val": 4, "test": 4}
    batch = data.batch([0, 5])
    assert batch["label"].tolist() == [0, 1] and batch["picture"].shape == (2, 224, 224, 3)
    picture = cv2.imread(str(folder / "train/cat/0.jpg"), cv2.IMREAD_COLOR_RGB)
    whole = cv2.resize(picture, (round(320 * 256 / 240), 256), interpolation=cv2.INTER_LINEAR)
    assert torch.equal(batch["picture"][0], torch.from_numpy(whole[16:240, 58:282].copy()))
    assert data.items([0]) == ["train/cat/0.jpg"]


def test_training_cuts_and_mirrors_at_random_but_repeatably(folder):
    data = made(folder)
    first = data.training_batch(0)
    assert torch.equal(first["picture"], data.training_batch(0)["picture"])
    assert not torch.equal(first["picture"], data.batch(first["group"].tolist())["picture"])


@pytest.mark.parametrize("manipulation", ["rotate", "fisheye", "lines"])
def test_manipulations_are_those_of_the_generated_diets(folder, manipulation):
    plain, other = (
        made(folder).batch([0])["picture"],
        made(folder, manipulation=manipulation).batch([0])["picture"],
    )
    assert torch.equal(other[0].permute(2, 0, 1), manipulate(plain[0].permute(2, 0, 1), manipulation))
    assert not torch.equal(plain, other)


def test_what_is_wrong_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="train/CLASS"):
        made(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="manipulation"):
        DietFolders(str(folder), manipulation="blur")
    with pytest.raises(ValueError, match="size_px"):
        DietFolders(str(folder), size_px=300)
    (folder / "train/cat/0.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="is no picture"):
        made(folder).batch([0])
    (folder / "val/bird").mkdir()
    with pytest.raises(DataError, match="no pictures of bird"):
        made(folder)
    cv2.imwrite(str(folder / "val/bird/0.jpg"), np.zeros((300, 300, 3), np.uint8))
    with pytest.raises(DataError, match="bird differ"):
        made(folder)
