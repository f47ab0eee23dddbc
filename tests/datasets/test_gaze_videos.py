import numpy as np
import pytest
from gaze_folders import CHILDPLAY_HEADER, attention_target_folder, childplay_folder, write_picture

from gazekit.datasets import load
from gazekit.datasets.check import check
from gazekit.datasets.gaze_files import GazeTargets
from gazekit.datasets.gaze_tables import BEYOND
from gazekit.datasets.video_attention_target import SWAPPED, smoothed_boxes
from gazekit.errors import DataError

NAME = "video_attention_target"


def track(path):
    return np.array([line.split(",")[1:] for line in path.read_text().splitlines()], float)


@pytest.mark.parametrize("person", ["person1", "person2"])
def test_real_tracks_become_smoother_and_stay_in_place(shared_data, person):
    boxes = track(shared_data / "gaze_following_demo_boxes" / f"{person}.txt")
    smooth = smoothed_boxes(boxes)
    assert smooth.shape == boxes.shape == (101, 4)
    assert np.abs(np.diff(smooth, 2, axis=0)).mean() < 0.35 * np.abs(np.diff(boxes, 2, axis=0)).mean()
    for t in range(101):
        around = [boxes[min(max(t + k, 0), 100)] for k in range(-5, 6)]
        assert np.allclose(smooth[t], np.mean(around, 0))


def test_smoothing_at_its_limits():
    boxes = np.array([[0, 0, 10, 10], [11, 0, 21, 10.0]])
    assert (smoothed_boxes(boxes, 1) == boxes).all()
    assert np.allclose(smoothed_boxes(boxes)[:, 0], [5, 6])  # 6 and 5 of 11 boxes are the first one
    assert smoothed_boxes(np.zeros((0, 4))).shape == (0, 4)
    assert (smoothed_boxes(boxes[:1]) == boxes[:1]).all()
    for wrong in ([[1, 2, 3]], [[1, 2, 3, np.nan]]):
        with pytest.raises(ValueError, match=r"boxes must be \[T, 4\] finite numbers"):
            smoothed_boxes(wrong)
    for window in (0, 4):
        with pytest.raises(ValueError, match=f"odd number of frames, got {window}"):
            smoothed_boxes(boxes, window)


def test_a_folder_of_clips(tmp_path):
    root = attention_target_folder(tmp_path)
    dataset = load(NAME, root, smooth=1)
    assert {part: len(pictures) for part, pictures in dataset.parts.items()} == {
        "train": 6,
        "val": 6,
        "test": 6,
    }
    assert {p.group.split("/")[0] for part in ("train", "val") for p in dataset.parts[part]} == {
        "Alpha",
        "Beta",
    }
    frames = dataset.parts["test"]
    assert [p.name for p in frames] == [f"Gamma/100_200/{k:08d}.jpg" for k in range(6)]
    assert {p.group for p in frames} == {"Gamma/100_200"}
    assert [len(p.people) for p in frames] == [1, 1, 2, 2, 2, 1]
    assert [p.people[0].inside for p in frames] == [False, True] * 3
    first, second = frames[3].people
    assert (first.track, second.track) == ("s00", "s01")
    assert first.points_norm.tolist() == [[0.5, 0.5]] and first.head_px.tolist() == [13, 5, 33, 25]
    assert second.points_norm.tolist() == [[0, 0.5]], "one negative coordinate is the border"
    assert dataset.repaired == {BEYOND: 9}
    found = dataset.fingerprint()
    assert (found["videos"], found["tracks"], found["people"], found["outside"]) == (3, 6, 27, 9)


def test_boxes_are_smoothed_over_the_whole_track(tmp_path):
    root = attention_target_folder(tmp_path)
    boxes = track(root / "annotations/test/Gamma/100_200/s00.txt")[:, :4]
    for every in (1, 2):
        frames = load(NAME, root, every=every).parts["test"]
        assert len(frames) == 6, "every spares the test part"
        assert np.allclose([p.people[0].head_px for p in frames], smoothed_boxes(boxes))
    frames = load(NAME, root, every=2).parts["train"]
    assert [p.name[-5] for p in frames] == ["0", "2", "4"]
    assert np.allclose([p.people[0].head_px for p in frames], smoothed_boxes(boxes)[::2])


def test_mess_in_a_track(tmp_path):
    root = attention_target_folder(tmp_path)
    file = root / "annotations/test/Gamma/100_200/s01.txt"
    lines = file.read_text().splitlines()
    mess = ["00000003.jpg,60,5,40,25,10,10", "00000004.jpg,40,5,60,25,100,24", "00000004.jpg,40,5,60,25,1,1"]
    mess += ["00000005.jpg,80,5,90,25,1,1", "00000005.jpg,40,5"]
    file.write_bytes(("\ufeff" + "\r\n".join([lines[0], *mess])).encode())
    with pytest.raises(
        DataError, match=r"s01.txt, line 6: 3 columns, expected 7: frame, .*is the file complete"
    ):
        load(NAME, root, smooth=1)
    dataset = load(NAME, root, "skip", smooth=1)
    cut, twice, outside = dataset.skipped
    assert "line 6: 3 columns" in cut
    assert "s01.txt, line 4: person s01 occurs twice in frame 00000004.jpg" in twice
    assert "line 5: head box [80.0, 5.0, 90.0, 25.0] lies outside the 64 x 48 px picture" in outside
    assert dataset.repaired == {SWAPPED: 1, BEYOND: 3 + 3 + 2}
    frames = dataset.parts["test"]
    assert frames[3].people[1].head_px.tolist() == [40, 5, 60, 25]
    assert frames[4].people[1].points_norm.tolist() == [[1, 0.5]]


