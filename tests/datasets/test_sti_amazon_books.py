import json

import pytest

from gazekit.datasets.sti_amazon_books import load
from gazekit.errors import DataError


def record(**changes):
    """A collage of 1400 x 600 px, cells of 100 x 100 px, the target in row 1 and column 2."""
    return {
        "fixations": {"1": [[50, 50], [250, 150]], "2": [[1399, 599]]},
        "ground_truth": [{"xmin": 205, "xmax": 290, "ymin": 105, "ymax": 205}],
        "size": {"width": 1400, "height": 600},
        "target": "target_0.jpg",
    } | changes


def write(folder, **records):
    (folder / "Amazon.json").write_text(json.dumps({f"{k}.jpg": v for k, v in records.items()}))
    return folder


def test_hand_made_collage(tmp_path):
    dataset = load(write(tmp_path, a=record()))
    (scene,) = dataset.scenes
    assert len(scene) == 84
    assert scene.target == 16
    assert scene.boxes_px[16].tolist() == [200, 100, 300, 200]
    assert scene.attributes == {"target_picture": "target_0.jpg", "rows": 6, "columns": 14}
    assert [t.objects.tolist() for t in dataset.trials] == [[0, 16], [83]]
    assert dataset.filtered == {"length beyond mean +- 3 sd": 0}


def test_length_filter(tmp_path):
    paths = {str(i): [[50, 50]] * 5 for i in range(1, 20)} | {"20": [[50, 50]] * 50}
    folder = write(tmp_path, a=record(fixations=paths))
    assert len(load(folder).trials) == 19
    assert load(folder).filtered == {"length beyond mean +- 3 sd": 1}
    whole = load(folder, length_filter_sd=None)
    assert len(whole.trials) == 20 and whole.filtered == {}
    with pytest.raises(ValueError, match="length_filter_sd must be positive or None, got 0"):
        load(folder, length_filter_sd=0)


BROKEN = {
    "two targets": (
        {"ground_truth": record()["ground_truth"] * 2},
        "image 'b.jpg': 2 ground_truth boxes, expected",
    ),
    "no target": ({"ground_truth": []}, "0 ground_truth boxes"),
    "box outside": (
        {"ground_truth": [{"xmin": 1390, "xmax": 1410, "ymin": 0, "ymax": 9}]},
        r"image 'b.jpg': ground_truth: box 0 .* lies outside the 1400 x 600 px picture",
    ),
    "no size": ({"size": {}}, "image 'b.jpg': field 'width' is missing"),
    "no scanpaths": ({"fixations": {}}, "field 'fixations' must map observers"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_scene(tmp_path, case):
    change, message = BROKEN[case]
    folder = write(tmp_path, a=record(), b=record(**change))
    with pytest.raises(DataError, match=f"Amazon.json, {message}" if "image" in message else message):
        load(folder)
    dataset = load(folder, on_bad_record="skip")
    assert len(dataset.scenes) == 1 and len(dataset.trials) == 2
    count = 0 if case == "no scanpaths" else 2
    assert f"({count} scanpaths of this scene left out with it)" in dataset.skipped[0]


@pytest.mark.parametrize(
    ("xy", "message"),
    [
        ([[1, 2], [float("nan"), 4]], "observer '7': fixation 1 has a position that is not finite"),
        ([[1, 2], [1401, 4]], r"observer '7': fixation 1 at \[1401.0, 4.0\] lies outside the 1400 x 600 px"),
        ([[1, 2, 3]], r"xy_px must have shape \[T, 2\], got \[1, 3\]"),
        ([["left", 4]], "could not convert string to float"),
    ],
    ids=["nan", "outside", "shape", "text"],
)
def test_broken_scanpath(tmp_path, xy, message):
    folder = write(tmp_path, a=record(fixations={"1": [[50, 50]], "7": xy}))
    with pytest.raises(DataError, match=message):
        load(folder)
    dataset = load(folder, on_bad_record="skip")
    assert len(dataset.trials) == 1 and len(dataset.skipped) == 1


def test_nothing_left(tmp_path):
    with pytest.raises(DataError, match="found no usable scene"):
        load(write(tmp_path, a=record(size=None)), on_bad_record="skip")


def test_wrong_folder_and_truncated_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks Amazon.json"):
        load(tmp_path)
    path = write(tmp_path, a=record()) / "Amazon.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"Amazon.json: not a readable JSON file"):
        load(tmp_path, on_bad_record="skip")


def test_real_copy(shared_data):
    dataset = load(shared_data / "sti_amazon_books")
    fingerprint = dataset.fingerprint()
    assert fingerprint["digest"] == "c759cadfcb256942"
    assert (fingerprint["scenes"], fingerprint["objects"], fingerprint["scanpaths"]) == (80, 6720, 468)
    assert fingerprint["fixations"] == 6089
    assert fingerprint["mean_x_px"] == pytest.approx(1287.9573, abs=1e-3)
    assert dataset.filtered == {"length beyond mean +- 3 sd": 12}
    assert [s.name for s in dataset.scenes[:3]] == sorted(
        (s.name for s in dataset.scenes), key=lambda n: int(n[:-4])
    )[:3]
    last_on_target = [t.objects[-1] == dataset.scenes[t.scene].target for t in dataset.trials]
    assert sum(last_on_target) == 397
