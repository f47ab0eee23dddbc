from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gazekit.backbones import load_backbone
from gazekit.datasets.brain_data import BrainData
from gazekit.datasets.brain_features import DiskMaps, backbone_maps
from gazekit.datasets.brain_pictures import PictureArray, PictureFiles
from gazekit.datasets.brain_responses import Block, BrainRecords
from gazekit.errors import DataError

N, V = 10, 5
PARTS = {"train": np.arange(6), "val": np.array([6, 7]), "test": np.array([9, 8])}


def toy_records(**changed) -> BrainRecords:
    draw = np.random.default_rng(0)
    facts = {
        "name": "toy",
        "items": [f"picture {i}" for i in range(N)],
        "blocks": [Block(draw.normal(size=(N, V)).astype(np.float32), np.arange(N)[None])],
        "subjects": ["one", "two"],
        "subject_of": np.array([0, 0, 0, 1, 1]),
        "regions": {"V1": np.array([0, 3]), "all": np.arange(V)},
        "features": {"map": draw.normal(size=(N, 3, 2, 2)), "vector": draw.normal(size=(N, 4))},
    }
    return BrainRecords(**facts | changed)


def toy_data(records: BrainRecords | None = None, parts=PARTS, **settings) -> BrainData:
    data = BrainData(batch_size=4, **settings)
    data.use(toy_records() if records is None else records, parts)
    return data


def test_batches_arrays_and_facts_say_the_same():
    data = toy_data()
    batch = data.batch([9, 2])
    assert batch["features"]["map"].shape == (2, 3, 2, 2) and batch["features"]["vector"].shape == (
        2,
        4,
        1,
        1,
    )
    np.testing.assert_array_equal(batch["response"], data.records.blocks[0].response[[9, 2]])
    assert batch["group"].tolist() == [9, 2] and set(batch) == {"features", "response", "group"}
    learnt = data.arrays("train")
    together = torch.cat([b["response"] for b in data.batches("train")])
    torch.testing.assert_close(learnt.response, together)
    torch.testing.assert_close(learnt.features["map"][2], batch["features"]["map"][1])
    facts = data.facts()
    assert facts["layers"] == {"map": [3, 2, 2], "vector": [4, 1, 1]} and facts["voxels"] == V
    assert facts["subject_of"] == [0, 0, 0, 1, 1] and facts["regions"]["V1"] == [0, 3]
    assert "hemisphere_of" not in facts and "backbone" not in facts
    assert data.repeats("test") is None and data.items([3]) == ["picture 3"]


def test_parts_in_a_row_are_views_and_batches_are_not():
    response = np.random.default_rng(0).normal(size=(N, V)).astype(np.float32)
    data = toy_data(toy_records(blocks=[Block(response, np.arange(N)[None])]))
    data.batch([0, 1])["response"].zero_()
    assert response[:2].all()
    data.arrays("train").response[0, 0] = 7
    assert response[0, 0] == 7


def test_memory_maps_are_read_and_left_alone(tmp_path):
    response = np.random.default_rng(0).normal(size=(N, V)).astype(np.float32)
    np.save(tmp_path / "response.npy", response)
    for mode in ("c", "r"):
        mapped = np.load(tmp_path / "response.npy", mmap_mode=mode)
        data = toy_data(toy_records(blocks=[Block(mapped, np.arange(N)[None])]))
        data.arrays("train").response.zero_()
    np.testing.assert_array_equal(np.load(tmp_path / "response.npy"), response)


def test_presentations_are_averaged_and_counted():
    single = np.array([[1.0, 2], [3, np.nan], [5, 6], [7, 8]])
    rows = np.array([[0, 2, -1], [1, 3, -1], [-1, 0, -1]])
    block = Block(single, rows)
    np.testing.assert_allclose(block.mean(np.arange(3)), [[2, 2], [13 / 3, 16 / 3], [np.nan, np.nan]])
    found = block.single(np.array([1, 0]))
    np.testing.assert_allclose(found, [[[5, 6], [1, 2]], [[7, 8], [3, np.nan]], [[1, 2], [np.nan, np.nan]]])


