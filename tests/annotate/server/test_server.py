"""The annotation server over HTTP: what the page reads and does."""

import json
import shutil
import threading
import time
from itertools import chain

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from gazekit.annotate.project import Project, timeline
from gazekit.annotate.server.app import create_app
from gazekit.annotate.session import AnnotationSession
from gazekit.errors import StoreError

TOY = ("annotation_toy", "neon_export", "toy-0001")


@pytest.fixture(scope="module")
def new_project(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "project"
    Project.create(folder, shared_data.joinpath(*TOY)).close()
    return folder


@pytest.fixture
def project(new_project, tmp_path):
    shutil.copytree(new_project, tmp_path / "project")
    with Project.open(tmp_path / "project") as project:
        yield project


@pytest.fixture
def session(project):
    session = AnnotationSession(project)
    yield session
    session.close()


@pytest.fixture
def client(session):
    return TestClient(create_app(session), base_url="http://127.0.0.1:8000")


def act(client, op, author="ada", tab="t1", status=200, **fields):
    answer = client.post("/api/actions", json={"author": author, "tab": tab, "op": op, **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_page_finds_the_project(client, project):
    found = client.get("/api/project").json()
    assert (found["size_px"], found["n_frames"], found["n_fixations"]) == ([320, 240], 150, 14)
    assert {label["name"] for label in found["labels"]} == {"background", "cannot tell"}
    assert found["model"]["state"] == "idle"
    assert found["ring_px"] == pytest.approx(1.5 * project.px_per_dva)
    times = np.frombuffer(client.get("/api/times").content, "<f8")
    assert times.tolist() == project.frame_t_ms.tolist()


def test_a_frame_is_exactly_the_videos(client, project):
    with project.pictures() as video:
        for index in (0, 71, 149):
            answer = client.get(f"/api/frames/{index}.jpg")
            assert answer.headers["cache-control"].endswith("immutable")
            seen = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR_RGB)
            assert np.abs(seen.astype(float) - video.read(index)).mean() < 4
    small = client.get("/api/frames/5.jpg?width=80").content
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR).shape == (60, 80, 3)


def test_gaze_of_a_frame_ends_where_the_next_begins(client, project):
    frame = client.get("/api/frames/6").json()
    times = [t for t, _, _ in frame["gaze"]]
    assert times
    assert project.frame_t_ms[6] <= times[0] and times[-1] < project.frame_t_ms[7]
    assert frame["fixations"] == [1]
    assert frame["predictions"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/frames/150", 404), ("/api/frames/-1", 404), ("/api/frames/150.jpg", 404), ("/api/frames/x.jpg", 422),
        ("/api/frames/1.jpg?width=1", 422), ("/api/frames/1.jpg?width=99999", 422), ("/api/queue?order=best", 422),
        ("/api/queue?kind=saccade", 422), ("/api/queue?limit=5000", 422), ("/api/queue?offset=-1", 422),
        ("/api/export/docx", 422), ("/api/export/model", 422), ("/api/nothing", 404), ("/page/server.py", 404),
        ("/page/..%2fserver.py", 404), ("/page/%2e%2e/server.py", 404), ("/page//etc/passwd", 404), ("/docs", 404),
        ("/openapi.json", 404), ("/api/frames/99999999999999999999", 404),
        ("/api/tracks?first=150", 422), (f"/api/tracks?first={10**30}", 422), (f"/api/tracks?last=-{10**30}", 422),
    ],
)  # fmt: skip
def test_what_is_not_there_is_one_clear_error(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"} and answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"author": "", "op": "label.add", "name": "a"}, {"author": 3, "op": "x"}, {"author": "a", "op": "rm"},
        {"author": "a"}, {"author": "a", "tab": 4, "op": "label.add", "name": "a"}, {"author": "a", "op": ["x"]},
        {"author": "a", "op": "box.add", "frame": 3, "label": 99, "box": [0, 0, 1, 1]},
        {"author": "a", "op": "box.add", "frame": 3, "label": -1, "box": [0, 0, 1, 10**400]},
        {"author": "a", "op": "box.add", "frame": 1e99, "label": 0, "box": [0, 0, 1, 1]},
    ],
)  # fmt: skip
def test_a_wrong_action_changes_nothing(client, body):
    answer = client.post("/api/actions", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert client.get("/api/stats").json()["events"] == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"author": NaN}', b'"x"', b"{" * 5000])
