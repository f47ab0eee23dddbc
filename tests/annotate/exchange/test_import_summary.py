"""What an import says it did: counts and a sentence that people decide by whether to take it back."""

import json

import pytest
from starlette.testclient import TestClient

from gazekit.annotate.exchange import export, import_
from gazekit.annotate.project import Project
from gazekit.annotate.server.app import create_app
from gazekit.annotate.session import AnnotationSession


@pytest.fixture
def project(shared_data, tmp_path):
    with Project.create(tmp_path / "project", shared_data / "annotation_toy/neon_export/toy-0001") as project:
        yield project


@pytest.fixture
def golden(shared_data):
    return shared_data / "annotation_toy" / "exports"


def draw(project, frame, label, box):
    return project.store.act({"op": "box.add", "frame": frame, "label": label, "box": box}, "ada")


def test_a_new_file_says_what_it_brought(project, golden):
    answer = import_(project, "coco", golden / "coco_ground_truth.json", "ada")
    labels = ["tablet-left", "tablet-right", "book", "device-left", "device-right"]
    assert answer["new_labels"] == labels
    assert (answer["boxes"], answer["frames"], answer["answers"], answer["replaced_boxes"]) == (
        750,
        150,
        0,
        0,
    )
    assert answer["summary"] == (
        f"Imported 750 boxes in 150 frames; 5 new labels: {', '.join(labels)}. Undo takes it back."
    )


def test_what_was_here_and_is_gone_is_counted(project):
    project.store.act({"op": "label.add", "name": "mug"}, "ada")
    draw(project, 3, "mug", [0, 0, 10, 10])  # replaced, in a confirmed frame
    draw(project, 3, "mug", [50, 50, 60, 60])  # removed, in a confirmed frame
    draw(project, 4, "mug", [0, 0, 10, 10])  # removed
    draw(project, 5, "mug", [0, 0, 10, 10])  # not spoken of
    project.store.act({"op": "frame.confirm", "frame": 3}, "ada")
    project.store.act({"op": "frame.confirm", "frame": 5}, "ada")
    project.store.act({"op": "fixation.label", "fixation": 1, "label": "mug"}, "ada")
    box = {
        "frame": 3,
        "track": 1,
        "label": "mug",
        "box": [1, 1, 9, 9],
        "source": "imported",
        "keyframe": True,
    }
    answers = [
        {"fixation": 1, "label": "cup", "source": "manual", "confidence": 1.0},
        {"fixation": 2, "label": "cup", "source": "manual", "confidence": 1.0},
    ]
    labels = [{"name": "mug"}, {"name": "cup"}]
    action = {"op": "boxes.import", "labels": labels, "boxes": [box], "frames": [3, 4], "answers": answers}
    answer = project.store.act(action, "bob")
    assert answer["summary"] == (
        "Imported 1 box in 1 frame, 2 answers; 3 boxes that were here before were replaced or removed, 2 of them in "
        "1 confirmed frame; 1 frame that was confirmed has other boxes now and is to be confirmed again; 1 answer that "
        "was here before was replaced; 1 new label: cup. Undo takes it back."
    )
    names = ("replaced_boxes", "replaced_confirmed", "confirmed_frames", "replaced_answers", "changed_frames")
    assert [answer[name] for name in names] == [3, 2, 1, 1, 2]


@pytest.mark.parametrize("replace", [True, False])
def test_confirmations_that_go_are_told_also_where_there_was_no_box(project, replace):
    for frame in range(5):
        project.store.act({"op": "frame.confirm", "frame": frame}, "ada")
    box = {"track": 1, "label": "mug", "box": [1, 1, 9, 9], "source": "imported"}
    action = {"op": "boxes.import", "labels": [{"name": "mug"}], "confirmed": [1], "replace": replace}
    answer = project.store.act(action | {"boxes": [{"frame": frame, **box} for frame in range(4)]}, "bob")
    assert project.store.confirmed_frames() == [1, 4]
    assert answer["reopened_frames"] == 3
    assert answer["summary"] == (
        "Imported 4 boxes in 4 frames; 3 frames that were confirmed have other boxes now and are to be confirmed "
        "again; 1 new label: mug. Undo takes it back."
    )


def test_what_changes_nothing_replaces_nothing(project, golden, tmp_path):
    import_(project, "coco", golden / "coco_ground_truth.json", "ada")
    again = import_(project, "coco", export(project, "coco", tmp_path / "out.json"), "bob")
    assert again["summary"] == "Imported 750 boxes in 150 frames. Undo takes it back."
    added = import_(project, "cvat", golden / "cvat_video_1.1.xml", "bob", replace=True)
    assert added["replaced_boxes"] > 0


def test_the_page_is_given_the_sentence_and_errors_name_its_file(project, golden):
    session = AnnotationSession(project)
    client = TestClient(create_app(session), base_url="http://127.0.0.1")
    content = (golden / "coco_ground_truth.json").read_bytes()
    told = client.post("/api/import/coco?author=ada&name=study.json", content=content).json()
    assert told["summary"].startswith("Imported 750 boxes in 150 frames; 5 new labels")
    broken = json.loads(content)
    broken["annotations"][7]["bbox"] = "wide"
    for format, data in (("coco", json.dumps(broken)), ("coco", "{"), ("cvat", "{"), ("label_studio", "[{}]"),
                         ("fixations", "a,b\n1,2\n"), ("fixations", "")):  # fmt: skip
        refused = client.post(f"/api/import/{format}?author=ada&name=my%20labels.json", content=data)
        assert refused.status_code == 422
        assert "my labels.json" in refused.json()["error"], refused.text
        assert "upload" not in refused.json()["error"] and "gazekit-import" not in refused.json()["error"]
    session.close()
