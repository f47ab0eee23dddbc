"""Each kind of action, what it refuses, versions and conflicts, and that every change is in the log."""

import pytest

from gazekit.annotate.project.labels import BACKGROUND_ID, CANNOT_TELL_ID, spatial_pairs, stem
from gazekit.annotate.project.store import OPS, Conflict, Store
from gazekit.errors import StoreError

BOX = [10, 20, 60, 80]
SURE = {"frame": 1, "label": 3, "box": BOX, "score": 2}


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "p.sqlite") as store:
        store.describe(
            {"n_frames": 100, "size_px": [320, 240]},
            [
                (1, 0.0, 100.0, 30.0, 40.0, 3),
                (2, 120.0, 300.0, 200.0, 200.0, 5),
                (3, 310.0, 400.0, None, None, -1),
            ],
        )
        for name in ("tablet-left", "tablet-right", "book"):
            store.act({"op": "label.add", "name": name}, "ada")
        yield store


def add(store, frame=3, label="book", box=BOX, author="ada", **more):
    return store.act({"op": "box.add", "frame": frame, "label": label, "box": box, **more}, author)


def shown(store, frame):
    return {
        b["track"]: (b["label"], b["box"], b["source"], b["keyframe"]) for b in store.frame(frame)["boxes"]
    }


def test_a_new_store_has_the_two_labels_that_are_always_there(tmp_path):
    with Store(tmp_path / "new.sqlite") as store:
        assert {(row["id"], row["name"]) for row in store.labels()} == {
            (0, "background"),
            (-1, "cannot tell"),
        }
        assert store.frame(7) == {"frame": 7, "version": 0, "confirmed": False, "boxes": []}
        assert store.events() == [] and store.confirmed_frames() == []


