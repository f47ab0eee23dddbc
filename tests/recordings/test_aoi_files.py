import json

import numpy as np
import pytest

from gazekit.errors import RecordingError
from gazekit.recordings.aoi.annotation_files import read_aois, read_coco, read_label_studio
from gazekit.recordings.aoi.cvat import read_cvat

SIZE = (320, 240)
COCO = {
    "images": [{"id": 7, "frame_index": 2}, {"id": 8, "frame_index": 4}],
    "annotations": [
        {"id": 1, "image_id": 8, "category_id": 1, "bbox": [1, 2, 3, 4], "track_id": 5},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 2, 3, 4], "track_id": 5},
        {"id": 3, "image_id": 7, "category_id": 2, "bbox": [9, 9, 1, 1]},
    ],
    "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "pen"}],
}
CVAT = """<annotations><version>1.1</version><track id="0" label="cup">
<box frame="10" outside="0" xtl="0" ytl="0" xbr="10" ybr="10"/><tag/>
<box frame="14" outside="0" xtl="4" ytl="8" xbr="14" ybr="18"/>
<box frame="20" outside="1" xtl="90" ytl="90" xbr="99" ybr="99"/></track></annotations>"""


def studio(*keys, labels=("cup",), **more):
    names = ("frame", "enabled", "x", "y", "width", "height", "rotation")
    sequence = [dict(zip(names, (*key, 0)[:7], strict=True)) for key in keys]
    result = {"type": "videorectangle", "value": {"sequence": sequence, "labels": list(labels)}}
    return [{"annotations": [{"result": [result | more, {"type": "choices"}]}, {"was_cancelled": True}]}]


def written(folder, content):
    path = folder / "aois.txt"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_three_exports_of_the_toy_agree(shared_data):
    exports = shared_data / "annotation_toy" / "exports"
    coco = read_aois(exports / "coco_ground_truth.json")
    cvat = read_aois(exports / "cvat_video_1.1.xml")
    label_studio = read_aois(exports / "label_studio_video.json", SIZE)
    names = ["tablet-left", "tablet-right", "book", "device-left", "device-right"]
    for tracks in (coco, cvat, label_studio):
        assert [track.label for track in tracks] == names
    keys = np.arange(0, 150, 15)
    for truth, xml, percent in zip(coco, cvat, label_studio, strict=True):
        assert truth.frames.tolist() == list(range(150))
        np.testing.assert_allclose(xml.boxes_at(keys), truth.boxes_at(keys), atol=0.0101)
        np.testing.assert_allclose(percent.boxes_at(keys), truth.boxes_at(keys), atol=0.0101)
        np.testing.assert_allclose(percent.boxes_at(np.arange(150)), xml.boxes_at(np.arange(150)), atol=0.011)
        between = np.abs(xml.boxes_at(np.arange(136)) - truth.boxes_at(np.arange(136)))
        assert 0.5 < between.max() < 11  # lines between keyframes are near the truth, and not the truth


def test_coco_boxes_are_in_their_own_frames_only(tmp_path):
    cup, pen = read_coco(written(tmp_path, COCO))
    assert (cup.label, pen.label) == ("cup", "pen")
    assert np.isfinite(cup.boxes_at(np.arange(6)))[:, 0].tolist() == [False, False, True, False, True, False]
    assert cup.boxes_at(np.array([2])).tolist() == [[0, 2, 3, 6]]


def test_cvat_tracks_are_gone_where_outside(tmp_path):
    (cup,) = read_cvat(written(tmp_path, CVAT))
    boxes = cup.boxes_at(np.array([9, 12, 19, 20, 21]))
    assert np.isnan(boxes[[0, 3, 4]]).all()
    assert boxes[[1, 2]].tolist() == [[2, 4, 12, 14], [4, 8, 14, 18]]


def test_cvat_images_are_frames(tmp_path):
    box = '<box label="{}" xtl="0" ytl="0" xbr="{}" ybr="1"/>'
    text = f'<annotations><image id="4">{box.format("a", 2)}{box.format("a", 5)}</image>'
    one, other = read_cvat(
        written(tmp_path, f'{text}<image id="2">{box.format("a", 3)}</image></annotations>')
    )
    assert one.frames.tolist() == [2, 4]
    assert other.boxes_px.tolist() == [[0, 0, 5, 1]]


def test_label_studio_ends_with_a_disabled_key(tmp_path):
    keys = (1, True, 0, 0, 10, 10), (11, False, 10, 0, 10, 10), (21, True, 50, 50, 50, 50)
    (cup,) = read_label_studio(written(tmp_path, studio(*keys)), (200, 100))
    boxes = cup.boxes_at(np.array([0, 5, 10, 11, 19, 20, 99]))
    assert boxes[[0, 1, 2]].tolist() == [[0, 0, 20, 10], [10, 0, 30, 10], [20, 0, 40, 10]]
    assert np.isnan(boxes[[3, 4]]).all()
    assert boxes[[5, 6]].tolist() == [[100, 50, 200, 100]] * 2


def changed(**values):
    return json.loads(json.dumps(COCO)) | values


