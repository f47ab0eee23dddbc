"""The loop without a screen: learning in the background, predictions, suggestions, the order of questions."""

import threading
import time
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fake_model import KnownBoxes
from starlette.testclient import TestClient

from gazekit.annotate.model.model import Model
from gazekit.annotate.model.predictions import FramePredictions
from gazekit.annotate.model.truth import FrameTruth, labelled, truth_of
from gazekit.annotate.model.worker import Job, Worker
from gazekit.annotate.project import Project
from gazekit.annotate.project.gaze_area import area_at
from gazekit.annotate.server.app import create_app
from gazekit.annotate.session import AnnotationSession
from gazekit.annotate.session.review_order import flips, review_order, review_score
from gazekit.annotate.session.review_queue import ORDERS, open_fixations, open_frames
from gazekit.annotate.session.suggestions import Suggestion
from gazekit.models.impn import Learner
from gazekit.models.impn.detections import BACKGROUND, CANNOT_TELL

LEFT, RIGHT = [20, 40, 120, 140], [180, 40, 280, 140]


@pytest.fixture
def project(shared_data, tmp_path):
    recording = shared_data / "annotation_toy" / "neon_export" / "toy-0001"
    with Project.create(tmp_path / "project", recording) as project:
        project.store.act({"op": "label.add", "name": "cup-left"}, "ada")
        project.store.act({"op": "label.add", "name": "cup-right"}, "ada")
        yield project


@pytest.fixture
def session(project):
    session = AnnotationSession(project, KnownBoxes([LEFT, RIGHT]), Learner(2, 8))
    session.loop.model.wants_detector = lambda truth: False
    yield session
    session.close()


def label_frames(session, frames):
    for frame in frames:
        for label, box in ((1, LEFT), (2, RIGHT)):
            session.act({"op": "box.add", "frame": frame, "label": label, "box": box}, "ada")
        session.act({"op": "frame.confirm", "frame": frame}, "ada")


def test_corrections_change_predictions_of_other_frames(session):
    session.loop.predicting.wait(30)
    assert [p["score"] for p in session.frame(100)["predictions"]] == pytest.approx([1 / 3] * 2)
    start = session.stream.last_id
    label_frames(session, range(0, 45, 5))
    session.update(wait=True)
    assert session.model_status()["state"] == "idle", session.model_status()
    assert session.model_status()["version"] == 1
    assert session.loop.predicting.wait(30)
    said = session.frame(100)["predictions"]
    assert [(p["label"], p["box"]) for p in said] == [(1, LEFT), (2, RIGHT)]
    assert min(p["score"] for p in said) > 0.5
    names = [name for _, name, _ in session.stream.since(start)]
    assert {"model", "predictions", "frame"} <= set(names)
    assert session.stats()["held_out"][0][0] == 9
    assert sorted(session.loop.predictions) == [*range(150)]


def test_what_the_model_says_of_fixations_is_exported_as_predicted_and_counted(session, tmp_path):
    session.loop.predicting.wait(30)
    label_frames(session, range(0, 45, 5))
    session.update(wait=True)
    assert session.loop.predicting.wait(30)
    session.act({"op": "fixation.label", "fixation": 2, "label": 1}, "ada")
    said = session.fixation_table.predicted()
    assert said and 2 not in said
    with zipfile.ZipFile(session.export("fixations", tmp_path)) as archive:
        table = pd.read_csv(archive.open("fixation_aoi.csv")).set_index("fixation id")
    assert set(table.index[table["source"] == "predicted"]) == set(said)
    assert session.stats()["unreviewed_fixations"] == len(said)


def test_fixation_frames_are_predicted_first(session):
    session.loop.predicting.wait(30)
    order = list(session.loop.predictions)
    first = sorted(frame for frame in session.fixation_table.rows)
    assert order[: len(first)] == first


def test_ten_confirmed_frames_start_an_update(session):
    label_frames(session, range(9))
    assert session.model_status()["version"] == 0 and not session.loop.learning.busy
    label_frames(session, [9])
    session.loop.wait()
    assert session.model_status()["version"] == 1


def test_labels_never_wait_for_learning(session, monkeypatch):
    go = threading.Event()
    learn = Model.learn

    def slow(self, *args):
        go.wait(20)
        return learn(self, *args)

    monkeypatch.setattr(Model, "learn", slow)
    label_frames(session, [0])
    session.update()
    start = time.perf_counter()
    for frame in range(10, 30):
        session.act({"op": "box.add", "frame": frame, "label": 1, "box": LEFT}, "ada")
    assert session.loop.learning.busy and time.perf_counter() - start < 5
    go.set()
    session.loop.wait()


