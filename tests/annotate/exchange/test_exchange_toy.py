"""The toy recording in and out: every golden file is reproduced, to the byte."""

import numpy as np
import pytest

from gazekit.annotate.exchange import export, import_
from gazekit.annotate.model.truth import truth_of
from gazekit.annotate.project import Project
from gazekit.annotate.project.labels import spatial_pairs
from gazekit.recordings.aoi import map_fixations, read_aois, transition_entropy, transitions

GOLDEN = {
    "coco": "coco_ground_truth.json",
    "cvat": "cvat_video_1.1.xml",
    "label_studio": "label_studio_video.json",
}
BESIDE = ("aoi_metrics_trials.csv", "methods.md", "timeline.png")
TABLES = (
    *("aoi_fixations.csv", "aoi_metrics.csv", "fixation_aoi.csv"),
    *("transitions_fixation.csv", "transitions_visits_no_background.csv"),
)


@pytest.fixture
def golden(shared_data):
    return shared_data / "annotation_toy" / "exports"


@pytest.fixture
def project(shared_data, tmp_path):
    with Project.create(tmp_path / "project", shared_data / "annotation_toy/neon_export/toy-0001") as project:
        yield project


@pytest.mark.parametrize("source", GOLDEN)
def test_every_golden_file_is_reproduced_from_each_of_the_three(project, golden, tmp_path, source):
    answer = import_(project, source, golden / GOLDEN[source], "ada")
    assert answer["changed_frames"] == 150 and len(project.store.boxes()) == 750
    for target, name in GOLDEN.items():
        if target == "coco" != source:
            continue  # boxes between keyframes are on a line there, and as the camera saw them in the golden file
        step = {"keyframe_step": 15} if source == "coco" != target else {}
        out = export(project, target, tmp_path / name, **step)
        assert out.read_bytes() == (golden / name).read_bytes(), target
    for frame in set(project.store.fixations()["frame"]):  # only a person can say that a box is not missing
        project.store.act({"op": "frame.confirm", "frame": frame}, "ada")
    export(project, "fixations", tmp_path / "tables")
    assert sorted(p.name for p in (tmp_path / "tables").iterdir()) == sorted([*TABLES, *BESIDE])
    for name in TABLES:
        assert (tmp_path / "tables" / name).read_bytes() == (golden / name).read_bytes(), name


@pytest.mark.parametrize("source", GOLDEN)
def test_the_store_maps_fixations_as_moving_boxes_do(project, golden, source):
    import_(project, source, golden / GOLDEN[source], "ada")
    mapped = project.mapped_fixations()
    aois = read_aois(golden / GOLDEN[source], project.size_px)
    expected = map_fixations(project.recording.fixations(), aois, project.frame_t_ms)
    for column in ("id", "onset_ms", "offset_ms", "duration_ms", "x_px", "y_px", "frame", "aoi"):
        assert mapped[column].tolist() == expected[column].tolist(), column
    names = [row["name"] for row in project.store.labels() if row["id"] > 0]
    assert transition_entropy(transitions(mapped, names)) == pytest.approx(0.594361, abs=5e-7)


def test_a_keyframe_file_comes_back_the_same_through_any_other(project, golden, tmp_path):
    import_(project, "cvat", golden / GOLDEN["cvat"], "ada")
    for format in ("coco", "label_studio", "cvat"):
        out = export(project, format, tmp_path / format)
        assert import_(project, format, out, "bob")["changed_frames"] == 0, format
    assert [len(event["changes"]) for event in project.store.events(after=1)] == [0, 0, 0]


def test_the_twins_are_known_as_twins(project, golden):
    import_(project, "coco", golden / GOLDEN["coco"], "ada")
    labels = {row["id"]: row for row in project.store.labels()}
    pairs = [(labels[a]["name"], labels[b]["name"]) for a, b in spatial_pairs(list(labels.values()))]
    assert pairs == [("tablet-left", "tablet-right"), ("device-left", "device-right")]
    assert [labels[i]["group"] for i in (1, 2, 3, 4, 5)] == ["tablet", "tablet", "", "device", "device"]