def test_a_box_is_added_moved_relabelled_and_deleted(store):
    answer = add(store)
    assert answer["frame"] == 3 and answer["version"] == 1
    (box,) = store.frame(3)["boxes"]
    assert box["id"] == answer["box"] and box["box"] == BOX and box["label"] == 3
    assert box["source"] == "manual" and box["author"] == "ada" and box["keyframe"] and box["score"] is None
    store.act({"op": "box.update", "id": box["id"], "box": [11.004, 21, 61, 81.006]}, "bob")
    (box,) = store.frame(3)["boxes"]
    assert box["box"] == [11.0, 21.0, 61.0, 81.01] and box["author"] == "bob"
    store.act({"op": "box.update", "id": box["id"], "label": "tablet-left"}, "bob")
    assert store.frame(3)["boxes"][0]["label"] == 1
    assert store.act({"op": "box.delete", "id": box["id"]}, "bob")["version"] == 4
    assert store.frame(3)["boxes"] == []
    assert add(store)["box"] > box["id"]  # numbers are never used twice


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ({"op": "box.paint"}, "op must be one of box.add"),
        ({"op": "box.add", "frame": 3, "label": 3, "box": BOX, "colour": 1}, "box.add has no 'colour'"),
        ({"op": "box.add", "frame": 100, "label": 3, "box": BOX}, "frames 0 to 99, got 100"),
        ({"op": "box.add", "frame": True, "label": 3, "box": BOX}, "frame must be a whole number"),
        ({"op": "box.add", "label": 3, "box": BOX}, "frame must be a whole number >= 0, got None"),
        ({"op": "box.add", "frame": 3, "label": 9, "box": BOX}, "no label 9; there are"),
        ({"op": "box.add", "frame": 3, "label": "lamp", "box": BOX}, "no label 'lamp'"),
        ({"op": "box.add", "frame": 3, "label": 0, "box": BOX}, "can't be background"),
        ({"op": "box.add", "frame": 3, "label": 3, "box": [1, 2, 3]}, "x_min, y_min, x_max, y_max"),
        ({"op": "box.add", "frame": 3, "label": 3, "box": [1, 2, 1.004, 4]}, "0.01 px apart"),
        ({"op": "box.add", "frame": 3, "label": 3, "box": [1, 2, float("inf"), 4]}, "x_min < x_max"),
        ({"op": "box.add", "frame": 3, "label": 3, "box": [float("nan"), 2, 5, 4]}, "x_min < x_max"),
        ({"op": "box.add", "frame": 3, "label": 3, "box": [320, 2, 330, 4]}, "outside the picture of 320 x 240"),
        ({"op": "box.add", "frame": 3, "label": 3, "box": BOX, "track": 77}, "no track 77"),
        ({"op": "box.add", "frame": 3, "label": 3, "box": BOX, "track": 1}, "track 1 already has a box in frame 3"),
        ({"op": "box.update", "id": 1}, "give box, label or keyframe"),
        ({"op": "box.update", "id": 99, "box": BOX}, "no box 99"),
        ({"op": "box.delete", "id": 10**30}, "no box 1000"),
        ({"op": "track.delete", "track": 8}, "no track 8"),
        ({"op": "track.interpolate", "track": 1, "first": 3, "last": 9}, "track 1 has no box in frame 9"),
        ({"op": "boxes.copy_next", "frame": 99}, "got 100"),
        ({"op": "boxes.copy_next", "frame": 4, "ids": [1]}, "are not in frame 4"),
        ({"op": "boxes.put", "boxes": [], "source": "manual"}, "source must be"),
        ({"op": "boxes.put", "boxes": [SURE], "source": "predicted"}, "0 to 1"),
        ({"op": "fixation.label", "fixation": 9, "label": 3}, "no fixation 9"),
        ({"op": "fixation.confirm", "fixation": 2}, "has no answer and lies in no box"),
        ({"op": "label.add", "name": "Book"}, "a label 'Book' exists already"),
        ({"op": "label.add", "name": " "}, "1 to 200 characters"),
        ({"op": "label.add", "name": "a", "colour": "red"}, "#rrggbb"),
        ({"op": "label.add", "name": "a", "key": "0"}, "key must be one character that no label has"),
        ({"op": "label.update", "label": 0, "name": "nothing"}, "cannot be renamed"),
        ({"op": "label.merge", "label": 0, "into": 1}, "can't be merged"),
        ({"op": "label.merge", "label": 3, "into": "background"}, "can't be background"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_and_changes_nothing(store, action, text):
    add(store)
    before = store.snapshot(), store.versions(), store.stats()["events"]
    with pytest.raises(ValueError, match=text):
        store.act(action, "ada")
    assert (store.snapshot(), store.versions(), store.stats()["events"]) == before


def test_who_acts_must_be_said(store):
    for author in ("", " ", 3, "a\nb"):
        with pytest.raises(ValueError, match="author must"):
            store.act({"op": "frame.confirm", "frame": 1}, author)
        with pytest.raises(ValueError, match="author must"):
            store.undo(author)


def test_an_action_that_starts_from_another_version_is_a_conflict_with_the_present_state(store, tmp_path):
    with Store(tmp_path / "p.sqlite") as other:
        seen = other.frame(3)["version"]
        box = add(store, base_version=0)["box"]
        with pytest.raises(
            Conflict, match="frame 3 was changed: it has version 1, the action starts from 0"
        ) as error:
            add(other, base_version=seen, box=[100, 100, 120, 120])
        assert error.value.state == store.frame(3) and len(error.value.state["boxes"]) == 1
        moved = {"op": "box.update", "id": box, "box": [1, 1, 9, 9]}
        with pytest.raises(Conflict):
            other.act(moved | {"base_version": 0}, "bob")
        assert other.act(moved | {"base_version": 1}, "bob")["version"] == 2
        other.act({"op": "fixation.label", "fixation": 1, "label": 3, "base_version": 2}, "bob")
        with pytest.raises(Conflict):
            store.act({"op": "fixation.label", "fixation": 1, "label": 1, "base_version": 2}, "ada")
        assert store.fixations()["label"] == [3, None, None]


def test_an_action_sent_twice_is_done_once(store):
    first = add(store, nonce="n1", base_version=0)
    again = add(store, nonce="n1", base_version=0)
    assert again == first and len(store.frame(3)["boxes"]) == 1
    undone = store.undo("ada", nonce="n2")
    assert store.undo("ada", nonce="n2") == undone and store.frame(3)["boxes"] == []


def test_left_and_right_are_exclusive_and_swap(store):
    left, right = (
        add(store, label=name, box=[x, 0, x + 9, 9])["box"]
        for name, x in (("tablet-left", 0), ("tablet-right", 50))
    )
    assert [row["group"] for row in store.labels()[:3]] == ["tablet", "tablet", ""]
    assert spatial_pairs(store.labels()) == [(1, 2)]
    with pytest.raises(ValueError, match="frame 3 would have 2 boxes of 'tablet-left'"):
        add(store, label="tablet-left")
    book = add(store)["box"]
    with pytest.raises(ValueError, match="at most one"):
        store.act({"op": "box.update", "id": book, "label": 1}, "ada")
    store.act({"op": "box.update", "id": left, "label": "tablet-right"}, "ada")
    assert {b["id"]: b["label"] for b in store.frame(3)["boxes"]} == {left: 2, right: 1, book: 3}
    store.undo("ada")
    assert {b["id"]: b["label"] for b in store.frame(3)["boxes"]} == {left: 1, right: 2, book: 3}
    with pytest.raises(ValueError, match="would have 2 boxes of 'book'"):
        add(store, box=[200, 0, 210, 9])
        store.act({"op": "label.update", "label": 3, "group": "books"}, "ada")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tablet-left", "tablet"),
        ("Right hand", "hand"),
        ("left_shoe", "shoe"),
        ("cleft", ""),
        ("leftover", ""),
        ("book", ""),
    ],
)
def test_the_side_in_a_name(name, expected):
    assert stem(name) == expected