def test_recordings_of_several_people_stand_side_by_side():
    ones = Block(np.ones((N, 2)), np.arange(N)[None])
    seen = np.where(np.arange(N) < 8, -1, np.arange(N) - 8)
    twice = Block(
        np.full((4, 3), 2.0) + np.arange(4)[:, None], np.stack([seen, np.where(seen < 0, -1, seen + 2)])
    )
    data = toy_data(toy_records(blocks=[ones, twice]))
    response = data.batch([0, 8, 9])["response"]
    np.testing.assert_array_equal(response[:, :2], 1)
    np.testing.assert_array_equal(response[:, 2], [np.nan, 3, 4])
    repeats = data.repeats("test")  # pictures 9 and 8
    assert repeats.shape == (2, 2, V)
    np.testing.assert_array_equal(repeats[:, :, 2], [[3, 2], [5, 4]])
    np.testing.assert_array_equal(repeats[:, :, 0], [[1, 1], [np.nan, np.nan]])
    assert data.repeats("train") is None and data.about()["presentations of a picture"] == 2


def test_the_order_of_pictures_makes_no_difference():
    @settings(max_examples=50, deadline=None)
    @given(
        single=arrays(np.float32, (7, 2), elements=st.sampled_from([0.5, 1, 2, 4, np.nan])),
        rows=arrays(np.int64, (3, 6), elements=st.integers(-1, 6)),
        order=st.permutations(range(6)),
    )
    def check(single, rows, order):
        block = Block(single, rows)
        whole = block.mean(np.arange(6))
        np.testing.assert_array_equal(block.mean(np.array(order)), whole[list(order)])
        for i in range(6):
            shown = single[rows[rows[:, i] >= 0, i]]
            valid = ~np.isnan(shown)
            expected = np.divide(
                np.where(valid, shown, 0).sum(0), valid.sum(0), out=np.full(2, np.nan), where=valid.any(0)
            )
            np.testing.assert_allclose(whole[i], expected, rtol=1e-6)

    check()


def test_what_is_missing_is_counted():
    response = np.random.default_rng(0).normal(size=(N, V)).astype(np.float32)
    response[2, 0], response[:, 1], response[:, 3] = np.nan, 5, np.nan
    response[4, 1] = np.nan
    data = toy_data(toy_records(blocks=[Block(response, np.arange(N)[None])], notes=["a note"]))
    assert data.survey.missing == 2 + N
    assert data.survey.constant.tolist() == [1] and data.survey.empty.tolist() == [3]
    notes = data.about()["notes"]
    assert notes[0] == "a note" and notes[1].startswith("12 single responses are NaN")
    assert notes[2].startswith("1 voxels respond the same") and notes[3].startswith(
        "1 voxels have no response"
    )
    response[0, 0] = np.inf
    with pytest.raises(DataError, match="some are infinite"):
        toy_data(toy_records(blocks=[Block(response, np.arange(N)[None])]))


