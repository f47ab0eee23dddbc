"""Numbers and words by which a page says how far the work is and what is missing."""

import numpy as np
import pytest
from fake_model import KnownBoxes
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from gazekit.annotate.model.model import FIRST
from gazekit.annotate.model.predictions import FramePredictions
from gazekit.annotate.project.project import UNREVIEWED, Project
from gazekit.annotate.server.app import create_app
from gazekit.annotate.session import AnnotationSession
from gazekit.models.impn import Learner

BOX = [20, 40, 120, 140]


@pytest.fixture
def project(shared_data, tmp_path):
    recording = shared_data / "annotation_toy" / "neon_export" / "toy-0001"
    with Project.create(tmp_path / "project", recording) as project:
        project.store.act({"op": "label.add", "name": "cup"}, "ada")
        yield project


@pytest.fixture
def session(project):
    session = AnnotationSession(project)
    yield session
    session.close()


@pytest.fixture
def client(session):
    return TestClient(create_app(session), base_url="http://127.0.0.1")


def test_an_update_says_what_is_missing(client, session):
    def update():
        answer = client.post("/api/model/update", json={})
        assert answer.status_code == 200
        session.cancel()
        session.loop.wait()
        return answer.json()

    assert update() == {
        "started": False, "message": "Nothing to learn from yet: draw boxes and confirm frames."
    }  # fmt: skip
    for frame in range(FIRST):
        session.act({"op": "box.add", "frame": frame, "label": 1, "box": BOX}, "ada")
        told = update()
        assert not told["started"]
        assert f"{FIRST - frame} more" in told["message"], told
        session.act({"op": "frame.confirm", "frame": frame}, "ada")
    assert update()["started"]


def test_with_a_detector_one_box_is_enough(project):
    session = AnnotationSession(project, KnownBoxes([BOX]), Learner(1, 8))
    session.loop.model.wants_detector = lambda truth: False
    assert session.update(wait=True)["started"] is False
    session.act({"op": "box.add", "frame": 3, "label": 1, "box": BOX}, "ada")
    assert session.update(wait=True)["started"] is True
    session.close()


def test_confirmed_frames_are_told_of_all_that_the_queue_asks_for(client, session):
    frames = client.get("/api/queue?kind=frame").json()["total"]
    stats = client.get("/api/stats").json()
    assert (stats["confirmed_frames"], stats["confirmed_of"]) == (0, frames)
    asked = client.get("/api/queue?kind=frame&order=time").json()["items"][0]["frame"]
    beside = next(frame for frame in range(150) if frame not in session.fixation_table.rows)
    for frame in (asked, beside):
        session.act({"op": "frame.confirm", "frame": frame}, "ada")
    stats = client.get("/api/stats").json()
    assert (stats["confirmed_frames"], stats["confirmed_of"]) == (2, frames + 1)


def test_only_what_the_model_predicts_is_told_as_its_suggestion(project):
    store, found = project.store, project.store.fixations()
    frames = found["frame"][:4]
    for row, (frame, size) in enumerate(zip(frames[:2], (5, 0), strict=True)):
        x, y = found["x_px"][row], found["y_px"][row]
        box = [x - 5, y - 5, x + 5, y + 5] if size else BOX
        store.act({"op": "box.add", "frame": frame, "label": 1, "box": box}, "ada")
    store.act({"op": "frame.confirm", "frame": frames[2]}, "ada")
    session = AnnotationSession(project)
    nothing = FramePredictions(1, np.zeros((0, 4)), (), np.zeros(0), np.zeros(0))
    session.loop.predictions |= dict.fromkeys(frames[:3], nothing)
    session.fixation_table.refresh(session.fixation_table.rows)
    assert [session.fixations()[name][:4] for name in ("suggestion", "by_model")] == [
        [1, 0, 0, None],
        [False] * 4,
    ]
    session.loop.predictions[frames[3]] = nothing
    session.fixation_table.refresh(session.fixation_table.rows)
    assert [session.fixations()[name][3] for name in ("suggestion", "by_model")] == [0, True]
    x, y = found["x_px"][3], found["y_px"][3]
    around, sure = np.array([[x - 5, y - 5, x + 5, y + 5]]), np.array([0.9])
    session.loop.predictions[frames[3]] = FramePredictions(1, around, (1,), sure, sure)
    session.fixation_table.refresh(session.fixation_table.rows)
    assert [session.fixations()[name][3] for name in ("suggestion", "by_model")] == [1, True]
    session.close()


boxes = st.tuples(
    st.integers(0, 13), st.sampled_from(["manual", "propagated", "predicted", "imported", "confirmed"]),
    st.booleans(), st.integers(2, 60),
)  # fmt: skip


@settings(deadline=None, max_examples=25)
@given(st.lists(boxes, max_size=25), st.sets(st.integers(0, 13)), st.sets(st.integers(1, 14)))
def test_unreviewed_fixations_are_those_of_the_export(
    shared_data, tmp_path_factory, boxes, confirmed, answered
):
    recording = shared_data / "annotation_toy" / "neon_export" / "toy-0001"
    with Project.create(tmp_path_factory.mktemp("p") / "project", recording) as project:
        store, found = project.store, project.store.fixations()
        rows = []
        for track, (k, source, holds, size) in enumerate(boxes, start=1):
            x, y = (found["x_px"][k], found["y_px"][k]) if holds else (200.0, 200.0)
            box = [x - size, y - size, x + size, y + size]
            rows.append(
                {"frame": found["frame"][k], "track": track, "label": "cup", "box": box, "source": source}
            )
        frames = [found["frame"][k] for k in confirmed]
        store.act(
            {"op": "boxes.import", "labels": [{"name": "cup"}], "boxes": rows, "confirmed": frames}, "ada"
        )
        for fixation in answered:
            store.act({"op": "fixation.label", "fixation": fixation, "label": "cup"}, "ada")
        mapped = project.mapped_fixations()
        unreviewed = mapped["source"].isin(UNREVIEWED)
        assert store.stats()["unreviewed_fixations"] == unreviewed.sum()
        reviewed = project.mapped_fixations(reviewed_only=True)
        assert (reviewed.loc[unreviewed, "aoi"] == "").all() and (
            reviewed.loc[unreviewed, "source"] == ""
        ).all()
        assert np.isnan(reviewed.loc[unreviewed, "confidence"].astype(float)).all()
        assert reviewed[~unreviewed].equals(mapped[~unreviewed])
