"""Undo and redo against a plain model, over restarts, and between people; and the state as the sum of its events."""

import itertools
import tempfile
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.annotate.project.schema import COLUMNS
from gazekit.annotate.project.store import Conflict, Store

FRAMES = 6
START = ("mug-left", "mug-right", "plant")

frames, tracks = st.integers(0, FRAMES - 1), st.integers(1, 4)
names = st.sampled_from(["mug-left", "mug-right", "plant", "lamp"])
plain_names = st.sampled_from(["plant", "lamp"])
boxes = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda p: [p[0], p[1], p[0] + 9, p[1] + 7])
steps = st.one_of(
    st.tuples(st.just("add"), frames, names, boxes, st.none() | tracks),
    st.tuples(st.just("move"), frames, tracks, boxes),
    st.tuples(st.just("name"), frames, tracks, names),
    st.tuples(st.just("delete"), frames, tracks),
    st.tuples(st.just("copy"), frames),
    st.tuples(st.just("drop track"), tracks),
    st.tuples(st.just("between"), tracks, frames, frames),
    st.tuples(st.just("confirm"), frames),
    st.tuples(st.just("answer"), st.integers(1, 3), names),
    st.tuples(st.just("new label"), names),
    st.tuples(st.just("rename"), plain_names, plain_names),
    st.tuples(st.just("merge"), names, names),
    st.tuples(st.just("find"), frames, tracks, names, boxes),
    st.just(("undo",)),
    st.just(("undo",)),
    st.just(("redo",)),
    st.just(("reopen",)),
)


class Plain:
    """The same in dictionaries: what a person would write down. `do` says whether it can be done."""

    def __init__(self):
        self.labels, self.boxes, self.confirmed, self.answers = set(START), {}, set(), {}
        self.past, self.future, self.tracks = [], [], 0

    def state(self):
        return self.labels, self.boxes, self.confirmed, self.answers

    def do(self, what, *told):
        if what in ("undo", "redo"):
            source, target = (self.past, self.future) if what == "undo" else (self.future, self.past)
            if source:
                target.append(deepcopy(self.state()))
                self.labels, self.boxes, self.confirmed, self.answers = source.pop()
            return
        before = deepcopy(self.state())
        if not getattr(self, what.replace(" ", "_"))(*told) or self.twins():
            self.labels, self.boxes, self.confirmed, self.answers = before
            return
        self.future.clear()
        if before != self.state():
            self.past.append(before)

    def twins(self):
        exclusive = [(frame, b[0]) for (_, frame), b in self.boxes.items() if b[0].startswith("mug")]
        return len(set(exclusive)) < len(exclusive)

    def add(self, frame, name, box, track):
        if track is None:
            self.tracks += name in self.labels  # the number is used up only if the action is done
            track = self.tracks
        elif not any(t == track for t, _ in self.boxes):
            return False
        if (track, frame) in self.boxes or name not in self.labels:
            return False
        self.boxes[track, frame] = (name, box, "manual", True)
        if self.twins():
            self.tracks -= track == self.tracks and not any(t == track for t, f in self.boxes if f != frame)
        return True

    def move(self, frame, track, box):
        if (there := self.boxes.get((track, frame))) is None:
            return False
        self.boxes[track, frame] = (there[0], box, "manual", True)
        return True

    def name(self, frame, track, name):
        if (there := self.boxes.get((track, frame))) is None or name not in self.labels:
            return False
        if name.startswith("mug") and there[0].startswith("mug") and name != there[0]:
            for key, box in self.boxes.items():
                if key[1] == frame and box[0] == name:
                    self.boxes[key] = (there[0], box[1], "manual", True)
        self.boxes[track, frame] = (name, there[1], "manual", True)
        return True

    def delete(self, frame, track):
        return self.boxes.pop((track, frame), None) is not None

    def copy(self, frame):
        if frame + 1 >= FRAMES:
            return False
        for (track, at), box in list(self.boxes.items()):
            there = self.boxes.get((track, frame + 1))
            if at == frame and (there is None or there[2] == "propagated"):
                self.boxes[track, frame + 1] = (box[0], box[1], "manual", True)
        return True

    def drop_track(self, track):
        gone = [key for key in self.boxes if key[0] == track]
        for key in gone:
            del self.boxes[key]
        return bool(gone)

    def between(self, track, first, last):
        if first >= last or not {(track, first), (track, last)} <= set(self.boxes):
            return False
        keys = [
            f
            for f in range(first, last + 1)
            if (track, f) in self.boxes and (self.boxes[track, f][3] or f in (first, last))
        ]
        for a, b in itertools.pairwise(keys):
            left, right = self.boxes[track, a], self.boxes[track, b]
            for frame in set(range(a + 1, b)) - self.confirmed:
                share = (frame - a) / (b - a)
                box = [round(x + share * (y - x), 2) for x, y in zip(left[1], right[1], strict=True)]
                self.boxes[track, frame] = (left[0], box, left[2], False)
        return True

    def confirm(self, frame):
        self.confirmed.add(frame)
        for key, box in self.boxes.items():
            if key[1] == frame:
                self.boxes[key] = (box[0], box[1], "manual" if box[2] == "manual" else "confirmed", True)
        return True

    def answer(self, fixation, name):
        if name not in self.labels:
            return False
        self.answers[fixation] = name
        return True

    def new_label(self, name):
        if name in self.labels:
            return False
        self.labels.add(name)
        return True

    def rename(self, old, new):
        if old not in self.labels or (new in self.labels and new != old):
            return False
        self._becomes(old, new)
        return True

    def merge(self, old, new):
        if not {old, new} <= self.labels or old == new:
            return False
        self._becomes(old, new)
        return True

    def _becomes(self, old, new):
        self.labels = self.labels - {old} | {new}
        self.boxes = {key: (new if b[0] == old else b[0], *b[1:]) for key, b in self.boxes.items()}
        self.answers = {key: new if name == old else name for key, name in self.answers.items()}

    def find(self, frame, track, name, box):
        if name not in self.labels:
            return False
        there = self.boxes.get((track, frame))
        double = name.startswith("mug") and any(
            f == frame and b[0] == name and t != track for (t, f), b in self.boxes.items()
        )
        self.tracks = max(self.tracks, track) if frame not in self.confirmed else self.tracks
        if frame not in self.confirmed and (there is None or there[2] == "propagated") and not double:
            self.boxes[track, frame] = (name, box, "propagated", False)
        return True


