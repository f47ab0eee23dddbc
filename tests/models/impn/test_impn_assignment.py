"""Labels of boxes: exclusivity against brute force, doubles, names of look-alikes."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.models.impn.assignment import (
    check_groups,
    exclusive_labels,
    labels_of_frames,
    look_alike_groups,
)


def best_by_trying(log_p, exclusive):
    columns = range(log_p.shape[1])
    allowed = (
        labels
        for labels in itertools.product(columns, repeat=len(log_p))
        if all(labels.count(label) <= 1 for label in exclusive)
    )
    return max(sum(float(log_p[i, c]) for i, c in enumerate(labels)) for labels in allowed)


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(0, 5),
    seed=st.integers(0, 10**6),
    exclusive=st.sets(st.integers(0, 3), max_size=4),
)
def test_exclusive_labels_are_the_best_of_all(count, seed, exclusive):
    log_p = torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)).log_softmax(1)
    labels = exclusive_labels(log_p, sorted(exclusive))
    assert all((labels == label).sum() <= 1 for label in exclusive)
    total = float(log_p[torch.arange(count), labels].sum())
    assert total == pytest.approx(best_by_trying(log_p, exclusive), abs=1e-5)


def apart(count):
    left = 50.0 * torch.arange(count)
    return torch.stack([left, left * 0, left + 20, left * 0 + 20], 1)


def test_frames_together_equal_frames_alone():
    draw = torch.Generator().manual_seed(0)
    counts = [0, 4, 1, 6, 3]
    log_p = torch.randn(sum(counts), 5, generator=draw).log_softmax(1)
    boxes = torch.cat([apart(count) for count in counts])
    frame = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    rows, labels = labels_of_frames(boxes, log_p, frame, [(0, 1), (2, 3)])
    expected, first = torch.full((sum(counts),), 4), 0
    for count in counts:
        expected[first : first + count] = exclusive_labels(log_p[first : first + count], [0, 1, 2, 3])
        first += count
    assert torch.equal(rows, (expected != 4).nonzero()[:, 0])
    assert torch.equal(labels, expected[rows])


def test_a_thing_found_twice_is_one_thing():
    boxes = torch.tensor([[0.0, 0, 20, 20], [1.0, 0, 21, 20], [100.0, 0, 120, 20]])
    p = torch.tensor([[0.6, 0.3, 0.05, 0.05], [0.3, 0.5, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]])
    frame = torch.zeros(3, dtype=torch.long)
    rows, labels = labels_of_frames(boxes, p.log(), frame, [(0, 1)])  # left here cannot be right here
    assert rows.tolist() == [0, 2] and labels.tolist() == [0, 2]
    rows, labels = labels_of_frames(boxes, p.log(), frame, [])  # unlike things may overlap
    assert rows.tolist() == [0, 1, 2] and labels.tolist() == [0, 1, 2]


def test_the_second_left_thing_is_right_or_nothing():
    p = torch.tensor([[0.9, 0.05, 0.05], [0.6, 0.3, 0.1]])
    rows, labels = labels_of_frames(apart(2), p.log(), torch.zeros(2).long(), [(0, 1)])
    assert rows.tolist() == [0, 1] and labels.tolist() == [0, 1]
    p = torch.tensor([[0.9, 0.05, 0.05], [0.6, 0.1, 0.3]])
    rows, labels = labels_of_frames(apart(2), p.log(), torch.zeros(2).long(), [(0, 1)])
    assert rows.tolist() == [0] and labels.tolist() == [0]


def test_look_alikes_are_known_by_name():
    names = [
        "Left hand",
        "tablet_left",
        "book",
        "tablet_right",
        "right hand",
        "lefty",
        "leftover",
        "copyright",
    ]
    assert look_alike_groups(names) == [[0, 4], [1, 3]]
    assert look_alike_groups(["tablet-left"]) == []


@pytest.mark.parametrize("groups", [[[0, 3]], [[0, 1], [1, 2]], [[-1]], [[1, 1]]])
def test_bad_groups_are_refused(groups):
    with pytest.raises(ValueError, match="exclusive must hold labels 0 to 2, each once"):
        check_groups(groups, 3)
