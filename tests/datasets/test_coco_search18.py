import json

import pytest

from gazekit.datasets.coco_search18 import load
from gazekit.errors import DataError


def record(**changes):
    return {
        "name": "000000000042.jpg",
        "subject": 3,
        "task": "bottle",
        "condition": "present",
        "bbox": [500, 300, 100, 200],
        "X": [840.0, 550.0, 50.0],
        "Y": [525.0, 310.0, 1049.0],
        "T": [200, 250, 180],
        "length": 3,
        "correct": 1,
        "RT": 900,
        "split": "train",
    } | changes


def write(folder, *records, name="TP_train_split1"):
    (folder / f"coco_search18_fixations_{name}.json").write_text(json.dumps(records))
    return folder


def test_target_present(tmp_path):
    dataset = load(write(tmp_path, record(), record(subject=10), record(subject=2)))
    (scene,) = dataset.scenes
    assert scene.name == "bottle/000000000042.jpg"
    assert len(scene) == 161 and scene.target == 160
    assert scene.boxes_px[160].tolist() == [500, 300, 600, 500]
    assert scene.categories[0] == "cell" and scene.categories[160] == "bottle"
    assert scene.attributes == {
        "task": "bottle",
        "condition": "present",
        "split": "train",
        "image": "000000000042.jpg",
        "target_clipped": False,
    }
    assert [t.scanpath.observer for t in dataset.trials] == ["2", "3", "10"]
    assert dataset.trials[0].objects.tolist() == [5 * 16 + 8, 160, 9 * 16]
    assert dataset.trials[0].scanpath.duration_ms.tolist() == [200, 250, 180]


def test_same_image_with_two_tasks_is_two_scenes(tmp_path):
    dataset = load(write(tmp_path, record(), record(task="tv")))
    assert [s.name[:3] for s in dataset.scenes] == ["bot", "tv/"]


def test_conditions_are_apart(tmp_path):
    write(tmp_path, record())
    absent = record(condition="absent", split="valid")
    del absent["bbox"]
    write(tmp_path, absent, name="TA_trainval")
    assert load(tmp_path).scenes[0].target == 160
    (scene,) = load(tmp_path, condition="absent", grid=(2, 2)).scenes
    assert scene.target is None and len(scene) == 4
    assert scene.attributes["split"] == "valid"
    with pytest.raises(ValueError, match="condition must be 'present' or 'absent', got 'both'"):
        load(tmp_path, condition="both")


def test_no_scanpath_of_the_condition(tmp_path):
    with pytest.raises(DataError, match="coco_search18: found no usable scene"):
        load(write(tmp_path, record()), condition="absent")


def test_overlapping_split_files(tmp_path):
    write(tmp_path, record())
    write(tmp_path, record(split="valid"), record(subject=4, split="valid"), name="TP_validation_split2")
    dataset = load(tmp_path)
    assert len(dataset.trials) == 2
    assert dataset.filtered == {"repeated in another file": 1}
    assert dataset.scenes[0].attributes["split"] == "train"
    write(tmp_path, record(X=[840.0, 551.0, 50.0]), name="TP_validation_split2")
    with pytest.raises(DataError, match=r"validation_split2.json, record 0: second scanpath of observer 3"):
        load(tmp_path)


def test_fixation_off_the_display_is_kept(tmp_path):
    dataset = load(write(tmp_path, record(X=[840.0, 550.0, -20.0])))
    assert dataset.trials[0].scanpath.xy_px[2].tolist() == [-20, 1049]
    assert dataset.trials[0].objects[2] == 9 * 16


def test_target_box_is_cut_at_the_edge(tmp_path):
    scene = load(write(tmp_path, record(bbox=[1600, 0, 90.5, 20]))).scenes[0]
    assert scene.boxes_px[160].tolist() == [1600, 0, 1680, 20]
    assert scene.attributes["target_clipped"] is True


BROKEN = {
    "box outside": (
        record(task="tv", bbox=[1700, 0, 10, 10]),
        "record 1, tv/000000000042.jpg: .* box 160 is empty",
    ),
    "box shape": (record(task="tv", bbox=[1, 2]), r"bbox must be \[x, y, width, height\], got \[1, 2\]"),
    "no bbox": ({k: v for k, v in record(task="tv").items() if k != "bbox"}, "field 'bbox' is missing"),
    "nan": (record(subject=4, X=[1, 2, None]), "record 1: fixation 2 has a position that is not finite"),
    "lengths": (record(subject=4, X=[1, 2]), "record 1: x has 2 values but y has 3"),
    "length": (record(subject=4, length=4), "record 1: length is 4 but X and Y have 3 values"),
    "durations": (record(subject=4, T=[1]), "duration_ms has 1 values for 3 fixations"),
    "no task": ({"name": "a.jpg"}, "record 1: expected an object with fields name, task and condition"),
    "no object": (7, "record 1: expected an object with fields name, task and condition"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_record(tmp_path, case):
    broken, message = BROKEN[case]
    folder = write(tmp_path, record(), broken)
    with pytest.raises(DataError, match=f"coco_search18_fixations_TP_train_split1.json, .*{message}"):
        load(folder)
    dataset = load(folder, on_bad_record="skip")
    assert len(dataset.scenes) == len(dataset.trials) == len(dataset.skipped) == 1


def test_wrong_folder_and_truncated_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"To get it: download the fixations by hand from https://"):
        load(tmp_path)
    path = write(tmp_path, record()) / "coco_search18_fixations_TP_train_split1.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(DataError, match=r"TP_train_split1.json: not a readable JSON file"):
        load(tmp_path, on_bad_record="skip")
