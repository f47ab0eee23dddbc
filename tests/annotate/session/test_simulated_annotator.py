"""An annotator who knows the truth works on projects through the session: the toy from nothing to its exports."""

import json

import cv2
import numpy as np
import pytest
from fake_model import KnownBoxes

from gazekit.annotate.exchange import export
from gazekit.annotate.project import Project
from gazekit.annotate.session import AnnotationSession
from gazekit.annotate.session.simulated_annotator import correct_frame, figure, simulate_annotator, summary
from gazekit.cli import main
from gazekit.models.impn import Learner
from gazekit.recordings.aoi import MovingBox, read_aois

LEFT, RIGHT, MIDDLE = [20.0, 40, 120, 140], [180.0, 40, 280, 140], [130.0, 100, 170, 180]
KEYFRAMES = {"cvat": "cvat_video_1.1.xml", "label_studio": "label_studio_video.json"}


@pytest.fixture
def project(shared_data, tmp_path):
    toy = shared_data / "annotation_toy/neon_export/toy-0001"
    with Project.create(tmp_path / "project", toy) as project:
        yield project


@pytest.fixture
def truth(shared_data):
    return read_aois(shared_data / "annotation_toy/exports/coco_ground_truth.json")


@pytest.fixture
def opened():
    """Makes sessions without a detector's training, and closes them."""
    sessions = []

    def make(project, *model):
        session = AnnotationSession(project, *model)
        session.loop.model.wants_detector = lambda truth: False
        sessions.append(session)
        return session

    yield make
    for session in sessions:
        session.close()


def labelled(session, *names):
    return [session.act({"op": "label.add", "name": name}, "ada")["label"] for name in names]


def test_the_toy_is_labelled_from_nothing_and_every_export_is_the_golden_file(
    project, truth, opened, shared_data, tmp_path
):
    session, golden = opened(project), shared_data / "annotation_toy/exports"
    labels = labelled(session, *(aoi.label for aoi in truth))
    boxes = [aoi.boxes_at(np.arange(150)).round(2) for aoi in truth]
    for frame in range(150):
        done = correct_frame(session, frame, [box[frame].tolist() for box in boxes], labels, min_iou=1.0)
        assert done == {"add": 5}
    coco = json.loads(export(project, "coco", tmp_path / "coco.json").read_text())
    assert all(image.pop("confirmed") for image in coco["images"])  # the golden file knows of no confirmation
    assert coco == json.loads((golden / "coco_ground_truth.json").read_text())
    for format, name in KEYFRAMES.items():
        out = export(project, format, tmp_path / name, keyframe_step=15)
        assert out.read_bytes() == (golden / name).read_bytes()
    export(project, "fixations", tmp_path / "tables")
    for table in ("aoi_fixations", "aoi_metrics", "fixation_aoi", "transitions_fixation"):
        name = f"{table}.csv"
        assert (tmp_path / "tables" / name).read_bytes() == (golden / name).read_bytes()


def test_each_mistake_costs_what_a_person_would_do(project, opened):
    session = opened(project)
    left, right, book, pen = labelled(session, "cup-left", "cup-right", "book", "pen")

    def shown(*boxes):
        rows = [{"frame": frame, "label": label, "box": box} for label, box in boxes]
        session.act({"op": "boxes.put", "frame": frame, "boxes": rows, "source": "predicted"}, "model")

    def after():
        return {tuple(box["box"]): box["label"] for box in session.store.frame(frame)["boxes"]}

    boxes, labels = [LEFT, RIGHT, MIDDLE], [left, right, book]
    wanted = {tuple(box): label for box, label in zip(boxes, labels, strict=True)}
    frame = 0
    shown((right, LEFT), (left, RIGHT), (book, MIDDLE))  # both twins are put right by one key
    assert correct_frame(session, frame, boxes, labels) == {"relabel": 1} and after() == wanted
    frame = 1
    moved = [LEFT[0] + 40, LEFT[1], LEFT[2] + 40, LEFT[3]]  # IoU 0.43
    shown((left, moved), (pen, RIGHT), (book, [0, 200, 30, 230]))
    assert correct_frame(session, frame, boxes, labels) == {"delete": 1, "relabel": 1, "move": 1, "add": 1}
    assert after() == wanted and session.store.frame(frame)["confirmed"]
    frame = 2
    near = [LEFT[0] + 10, LEFT[1], LEFT[2] + 10, LEFT[3]]
    shown((left, near), (right, RIGHT), (book, MIDDLE))  # as near as it stays
    assert correct_frame(session, frame, boxes, labels) == {} and tuple(near) in after()
    frame = 3
    assert correct_frame(session, frame, [], []) == {} and session.store.frame(frame)["confirmed"]