def test_a_body_that_is_no_object_is_refused(client, content):
    for path in ("/api/actions", "/api/undo", "/api/propagate"):
        answer = client.post(path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["error"]


def test_pages_of_other_sites_can_send_nothing(client):
    body = {"author": "a", "op": "label.add", "name": "book"}
    assert (
        client.post("/api/actions", json=body, headers={"origin": "http://evil.example"}).status_code == 403
    )
    assert client.post("/api/actions", json=body, headers={"host": "evil.example"}).status_code == 421
    plain = client.post("/api/actions", content=json.dumps(body), headers={"content-type": "text/plain"})
    assert plain.status_code == 422  # a form of another site can send no JSON
    assert client.get("/api/stats").json()["events"] == 0


def test_a_large_body_is_refused(client):
    body = {"author": "a", "op": "label.add", "name": "x" * (1 << 20)}
    answer = client.post("/api/actions", json=body)
    assert answer.status_code == 413 and "above" in answer.json()["error"]


def test_act_and_undo(client):
    label = act(client, "label.add", name="book")["label"]
    added = act(client, "box.add", frame=3, label=label, box=[10, 20, 60, 80], base_version=0)
    assert added["version"] == 1
    assert added["state"]["boxes"][0]["box"] == [10, 20, 60, 80]
    undone = client.post("/api/undo", json={"author": "ada"}).json()
    assert (undone["op"], undone["frame"], undone["state"]["boxes"]) == ("box.add", 3, [])
    assert client.post("/api/undo", json={"author": "bob"}).json() == {"nothing": True}
    assert (
        client.post("/api/redo", json={"author": "ada"}).json()["state"]["boxes"] == added["state"]["boxes"]
    )


def test_two_tabs_in_conflict_lose_nothing(client):
    act(client, "label.add", name="book")
    first = act(client, "box.add", frame=3, label=1, box=[10, 20, 60, 80], base_version=0)
    refused = act(
        client, "box.add", frame=3, label=1, box=[0, 0, 9, 9], base_version=0, author="bob", status=409
    )
    assert refused["error"] == "conflict"
    assert refused["state"] == first["state"]
    again = act(client, "box.add", frame=3, label=1, box=[0, 0, 9, 9], base_version=1, author="bob")
    assert len(again["state"]["boxes"]) == 2


def test_an_action_sent_twice_is_done_once(client):
    act(client, "label.add", name="book")
    once = act(client, "box.add", frame=3, label=1, box=[10, 20, 60, 80], nonce="n1")
    twice = act(client, "box.add", frame=3, label=1, box=[10, 20, 60, 80], nonce="n1")
    assert twice["event"] == once["event"]
    assert len(twice["state"]["boxes"]) == 1


def test_a_fixation_is_suggested_from_boxes_and_answered(client):
    act(client, "label.add", name="book")
    x, y = (client.get("/api/fixations").json()[name][0] for name in ("x_px", "y_px"))
    assert client.get("/api/fixations").json()["suggestion"][0] is None
    act(client, "box.add", frame=6, label=1, box=[x - 9, y - 9, x + 9, y + 9])
    found = client.get("/api/fixations").json()
    assert (found["suggestion"][0], found["confidence"][0], found["label"][0]) == (1, 1.0, None)
    assert client.get("/api/queue").json()["total"] == 14
    act(client, "fixation.confirm", fixation=1, label=1)
    act(client, "fixation.label", fixation=2, label=0)
    found = client.get("/api/fixations").json()
    assert (found["label"][:3], found["source"][0]) == ([1, 0, None], "confirmed")
    queue = client.get("/api/queue?order=time&limit=2").json()
    assert (queue["total"], [item["id"] for item in queue["items"]]) == (12, [3, 4])
    client.post("/api/undo", json={"author": "ada"})
    assert client.get("/api/fixations").json()["label"][:2] == [1, None]
    assert client.post("/api/undo", json={"author": "ada", "event": "last"}).status_code == 422


def test_the_page_is_told(client, session):
    start = session.stream.last_id
    act(client, "label.add", name="book")
    act(client, "box.add", frame=6, label=1, box=[0, 0, 9, 9], tab="t7")
    act(client, "fixation.label", fixation=1, label=1)
    told = [(name, json.loads(text)) for _, name, text in session.stream.since(start)]
    assert told[0] == ("labels", {})
    assert told[1] == ("frame", {"frame": 6, "version": 1, "tab": "t7"})
    assert ("fixation", {"id": 1, "tab": "t1"}) in told


def test_files_go_out_and_come_back_equal(client, shared_data):
    golden = (shared_data / "annotation_toy" / "exports" / "coco_ground_truth.json").read_bytes()
    answer = client.post("/api/import/coco?author=ada&tab=t", content=golden)
    assert answer.status_code == 200, answer.text
    before = [client.get(f"/api/frames/{i}").json()["boxes"] for i in range(0, 150, 10)]
    assert len(before[0]) == 5
    for name in ("coco", "cvat", "label_studio"):
        file = client.get(f"/api/export/{name}")
        assert "attachment" in file.headers["content-disposition"]
        answer = client.post(f"/api/import/{name}?author=ada", content=file.content)
        assert answer.status_code == 200, answer.text
        after = [client.get(f"/api/frames/{i}").json()["boxes"] for i in range(0, 150, 10)]
        places = [[(box["label"], box["box"]) for box in boxes] for boxes in (chain(*before), chain(*after))]
        assert places[0] == places[1]
    packed = client.get("/api/export/fixations")
    assert packed.content[:2] == b"PK"


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00\xff", b"[1, 2", b"<a/>"])
@pytest.mark.parametrize("name", ["coco", "cvat", "label_studio", "fixations", "model", "docx"])
def test_a_broken_import_changes_nothing(client, content, name):
    answer = client.post(f"/api/import/{name}?author=ada", content=content)
    assert answer.status_code in (404, 422), answer.text
    assert client.get("/api/stats").json()["events"] == 0


def test_boxes_are_propagated_as_one_action(client, session):
    act(client, "label.add", name="book")
    truth = {0: [137.9, 106.2, 196.4, 149.6]}
    act(client, "box.add", frame=0, label=1, box=truth[0])
    start = session.stream.last_id
    body = {"author": "ada", "tab": "t", "frame": 0, "ids": None, "stop_frame": 10}
    assert client.post("/api/propagate", json=body).status_code == 202
    assert session.tracking.worker.wait(20)
    status = session.tracking.worker.status
    assert status.state == "idle" and status.message.startswith("propagated to frame 10"), status
    assert {
        box["source"] for i in range(1, 11) for box in client.get(f"/api/frames/{i}").json()["boxes"]
    } == {"propagated"}
    assert client.get("/api/frames/11").json()["boxes"] == []
    names = [name for _, name, _ in session.stream.since(start)]
    assert names.count("frame") >= 10 and "propagation" in names
    (track,) = client.get("/api/tracks").json()["tracks"]
    assert track["spans"] == [[0, 0, "manual"], [1, 10, "propagated"]] and track["keyframes"] == [0]
    client.post("/api/undo", json={"author": "ada"})
    assert client.get("/api/frames/5").json()["boxes"] == []
    for wrong in ({"frame": 0, "stop_frame": 0}, {"frame": 0, "stop_frame": 150}, {"frame": 3, "stop_frame": 9},
                  {"frame": 0, "stop_frame": 3, "ids": [77]}, {"frame": "0", "stop_frame": 3}):  # fmt: skip
        assert client.post("/api/propagate", json={"author": "ada", **wrong}).status_code == 422


def test_labels_are_made_without_the_video(shared_data, tmp_path):
    copy = tmp_path / "recording"
    shutil.copytree(shared_data.joinpath(*TOY), copy)
    Project.create(tmp_path / "project", copy).close()
    video = next(copy.glob("*.mp4"))
    video.write_bytes(video.read_bytes()[:3000])
    with Project.open(tmp_path / "project") as project:
        session = AnnotationSession(project)
        client = TestClient(create_app(session), base_url="http://127.0.0.1")
        answer = client.get("/api/frames/3.jpg")
        assert answer.status_code in (404, 422) and answer.json()["error"]
        act(client, "label.add", name="book")
        act(client, "box.add", frame=3, label=1, box=[0, 0, 9, 9])
        assert len(client.get("/api/frames/3").json()["boxes"]) == 1
        assert client.get("/api/export/coco").status_code == 200
        session.close()


def test_many_at_once_are_all_kept(client):
    act(client, "label.add", name="book")
    wrong = []

    def work(author):
        for i in range(20):
            answer = client.post("/api/actions", json={
                "author": author, "op": "box.add", "frame": i, "label": 1, "box": [i, i, i + 9, i + 9]})  # fmt: skip
            if answer.status_code != 200:
                wrong.append(answer.text)

    threads = [threading.Thread(target=work, args=(f"p{k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert client.get("/api/stats").json()["boxes"] == 80


def test_a_timeline_closes_gaps_that_it_cannot_show(project, monkeypatch):
    project.store.act({"op": "label.add", "name": "book"}, "ada")
    track = project.store.act({"op": "box.add", "frame": 0, "label": 1, "box": [0, 0, 9, 9]}, "ada")
    number = project.store.frame(0)["boxes"][0]["track"]
    for frame in (1, 2, 5, 100):
        project.store.act(
            {"op": "box.add", "frame": frame, "label": 1, "box": [0, 0, 9, 9], "track": number}, "ada"
        )
    assert track["box"]
    (whole,) = timeline.tracks(project.store.path, 0, 149)
    assert whole["spans"] == [[0, 2, "manual"], [5, 5, "manual"], [100, 100, "manual"]]
    assert whole["keyframes"] == [0, 1, 2, 5, 100]
    monkeypatch.setattr(timeline, "BINS", 15)
    (coarse,) = timeline.tracks(project.store.path, 0, 149)
    assert coarse["spans"] == [[0, 5, "manual"], [100, 100, "manual"]] and coarse["keyframes"] == [0, 100]


def test_reading_is_quick(client):
    taken = []
    for i in range(0, 150, 5):
        start = time.perf_counter()
        assert (
            client.get(f"/api/frames/{i}.jpg").status_code
            == client.get(f"/api/frames/{i}").status_code
            == 200
        )
        taken.append(time.perf_counter() - start)
    assert np.median(taken) < 0.15


def test_a_full_disk_is_told_and_nothing_is_acknowledged(client, session, monkeypatch):
    def full(*args):
        raise StoreError("the disk is full: this action was NOT saved")

    monkeypatch.setattr(session.store, "act", full)
    answer = act(client, "label.add", name="book", status=507)
    assert "NOT saved" in answer["error"]
    monkeypatch.undo()
    assert act(client, "label.add", name="book")["label"] == 1