def action_of(store, what, *told):
    """The action of a step; None for one that has none to be tried."""
    ids = {(b["track"], b["frame"]): b["id"] for b in store.boxes()}
    match what, *told:
        case "add", frame, name, box, track:
            return {"op": "box.add", "frame": frame, "label": name, "box": box, "track": track}
        case "move", frame, track, box:
            return {"op": "box.update", "id": ids.get((track, frame)), "box": box}
        case "name", frame, track, name:
            return {"op": "box.update", "id": ids.get((track, frame)), "label": name}
        case "delete", frame, track:
            return {"op": "box.delete", "id": ids.get((track, frame))}
        case "copy", frame:
            return {"op": "boxes.copy_next", "frame": frame}
        case "drop track", track:
            return {"op": "track.delete", "track": track}
        case "between", track, first, last:
            return {"op": "track.interpolate", "track": track, "first": first, "last": last}
        case "confirm", frame:
            return {"op": "frame.confirm", "frame": frame}
        case "answer", fixation, name:
            return {"op": "fixation.label", "fixation": fixation, "label": name}
        case "new label", name:
            return {"op": "label.add", "name": name}
        case "rename", old, new:
            return {"op": "label.update", "label": old, "name": new}
        case "merge", old, new:
            return {"op": "label.merge", "label": old, "into": new}
        case "find", frame, track, name, box:
            found = {"frame": frame, "track": track, "label": name, "box": box}
            return {"op": "boxes.put", "boxes": [found], "source": "propagated"}