def test_missing_frames_are_one_record(tmp_path):
    root = attention_target_folder(tmp_path)
    for k in (2, 3):
        (root / f"images/Gamma/100_200/{k:08d}.jpg").unlink()
    with pytest.raises(
        DataError, match=r"2 of 6 annotated frames are missing, with 4 people; the first is 00000002"
    ):
        load(NAME, root)
    dataset = load(NAME, root, "skip")
    assert len(dataset.parts["test"]) == 4 and len(dataset.skipped) == 1
    report = check(NAME, root)
    assert "2 of 6 annotated frames" in report.lines()[-1]
    assert any(line.split()[:3] == ["repaired", "7", "lines:"] for line in report.lines())


def test_no_frames_at_all(tmp_path):
    root = attention_target_folder(tmp_path, pictures=False)
    with pytest.raises(DataError, match=r"found no usable frame .*6 of 6 annotated frames are missing"):
        load(NAME, root, "skip")
    with pytest.raises(FileNotFoundError, match=r"lacks annotations/train, annotations/test, images"):
        load(NAME, tmp_path / "images")
    with pytest.raises(ValueError, match="every must be at least 1"):
        load(NAME, root, every=0)


def test_clips_are_groups_of_batches(tmp_path):
    data = GazeTargets(NAME, attention_target_folder(tmp_path), size_px=(24, 32), batch_size=4)
    data.setup()
    first, second = data.batches("test")
    assert first["group"].unique().tolist() == second["group"].unique().tolist()
    assert data.references() == {}
    assert "frames of one clip are alike: intervals draw whole clips" in data.about()["notes"]
    assert first["labels"].tolist() == [0, 1, 0, 1, 1, 1]


def test_childplay(tmp_path):
    root = childplay_folder(tmp_path)
    dataset = load("childplay", root)
    assert {part: len(pictures) for part, pictures in dataset.parts.items()} == {
        "train": 3,
        "val": 3,
        "test": 3,
    }
    frames = dataset.parts["test"]
    assert [p.name for p in frames] == [f"xYz_31-42-downsampled/xYz_{k}.jpg" for k in (31, 32, 36)]
    assert {p.group for p in frames} == {"xYz_31-42-downsampled"}
    child, adult = frames[0].people
    assert (child.track, adult.track) == ("1", "2") and child.head_px.tolist() == [10, 5, 30, 25]
    assert child.points_norm.tolist() == [[0.5, 0.5]] and adult.points_norm.tolist() == [[1, 1]]
    assert not frames[1].people[0].inside
    assert dataset.filtered == {
        "gaze class gaze_shift": 3,
        "gaze class inside_occluded": 3,
        "gaze class eyes_closed": 3,
        "inside_visible without a point": 3,
    }
    assert dataset.parts["train"][0].name == "a_b-C_11-16/a_b-C_11.jpg"
    adults = load("childplay", root, who="adult")
    assert adults.fingerprint()["people"] == 3 and adults.filtered["children"] == 18
    assert load("childplay", root, who="child").filtered["adults"] == 6
    assert len(load("childplay", root, every=2).parts["train"]) == 2
    with pytest.raises(ValueError, match="who must be"):
        load("childplay", root, who="baby")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "dEf_21-26,1,1,10,5,20,20,inside,32,24,1",
            "line 2: column gaze_class: expected one of inside_visible",
        ),
        (
            "other_1-2,1,1,10,5,20,20,outside_frame,-1,-1,1",
            "line 2: column clip: expected the name of the file",
        ),
        ("dEf_21-26,1,1,10,5,20,20,outside_frame,-1,-1,3", "line 2: column is_child: expected 0 or 1, got 3"),
        ("dEf_21-26,1,1,10,5,0,20,outside_frame,-1,-1,1", "line 2: a head box must be"),
        (
            "dEf_21-26,1.5,1,10,5,9,20,outside_frame,-1,-1,1",
            r"line 2: column 2 \(frame\): expected a whole number",
        ),
        ("dEf_21-26,1,1,10,5,20,20", "line 2: 7 columns, expected 11"),
    ],
)
def test_broken_childplay_lines(tmp_path, line, message):
    root = childplay_folder(tmp_path)
    (root / "annotations/val/dEf_21-26.csv").write_text(f"{CHILDPLAY_HEADER}\n{line}\n")
    with pytest.raises(DataError, match=message):
        load("childplay", root)
    assert len(load("childplay", root, "skip").skipped) == 1


def test_childplay_files_of_another_kind(tmp_path):
    root = childplay_folder(tmp_path)
    file = root / "annotations/val/dEf_21-26.csv"
    text = file.read_text()
    file.write_text(text.replace("bbox_width", "bbox_xmax"))
    with pytest.raises(DataError, match=r"line 1: expected the columns clip,frame,.*got clip,frame"):
        load("childplay", root)
    file.write_text(text)
    file.rename(file.with_name("somewhere.csv"))
    with pytest.raises(DataError, match=r"somewhere.csv: expected a name like VIDEO_START-END.csv"):
        load("childplay", root)


def test_frames_have_the_size_of_the_first(tmp_path):
    root = attention_target_folder(tmp_path)
    write_picture(root / "images/Gamma/100_200/00000000.jpg", (128, 96))
    frames = load(NAME, root, smooth=1).parts["test"]
    assert frames[3].size_px == (128, 96) and frames[3].people[0].points_norm.tolist() == [[0.25, 0.25]]
