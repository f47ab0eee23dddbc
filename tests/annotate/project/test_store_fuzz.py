"""Whatever a page or a program sends is done, or refused in words; and a refused action has changed nothing."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.annotate.project.store import OPS, Conflict, Store

odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        [0, 1, 2, 3, -1, 2**53, 2**63, 10**30, "mug", "\ud800", "a\0b", "manual", "predicted", "#12345g"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
box = st.one_of(odd, st.just([1, 1, 9, 9]), st.lists(st.floats(), min_size=4, max_size=4))
entry = st.fixed_dictionaries(
    {}, optional={"frame": st.integers(0, 4) | odd, "label": st.just("mug") | odd, "box": box, "score": odd,
                  "track": st.just(1) | odd, "source": st.just("manual") | odd, "keyframe": odd},
)  # fmt: skip
FIELDS = {
    "boxes": st.lists(entry, max_size=3) | odd,
    "labels": st.lists(
        st.fixed_dictionaries({"name": st.text(max_size=3) | odd}, optional={"group": odd}), max_size=2
    )
    | odd,
    "answers": st.lists(
        st.fixed_dictionaries({"fixation": st.just(1) | odd, "label": odd, "source": odd}), max_size=2
    )
    | odd,
    "box": box,
}


@st.composite
def actions(draw):
    op = draw(st.sampled_from(list(OPS)))
    names = ["frame", "base_version", "model_version", "nonce", *OPS[op][1].split()]
    action = {name: draw(FIELDS.get(name, odd)) for name in names if draw(st.integers(0, 3))}
    for name, value in (("frame", 1), ("label", "mug"), ("id", 1), ("track", 1), ("fixation", 1)):
        if name in names and draw(st.booleans()):
            action[name] = value
    return {"op": op, **action}


@given(st.lists(actions(), min_size=1, max_size=15), st.text(max_size=3) | odd)
@settings(deadline=None, max_examples=50)
def test_any_action_is_done_or_refused_in_words(todo, author):
    with tempfile.TemporaryDirectory() as name, Store(Path(name) / "p.sqlite") as store:
        store._db.execute("PRAGMA synchronous = OFF")
        store.describe({"n_frames": 5, "size_px": [50, 40]}, [(1, 0.0, 9.0, 5.0, 5.0, 1)])
        store.act({"op": "label.add", "name": "mug"}, "ada")
        store.act({"op": "box.add", "frame": 1, "label": "mug", "box": [1, 1, 9, 9]}, "ada")
        for action, who in [*((action, "ada") for action in todo), (todo[0], author)]:
            before, events = store.snapshot(), store.stats()["events"]
            try:
                answer = store.act(action, who)
            except (ValueError, Conflict) as error:
                assert str(error)
                assert (store.snapshot(), store.stats()["events"]) == (before, events)
            else:
                assert answer["event"] <= events + 1
            assert all(0 <= b["frame"] < 5 and b["x_min"] < b["x_max"] for b in store.boxes())
        while store.undo("ada"):
            pass