def opened(folder):
    store = Store(folder / "p.sqlite")
    store._db.execute("PRAGMA synchronous = OFF")  # what is on the disk after a crash is another test's
    if store.meta("n_frames") is None:
        store.describe({"n_frames": FRAMES}, [(i, 10.0 * i, 10.0 * i + 5, 5.0, 5.0, i) for i in (1, 2, 3)])
        for name in START:
            store.act({"op": "label.add", "name": name}, "setup")
    return store


def state_of(store):
    found = store.snapshot()
    names = {row["id"]: row["name"] for row in found["labels"]}
    boxes = {
        (b["track"], b["frame"]): (
            names[b["label"]], [b[s] for s in ("x_min", "y_min", "x_max", "y_max")], b["source"], bool(b["keyframe"]),
        )
        for b in found["boxes"]
    }  # fmt: skip
    columns = store.fixations()
    answers = {
        i: names[label] for i, label in zip(columns["id"], columns["label"], strict=True) if label is not None
    }
    return {name for key, name in names.items() if key > 0}, boxes, set(found["confirmed"]), answers


def tables(store):
    return {table: sorted(map(tuple, store._db.execute(f"SELECT * FROM {table}"))) for table in COLUMNS}


def folded(store, start):
    """The state by its events alone: each row after put in the place of each row before."""
    state = {table: {row[0]: row for row in rows} for table, rows in start.items()}
    for event in store.events(limit=10**6):
        for table, key, before, after in event["changes"]:
            assert state[table].get(key) == (None if before is None else tuple(before.values()))
            state[table].pop(key, None)
            if after is not None:
                state[table][key] = tuple(after.values())
    return {table: sorted(rows.values()) for table, rows in state.items()}


@given(st.lists(steps, max_size=30))
@settings(deadline=None, max_examples=40)
def test_any_actions_and_undos_equal_a_plain_model_and_all_can_be_taken_back(todo):
    with tempfile.TemporaryDirectory() as name:
        store, plain = opened(Path(name)), Plain()
        start, empty = tables(store), Store(Path(name) / "empty.sqlite")
        for step in todo:
            if step[0] == "reopen":
                store.close()
                store = opened(Path(name))
                continue
            if step[0] in ("undo", "redo"):
                getattr(store, step[0])("ada")
            else:
                try:
                    store.act(action_of(store, *step), "ada")
                except ValueError:
                    pass
            plain.do(*step)
            assert state_of(store) == plain.state(), step
        assert folded(store, tables(empty)) == tables(store)
        store.close()
        store = opened(Path(name))
        while store.undo("ada"):
            pass
        assert tables(store) == start
        store.close()
        empty.close()


def test_what_changes_nothing_is_no_step_to_take_back(tmp_path, monkeypatch):
    times = itertools.count(1_000_000)
    monkeypatch.setattr("gazekit.annotate.project.store._now", lambda: next(times))
    with opened(tmp_path) as store:
        made = store.act({"op": "box.add", "frame": 0, "label": "mug-left", "box": [0, 0, 9, 7]}, "ada")
        was = store.frame(0)["boxes"]
        store.act({"op": "box.update", "id": made["box"], "box": [0, 0, 9, 7]}, "ada")
        store.act({"op": "fixation.label", "fixation": 1, "label": "mug-left"}, "ada")
        store.act({"op": "fixation.label", "fixation": 1, "label": "mug-left"}, "ada")
        assert store.frame(0)["boxes"] == was
        assert store.undo("ada")["op"] == "fixation.label"
        assert store.undo("ada")["op"] == "box.add"


@given(st.lists(st.tuples(st.sampled_from(["ada", "bob"]), steps), max_size=30))
@settings(deadline=None, max_examples=30)
def test_two_people_never_take_back_what_the_other_has_built_on_and_together_all(todo):
    with tempfile.TemporaryDirectory() as name:
        store = opened(Path(name))
        start, empty = tables(store), Store(Path(name) / "empty.sqlite")
        for author, step in todo:
            before = tables(store)
            try:
                if step[0] in ("undo", "redo"):
                    getattr(store, step[0])(author)
                elif step[0] != "reopen":
                    store.act(action_of(store, *step), author)
            except (ValueError, Conflict):
                assert tables(store) == before
        assert folded(store, tables(empty)) == tables(store)
        left = True
        while left:
            left = False
            for author in ("ada", "bob"):
                try:
                    left = store.undo(author) is not None or left
                except Conflict:
                    pass
        assert tables(store) == start
        store.close()
        empty.close()