def test_failure_of_the_model_is_told_and_labels_go_on(session, monkeypatch, caplog):
    def fails(*args, **kwargs):
        raise RuntimeError("no room on the device")

    monkeypatch.setattr(Learner, "update", fails)
    label_frames(session, [0])
    session.update(wait=True)
    status = session.model_status()
    assert status["state"] == "failed" and "no room on the device" in status["message"]
    session.act({"op": "box.add", "frame": 7, "label": 1, "box": LEFT}, "ada")
    monkeypatch.undo()
    session.update(wait=True)
    assert session.model_status()["state"] == "idle"


def test_learning_is_cancelled(session, monkeypatch):
    begun = threading.Event()

    def endless(self, frames, steps=100, should_stop=None, progress=None):
        begun.set()
        while not should_stop():
            time.sleep(0.001)
        return real(self, frames, 1, should_stop, progress)

    real = Learner.update
    monkeypatch.setattr(Learner, "update", endless)
    label_frames(session, [0])
    session.update()
    assert begun.wait(20)
    session.cancel()
    session.loop.wait()
    assert session.model_status()["version"] == 0
    assert "Stopped" in session.model_status()["message"]


def test_without_a_model_questions_come_in_time(project):
    session = AnnotationSession(project)
    assert [item["id"] for item in session.queue()["items"]] == [*range(1, 15)]
    assert {item["score"] for item in session.queue()["items"]} == {None}
    session.update(wait=True)
    assert "Nothing to learn from yet" in session.model_status()["message"]
    session.close()


def test_every_order_asks_everything_once(session):
    session.loop.predicting.wait(30)
    for kind in ("fixation", "frame"):
        for order in ("uncertainty", "time", "label", "random"):
            items = session.queue(order, kind, limit=1000)["items"]
            assert sorted(item["frame"] for item in items) == sorted(
                f
                for f, rows in session.fixation_table.rows.items()
                for _ in (rows if kind == "fixation" else [0])
            )
    session.act({"op": "frame.confirm", "frame": session.queue("time", "frame")["items"][0]["frame"]}, "ada")
    assert session.queue("time", "frame")["total"] == 13


def test_a_labelled_frame_beats_predictions(session):
    x, y = (session.fixations()[name][0] for name in ("x_px", "y_px"))
    session.act({"op": "box.add", "frame": 6, "label": 2, "box": [x - 5, y - 5, x + 5, y + 5]}, "ada")
    assert session.suggestion(1)["label"] == 2
    session.act({"op": "box.delete", "id": session.frame(6)["boxes"][0]["id"]}, "ada")
    session.act({"op": "frame.confirm", "frame": 6}, "ada")
    assert session.suggestion(1) == {"label": 0, "confidence": 1.0, "margin": 1.0, "near": False}


def test_truth_tells_what_the_model_learns_from(session):
    label_frames(session, [0])
    session.act({"op": "box.add", "frame": 20, "label": 1, "box": LEFT}, "ada")
    carried = [{"frame": f, "label": 1, "box": LEFT, "track": 3} for f in (21, 22)]
    session.act({"op": "boxes.put", "boxes": carried, "source": "propagated"}, "ada")
    guessed = [{"frame": 60, "label": 1, "box": LEFT}]
    session.act({"op": "boxes.put", "boxes": guessed, "source": "predicted"}, "ada")
    session.act({"op": "fixation.label", "fixation": 2, "label": 0}, "ada")
    session.act({"op": "fixation.label", "fixation": 3, "label": -1}, "ada")
    found = {one.frame: one for one in truth_of(session.store)}
    assert 60 not in found
    assert found[0].complete and found[0].columns.tolist() == [0, 1]
    assert not found[20].complete and found[20].weights.tolist() == [1.0]
    assert found[22].origin == 20 and found[22].weights.tolist() == [0.5]
    answers = [one.answers[0][2] for one in found.values() if one.answers]
    assert answers == [BACKGROUND, CANNOT_TELL]


def test_the_model_comes_back_after_a_restart(project):
    from gazekit.models.impn.detector import TinyDetector

    session = AnnotationSession(project, TinyDetector(["a", "b"]), Learner(2, TinyDetector.feature_size))
    session.loop.model.version = 3
    session.loop.model.save()
    session.close()
    again = Model(project.checkpoints)
    assert again.ready and again.version == 3
    (project.checkpoints / "000003" / "learner.safetensors").write_bytes(b"cut")
    broken = Model(project.checkpoints)
    assert not broken.ready and "cannot be read" in broken.problem


