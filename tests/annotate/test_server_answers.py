"""Numbers and words by which a page says how far the work is and what is missing."""

import numpy as np
import pytest
from fake_model import KnownBoxes
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from gazekit.annotate.model import FIRST
from gazekit.annotate.project import UNREVIEWED, Project
from gazekit.annotate.server import create_app
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
    beside = next(frame for frame in range(150) if frame not in session.derived.rows)
    for frame in (asked, beside):
        session.act({"op": "frame.confirm", "frame": frame}, "ada")
    stats = client.get("/api/stats").json()
    assert (stats["confirmed_frames"], stats["confirmed_of"]) == (2, frames + 1)


def test_only_open_questions_with_a_suggestion_count_as_taken_or_not(session):
    def counted():
        stats = session.stats()
        return stats["accepted"], stats["accepted_of"]

    session.act({"op": "fixation.label", "fixation": 1, "label": 1}, "ada")  # nothing was suggested
    assert counted() == (None, 0)
    fixations = session.fixations()
    for row in (1, 2):
        x, y, frame = (fixations[name][row] for name in ("x_px", "y_px", "frame"))
        box = [x - 5, y - 5, x + 5, y + 5]
        session.act({"op": "box.add", "frame": frame, "label": 1, "box": box}, "ada")
    session.act({"op": "fixation.confirm", "fixation": 2}, "ada")
    assert counted() == (1.0, 1)
    session.act({"op": "fixation.label", "fixation": 2, "label": 0}, "ada")  # it had an answer already
    assert counted() == (1.0, 1)
    session.act({"op": "fixation.label", "fixation": 3, "label": "background"}, "ada")
    assert counted() == (0.5, 2)
    session.undo("ada")
    session.act({"op": "fixation.label", "fixation": 3, "label": "cup"}, "ada")
    assert counted() == (pytest.approx(2 / 3), 3)


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
