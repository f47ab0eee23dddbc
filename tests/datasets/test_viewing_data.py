from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from viewing_toys import spots, viewing

from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.scanpath_data import mirror
from gazekit.datasets.viewing_data import ViewingData
from gazekit.errors import DataError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> ScanpathDataset:
    return spots(tmp_path_factory.mktemp("spots"))


def scenes_of(data: ViewingData, part: str) -> set[int]:
    return {data.dataset.trials[i].scene for i in data.parts[part]}


def test_each_picture_is_tested_in_one_fold_and_parts_share_none(dataset):
    data = viewing(dataset)
    tested = []
    for k in range(3):
        fold = data.in_fold(k)
        parts = [scenes_of(fold, part) for part in ("train", "val", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 10
        assert len(parts[1]) == 1
        tested += parts[2]
    assert sorted(tested) == list(range(10))
    order = np.random.default_rng(0).permutation(10)
    assert scenes_of(data.in_fold(1), "test") == set(np.array_split(order, 3)[1].tolist())
    assert data.fold == 0 and data.split == "all"  # in_fold leaves it alone


def test_batches_hold_pictures_durations_and_people(dataset):
    data = viewing(dataset)
    batch = next(data.batches("all"))
    picture = cv2.imread(str(dataset.scenes[0].image_path))[..., ::-1]
    np.testing.assert_array_equal(batch.scenes.pictures[0], picture)
    assert batch.scenes.pictures.dtype == torch.uint8
    trial = dataset.trials[2]
    np.testing.assert_allclose(batch.duration_ms[2][batch.mask[2]], trial.scanpath.duration_ms, rtol=1e-6)
    assert data.facts()["observers"][batch.observer[2]] == trial.scanpath.observer
    lengths = [len(dataset.trials[i].objects) for i in data.parts["train"]]
    assert data.facts()["length_counts"] == np.bincount(lengths).tolist()


def test_pictures_are_mirrored_with_their_fixations(dataset):
    batch = next(viewing(dataset).batches("all"))
    turned = mirror(batch, torch.tensor([True, False]))
    np.testing.assert_array_equal(turned.scenes.pictures[0], batch.scenes.pictures[0].flip(1))
    np.testing.assert_array_equal(turned.scenes.pictures[1], batch.scenes.pictures[1])
    torch.testing.assert_close(turned.xy_px[0, 0, 0], 64 - batch.xy_px[0, 0, 0])


def test_scenes_without_a_picture_are_left_out_and_counted(dataset):
    scenes = tuple(replace(s, image_path=None) if k in (1, 4) else s for k, s in enumerate(dataset.scenes))
    data = viewing(replace(dataset, scenes=scenes))
    assert len(data.dataset.scenes) == 8 and len(data.dataset.trials) == 32
    assert any(note.startswith("2 pictures left out") for note in data.about()["notes"])
    names = {data.dataset.scenes[t.scene].name for t in data.dataset.trials}
    assert names == {s.name for s in scenes if s.image_path}


def test_batches_of_one_size(tmp_path):
    small, large = spots(tmp_path, 4), spots(tmp_path, 4, seed=1, size=(80, 48))
    trials = [replace(t, scene=t.scene + 4) for t in large.trials]
    renamed = tuple(replace(s, name=f"large {s.name}") for s in large.scenes)
    for scene in large.scenes:  # both wrote to the same files
        cv2.imwrite(str(scene.image_path), np.zeros((48, 80, 3), np.uint8))
    both = replace(small, scenes=small.scenes + renamed, trials=(*small.trials, *trials))
    data = viewing(both)
    sizes = [
        {data.dataset.scenes[data.dataset.trials[i].scene].size_px for i in g} for g in data.groups(range(32))
    ]
    assert [len(s) for s in sizes] == [1] * 4
    with pytest.raises(DataError, match="80 x 48 px, expected 64 x 48"):
        data.batch([0])


def test_bad_pictures_and_settings_are_named(dataset, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    scenes = (replace(dataset.scenes[0], image_path=tmp_path / "broken.png"), *dataset.scenes[1:])
    with pytest.raises(DataError, match=r"broken\.png is not a picture"):
        viewing(replace(dataset, scenes=scenes)).batch([0])
    with pytest.raises(DataError, match="3 of 10 scenes have a picture"):
        bare = [replace(s, image_path=None) if k > 2 else s for k, s in enumerate(dataset.scenes)]
        viewing(replace(dataset, scenes=tuple(bare)))
    with pytest.raises(ValueError, match=r"data\.fold from 0"):
        ViewingData("osie", fold=5)


def test_a_model_keeps_its_test_pictures(dataset):
    trained = viewing(dataset, fold=1)
    again = ViewingData(dataset.name, split="test", folds=3)
    again.trained_with = trained.facts()
    again.use(dataset)
    assert scenes_of(again, "test") == scenes_of(trained, "test")


def test_real_pictures(shared_data):
    data = ViewingData("osie", shared_data / "osie")
    data.setup()
    assert len(data.dataset.scenes) == 60 and len(data.parts["all"]) == 900
    batch = data.batch([0])
    assert batch.scenes.pictures.shape == (1, 600, 800, 3)
