import json

import numpy as np
import pytest

from gazekit.datasets.interiors_search import load
from gazekit.errors import DataError


def scene(image="a.jpg", **changes):
    return {
        "image": image,
        "target_matched_row": 155,
        "target_matched_column": 130,
        "target_height": 72,
        "target_width": 72,
        "image_height": 768,
        "image_width": 1024,
        "initial_fixation_row": 113,
        "initial_fixation_column": 515,
        "target_object": "clock",
    } | changes


def path(**changes):
    return {
        "subject": "01",
        "X": [515.5, 1023, 140],
        "Y": [113.0, 300, 160],
        "T": [200, 300, 250],
        "target_bbox": [155, 130, 227, 202],
        "target_found": True,
        "max_fixations": 5,
    } | changes


def write(folder, scenes, **scanpaths):
    (folder / "trials_properties.json").write_text(json.dumps(scenes))
    (folder / "human_scanpaths").mkdir(exist_ok=True)
    for subject, records in scanpaths.items():
        (folder / "human_scanpaths" / f"{subject}_scanpaths.json").write_text(json.dumps(records))
    return folder


def test_hand_made_scene(tmp_path):
    second = path(subject="02", T=[1, 2, 3, 4], X=[500, 600, 700], target_found=False, max_fixations=3)
    data = load(write(tmp_path, [scene()], subj01={"a.jpg": path()}, subj02={"a.jpg": second}))
    (room,) = data.scenes
    assert room.size_px == (1024, 768) and room.target == 0 and room.categories == ("clock",)
    assert room.boxes_px.tolist() == [[130, 155, 202, 227]] and room.start_xy_px == (515, 113)
    assert room.attributes == {
        "category": "clock",
        "max_fixations": {"01": 5, "02": 3},
        "target_found": {"01": True, "02": False},
        "clipped": {"01": [1]},
    }
    first, other = (trial.scanpath for trial in data.trials)
    assert first.duration_ms.tolist() == [200, 300, 250] and first.xy_px[1].tolist() == [1023, 300]
    assert other.duration_ms is None and other.observer == "02"
    assert [trial.objects.tolist() for trial in data.trials] == [[0, 0, 0]] * 2


def test_unknown_category(tmp_path):
    (room,) = load(write(tmp_path, [scene(target_object="TBD")], subj01={"a.jpg": path()})).scenes
    assert room.categories is None and room.attributes["category"] is None


BROKEN = {
    "no scene": ({"z.jpg": path()}, "image 'z.jpg' has no layout"),
    "other box": ({"a.jpg": path(target_bbox=[1, 2, 3, 4])}, r"target box \[2, 1, 4, 3\] is not the scene's"),
    "lengths": ({"a.jpg": path(X=[1])}, "x has 1 values but y has 3"),
    "outside": ({"a.jpg": path(X=[1, 2, 2000])}, "fixation 2 at .* lies outside the 1024 x 768 px picture"),
    "no budget": (
        {"a.jpg": {k: v for k, v in path().items() if k != "max_fixations"}},
        "'max_fixations' is missing",
    ),
    "found": ({"a.jpg": path(target_found=1)}, "target_found must be true or false, got 1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_scanpath(tmp_path, case):
    records, message = BROKEN[case]
    folder = write(tmp_path, [scene()], subj01=records, subj02={"a.jpg": path(subject="02")})
    with pytest.raises(DataError, match=message):
        load(folder)
    data = load(folder, on_bad_record="skip")
    assert len(data.trials) == 1 and len(data.skipped) == 1
    assert list(data.scenes[0].attributes["max_fixations"]) == ["02"]


def test_second_scanpath_and_lost_scene(tmp_path):
    twice = write(tmp_path, [scene()], subj01={"a.jpg": path()}, subj01b={"a.jpg": path()})
    with pytest.raises(DataError, match="second scanpath of observer '01'"):
        load(twice)
    wide = [scene(), scene("b.jpg", target_width=2000)]
    lost = load(
        write(tmp_path, wide, subj01={"b.jpg": path()}, subj01b={"a.jpg": path()}), on_bad_record="skip"
    )
    assert [s.name for s in lost.scenes] == ["a.jpg"]
    assert lost.skipped[0].endswith("(1 scanpath of this scene left out with it)")


def test_real_copy(shared_data):
    data = load(shared_data / "interiors_search")
    fingerprint = data.fingerprint()
    assert fingerprint["digest"] == "8d172be9c8d3aa22"
    assert (fingerprint["scenes"], fingerprint["observers"]) == (107, 57)
    assert (fingerprint["scanpaths"], fingerprint["fixations"]) == (5859, 34702)
    assert sum(trial.scanpath.duration_ms is None for trial in data.trials) == 1343
    assert sum(len(steps) for s in data.scenes for steps in s.attributes["clipped"].values()) == 1592
    budgets = [n for s in data.scenes for n in s.attributes["max_fixations"].values()]
    assert {int(n): int(c) for n, c in zip(*np.unique(budgets, return_counts=True), strict=True)} == {
        3: 751, 5: 927, 9: 1599, 13: 2582
    }  # fmt: skip
    for (
        trial
    ) in data.trials:  # the last fixation, and no other, is in the target's box widened by half the fovea
        room = data.scenes[trial.scene]
        box = room.boxes_px[0] + np.array([-16, -16, 16, 16])
        near = ((trial.scanpath.xy_px >= box[:2]) & (trial.scanpath.xy_px <= box[2:])).all(1)
        found = room.attributes["target_found"][trial.scanpath.observer]
        assert near.sum() == found and (not found or near[-1])
