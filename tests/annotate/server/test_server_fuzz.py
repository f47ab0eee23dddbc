"""Whatever is sent to any address is answered in words, never by a failure; and a refusal has changed nothing."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from gazekit.annotate.project import Project
from gazekit.annotate.project.store import OPS
from gazekit.annotate.server.app import create_app
from gazekit.annotate.session import AnnotationSession

odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        [0, 1, 2, -1, 6, 150, 2**53, 2**63, 10**30, -(10**400), "mug", "same", "\ud800", "a\0b", "null"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
box = st.just([1, 1, 90, 90]) | st.lists(st.floats() | st.integers(), min_size=4, max_size=4) | odd
entry = st.fixed_dictionaries(
    {}, optional={"frame": odd, "label": st.just("mug") | odd, "box": box, "track": odd, "score": odd}
)
KNOWN = {
    "box": box,
    "boxes": st.lists(entry, max_size=3) | odd,
    "label": st.sampled_from([1, 0, -1, "mug"]) | odd,
}
NAMES = {name for _, fields in OPS.values() for name in fields.split()}
MORE = {
    name: KNOWN.get(name, st.just(1) | odd)
    for name in sorted(NAMES | {"base_version", "nonce", "model_version"})
}
who = st.just("ada") | odd
action = st.fixed_dictionaries(
    {"author": who, "op": st.sampled_from(sorted(OPS)) | odd},
    optional={"frame": st.integers(0, 3) | odd, "tab": odd, **MORE},
)
task = st.fixed_dictionaries({}, optional={"id": odd, "data": odd | st.fixed_dictionaries({"frame": odd})})
JSON = {"content-type": "application/json"}
POSTS = {
    "/api/actions": action,
    "/api/undo": st.fixed_dictionaries({"author": who}, optional={"nonce": odd, "tab": odd}),
    "/api/redo": st.fixed_dictionaries({"author": who}, optional={"nonce": odd, "tab": odd}),
    "/api/propagate": st.fixed_dictionaries(
        {"author": who, "frame": st.just(3) | odd, "stop_frame": st.just(9) | odd}, optional={"ids": odd}
    ),
    "/api/model/update": odd,
    "/api/model/cancel": odd,
    "/setup": odd,
    "/webhook": odd,
    "/predict": st.fixed_dictionaries({"tasks": st.lists(task) | odd}),
}  # fmt: skip
GETS = (
    "/api/frames/{}", "/api/frames/{}.jpg", "/api/frames/3.jpg?width={}", "/api/queue?order={}", "/api/queue?kind={}",
    "/api/queue?kind=frame&offset={}", "/api/queue?limit={}", "/api/tracks?first={}", "/api/tracks?last={}",
    "/api/export/{}", "/api/export/fixations?reviewed_only={}", "/page/{}", "/{}", "/api/project?x={}",
)  # fmt: skip


@pytest.fixture(scope="module")
def session(shared_data, tmp_path_factory):
    recording = shared_data / "annotation_toy" / "neon_export" / "toy-0001"
    with Project.create(tmp_path_factory.mktemp("toy") / "project", recording) as project:
        for name in ("mug", "cup-left", "cup-right"):
            project.store.act({"op": "label.add", "name": name}, "ada")
        project.store.act({"op": "box.add", "frame": 3, "label": 1, "box": [10, 10, 60, 60]}, "ada")
        session = AnnotationSession(project)
        session.loop.update = lambda: None  # what is learnt is no matter here
        session.tracking.worker.start = lambda work: None
        yield session
        session.close()


@pytest.fixture(scope="module")
def client(session):
    return TestClient(create_app(session), base_url="http://127.0.0.1")


def asked(session, send):
    """The answer; a refusal has to say why and to have changed nothing."""
    before = session.store.stats()["events"], session.store.snapshot(), session.store.fixations()
    answer = send()
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        told = answer.json()
        assert told["error"] and "Traceback" not in told["error"]
        assert before == (
            session.store.stats()["events"],
            session.store.snapshot(),
            session.store.fixations(),
        )
    return answer


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_any_json_is_answered(session, client, data):
    for path, content in POSTS.items():
        text = json.dumps(data.draw(content))
        asked(session, lambda path=path, text=text: client.post(path, content=text, headers=JSON))
    assert client.get("/api/frames/3").status_code == 200


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(GETS), odd.map(str) | st.text(alphabet="0123456789-.eE/%&=?# ", max_size=30))
def test_any_address_is_answered(session, client, path, word):
    word = quote(word.encode("utf-8", "surrogatepass"), safe="")
    asked(session, lambda: client.get(path.format(word)))


@pytest.mark.parametrize("path", POSTS)
def test_nesting_and_what_is_no_json_is_refused(session, client, path):
    deep, many = b"[" * 100_000 + b"]" * 100_000, b"9" * 100_000
    for content in (deep, b'{"author": ' + deep + b"}", b'{"author": "ada", "op": ' + many + b"}", b'{"a": ' * 100_000,
                    b'{"frame": 1e999, "op": "box.add"}', b"NaN", b'"\\ud800"', b"\xff", b"nul"):  # fmt: skip
        answer = asked(
            session,
            lambda content=content: client.post(path, content=content, headers=JSON),
        )
        assert answer.status_code >= 400 or path in (
            "/api/model/update",
            "/api/model/cancel",
            "/webhook",
            "/setup",
        )


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_change_of_a_file_is_read_or_refused(session, client, shared_data, data):
    golden = shared_data / "annotation_toy" / "exports"
    formats = {"coco": "coco_ground_truth.json", "label_studio": "label_studio_video.json"}
    format = data.draw(st.sampled_from(sorted(formats)))
    content = json.loads((golden / formats[format]).read_text())
    if format == "coco":
        content["annotations"], content["images"] = content["annotations"][:10], content["images"][:10]
    place, key = content, None
    while isinstance(place, dict | list) and place:
        keys = sorted(place) if isinstance(place, dict) else [*range(min(len(place), 3))]
        parent, key = place, data.draw(st.sampled_from(keys))
        place = place[key]
        if data.draw(st.booleans()):
            break
    parent[key] = data.draw(odd)
    asked(
        session,
        lambda: client.post(f"/api/import/{format}?author=ada&name=x.json", content=json.dumps(content)),
    )


@pytest.mark.parametrize("value", [None, True, 7, 1.5, [], {}, [["mug"]]])
def test_a_name_of_coco_that_is_no_text_is_refused(session, client, shared_data, value):
    content = json.loads((shared_data / "annotation_toy/exports/coco_ground_truth.json").read_text())
    content["categories"][0]["name"] = value
    address, data = "/api/import/coco?author=ada&name=x.json", json.dumps(content)
    answer = asked(session, lambda: client.post(address, content=data))
    assert (
        answer.status_code == 422 and "x.json: images need an id, categories an id and a name" in answer.text
    )


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e308, 1e13])
def test_a_side_beyond_all_pictures_is_refused(session, client, shared_data, value):
    golden = shared_data / "annotation_toy/exports"
    coco = json.loads((golden / "coco_ground_truth.json").read_text())
    coco["annotations"][0]["bbox"][2] = value
    studio = json.loads((golden / "label_studio_video.json").read_text())
    studio[0]["annotations"][0]["result"][0]["value"]["sequence"][0]["x"] = value
    for format, content in (("coco", coco), ("label_studio", studio)):
        address, data = f"/api/import/{format}?author=ada", json.dumps(content)
        answer = asked(session, lambda address=address, data=data: client.post(address, content=data))
        assert answer.status_code == 422 and "not a finite number" in answer.text


@pytest.mark.parametrize("value", [[], {}, [1], None, 3])
def test_an_origin_of_label_studio_that_is_no_word_is_read_as_imported(session, client, shared_data, value):
    content = json.loads((shared_data / "annotation_toy/exports/label_studio_video.json").read_text())
    content[0]["annotations"][0]["result"][0]["origin"] = value
    address, data = "/api/import/label_studio?author=ada", json.dumps(content)
    assert asked(session, lambda: client.post(address, content=data)).status_code == 200
    assert "imported" in {box["source"] for box in client.get("/api/frames/0").json()["boxes"]}


@pytest.mark.parametrize(
    ("format", "file"), [("cvat", "cvat_video_1.1.xml"), ("fixations", "fixation_aoi.csv")]
)
def test_a_file_that_ends_anywhere_is_read_or_refused(session, client, shared_data, format, file):
    content = (shared_data / "annotation_toy" / "exports" / file).read_bytes()[:4000]
    for end in range(0, len(content), 97):
        asked(session, lambda end=end: client.post(f"/api/import/{format}?author=ada", content=content[:end]))
        junk = content[:end] + b"\xff\x00<" + content[end + 3 :]
        asked(session, lambda junk=junk: client.post(f"/api/import/{format}?author=ada", content=junk))