def test_label_studio_asks_for_predictions(session):
    session.loop.predicting.wait(30)
    client = TestClient(create_app(session), base_url="http://127.0.0.1")
    assert client.get("/health").json()["status"] == "UP"
    assert client.post("/setup", json={"project": "1", "schema": "<View/>"}).json()["model_version"]
    video = session.project.ids["video"]
    tasks = [
        {"id": 1, "data": {"video": f"/data/upload/1/0a1b2c3d-{video}"}},
        {"id": 2, "data": {"frame": 5}},
    ]
    answer = client.post("/predict", json={"tasks": tasks})
    assert answer.status_code == 200, answer.text
    whole, frame = answer.json()["results"]
    assert sorted(len(thing["value"]["sequence"]) for thing in whole["result"]) == [150, 150]
    first = whole["result"][0]["value"]["sequence"][0]
    assert (first["frame"], first["x"], first["width"]) == (1, 6.25, 31.25)
    assert {r["value"]["rectanglelabels"][0] for r in frame["result"]} <= {"cup-left", "cup-right"}
    for wrong in ({"tasks": [{"id": 7, "data": {"video": "/etc/passwd"}}]},
                  {"tasks": [{"id": 8, "data": {"video": f"/data/upload/1/not-{video}"}}]}, {"tasks": 3}, {},
                  {"tasks": [{"data": {"frame": "5"}}]}, {"tasks": [{"data": {"frame": 5000}}]}):  # fmt: skip
        assert client.post("/predict", json=wrong).status_code in (404, 422)


# --- the order of review, by hand


def test_smallest_box_half_open_and_ring():
    boxes = np.array([[0, 0, 100, 100], [10, 10, 20, 20], [30, 10, 40, 20]])
    assert area_at((15, 15), boxes, [1, 2, 3], 0.0) == (1, True)  # a box in a box
    assert area_at((20, 15), boxes[1:], [2, 3], 5.0) == (-1, True)
    assert area_at((25, 15), boxes[1:], [2, 3], 5.0) == (-1, True)
    assert area_at((15, 15), boxes[1:], [2, 3], 5.0) == (0, False)
    assert area_at((15, 15), boxes[1:], [2, 2], 50.0) == (0, False)
    assert area_at((np.nan, 15), boxes, [1, 2, 3], 5.0) == (-1, False)
    assert area_at((1, 1), np.zeros((0, 4)), [], 5.0) == (-1, False)


def test_scores_and_flips():
    found = flips(np.array([1, 2, 1, 1, -2, 1, 3, -1, 0, 1, 0]))
    assert np.flatnonzero(found).tolist() == [1, 9]
    for few in ([], [1], [1, 2]):
        assert not flips(np.array(few, int)).any()
    score = review_score(np.array([1.0, 0.2, np.nan]), np.array([0, 1, 1]), np.array([0, 1, 0]))
    assert score[:2].tolist() == [0.0, pytest.approx(1.8)] and np.isnan(score[2])


def test_what_looks_alike_is_worth_half():
    looks = [np.array([1.0, 0]), np.array([1.0, 0.01]), np.array([0, 1.0]), None, np.array([1.0, 0.0])]
    score = np.array([1.0, 0.9, 0.5, 0.1, np.nan])
    assert review_order(score).tolist() == [0, 1, 2, 3, 4]
    assert review_order(score, lambda i: looks[i]).tolist() == [0, 2, 1, 3, 4]


def test_looks_of_another_detector_are_not_compared():
    looks = [np.ones(3), np.ones(5), np.ones(3), None]
    assert review_order(np.array([1.0, 0.9, 0.8, 0.7]), lambda i: looks[i]).tolist() == [0, 1, 3, 2]


def test_an_hour_is_in_order_at_once():
    rng, n = np.random.default_rng(0), 10_800
    ids, frames = [*range(1, n + 1)], np.sort(rng.choice(108_000, n, replace=False)).tolist()
    suggested = [
        Suggestion(int(k), 0.5, float(m), m < 0.1)
        for k, m in zip(rng.integers(0, 5, n), rng.random(n), strict=True)
    ]
    table = {"id": ids, "frame": frames, "label": [None if i % 5 else 1 for i in ids]}
    said = FramePredictions(1, np.zeros((4, 4)), (1, 2, 3, 1), np.ones(4), rng.random(4), rng.random(64))
    start = time.perf_counter()
    fixations = open_fixations(table, suggested)
    found = open_frames(frames, fixations, lambda frame: said)
    for order in ORDERS:
        assert sorted(found.order(order, lambda frame: said.appearance).tolist()) == [*range(n)]
    assert len(fixations) == n - n // 5 and time.perf_counter() - start < 1  # 0.1 s without others at work