def test_copy_to_the_next_frame_keeps_what_was_made_by_hand_there(store):
    first, second = add(store)["box"], add(store, box=[100, 100, 120, 120])["box"]
    add(store, frame=4, track=1, box=[5, 5, 9, 9])
    answer = store.act({"op": "boxes.copy_next", "frame": 3}, "bob")
    assert answer["frame"] == 4
    assert shown(store, 4) == {
        1: (3, [5, 5, 9, 9], "manual", True),
        2: (3, [100, 100, 120, 120], "manual", True),
    }
    store.act({"op": "boxes.copy_next", "frame": 4, "ids": [store.frame(4)["boxes"][1]["id"]]}, "bob")
    assert set(shown(store, 5)) == {2} and {first, second} == {b["id"] for b in store.frame(3)["boxes"]}


def test_boxes_between_keyframes_are_linear_and_pass_through_keyframes(store):
    add(store, frame=10, box=[0, 0, 10, 10])
    add(store, frame=14, track=1, box=[40, 0, 50, 10])
    add(store, frame=20, track=1, box=[40, 60, 60, 80])
    store.act({"op": "frame.confirm", "frame": 12}, "ada")
    store.act({"op": "track.interpolate", "track": 1, "first": 10, "last": 20}, "ada")
    assert shown(store, 11) == {1: (3, [10, 0, 20, 10], "manual", False)}
    assert shown(store, 12) == {}  # confirmed as empty
    assert shown(store, 14) == {1: (3, [40, 0, 50, 10], "manual", True)}
    assert shown(store, 17) == {1: (3, [40, 30, 55, 45], "manual", False)}
    (answer,) = [store.act({"op": "track.delete", "track": 1}, "ada")]
    assert answer["deleted"] == 10 and store.boxes() == []
    assert [store.versions()[f] for f in (10, 11, 12, 14, 20)] == [
        3,
        2,
        1,
        2,
        2,
    ]  # whoever looks at one is told
    store.undo("ada")
    assert len(store.boxes()) == 10


def test_what_a_machine_found_never_replaces_what_a_person_made(store):
    add(store, frame=3)  # track 1
    store.act({"op": "frame.confirm", "frame": 5}, "ada")
    found = [
        {"frame": f, "track": 1, "label": "book", "box": [1, 1, 9, 9], "score": 0.5} for f in (3, 4, 5, 6)
    ]
    answer = store.act(
        {"op": "boxes.put", "boxes": found, "source": "propagated", "model_version": "m7"}, "model"
    )
    assert answer["skipped"] == 2 and answer["frame"] == 3
    assert shown(store, 3)[1][1] == BOX and shown(store, 5) == {}
    assert shown(store, 6) == {1: (3, [1, 1, 9, 9], "propagated", False)}
    assert store.events(limit=100)[-1]["model_version"] == "m7"
    better = [{"frame": 4, "track": 1, "label": "book", "box": [2, 2, 9, 9], "score": 0.9}]
    store.act({"op": "boxes.put", "boxes": better, "source": "propagated"}, "model")
    assert shown(store, 4)[1][1] == [2, 2, 9, 9]