def test_an_exclusive_label_that_another_kind_holds_is_drawn_anew(project, opened):
    session = opened(project)
    cup, _, hat, _ = labelled(session, "cup-left", "cup-right", "hat-left", "hat-right")
    rows = [{"frame": 0, "label": hat, "box": LEFT}, {"frame": 0, "label": cup, "box": RIGHT}]
    session.act({"op": "boxes.put", "frame": 0, "boxes": rows, "source": "predicted"}, "model")
    assert correct_frame(session, 0, [LEFT, RIGHT], [cup, hat]) == {"delete": 1, "relabel": 1, "add": 1}
    assert {box["label"] for box in session.store.frame(0)["boxes"]} == {cup, hat}


def test_the_queue_is_walked_and_the_model_saves_corrections(project, opened):
    session = opened(project, KnownBoxes([LEFT, RIGHT]), Learner(2, 8))
    frames = np.arange(150)
    truth = [
        MovingBox(name, frames, np.tile(box, (150, 1)))
        for name, box in (("cup-left", LEFT), ("cup-right", RIGHT))
    ]
    told = []
    rows = simulate_annotator(session, truth, progress=lambda *counts: told.append(counts))
    assert sorted(rows["frame"]) == sorted(set(project.store.fixations()["frame"]))
    assert told[0] == (0, len(rows)) and told[-1] == (len(rows), len(rows))
    assert (rows["by_hand_s"] == 8.6).all()
    assert rows["version"].iloc[0] == 0 and rows["version"].iloc[-1] >= 1
    learnt = rows[rows["version"] > 0]
    assert (learnt["corrections"] == 0).all() and (learnt["annotator_s"] == 0.6).all()
    assert (learnt["open_right"] == 1).all()
    assert "0.0 in the last" in summary(rows) and len(figure(rows).axes) == 2
    with pytest.raises(ValueError, match="has boxes already"):
        simulate_annotator(session, truth)


def test_the_verb_writes_a_table_and_a_picture(shared_data, tmp_path, capsys, monkeypatch):
    toy = shared_data / "annotation_toy"
    monkeypatch.setattr("gazekit.annotate.model.model.Model.wants_detector", lambda model, truth: False)
    labels = toy / "exports/coco_ground_truth.json"
    words = [
        f"simulate={labels}",
        f"recording={toy / 'neon_export/toy-0001'}",
        f"project={tmp_path / 'trial'}",
    ]
    other = tmp_path / "other.json"
    other.write_text(
        labels.read_text().replace('"width": 320', '"width": 300').replace('"width":320', '"width":300')
    )
    assert main(["annotate", *words, "frames=4"]) == 0
    assert "4 frames, 20 corrections: 5.0 per frame" in capsys.readouterr().out
    assert len((tmp_path / "trial/simulated.csv").read_text().splitlines()) == 5
    assert (tmp_path / "trial/simulated.png").stat().st_size > 10_000
    for words_, text in (
        (["simulate=gone.json", *words[1:]], "simulate=gone.json: no such file of labels or run folder"),
        ([f"simulate={other}", *words[1:]], "belongs to a video of 300 x 240 px, this one has 320 x 240"),
        ([*words, "frames=0"], "frames=0: expected a whole number of frames from 1"),
        (words, "has boxes already: simulate in a new project"),
    ):
        assert main(["annotate", *words_]) == 2
        assert text in capsys.readouterr().err


def test_twins_by_name_that_are_there_twice_are_not_exclusive_and_frames_without_fixations_are_labelled(
    tmp_path, opened
):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((200, 300, 3), 90, np.uint8))
    truth = [MovingBox("cup-left", np.arange(3), np.tile(box, (3, 1))) for box in (LEFT, RIGHT)]
    with Project.create(tmp_path / "pictures_project", folder) as project:
        rows = simulate_annotator(opened(project), truth)
        assert len(rows) and (rows["add"] == 2).all() and rows["open_right"].isna().all()
        assert "right at the end" not in summary(rows)


def test_fixations_that_the_project_found_itself_are_scored(project, truth, opened):
    table = project.store.fixations()
    with project.store._writing("") as rows:
        rows.db.execute("DELETE FROM fixations WHERE id > 5")  # not those of the recording
    rows = simulate_annotator(opened(project), truth, n_frames=2)
    assert len(table["id"]) > 5 and (rows["open_right"] == 0).all()