def test_fixations_labelled_one_by_one_give_the_golden_tables_and_come_back(project, golden, tmp_path):
    answer = import_(project, "fixations", golden, "ada")
    assert answer["changed_frames"] == 0
    export(project, "fixations", tmp_path / "tables")
    for name in TABLES:
        assert (tmp_path / "tables" / name).read_bytes() == (golden / name).read_bytes(), name
    before = project.store.fixations()
    import_(project, "fixations", tmp_path / "tables" / "fixation_aoi.csv", "bob")
    assert project.store.events(limit=10)[-1]["changes"] == [] and project.store.fixations() == before
    assert project.store.undo("ada")["op"] == "boxes.import"
    assert set(project.store.fixations()["label"]) == {None}


def test_everything_is_taken_back_and_done_again(project, golden):
    start = project.store.snapshot()
    import_(project, "cvat", golden / GOLDEN["cvat"], "ada")
    there = project.store.snapshot()
    project.store.undo("ada")
    assert project.store.snapshot() == start
    project.store.redo("ada")
    assert project.store.snapshot() == there


def test_what_nobody_has_looked_at_is_no_background(project):
    mapped = project.mapped_fixations()
    assert set(mapped["aoi"]) == {""} and np.isnan(mapped["confidence"]).all()
    label = project.store.act({"op": "label.add", "name": "book"}, "ada")["label"]
    project.store.act(
        {"op": "frame.confirm", "frame": 6}, "ada"
    )  # nothing there: fixation 1 is on background
    found = {"frame": 17, "label": label, "box": [180, 120, 200, 130], "score": 0.75}  # holds fixation 2
    away = {"frame": 26, "label": label, "box": [0, 0, 9, 9], "score": 0.5}  # fixation 3 is beside
    project.store.act({"op": "boxes.put", "boxes": [found, away], "source": "predicted"}, "model")
    project.store.act({"op": "fixation.label", "fixation": 4, "label": "cannot tell"}, "ada")
    mapped = project.mapped_fixations().set_index("id")[["aoi", "source", "confidence"]]
    assert mapped.loc[1].tolist() == ["background", "confirmed", 1.0]
    assert mapped.loc[2].tolist() == ["book", "predicted", 0.75]
    assert mapped.loc[3].tolist() == ["background", "predicted", 0.5]
    assert mapped.loc[4].tolist() == ["cannot tell", "manual", 1.0]
    assert mapped.loc[5, "aoi"] == ""


def test_what_a_model_said_comes_back_as_nobodys_answer(project, tmp_path):
    label = project.store.act({"op": "label.add", "name": "book"}, "ada")["label"]
    found = {"frame": 17, "label": label, "box": [180, 120, 200, 130], "score": 0.75}  # holds fixation 2
    project.store.act({"op": "boxes.put", "boxes": [found], "source": "predicted"}, "model")
    away = {"op": "box.add", "frame": 26, "label": label, "box": [0, 0, 9, 9]}  # fixation 3 is beside
    project.store.act(away, "ada")
    project.store.act({"op": "fixation.label", "fixation": 4, "label": label}, "ada")
    mapped = project.mapped_fixations().set_index("id")[["aoi", "source", "confidence"]]
    assert mapped.loc[3, ["aoi", "source"]].tolist() == ["background", "predicted"]
    assert np.isnan(mapped.loc[3, "confidence"])
    export(project, "fixations", tmp_path)
    import_(project, "fixations", tmp_path, "bob")
    assert project.store.fixations()["label"][:4] == [None, None, None, label]
    old = {"fixation": 2, "label": label, "source": "predicted", "confidence": 0.75}
    project.store.act(
        {"op": "boxes.import", "labels": [], "boxes": [], "frames": [], "answers": [old]}, "bob"
    )
    assert {one.frame: len(one.answers) for one in truth_of(project.store)}.get(17, 0) == 0


def test_cannot_tell_is_exported_as_an_answer_of_its_own(project, golden, tmp_path):
    import_(project, "coco", golden / GOLDEN["coco"], "ada")
    project.store.act({"op": "fixation.label", "fixation": 1, "label": -1}, "ada")
    export(project, "fixations", tmp_path)
    rows = (tmp_path / "fixation_aoi.csv").read_text().splitlines()
    assert rows[1].endswith(",6,cannot tell,manual,1.0")
    assert "cannot tell" in (tmp_path / "transitions_fixation.csv").read_text().splitlines()[0]
    import_(project, "fixations", tmp_path, "bob")
    assert project.store.fixations()["label"][0] == -1
