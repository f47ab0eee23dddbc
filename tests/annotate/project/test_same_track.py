"""A thing that is drawn twice under one label is one track, so that the frames between can be filled."""

import pytest

from gazekit.annotate.project.store import Store

BOX = [0, 0, 10, 10]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "project.sqlite") as store:
        store.describe({"n_frames": 100, "size_px": [320, 240]})
        for name in ("book", "cup"):
            store.act({"op": "label.add", "name": name}, "ada")
        yield store


def draw(store, frame, label="book", track="same", box=BOX):
    number = store.act({"op": "box.add", "frame": frame, "label": label, "box": box, "track": track}, "ada")[
        "box"
    ]
    return next(row["track"] for row in store.frame(frame)["boxes"] if row["id"] == number)


def test_the_only_track_of_a_label_goes_on(store):
    assert [draw(store, frame) for frame in (10, 20, 5)] == [1, 1, 1]
    assert draw(store, 20, "cup") == 2
    store.act({"op": "track.interpolate", "track": 1, "first": 10, "last": 20}, "ada")
    assert [box["box"] for box in store.frame(15)["boxes"]] == [BOX]


def test_a_second_box_in_the_frame_is_another_thing_and_ends_the_guess(store):
    assert [draw(store, 10), draw(store, 10), draw(store, 20)] == [1, 2, 3]


def test_a_frame_in_which_the_track_has_another_label_gets_a_new_one(store):
    draw(store, 10)
    changed = draw(store, 20)
    key = store.frame(20)["boxes"][0]["id"]
    store.act({"op": "box.update", "id": key, "label": "cup"}, "ada")
    assert changed == 1 and draw(store, 20) == 2


def test_other_words_are_no_track(store):
    for track in ("other", "", -1, 0, 1.5, True, [1]):
        with pytest.raises(ValueError, match="track must be a whole number"):
            draw(store, 1, track=track)


def test_what_is_missing_between_two_boxes_is_said(store):
    draw(store, 10)
    with pytest.raises(
        ValueError, match=r"track 1 has no box in frame 30\. .* draw the object with the same label"
    ):
        store.act({"op": "track.interpolate", "track": 1, "first": 10, "last": 30}, "ada")
    with pytest.raises(ValueError, match="has no box in frame 5"):
        store.act({"op": "track.interpolate", "track": 1, "first": 5, "last": 10}, "ada")
    with pytest.raises(ValueError, match="last must be a later frame than first, got 10 and 10"):
        store.act({"op": "track.interpolate", "track": 1, "first": 10, "last": 10}, "ada")
