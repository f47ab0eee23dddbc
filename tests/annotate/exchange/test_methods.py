"""Beside the tables of fixations: a methods paragraph, metrics of each trial, a timeline."""

import io
import re
import threading
import zipfile

import cv2
import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from gazekit.annotate.exchange import export, import_
from gazekit.annotate.exchange.trials import trials_of
from gazekit.annotate.project import Project
from gazekit.annotate.project.authors import SIMULATED, TRANSFERRED
from gazekit.annotate.server.app import create_app
from gazekit.annotate.session import AnnotationSession


@pytest.fixture
def project(shared_data, tmp_path):
    with Project.create(tmp_path / "project", shared_data / "annotation_toy/neon_export/toy-0001") as project:
        project.store.act({"op": "label.add", "name": "book"}, "ada")
        yield project


def around(project, fixation, size=9):
    found = project.store.fixations()
    x, y, frame = (found[name][fixation - 1] for name in ("x_px", "y_px", "frame"))
    return {"frame": frame, "label": 1, "box": [x - size, y - size, x + size, y + size]}


def mix(project):
    """One fixation of each kind, by its number."""
    act = project.store.act
    act({"op": "fixation.label", "fixation": 1, "label": 1}, "ada")
    act({"op": "fixation.confirm", "fixation": 2, "label": 1}, "bob")
    act({"op": "box.add", **around(project, 3)}, "ada")
    act({"op": "boxes.put", "source": "propagated", "boxes": [around(project, 4)]}, "ada")
    act({"op": "boxes.put", "source": "predicted", "boxes": [around(project, 5)]}, "model")
    act({"op": "frame.confirm", "frame": around(project, 6)["frame"]}, "ada")
    away = {"frame": around(project, 7)["frame"], "label": 1, "box": [0, 0, 5, 5]}
    act({"op": "box.add", **away}, "ada")
    act({"op": "boxes.put", "source": "propagated", "boxes": [around(project, 8)]}, "ada")
    act({"op": "frame.confirm", "frame": around(project, 8)["frame"]}, "ada")


KINDS = {
    "labelled by hand": 1,
    "labelled by confirming a suggestion": 1,
    "in a box drawn or corrected by hand": 1,
    "in a box made by a machine and confirmed by a person": 1,
    "in a box that was propagated from another frame and that nobody has reviewed": 1,
    "in a box that the model predicted and that nobody has reviewed": 1,
    "outside all boxes of a frame that a person has confirmed": 1,
    "outside all boxes of a frame that nobody has confirmed": 1,
    "without a label": 6,
}


def test_every_fixation_is_told_by_what_its_label_rests_on(project, tmp_path):
    mix(project)
    text = (export(project, "fixations", tmp_path / "out") / "methods.md").read_text()
    for words, count in KINDS.items():
        assert re.search(rf"[ ;]{count} \({100 * count / 14:.1f} %\) {words}", text), words
    counts = re.findall(r"(\d+) \([\d.]+ %\)", text.split("by source:")[1].split("\n")[0])
    assert sum(map(int, counts)) == 14
    assert "2 people annotated; frames confirmed as complete: 2; boxes: 5; no model was trained" in text
    assert "14 fixations of the tracker (Pupil Cloud)" in text and "gazekit 0." in text
    assert "3 of 14 fixations (21.4 %) have a label in the tables that nobody has reviewed" in text


def test_what_only_the_model_says_is_in_the_tables_as_predicted(project, tmp_path):
    project.store.act({"op": "fixation.label", "fixation": 4, "label": 1}, "ada")
    said = {1: (1, 0.8), 2: (0, 0.6), 3: (99, 0.9), 4: (0, 0.9)}  # 99 was merged away, 4 is answered
    out = export(project, "fixations", tmp_path / "out", predicted=said)
    table = pd.read_csv(out / "fixation_aoi.csv").set_index("fixation id")[
        ["aoi label", "source", "confidence"]
    ]
    assert table.loc[1].tolist() == ["book", "predicted", 0.8]
    assert table.loc[2].tolist() == ["background", "predicted", 0.6]
    assert table.loc[3].isna().all() and table.loc[4].tolist() == ["book", "manual", 1.0]
    text = (out / "methods.md").read_text()
    assert "1 (7.1 %) in a box that the model predicted" in text
    assert "1 (7.1 %) outside all boxes of a frame that nobody has confirmed" in text
    assert "2 of 14 fixations (14.3 %) have a label in the tables that nobody has reviewed" in text
    out = export(project, "fixations", tmp_path / "seen", reviewed_only=True, predicted=said)
    assert pd.read_csv(out / "fixation_aoi.csv")["aoi label"].notna().sum() == 1


def test_who_is_no_person_is_not_counted_as_one(project, tmp_path):
    project.store.act({"op": "label.add", "name": "pen"}, TRANSFERRED)
    project.store.act({"op": "fixation.label", "fixation": 1, "label": 1}, SIMULATED)
    text = (export(project, "fixations", tmp_path / "out") / "methods.md").read_text()
    assert "1 person annotated, and a simulated annotator; frames confirmed" in text