def test_the_queue_is_as_by_hand():
    table = {"id": [1, 2, 3, 4], "frame": [5, 5, 8, 9], "label": [None, None, None, 2]}
    suggested = [
        Suggestion(2, 0.9, 0.8),
        Suggestion(1, 0.6, 0.3, True),
        Suggestion(2, 0.9, 0.7),
        Suggestion(),
    ]
    fixations = open_fixations(table, suggested)
    assert fixations.score.tolist() == pytest.approx([0.2, 0.7 + 0.5 + 0.5, 0.3])
    assert fixations.order("uncertainty", lambda frame: None).tolist() == [1, 2, 0]
    assert fixations.order("label", lambda frame: None).tolist() == [1, 0, 2]
    assert fixations.item(1)["why"] == "70 % unsure, near 2 areas, unlike both neighbours"
    shown = {
        5: FramePredictions(1, np.zeros((2, 4)), (1, 2), np.ones(2), np.array([0.9, 0.25])),
        8: FramePredictions(1, np.zeros((0, 4)), (), np.ones(0), np.ones(0)),
    }
    frames = open_frames([5, 8, 9], fixations, shown.get)
    assert frames.score[:2].tolist() == pytest.approx([0.75 + 1, 0]) and np.isnan(frames.score[2])
    assert frames.item(2) == {
        "kind": "frame",
        "id": 9,
        "frame": 9,
        "score": None,
        "why": "nothing is known yet",
    }


def test_an_answer_labels_the_detection_it_lies_on(session):
    x, y = (session.fixations()[name][1] for name in ("x_px", "y_px"))
    found = KnownBoxes([[x - 5, y - 5, x + 5, y + 5], LEFT]).detect([np.zeros((240, 320, 3))])[0]
    session.act({"op": "fixation.label", "fixation": 2, "label": 2}, "ada")
    (one,) = truth_of(session.store)
    said = labelled(one, found, 0)
    assert said.boxes.tolist() == found.boxes[:1].tolist() and said.labels.tolist() == [1]
    assert not said.complete


def test_predictions_of_a_label_that_is_gone_are_not_offered(session):
    label_frames(session, range(0, 45, 5))
    session.update(wait=True)
    assert session.loop.predicting.wait(30)
    assert {p["label"] for p in session.frame(100)["predictions"]} == {1, 2}
    suggested = set(session.fixations()["suggestion"])
    assert 1 in suggested
    session.act({"op": "label.add", "name": "cup"}, "ada")
    session.act({"op": "label.merge", "label": 1, "into": "cup"}, "ada")
    assert {p["label"] for p in session.frame(100)["predictions"]} == {2}
    assert 1 not in set(session.fixations()["suggestion"])


def test_confirmed_carried_frames_are_of_their_keyframe(session):
    session.act({"op": "box.add", "frame": 20, "label": 1, "box": LEFT}, "ada")
    session.act({"op": "boxes.copy_next", "frame": 20}, "ada")
    (box,) = session.store.frame(20)["boxes"]
    carried = [{"frame": f, "label": 1, "box": LEFT, "track": box["track"]} for f in (22, 23)]
    session.act({"op": "boxes.put", "boxes": carried, "source": "propagated"}, "ada")
    shown = [{"label": 1, "box": LEFT, "score": 0.9}]
    session.act({"op": "frame.confirm", "frame": 50, "boxes": shown}, "ada")
    track = session.store.frame(50)["boxes"][0]["track"]
    carried = [{"frame": f, "label": 1, "box": LEFT, "track": track} for f in (51, 52)]
    session.act({"op": "boxes.put", "boxes": carried, "source": "propagated"}, "ada")
    for frame in (20, 22, 52):
        session.act({"op": "frame.confirm", "frame": frame}, "ada")
    origins = {one.frame: (one.origin, one.complete) for one in truth_of(session.store)}
    assert origins == {20: (20, True), 21: (21, False), 22: (21, True), 23: (21, False),
                       50: (50, True), 51: (50, False), 52: (50, True)}  # fmt: skip


def test_detector_and_learner_hold_out_the_same_frames(tmp_path):
    trained = set()

    class Seeing(KnownBoxes):
        def with_labels(self, labels):
            return self

        def fit(self, frames, boxes, labels, **told):
            trained.update(int(frame[0, 0, 0]) for frame in frames)

    def truth(frames):
        sides, columns = np.array([LEFT, RIGHT], np.float32), np.array([0, 1])
        return [FrameTruth(f, f, 1, sides, columns, np.ones(2, np.float32), True) for f in frames]

    def picture(frame):
        return np.full((240, 320, 3), frame, np.uint8)

    model, job = Model(tmp_path, Seeing([LEFT, RIGHT]), Learner(2, 8)), Job(Worker("training"))
    model.train_detector(truth(range(100, 120)), 2, picture, job)
    assert len(trained) == 16
    model.learn(truth(range(93, 120)), 2, [], picture, job)  # earlier frames came after it began
    assert len(model.learner.held_out.kept_out) == 5 and not trained & model.learner.held_out.kept_out
    model.learn([replace(one, origin=3) for one in truth(range(93, 120))], 2, [], picture, job)
    assert 3 not in model.learner.held_out.known
