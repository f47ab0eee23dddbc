"""What updates and propagation do for each frame or box must not grow with all that is labelled."""

import time
from types import SimpleNamespace

import pytest

from gazekit.annotate.model.truth import MOST_PROPAGATED, truth_of
from gazekit.annotate.project.store import Store
from gazekit.annotate.session.tracking import Tracking

BOX = {"label": 1, "box": [10, 10, 60, 60]}
FRAMES = 10_000


def labelled_frames(every):
    """A store's answers: a box in each frame, every so many by hand."""
    sides = {"x_min": 10.0, "y_min": 10.0, "x_max": 60.0, "y_max": 60.0}
    rows = [
        {"frame": f, "track": 1, "label": 1, "source": "propagated" if f % every else "manual"} | sides
        for f in range(FRAMES)
    ]
    names = ("frame", "x_px", "y_px", "label", "source")
    return SimpleNamespace(
        boxes=lambda: rows,
        confirmed_frames=lambda: [],
        versions=dict,
        fixations=lambda: {name: [] for name in names},
    )


def test_what_is_true_is_read_as_fast_with_many_frames_drawn_by_hand():
    assert len(truth_of(labelled_frames(10))) == FRAMES // 10 + MOST_PROPAGATED

    def seconds(every):
        store, start = labelled_frames(every), time.perf_counter()
        truth_of(store)
        return time.perf_counter() - start

    few, many = min(seconds(1000) for _ in range(3)), min(seconds(2) for _ in range(3))
    assert many - few < 0.4, (few, many)  # 0.1 s for 5,000 frames


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "p.sqlite") as store:
        store.describe({"n_frames": 100, "size_px": [320, 240]})
        store.act({"op": "label.add", "name": "book"}, "ada")
        for frame in (5, 20):
            store.act({"op": "box.add", "frame": frame, "track": "same", **BOX}, "ada")
        others = [{"frame": f, "track": track, "score": 0.9, **BOX} for f in range(50) for track in (8, 9)]
        store.act({"op": "boxes.put", "boxes": others, "source": "propagated"}, "model")
        yield store


def test_where_a_track_ends_is_asked_of_its_own_boxes(store):
    track, read = store.frame(5)["boxes"][0]["track"], []
    looked = SimpleNamespace(boxes=lambda *of: read.append(store.boxes(*of)) or read[-1])
    tracking = Tracking(SimpleNamespace(store=looked), None, None)
    assert tracking._end(track, 5, 90, 1) == 20
    assert tracking._end(track, 5, 10, 1) == 11 and tracking._end(track, 20, 0, -1) == 5
    assert [row["frame"] for row in read[0]] == [5, 20]