KEY = (1, True, 0, 0, 10, 10)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "neither COCO JSON, CVAT XML nor Label Studio JSON"),
        ("hello", "it starts with 'h'"),
        ("{", "not readable JSON, is it complete"),
        ("{}", "COCO JSON must have a list of objects 'images', found nothing"),
        (changed(images=[{"frame_index": 1}]), "images need an id"),
        (changed(images=[{"id": 7}, {"id": 8}]), "annotation 1: boxes of a video need a whole frame_index"),
        (changed(images=[{"id": i, "frame_index": 3} for i in (7, 8)]), "2: a second box of 'cup' in frame 3"),
        (changed(categories=[]), "annotation 1: expected a known image_id and category_id"),
        (changed(annotations=[{"image_id": 7, "category_id": 1, "bbox": [1, 2, "3", 4]}]), "'3' is not a finite"),
        (changed(annotations=[{"image_id": 7, "category_id": 1, "bbox": [1, 2, 0, 4]}]), "is empty or not finite"),
        (changed(annotations=[{"image_id": 7, "category_id": 1, "bbox": None}]), "expected a known image_id"),
        (changed(annotations=[COCO["annotations"][0] | {"track_id": [1]}]), r"track_id must be .* got \[1\]"),
        (CVAT[:-9], "not readable XML, is it complete"),
        (CVAT.replace("annotations", "data"), "expected CVAT's <annotations>, got <data>"),
        (CVAT.replace('outside="1"', 'outside="yes"'), "frame 20: outside must be 0 or 1, got 'yes'"),
        (CVAT.replace('frame="14"', 'frame="10"'), "increasing whole numbers >= 0"),
        (CVAT.replace('frame="14"', 'frame="1.5"'), "frame must be a whole number >= 0, got '1.5'"),
        (CVAT.replace('xtl="4"', ""), "frame 14: <box> has no attribute 'xtl'"),
        (CVAT.replace('xtl="4"', 'xtl="4" rotation="30"'), "frame 14: the box is rotated by 30 degrees"),
        (CVAT.replace('xtl="4"', 'xtl="nan"'), "nan is not a finite number"),
        (CVAT.replace("<tag/>", '<polygon frame="3"/>'), "track 0: polygon is not a box"),
        (CVAT.replace("<version>1.1</version>", "<frame_filter>step=5</frame_filter>"), "only some frames of"),
        (CVAT.replace("<version>1.1</version>", "<start_frame>90</start_frame>"), "only some frames of the video"),
        ('<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><annotations>&b;</annotations>', "a document type"),
        ("<annotations><track id='0'><box frame='0' xtl='0' ytl='0' xbr='1' ybr='1'/></track></annotations>",
         "no attribute 'label'"),
        ('<?xml version="1.0" encoding="nonsense"?><annotations/>', "nonsense|not readable XML"),
        ("[]", "has 0 tasks, expected one; choose with task=NUMBER"),
        ([1], "a task must be an object, got int"),
        ([{"annotations": 3}], "expected a list 'annotations', got int"),
        ([{"annotations": [{"result": []}] * 2}], "has 2 annotations, expected one; choose with annotation=NUMBER"),
        (studio(KEY, type="brushlabels"), "type 'brushlabels' is not a box over frames"),
        (studio(KEY, type=["x"]), "is not a box over frames"),
        (studio(KEY, labels=()), r"expected one label, got \[\]"),
        (studio(), "the track of 'cup' has no box"),
        (studio(KEY, KEY), "frame 1 occurs twice"),
        (studio((0, True, 0, 0, 1, 1)), "frame must be a whole number >= 1"),
        (studio((1, 1, 0, 0, 1, 1)), "enabled true or false, got 1, 1"),
        (studio((1, True, 0, 0, 1, None)), "a keyframe needs frame, enabled"),
        (studio((1, True, 0, 0, 1, 1, 45)), "frame 1: the box is rotated"),
        (studio((10**30, True, 0, 0, 1, 1)), "increasing whole numbers >= 0"),
    ],
)  # fmt: skip
def test_broken_files_are_told(tmp_path, content, told):
    with pytest.raises(RecordingError, match=told):
        read_aois(written(tmp_path, content), SIZE)


def test_a_size_is_needed_for_percentages(tmp_path):
    with pytest.raises(RecordingError, match=r"give size_px=\(width, height\) of the video"):
        read_aois(written(tmp_path, studio(KEY)))
    two = [*studio(KEY), *studio(KEY, labels=["pen"])]
    assert read_label_studio(written(tmp_path, two), SIZE, task=1)[0].label == "pen"
    with pytest.raises(RecordingError, match="has no task 2, expected 0 to 1"):
        read_label_studio(written(tmp_path, two), SIZE, task=2)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_aois(tmp_path / "none.xml")


@pytest.mark.parametrize("name", ["cvat_video_1.1.xml", "label_studio_video.json", "coco_ground_truth.json"])
def test_cut_files_are_errors(shared_data, tmp_path, name):
    """XML and JSON can't be cut unnoticed: all that may be missing is white space at the end."""
    content = (shared_data / "annotation_toy" / "exports" / name).read_bytes().rstrip()
    path = tmp_path / name
    for size in np.linspace(0, len(content) - 1, 60).astype(int):
        path.write_bytes(content[:size])
        with pytest.raises(RecordingError):
            read_aois(path, SIZE)


@pytest.mark.parametrize("name", ["cvat_video_1.1.xml", "label_studio_video.json"])
def test_damaged_bytes_are_errors_or_read(shared_data, tmp_path, name):
    content = bytearray((shared_data / "annotation_toy" / "exports" / name).read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(80):
        broken = content.copy()
        for place in rng.integers(0, len(content), 3):
            broken[place] = rng.integers(256)
        (tmp_path / name).write_bytes(broken)
        try:
            tracks = read_aois(tmp_path / name, SIZE)
        except RecordingError:
            continue
        assert len(tracks) == 5