@pytest.fixture
def store(tmp_path):
    with opened(tmp_path) as store:
        yield store


def add(store, author, frame=1, name="plant", x=0):
    return store.act({"op": "box.add", "frame": frame, "label": name, "box": [x, 0, x + 9, 9]}, author)["box"]


def test_undo_passes_over_what_somebody_else_has_changed_and_says_so_if_nothing_is_left(store):
    first = add(store, "ada")
    second = add(store, "ada", x=20)
    store.act({"op": "box.update", "id": second, "box": [30, 0, 39, 9]}, "bob")
    assert store.undo("ada")["op"] == "box.add"
    assert [b["id"] for b in store.frame(1)["boxes"]] == [second] and first != second
    with pytest.raises(Conflict, match=r"undo of box\.add .* boxes 2: changed by bob since"):
        store.undo("ada")
    store.undo("bob")
    assert store.undo("ada")["op"] == "box.add" and store.frame(1)["boxes"] == []
    assert store.undo("ada") is None and store.undo("nobody") is None


def test_a_label_in_use_by_another_stays(store):
    store.act({"op": "label.add", "name": "lamp"}, "ada")
    add(store, "bob", name="lamp")
    with pytest.raises(Conflict, match="its label is in use in boxes"):
        store.undo("ada")
    assert store.frame(1)["boxes"][0]["label"] == 4


def test_a_deleted_box_does_not_come_back_beside_its_successor(store):
    box = add(store, "ada", name="mug-left")
    store.act({"op": "box.delete", "id": box}, "ada")
    add(store, "bob", name="mug-left", x=50)
    with pytest.raises(Conflict, match="would have 2 boxes of 'mug-left'"):
        store.undo("ada")
    assert len(store.frame(1)["boxes"]) == 1


def test_an_action_after_an_undo_ends_redo(store):
    add(store, "ada")
    store.undo("ada")
    assert store.redo("ada")["op"] == "box.add" and store.redo("ada") is None
    store.undo("ada")
    add(store, "bob", x=20)
    assert store.redo("ada") is not None  # another's action doesn't
    store.undo("ada")
    store.act({"op": "frame.confirm", "frame": 2}, "ada")
    assert store.redo("ada") is None


def test_what_another_has_confirmed_too_stays_confirmed(store):
    add(store, "carl")
    store.act({"op": "frame.confirm", "frame": 1}, "ada")
    store.act({"op": "frame.confirm", "frame": 1}, "bob")
    with pytest.raises(Conflict, match="by bob"):
        store.undo("ada")
    assert store.frame(1)["confirmed"]
    assert store.undo("bob")["op"] == "frame.confirm" and store.frame(1)["confirmed"]
    assert store.undo("ada")["op"] == "frame.confirm" and not store.frame(1)["confirmed"]


def test_one_action_is_taken_back_whatever_was_done_since(store):
    store.act({"op": "label.add", "name": "book"}, "ada")
    first, second = (
        store.act({"op": "box.add", "frame": frame, "label": "book", "box": [1, 1, 9, 9]}, "ada")
        for frame in (1, 2)
    )
    assert store.undo("bob", event=first["event"]) is None  # another's
    assert store.undo("ada", event=first["event"])["undoes"] == first["event"]
    assert store.frame(1)["boxes"] == [] and len(store.frame(2)["boxes"]) == 1
    assert store.undo("ada", event=first["event"]) is None  # once
    assert store.undo("ada")["undoes"] == second["event"]
    again = store.act({"op": "box.add", "frame": 1, "label": "book", "box": [1, 1, 9, 9]}, "ada")
    store.act({"op": "box.update", "id": again["box"], "box": [2, 2, 9, 9]}, "bob")
    with pytest.raises(Conflict):
        store.undo("ada", event=again["event"])
