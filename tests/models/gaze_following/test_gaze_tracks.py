"""People keep their numbers: on two real tracks, shuffled, with frames left out, and where they cross."""

import csv

import numpy as np
import pytest

from gazekit.models.gaze_following.tracks import Tracks


@pytest.fixture(scope="module")
def people(shared_data) -> np.ndarray:
    """[101, 2, 4] head boxes of two people."""
    tracks = []
    for name in ("person1.txt", "person2.txt"):
        with (shared_data / "gaze_following_demo_boxes" / name).open() as file:
            tracks.append([[float(x) for x in row[1:]] for row in csv.reader(file)])
    return np.array(tracks).transpose(1, 0, 2)


def numbers_of(boxes: np.ndarray, seen: np.ndarray | None = None, max_gap: int = 15) -> np.ndarray:
    """[F, P] the number that each person got; 0 where not seen. Boxes come in a random order."""
    rng = np.random.default_rng(0)
    seen = np.ones(boxes.shape[:2], bool) if seen is None else seen
    tracks, numbers = Tracks(max_gap), np.zeros(boxes.shape[:2], int)
    for frame, (of_frame, visible) in enumerate(zip(boxes, seen, strict=True)):
        order = rng.permutation(np.flatnonzero(visible))
        numbers[frame, order] = tracks.update(of_frame[order], frame)
    return numbers


def switches(numbers: np.ndarray) -> int:
    """How often a person's number differs from that of the frame before in which the person was seen."""
    return sum(int((np.diff(person[person > 0]) != 0).sum()) for person in numbers.T)


def test_two_real_people(people):
    numbers = numbers_of(people)
    assert switches(numbers) == 0
    assert set(numbers[:, 0]) == {1} and set(numbers[:, 1]) == {2}  # from left to right


def test_frames_left_out(people):
    seen = np.random.default_rng(1).random(people.shape[:2]) > 0.4
    assert switches(numbers_of(people, seen)) == 0


def test_a_gap_that_is_too_long_begins_a_new_track(people):
    seen = np.ones(people.shape[:2], bool)
    seen[20:30, 0] = False
    assert switches(numbers_of(people, seen)) == 0
    numbers = numbers_of(people, seen, max_gap=9)
    assert switches(numbers) == 1 and numbers[30, 0] == 3 and set(numbers[:, 1]) == {2}


def crossing(people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two heads of one size: one walks to the right, one to the left, and neither is seen while they pass."""
    walk = np.arange(len(people))[:, None] * [12.0, 0.0, 12.0, 0.0]
    alike = people[:, :1] + np.array([[0.0] * 4, [600.0, 9.0, 600.0, 9.0]])
    boxes = alike + np.stack([walk, -walk], 1)
    seen = np.ones(boxes.shape[:2], bool)
    seen[21:30] = False
    assert boxes[20, 0, 0] < boxes[20, 1, 0] and boxes[30, 0, 0] > boxes[30, 1, 0]
    return boxes, seen


@pytest.mark.parametrize("drop", [0.0, 0.2])
def test_people_who_cross(people, drop):
    boxes, hidden = crossing(people)
    seen = np.random.default_rng(2).random(boxes.shape[:2]) >= drop
    assert switches(numbers_of(boxes, seen)) == 0
    assert switches(numbers_of(boxes, seen & hidden)) == 0


def test_the_crossing_needs_the_velocity(people, monkeypatch):
    """A tracker that expects people to stand still exchanges them."""
    monkeypatch.setattr("gazekit.models.gaze_following.tracks.NEW_VELOCITY", 0.0)
    assert switches(numbers_of(*crossing(people))) == 2


def test_one_frame_only_and_nobody():
    tracks = Tracks()
    assert tracks.update(np.zeros((0, 4)), 0) == []
    assert tracks.update(np.array([[0, 0, 10, 10]]), 1) == [1]
    assert tracks.update(np.zeros((0, 4)), 2) == []
    assert tracks.update(np.array([[100, 100, 110, 110], [300, 0, 310, 10]]), 3) == [2, 3]
    with pytest.raises(ValueError, match="frame 3 is not later"):
        tracks.update(np.zeros((0, 4)), 3)


def test_numbers_do_not_depend_on_the_order_of_boxes():
    boxes = np.array([[x, 0, x + 10, 10] for x in (50.0, 0.0, 200.0)])
    assert Tracks().update(boxes, 0) == [2, 1, 3]
    assert Tracks().update(boxes[::-1], 0) == [3, 1, 2]
