"""What goes out comes back equal, for anything that a project can hold; and files that cannot be taken are told."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazekit.annotate.exchange import FORMATS, export, import_
from gazekit.annotate.project import Project
from gazekit.annotate.project.store import Conflict
from gazekit.errors import RecordingError
from gazekit.recordings.aoi import read_aois

BOXES = ("coco", "cvat", "label_studio")
FRAMES = 8


def images(folder, count=FRAMES, size=(80, 60)):
    import cv2

    folder.mkdir(parents=True)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i + 1}.png"), np.full((size[1], size[0], 3), i, np.uint8))
    return folder


@pytest.fixture
def new(tmp_path):
    """Makes projects of one folder of images."""
    made, folder = [], images(tmp_path / "desk")

    def make():
        made.append(Project.create(tmp_path / f"p{len(made)}", folder))
        made[-1].store._db.execute("PRAGMA synchronous = OFF")
        return made[-1]

    yield make
    for project in made:
        project.close()


def content(project):
    found = project.store.snapshot()
    names = {row["id"]: row["name"] for row in found["labels"]}
    kept = ("frame", "track", "x_min", "y_min", "x_max", "y_max", "source", "score", "keyframe")
    boxes = sorted((names[b["label"]], *(b[k] for k in kept)) for b in found["boxes"])
    groups = {row["name"]: row["group"] for row in found["labels"] if row["id"] > 0}
    return boxes, groups


def label(project, name, **more):
    return project.store.act({"op": "label.add", "name": name, **more}, "ada")["label"]


sides = st.tuples(st.floats(0, 60), st.floats(0, 40), st.floats(0.02, 19), st.floats(0.02, 19))
box = sides.map(lambda s: [s[0], s[1], s[0] + s[2], s[1] + s[3]])
how = st.tuples(
    st.sampled_from(["manual", "confirmed", "propagated", "predicted", "imported"]),
    st.none() | st.floats(0, 1),
)
rows = st.dictionaries(
    st.tuples(st.integers(1, 3), st.integers(0, FRAMES - 1)),
    st.tuples(box, st.sampled_from("ab"), how, st.booleans()),
)


@pytest.mark.parametrize("format", BOXES)
@given(rows=rows, line=st.booleans(), confirmed=st.sets(st.integers(0, FRAMES - 1)))
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_goes_out_and_comes_back_equal(new, tmp_path, format, rows, line, confirmed):
    boxes = [
        {"frame": f, "track": t, "label": name, "box": b, "source": source, "score": score, "keyframe": key}
        for (t, f), (b, name, (source, score), key) in rows.items()
    ]
    there, back = new(), new()
    action = {
        "op": "boxes.import",
        "labels": [{"name": n} for n in "ab"],
        "boxes": boxes,
        "confirmed": sorted(confirmed),
    }
    there.store.act(action, "ada")
    if line and {(1, 0), (1, FRAMES - 1)} <= set(rows):
        there.store.act({"op": "track.interpolate", "track": 1, "first": 0, "last": FRAMES - 1}, "ada")
    path = export(there, format, tmp_path / "out")
    import_(back, format, path, "bob")
    left, right = content(there)[0], content(back)[0]
    if format != "coco":  # a track of two labels becomes two tracks there
        both = [{b[2] for b in left if b[0] == name} for name in "ab"]
        if both[0] & both[1]:
            left, right = ([(b[0], b[1], *b[3:]) for b in side] for side in (left, right))
    assert sorted(right) == sorted(left)
    if format == "coco":
        assert back.store.confirmed_frames() == sorted(confirmed)
    export(back, format, tmp_path / "again")
    if left and len(left[0]) == len(content(there)[0][0]):
        assert (tmp_path / "again").read_text() == path.read_text()
    import_(back, format, path, "bob")
    assert back.store.events(limit=10)[-1]["changes"] == []  # nothing is new


@pytest.mark.parametrize("format", BOXES)
def test_what_is_written_is_read_by_the_recordings_room_as_the_same_boxes(new, tmp_path, format):
    project = new()
    label(project, "mug")
    for frame, x in ((1, 0), (4, 30), (6, 0)):
        track = {} if frame == 1 else {"track": 1}
        project.store.act(
            {"op": "box.add", "frame": frame, "label": "mug", "box": [x, 1, x + 9, 9], **track}, "ada"
        )
    project.store.act({"op": "track.interpolate", "track": 1, "first": 1, "last": 4}, "ada")
    aois = read_aois(export(project, format, tmp_path / "out"), project.size_px)
    boxes = np.stack([aoi.boxes_at(np.arange(FRAMES)) for aoi in aois])
    expected = np.full((FRAMES, 4), np.nan)
    for frame, x in ((1, 0), (2, 10), (3, 20), (4, 30), (6, 0)):
        expected[frame] = [x, 1, x + 9, 9]
    assert boxes.shape[0] == 1
    np.testing.assert_allclose(boxes[0], expected, atol=1e-3)


def test_groups_colours_and_supercategories_of_labels(new, tmp_path):
    there, back = new(), new()
    label(there, "tablet-left"), label(there, "tablet-right", group=""), label(there, "dog", group="one pet")
    import_(there, "coco", _coco(tmp_path, [{"id": 4, "name": "cat", "supercategory": "animal"}], []), "ada")
    out = export(there, "coco", tmp_path / "out.json")
    categories = {c["name"]: c for c in json.loads(out.read_text())["categories"]}
    assert categories["tablet-left"] == {"id": 1, "name": "tablet-left", "supercategory": "tablet"}
    assert categories["tablet-right"]["group"] == "" and categories["cat"]["supercategory"] == "animal"
    import_(back, "coco", out, "bob")
    assert (
        content(back)[1]
        == content(there)[1]
        == {"tablet-left": "tablet", "tablet-right": "", "dog": "one pet", "cat": ""}
    )
    assert export(back, "coco", tmp_path / "again").read_text() == out.read_text()


def _coco(folder, categories, annotations, images=None):
    images = images or [{"id": f, "frame_index": f, "width": 80, "height": 60} for f in range(FRAMES)]
    path = folder / "foreign.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def _note(number, frame, category=1, x=0.0, **more):
    return {"id": number, "image_id": frame, "category_id": category, "bbox": [x, 0, 9, 9], **more}


def test_a_foreign_coco_file_without_tracks_sources_or_frames(new, tmp_path):
    project = new()
    kinds = [{"id": 1, "name": "mug-left"}, {"id": 7, "name": "plant"}]
    named = [{"id": f, "file_name": f"some/folder/{f + 1}.png"} for f in range(3)]
    notes = [
        _note(1, 0),
        _note(2, 1, x=3),
        _note(3, 1, 7),
        _note(4, 2, 7),
        _note(5, 2, 7, x=30),
        _note(6, 2, 7, track_id="b"),
    ]
    import_(project, "coco", _coco(tmp_path, kinds, notes, named), "ada")
    tracks = {(b["frame"], b["x_min"], b["label"]): b["track"] for b in project.store.boxes()}
    assert tracks[0, 0, 1] == tracks[1, 3, 1]  # one mug a frame: one mug
    assert len(set(tracks.values())) == 4 or len(project.store.boxes()) == 6
    assert {b["source"] for b in project.store.boxes()} == {"imported"} and len(project.store.boxes()) == 6
    assert project.store.labels()[0]["group"] == "mug"


def test_two_left_mugs_in_a_frame_of_a_file_mean_that_the_label_is_not_exclusive(new, tmp_path):
    project = new()
    import_(
        project,
        "coco",
        _coco(tmp_path, [{"id": 1, "name": "mug-left"}], [_note(1, 0), _note(2, 0, x=20)]),
        "ada",
    )
    assert content(project)[1] == {"mug-left": ""}
    strict = new()
    label(strict, "mug-left")
    with pytest.raises(ValueError, match="frame 0 would have 2 boxes of 'mug-left'"):
        import_(strict, "coco", tmp_path / "foreign.json", "ada")
    assert strict.store.boxes() == []


def test_an_import_replaces_only_the_images_that_it_lists_or_adds_and_is_undone_in_one(new, tmp_path):
    project = new()
    label(project, "mug")
    for frame in (0, 5):
        project.store.act({"op": "box.add", "frame": frame, "label": "mug", "box": [50, 0, 59, 9]}, "ada")
    project.store.act({"op": "frame.confirm", "frame": 0}, "ada")
    before = project.store.snapshot()
    path = _coco(
        tmp_path, [{"id": 1, "name": "mug"}], [_note(1, 0, track_id=1)], [{"id": 0, "frame_index": 0}]
    )
    assert import_(project, "coco", path, "ada")["changed_frames"] == 1
    assert [(b["frame"], b["x_min"]) for b in project.store.boxes()] == [(0, 0), (5, 50)]
    assert project.store.confirmed_frames() == []  # what was confirmed isn't what is there now
    assert project.store.undo("ada")["op"] == "boxes.import"
    assert project.store.snapshot() == before
    import_(project, "coco", path, "ada", replace=False)
    assert [(b["frame"], b["x_min"], b["track"]) for b in project.store.boxes()] == [
        (0, 50, 1),
        (0, 0, 3),
        (5, 50, 2),
    ]
    assert project.store.confirmed_frames() == []


def test_a_track_with_two_labels_is_two_tracks_for_cvat(new, tmp_path):
    project, back = new(), new()
    label(project, "mug"), label(project, "cup")
    project.store.act({"op": "box.add", "frame": 0, "label": "mug", "box": [0, 0, 9, 9]}, "ada")
    project.store.act({"op": "box.add", "frame": 1, "track": 1, "label": "cup", "box": [1, 0, 9, 9]}, "ada")
    project.store.act({"op": "box.add", "frame": 2, "track": 1, "label": "mug", "box": [2, 0, 9, 9]}, "ada")
    import_(back, "cvat", export(project, "cvat", tmp_path / "out.xml"), "ada")
    assert [(b["frame"], b["track"], b["label"], b["x_min"]) for b in back.store.boxes()] == [
        (0, 1, 1, 0), (1, 2, 2, 1), (2, 1, 1, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("format", "old", "new_text", "told"),
    [
        ("cvat", "<size>8</size>", "<size>9</size>", "belongs to a video with 9 frames, this one has 8"),
        ("cvat", "<width>80<", "<width>81<", "belongs to a video of 81 x 60 px, this one has 80 x 60"),
        ("cvat", 'id="0"', 'id="a"', "ids that are whole numbers"),
        ("cvat", 'source="confirmed"', 'source="magic"', "source must be one of manual"),
        ("cvat", 'score="0.5"', 'score="high"', "score must be a number"),
        ("cvat", "</annotations>", "", "not readable XML"),
        ("cvat", 'frame="7"', 'frame="8"', "a box in frame 8, but the video has 8 frames"),
        ("coco", '"frame_index": 7', '"frame_index": 8', "frame_index must be 0 to 7"),
        ("coco", '"frame_index": 7', '"frame_index": 3', "two images have the same frame"),
        ("coco", '"width": 80', '"width": 90', "belongs to a video of 90 x 60 px"),
        ("coco", '"score": 0.5', '"score": 1.5', "a score is from 0 to 1"),
        ("coco", '"iscrowd": 0', '"iscrowd": 1', "a crowd"),
        ("label_studio", '"framesCount": 8', '"framesCount": 80', "belongs to a video with 80 frames"),
        ("label_studio", '"score": 0.5', '"score": "half"', "a score is from 0 to 1"),
        ("label_studio", '"rotation": 0', '"rotation": 3', "rotated"),
        ("label_studio", '"enabled": true', '"enabled": 3', "enabled true or false"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_taken_are_told_and_change_nothing(new, tmp_path, format, old, new_text, told):
    project = new()
    label(project, "mug")
    found = [
        {"frame": f, "track": 1, "label": "mug", "box": [f * f, 0, 70, 9], "score": 0.5}
        for f in range(FRAMES)
    ]
    project.store.act({"op": "boxes.put", "boxes": found, "source": "predicted"}, "model")
    project.store.act({"op": "boxes.copy_next", "frame": 3}, "ada")
    for f in (3, 7):
        project.store.act({"op": "frame.confirm", "frame": f}, "ada")
    text = export(project, format, tmp_path / "out").read_text()
    assert old in text
    (tmp_path / "out").write_text(text.replace(old, new_text))
    before = project.store.snapshot(), project.store.stats()["events"]
    with pytest.raises(ValueError, match=told):
        import_(project, format, tmp_path / "out", "ada")
    assert (project.store.snapshot(), project.store.stats()["events"]) == before


@pytest.mark.parametrize("format", BOXES)
def test_a_cut_file_is_an_error_or_nothing_is_missing(new, tmp_path, format):
    project = new()
    label(project, "mug")
    for frame in (2, 3):
        project.store.act({"op": "box.add", "frame": frame, "label": "mug", "box": [0, 0, 9, 9]}, "ada")
    whole = export(project, format, tmp_path / "whole").read_bytes()
    back = new()
    for cut in range(0, len(whole), 37):
        (tmp_path / "cut").write_bytes(whole[:cut])
        with pytest.raises(RecordingError, match="cut"):
            import_(back, format, tmp_path / "cut", "ada")
    assert back.store.boxes() == [] and back.store.events() == []


def test_formats_and_places_that_are_not_there(new, tmp_path):
    project = new()
    with pytest.raises(ValueError, match="format must be one of coco, cvat, label_studio, fixations"):
        export(project, "yolo", tmp_path / "out")
    with pytest.raises(ValueError, match="format must be one of"):
        import_(project, "yolo", tmp_path / "out", "ada")
    with pytest.raises(ValueError, match="keyframe_step"):
        export(project, "coco", tmp_path / "out", keyframe_step=5)
    with pytest.raises(ValueError, match="no fixations, so nothing to report"):
        export(project, "fixations", tmp_path / "out")
    for format in FORMATS:
        with pytest.raises(FileNotFoundError):
            import_(project, format, tmp_path / "nothing", "ada")
    for format in BOXES:  # a project without a box
        import_(project, format, export(project, format, tmp_path / "new" / format), "ada")
    assert project.store.boxes() == [] and not list((tmp_path / "new").glob(".*"))


def test_an_import_never_undoes_the_work_of_another(new, tmp_path):
    project = new()
    label(project, "mug")
    box = project.store.act({"op": "box.add", "frame": 0, "label": "mug", "box": [0, 0, 9, 9]}, "ada")["box"]
    path = export(project, "coco", tmp_path / "out")
    project.store.act({"op": "box.delete", "id": box}, "ada")
    import_(project, "coco", path, "ada")
    (again,) = project.store.boxes()
    project.store.act({"op": "box.update", "id": again["id"], "box": [5, 5, 9, 9]}, "bob")
    with pytest.raises(Conflict):
        for _ in range(5):
            project.store.undo("ada")
    assert project.store.boxes()[0]["x_min"] == 5


@pytest.mark.parametrize("format", BOXES)
def test_a_damaged_file_is_taken_or_refused_in_words(new, tmp_path, format):
    project, back = new(), new()
    label(project, "mug")
    for frame in (2, 3):
        project.store.act({"op": "box.add", "frame": frame, "label": "mug", "box": [0, 0, 9, 9]}, "ada")
    whole = export(project, format, tmp_path / "whole").read_bytes()
    chance, refused = np.random.default_rng(7), 0
    for _ in range(150):
        damaged = bytearray(whole)
        for place in chance.integers(0, len(whole), chance.integers(1, 4)):
            damaged[place] = chance.choice(list(b'0123456789-.,:"<>{}[]/ aeN\xff'))
        (tmp_path / "damaged").write_bytes(bytes(damaged))
        before = back.store.snapshot()
        try:
            import_(back, format, tmp_path / "damaged", "ada")
        except ValueError as error:
            assert str(error) and back.store.snapshot() == before
            refused += 1
    assert refused > 30


@pytest.mark.parametrize("format", BOXES)
def test_boxes_that_stay_in_place_keep_their_own_scores_and_sources(new, tmp_path, format):
    project, back = new(), new()
    label(project, "mug")
    found = [
        {"frame": f, "track": 1, "label": "mug", "box": [1, 1, 9, 9], "score": f / 10} for f in range(FRAMES)
    ]
    project.store.act({"op": "boxes.put", "boxes": found, "source": "propagated"}, "model")
    project.store.act({"op": "frame.confirm", "frame": 4}, "ada")
    import_(back, format, export(project, format, tmp_path / "out"), "bob")
    assert content(back)[0] == content(project)[0]
    assert [row[-2] for row in content(back)[0]] == [f / 10 for f in range(FRAMES)]


def test_a_label_that_differs_in_capitals_is_told(new, tmp_path):
    project = new()
    label(project, "book")
    with pytest.raises(ValueError, match="'Book' and the label 'book' differ in capitals only"):
        import_(project, "coco", _coco(tmp_path, [{"id": 1, "name": "Book"}], []), "ada")
    assert [row["name"] for row in project.store.labels() if row["id"] > 0] == ["book"]


def test_cvat_is_told_no_box_that_it_would_drop(new, tmp_path):
    there, back = new(), new()
    mug = label(there, "mug")
    boxes = [
        {"frame": f, "label": mug, "box": [f * f, 1, f * f + 9, 9], "track": 1, "score": 0.5}
        for f in range(5)
    ]
    there.store.act({"op": "boxes.put", "boxes": boxes, "source": "propagated"}, "model")
    path = export(there, "cvat", tmp_path / "out.xml")
    assert 'keyframe="0"' not in path.read_text() and path.read_text().count('interpolated="1"') == 5
    import_(back, "cvat", path, "bob")
    assert content(back)[0] == content(there)[0] and not any(box[-1] for box in content(back)[0])
