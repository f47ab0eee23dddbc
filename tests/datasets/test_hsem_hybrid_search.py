import json

import pytest

from gazekit.datasets.hsem_hybrid_search import load
from gazekit.errors import DataError

NAMES = [f"bird{i}.png" for i in range(14)] + ["potted plant7.png", "stm_sky_001_kite_001_004.png"]


def item(index):
    return {
        "stim_name": NAMES[index],
        "stimulus_matched_row": 100 * (index // 4),
        "stimulus_matched_column": 100 * (index % 4),
        "stimulus_height": 50,
        "stimulus_width": 80,
    }


def layout(image="a.jpg", **changes):
    return {
        "image": image,
        "stimulus_info": [item(i) for i in range(16)],
        "image_height": 1024,
        "image_width": 1280,
        "target": "bird5.png",
        "target_matched_row": 100,
        "target_matched_column": 100,
        "target_height": 50,
        "target_width": 80,
        "memory_set": ["bird5.png", "bird1.png"],
    } | changes


def path(**changes):
    return {
        "subject": "S1",
        "X": [640.5, 140],
        "Y": [512.0, 125],
        "target_stim": "bird5.png",
        "memory_set": ["bird1.png", "bird5.png"],
        "target_found": True,
    } | changes


def write(folder, layouts, **scanpaths):
    (folder / "trials_properties.json").write_text(json.dumps(layouts))
    (folder / "human_scanpaths").mkdir(exist_ok=True)
    for subject, records in scanpaths.items():
        (folder / "human_scanpaths" / f"{subject}_scanpaths.json").write_text(json.dumps(records))
    return folder


def test_hand_made_display(tmp_path):
    dataset = load(write(tmp_path, [layout()], S1={"a.jpg": path()}))
    (scene,) = dataset.scenes
    assert scene.size_px == (1280, 1024)
    assert scene.boxes_px[5].tolist() == [100, 100, 180, 150]
    assert scene.target == 5
    assert scene.categories[:2] == ("bird", "bird")
    assert scene.categories[14:] == ("potted plant", "kite")
    assert scene.attributes == {
        "memory_set": ["bird5.png", "bird1.png"],
        "memory_categories": ["bird", "bird"],
        "memory_set_size": 2,
        "target_name": "bird5.png",
    }
    assert scene.start_xy_px is None
    (trial,) = dataset.trials
    assert trial.scanpath.observer == "S1"
    assert trial.scanpath.duration_ms is None
    assert trial.scanpath.xy_px.tolist() == [[640.5, 512], [140, 125]]
    assert trial.objects.tolist() == [15, 5]


BROKEN_LAYOUTS = {
    "unknown target": (
        {"target": "cat1.png"},
        "image 'b.jpg': target 'cat1.png' is unknown, expected exactly one",
    ),
    "not memorised": ({"memory_set": ["bird1.png"]}, "target 'bird5.png' is not in the memory set"),
    "other box": ({"target_width": 81}, r"target box \[100, 100, 181, 150\] differs from its item's"),
    "15 items": ({"stimulus_info": [item(i) for i in range(15)]}, "15 items, expected 16"),
    "box outside": ({"image_width": 370}, "box 3 .* lies outside the 370 x 1024 px picture"),
    "no size": ({"image_width": None}, "int"),
    "endless": ({"image_width": float("inf")}, "cannot convert float infinity to integer"),
    "no name": (
        {"stimulus_info": [item(i) | ({"stim_name": 3} if i == 0 else {}) for i in range(16)]},
        "item name 3 has no letters",
    ),
    "numeric name": (
        {"stimulus_info": [item(i) | ({"stim_name": "12.png"} if i == 0 else {}) for i in range(16)]},
        "item name '12.png' has no letters",
    ),
}


@pytest.mark.parametrize("case", BROKEN_LAYOUTS)
def test_broken_layout(tmp_path, case):
    change, message = BROKEN_LAYOUTS[case]
    both = {"a.jpg": path(), "b.jpg": path()}
    folder = write(tmp_path, [layout(), layout("b.jpg", **change)], S1=both)
    with pytest.raises(
        DataError, match=f"trials_properties.json, image 'b.jpg': .*{message.split(': ')[-1]}"
    ):
        load(folder)
    dataset = load(folder, on_bad_record="skip")
    assert [s.name for s in dataset.scenes] == ["a.jpg"]
    assert len(dataset.trials) == 1
    assert dataset.skipped[0].endswith("(1 scanpath of this scene left out with it)")


def test_layout_that_is_no_object(tmp_path):
    with pytest.raises(DataError, match=r"trials_properties.json, image record 0: "):
        load(write(tmp_path, [3], S1={"a.jpg": path()}))


BROKEN_PATHS = {
    "no layout": ({"z.jpg": path()}, "'z.jpg': image 'z.jpg' has no layout"),
    "lengths": ({"a.jpg": path(X=[1])}, "'a.jpg': x has 1 values but y has 2"),
    "nan": ({"a.jpg": path(X=[1, None])}, "fixation 1 has a position that is not finite"),
    "outside": ({"a.jpg": path(Y=[1, 1025])}, "fixation 1 .* lies outside the 1280 x 1024 px picture"),
    "other target": (
        {"a.jpg": path(target_stim="bird1.png")},
        "target_stim 'bird1.png' is not the layout's 'bird5",
    ),
    "other set": (
        {"a.jpg": path(memory_set=["bird5.png"])},
        r"memory set \['bird5.png'\] is not the layout's",
    ),
    "missing": ({"a.jpg": {}}, "field 'X' is missing"),
    "twice": ({"a.jpg": path(subject="S1")}, "second scanpath of observer 'S1', expected one per image"),
}


@pytest.mark.parametrize("case", BROKEN_PATHS)
def test_broken_scanpath(tmp_path, case):
    records, message = BROKEN_PATHS[case]
    if case != "twice":
        records = {image: record | {"subject": "S2"} for image, record in records.items()}
    folder = write(tmp_path, [layout()], S1={"a.jpg": path()}, S2=records)
    with pytest.raises(DataError, match=f"human_scanpaths/S2_scanpaths.json, image .*{message}"):
        load(folder)
    dataset = load(folder, on_bad_record="skip")
    assert [t.scanpath.observer for t in dataset.trials] == ["S1"]
    assert len(dataset.skipped) == 1


def test_wrong_folder_and_truncated_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks trials_properties.json, human_scanpaths"):
        load(tmp_path)
    folder = write(tmp_path, [layout()], S1={"a.jpg": path()})
    broken = folder / "human_scanpaths" / "S1_scanpaths.json"
    broken.write_text(broken.read_text()[:100])
    with pytest.raises(DataError, match=r"S1_scanpaths.json: not a readable JSON file"):
        load(folder, on_bad_record="skip")


def test_real_copy(shared_data):
    dataset = load(shared_data / "hsem_hybrid_search")
    fingerprint = dataset.fingerprint()
    assert fingerprint["digest"] == "bb7b320d20c6516e"
    assert (fingerprint["scenes"], fingerprint["objects"], fingerprint["observers"]) == (82, 1312, 44)
    assert (fingerprint["scanpaths"], fingerprint["fixations"]) == (3567, 38808)
    assert fingerprint["mean_y_px"] == pytest.approx(501.7766, abs=1e-3)
    assert {s.attributes["memory_set_size"] for s in dataset.scenes} == {1, 2, 4}
    assert len({c for s in dataset.scenes for c in s.categories}) == 34
    assert sum(t.objects[-1] == dataset.scenes[t.scene].target for t in dataset.trials) == 2918