def test_new_predictions_take_the_place_of_old_ones(store):
    def predict(*boxes, **more):
        found = [{"frame": f, "label": name, "box": [x, 1, x + 5, 9], "score": 0.5} for f, name, x in boxes]
        return store.act({"op": "boxes.put", "boxes": found, "source": "predicted", **more}, "model")

    assert (
        predict((3, "book", 1), (3, "tablet-left", 20), (3, "tablet-left", 40), (4, "book", 1))["skipped"]
        == 1
    )
    assert [b["label"] for b in store.frame(3)["boxes"]] == [3, 1]
    predict((3, "book", 8), frames=[4])
    assert [b["box"][0] for b in store.frame(3)["boxes"]] == [8] and store.frame(4)["boxes"] == []
    store.act({"op": "frame.confirm", "frame": 3}, "ada")
    (box,) = store.frame(3)["boxes"]
    assert (box["source"], box["author"], box["score"], box["keyframe"]) == ("confirmed", "ada", 0.5, True)
    assert predict((3, "book", 1))["skipped"] == 1 and store.confirmed_frames() == [3]


def test_fixations_are_answered_and_confirmed(store):
    add(store, label="book", box=[0, 0, 300, 230])
    add(store, label="tablet-left", box=[20, 30, 40, 50])
    store.act({"op": "fixation.confirm", "fixation": 1}, "ada")  # the smaller box
    store.act({"op": "fixation.label", "fixation": 3, "label": "cannot tell"}, "bob")
    answer = store.act({"op": "fixation.confirm", "fixation": 2, "label": 0, "confidence": 0.8}, "bob")
    assert answer["frame"] == 5 and answer["fixation"] == 2
    columns = store.fixations()
    assert columns["label"] == [1, BACKGROUND_ID, CANNOT_TELL_ID]
    assert columns["source"] == ["confirmed", "confirmed", "manual"] and columns["confidence"] == [
        1.0,
        0.8,
        1.0,
    ]
    assert columns["frame"] == [3, 5, -1] and columns["x_px"] == [30.0, 200.0, None]
    assert store.undo("bob")["fixation"] == 2 and store.fixations()["label"] == [1, None, CANNOT_TELL_ID]


def test_renaming_and_merging_labels_keeps_every_label(store):
    add(store), add(store, frame=4, label="tablet-left")
    store.act({"op": "fixation.label", "fixation": 1, "label": "book"}, "ada")
    store.act({"op": "label.update", "label": "book", "name": "BOOK"}, "ada")  # the same but for case
    store.act({"op": "label.update", "label": "BOOK", "name": "book"}, "ada")
    store.act(
        {"op": "label.update", "label": "book", "name": "atlas", "colour": "#ABCDEF", "key": "b"}, "ada"
    )
    assert store.labels()[2] | {"supercategory": ""} == {
        "id": 3, "name": "atlas", "colour": "#abcdef", "group": "", "key": "b", "supercategory": "",
    }  # fmt: skip
    assert store.frame(3)["boxes"][0]["label"] == 3 and store.fixations()["label"][0] == 3
    store.act({"op": "label.merge", "label": "atlas", "into": "tablet-right"}, "ada")
    assert [row["id"] for row in store.labels()] == [1, 2, 0, -1]
    assert store.frame(3)["boxes"][0]["label"] == 2 and store.fixations()["label"][0] == 2
    assert store.versions()[3] == 3  # those who look at the frame are told
    store.undo("ada")
    assert store.frame(3)["boxes"][0]["label"] == 3 and store.fixations()["label"][0] == 3
    with pytest.raises(ValueError, match="would have 2"):
        add(store, frame=4, label="atlas", box=[1, 1, 5, 5])
        store.act({"op": "label.merge", "label": "atlas", "into": "tablet-left"}, "ada")