ONES = np.ones((N, V))
WRONG = {
    "two pictures have the same name": {"items": ["x"] * N},
    "recording 0 tells of 9 pictures, but there are 10": {"blocks": [Block(ONES, np.arange(9)[None])]},
    "has 4 rows of responses, but rows 0 to 9": {"blocks": [Block(ONES[:4], np.arange(N)[None])]},
    "8 features 'map', expected 10": {"features": {"map": np.ones((8, 3))}},
    "4 subjects of voxels, expected 5": {"subject_of": np.zeros(4, int)},
    "6 hemispheres of voxels, expected 5": {"hemisphere_of": np.zeros(6, int)},
    "region 'V1' has voxels 0 to 5, expected 0 to 4: is it of another voxel order": {
        "regions": {"V1": [0, 5]}
    },
    "3 pictures, expected 10": {"pictures": PictureArray(np.zeros((3, 4, 4), np.uint8))},
    "2 fixation maps, expected 10": {"fixation_map": np.zeros((2, 4, 4))},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_named(message):
    with pytest.raises(DataError, match=message):
        toy_records(**WRONG[message])


def test_wrong_settings_and_parts_are_named():
    with pytest.raises(DataError, match="a picture is in two parts"):
        toy_data(parts=PARTS | {"test": np.array([0])})
    with pytest.raises(
        DataError, match=r"data\.split=other has no pictures, expected one of train, val, test"
    ):
        toy_data(split="other")
    with pytest.raises(DataError, match=r"toy has no features: set data\.backbone"):
        toy_data(toy_records(features=None, pictures=PictureArray(np.zeros((N, 4, 4), np.uint8))))
    with pytest.raises(DataError, match="toy has no pictures"):
        toy_data(toy_records(features=None))
    with pytest.raises(DataError, match="features alone"):
        toy_data().pictures([0])
    with pytest.raises(ValueError, match=r"data\.grid must be at least 1"):
        BrainData(grid=0)
    with pytest.raises(ValueError, match=r"data\.layers are those of data\.backbone"):
        BrainData(layers=["fire8"])
    with pytest.raises(ValueError, match=r"\[pictures, C, H, W\] or \[pictures, C\], got \[10, 3, 2\]"):
        toy_data(toy_records(features={"map": np.ones((N, 3, 2))}))


NAMES = [f"voxel {i}" for i in range(V)]


def test_a_model_is_judged_on_pictures_it_has_not_learnt():
    trained = toy_data(toy_records(voxel_names=NAMES, regions={"V1": np.array([0])})).facts()
    assert toy_data().facts()["learnt_pictures"] == trained["learnt_pictures"]
    other = PARTS | {"train": np.array([0, 1, 2, 3, 4, 8]), "test": np.array([9, 5])}
    for parts, records, what in (
        (other, toy_records(), "pictures in the parts"),
        (PARTS, toy_records(subject_of=np.zeros(V, int)), "voxels"),
        (PARTS, toy_records(features={"map": np.ones((N, 3))}), "layers"),
        (PARTS, toy_records(voxel_names=NAMES[::-1]), "voxels, or in another order"),
        (
            PARTS,
            toy_records(voxel_names=NAMES, regions={"V1": np.array([V - 1])}),
            "voxels in the regions V1",
        ),
    ):
        data = BrainData()
        data.trained_with = trained
        with pytest.raises(DataError, match=f"trained with other {what}"):
            data.use(records, parts)
    elsewhere = BrainData()
    elsewhere.trained_with = trained
    elsewhere.use(toy_records(name="other set"), other)


PICTURES = np.random.default_rng(1).integers(0, 256, (N, 40, 40, 3), np.uint8)
squeezenet = partial(load_backbone, "squeezenet1_0", "random", ["fire2", "logits"], (64, 64))


def test_backbones_look_at_pictures_and_maps_are_pooled(tmp_path):
    records = toy_records(features=None, pictures=PictureArray(PICTURES))
    chosen = {
        "backbone": "squeezenet1_0",
        "weights": "random",
        "layers": ["fire2", "logits"],
        "size_px": [64, 64],
    }
    data = toy_data(records, grid=3, features_root=tmp_path, **chosen)
    backbone = squeezenet()
    maps = backbone(backbone.preprocess(PICTURES[4:6]))
    found = data.batch([4, 5])["features"]
    pooled = torch.nn.functional.adaptive_avg_pool2d(maps["fire2"], 3)
    torch.testing.assert_close(found["fire2"], pooled, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["logits"].flatten(1), maps["logits"].flatten(1), rtol=1e-4, atol=1e-5)
    assert data.facts()["backbone"]["grid"] == 3 and data.facts()["layers"]["fire2"] == [128, 3, 3]
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    toy_data(records, grid=3, features_root=tmp_path, **chosen)
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    np.testing.assert_array_equal(data.pictures([4, 5]), PICTURES[4:6])


def test_large_features_stay_on_disk(tmp_path, monkeypatch):
    look = partial(backbone_maps, PictureArray(PICTURES), [str(i) for i in range(N)], squeezenet(), None)
    kept = look(tmp_path)
    monkeypatch.setattr("gazekit.datasets.brain_features.IN_MEMORY_BYTES", 10)
    on_disk = look(tmp_path)
    assert isinstance(on_disk, DiskMaps) and on_disk.shapes == kept.shapes
    index = np.array([3, 9, 0])
    for layer, value in on_disk.read(index).items():
        torch.testing.assert_close(value, kept.read(index)[layer])


def test_pictures_of_files_and_arrays(tmp_path):
    import cv2

    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, picture in zip(paths, PICTURES, strict=False):
        cv2.imwrite(str(path), picture[..., ::-1])
    files = PictureFiles(paths)
    np.testing.assert_array_equal(files[2], PICTURES[2])
    before = files.fingerprint()
    cv2.imwrite(str(paths[0]), PICTURES[5])
    assert len(files) == 3 and files.fingerprint() != before
    paths[1].write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"1\.png is not a picture"):
        files[1]
    grey = PictureArray(PICTURES[..., 0])
    assert grey[3].shape == (40, 40, 3) and (grey[3] == PICTURES[3, ..., :1]).all()
    assert grey.fingerprint() != PictureArray(PICTURES).fingerprint()
    with pytest.raises(DataError, match="must be uint8"):
        PictureArray(PICTURES.astype(float))