def test_tables_are_of_one_moment_while_labels_are_merged(project, tmp_path):
    mix(project)
    ended = threading.Event()

    def merge():
        while not ended.is_set():
            project.store.act({"op": "label.add", "name": "pen"}, "bob")
            project.store.act({"op": "label.merge", "label": "book", "into": "pen"}, "bob")
            project.store.act({"op": "label.update", "label": "pen", "name": "book"}, "bob")

    other = threading.Thread(target=merge)
    other.start()
    try:
        for _ in range(60):
            mapped = project.mapped_fixations()
            assert set(mapped["aoi"]) <= {"book", "pen", "background", ""}
    finally:
        ended.set()
        other.join()


def test_reviewed_only_leaves_out_what_nobody_has_reviewed(project, tmp_path):
    mix(project)
    every = pd.read_csv(
        export(project, "fixations", tmp_path / "a") / "fixation_aoi.csv", keep_default_na=False
    )
    out = export(project, "fixations", tmp_path / "b", reviewed_only=True)
    some = pd.read_csv(out / "fixation_aoi.csv", keep_default_na=False)
    changed = every["aoi label"] != some["aoi label"]
    assert every["fixation id"][changed].tolist() == [4, 5, 7] and set(some["aoi label"][changed]) == {""}
    metrics = [pd.read_csv(tmp_path / name / "aoi_metrics.csv").set_index("aoi label") for name in "ab"]
    assert [m.loc["book", "total fixations"] for m in metrics] == [6, 4]
    assert (
        "3 of 14 fixations (21.4 %) are left without a label in the tables"
        in (out / "methods.md").read_text()
    )
    for format in ("coco", "cvat", "label_studio"):
        with pytest.raises(ValueError, match="reviewed_only is for the format fixations"):
            export(project, format, tmp_path / "x", reviewed_only=True)


def test_the_download_holds_all_of_it(project):
    mix(project)
    session = AnnotationSession(project)
    client = TestClient(create_app(session), base_url="http://127.0.0.1")
    texts = []
    for query in ("", "?reviewed_only=true"):
        packed = zipfile.ZipFile(io.BytesIO(client.get(f"/api/export/fixations{query}").content))
        assert {"methods.md", "timeline.png", "aoi_metrics_trials.csv", "fixation_aoi.csv"} <= {
            *packed.namelist()
        }
        texts.append(packed.read("fixation_aoi.csv"))
        picture = cv2.imdecode(np.frombuffer(packed.read("timeline.png"), np.uint8), cv2.IMREAD_COLOR)
        assert picture.std() > 5
    assert texts[0] != texts[1]
    assert client.get("/api/export/coco?reviewed_only=true").status_code == 422
    assert client.get("/api/stats").json()["unreviewed_fixations"] == 3
    session.close()


def test_a_trial_counts_from_its_start(project, shared_data, tmp_path):
    import_(project, "fixations", shared_data / "annotation_toy/exports", "ada")
    out = export(project, "fixations", tmp_path / "out")
    table = pd.read_csv(out / "aoi_metrics_trials.csv")
    fixations = pd.read_csv(out / "fixation_aoi.csv")
    assert set(table["trial"]) == {"trial"} and set(table["number"]) == {1}
    start, end = 1700000000335065741, 1700000004742237722
    assert set(table["start timestamp [ns]"]) == {start} and set(table["end timestamp [ns]"]) == {end}
    inside = fixations[fixations["start timestamp [ns]"].between(start, end - 1)]
    assert len(inside) < len(fixations)
    counts = inside["aoi label"].value_counts()
    assert (
        table.set_index("aoi label")["total fixations"].to_dict()
        == counts.reindex(table["aoi label"]).fillna(0).to_dict()
    )
    first = inside[inside["aoi label"] == "book"]["start timestamp [ns]"].min()
    told = table.set_index("aoi label").loc["book", "time to first fixation [ms]"]
    assert told == pytest.approx((first - start) / 1e6, abs=2e-3)


def test_messages_that_are_no_pair_are_no_trial():
    texts = ["recording.begin", "search_start", "search_start", "x", "search_end", "search_end", "Search start",
             "walk.begin", "search-stop", "Search end", "walk.stop", "end", "start", "recording.end",
             "Week start", "Weekend"]  # fmt: skip
    found = trials_of(pd.DataFrame({"t_ms": np.arange(len(texts)) * 10.0, "text": texts}))
    assert found.to_dict("records") == [
        {"trial": "search", "number": 1, "onset_ms": 20.0, "offset_ms": 40.0},
        {"trial": "Search", "number": 1, "onset_ms": 60.0, "offset_ms": 90.0},
        {"trial": "walk", "number": 1, "onset_ms": 70.0, "offset_ms": 100.0},
    ]


def test_tables_come_without_the_recording(project, tmp_path, monkeypatch):
    def gone(self):
        raise FileNotFoundError("it is on another disk")

    monkeypatch.setattr(Project, "recording", property(gone))
    names = {file.name for file in export(project, "fixations", tmp_path / "out").iterdir()}
    assert "methods.md" in names and "aoi_metrics_trials.csv" not in names