def test_every_event_says_who_when_what_and_what_it_changed(store, monkeypatch):
    monkeypatch.setattr("gazekit.annotate.project.store._now", lambda: 1234)
    box = add(store)["box"]
    store.act({"op": "box.update", "id": box, "label": 1, "model_version": "v2"}, "bob", tab="t1")
    store.undo("bob", tab="t2")
    added, updated, undone = store.events(after=3)
    assert (added["author"], added["op"], added["frame"], added["t_unix_ms"]) == ("ada", "box.add", 3, 1234)
    assert added["payload"] == {"op": "box.add", "frame": 3, "label": "book", "box": BOX}
    ((table, key, before, after),) = updated["changes"]
    assert (table, key, before["label"], before["author"], after["label"], after["author"]) == (
        "boxes",
        box,
        3,
        "ada",
        1,
        "bob",
    )
    assert (updated["tab"], updated["model_version"], updated["frames"]) == ("t1", "v2", [3])
    assert (undone["op"], undone["undoes"], undone["author"], undone["tab"]) == (
        "undo",
        updated["id"],
        "bob",
        "t2",
    )
    assert undone["changes"] == [["boxes", box, after, before]]
    assert [e["id"] for e in store.events(after=1, limit=2)] == [2, 3]
    stats = store.stats()
    assert stats["authors"] == {"ada": 4, "bob": 2} and stats["boxes_by_source"] == {"manual": 1}


def test_nobody_can_change_or_remove_an_event(store):
    for statement in ("UPDATE events SET author = 'eve'", "DELETE FROM events"):
        with pytest.raises(Exception, match="an event is never"):
            store._db.execute(statement)


def test_every_action_of_the_contract_is_there():
    assert {
        "box.add",
        "box.update",
        "box.delete",
        "boxes.copy_next",
        "track.delete",
        "track.interpolate",
    } <= set(OPS)
    assert {"boxes.put", "frame.confirm", "fixation.label", "fixation.confirm"} <= set(OPS)
    assert {"label.add", "label.update", "label.merge"} <= set(OPS)


def test_files_that_are_no_store_are_told(tmp_path):
    (tmp_path / "text.sqlite").write_text("no database " * 1000)
    with pytest.raises(
        StoreError, match=r"text\.sqlite: it is damaged, or not a file of gazekit: put a copy back"
    ):
        Store(tmp_path / "text.sqlite")
    with pytest.raises(StoreError, match="no folder"):
        Store(tmp_path / "nowhere" / "p.sqlite")
    import sqlite3

    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE t (x)")
    other.commit()
    other.close()
    with pytest.raises(StoreError, match="not of an annotation project"):
        Store(tmp_path / "other.sqlite")
    store = Store(tmp_path / "newer.sqlite")
    store._db.execute("PRAGMA user_version = 2")
    store.close()
    with pytest.raises(StoreError, match="written in form 2"):
        Store(tmp_path / "newer.sqlite")


def test_a_closed_store_says_so(tmp_path):
    store = Store(tmp_path / "p.sqlite")
    store.close()
    with pytest.raises(StoreError, match="the project was closed"):
        store.frame(1)


def test_what_is_shown_is_confirmed_as_one_action(store):
    shown = [{"label": 3, "box": BOX, "score": 0.75}, {"label": 1, "box": [100, 20, 160, 80]}]
    bad = [*shown, {"label": 1, "box": [200, 20, 260, 80]}]  # of an exclusive label
    for boxes, text in (
        (bad, "would have 2"),
        ([{"label": 3}], "a box is"),
        ("all", "list"),
        ([[]], "objects"),
    ):
        with pytest.raises(ValueError, match=text):
            store.act({"op": "frame.confirm", "frame": 5, "boxes": boxes}, "ada")
        assert store.frame(5) == {"frame": 5, "version": 0, "confirmed": False, "boxes": []}
    store.act({"op": "frame.confirm", "frame": 5, "boxes": shown}, "ada")
    kept = [(b["label"], b["box"], b["source"], b["score"], b["keyframe"]) for b in store.frame(5)["boxes"]]
    assert kept == [(3, BOX, "confirmed", 0.75, True), (1, [100, 20, 160, 80], "confirmed", None, True)]
    store.undo("ada")
    assert store.frame(5)["boxes"] == [] and not store.frame(5)["confirmed"]
