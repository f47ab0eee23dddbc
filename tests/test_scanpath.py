import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.scanpath import Fixation, Ragged, Scanpath


def test_iterates_over_fixations():
    path = Scanpath([[1, 2], [3, 4]], [100, 250], observer="a")
    assert len(path) == 2
    assert list(path) == [Fixation(1.0, 2.0, 100.0), Fixation(3.0, 4.0, 250.0)]
    assert path[-1].y_px == 4.0
    assert Scanpath([[1, 2]])[0] == Fixation(1.0, 2.0, None)
    assert path.xy_px.dtype == path.duration_ms.dtype == np.float64


def test_nobody_looked():
    empty = Scanpath([])
    assert empty.xy_px.shape == (0, 2)
    assert list(empty) == []
    assert len(Scanpath([], []).duration_ms) == 0


@pytest.mark.parametrize(
    ("xy", "duration", "message"),
    [
        ([[1, 2, 3]], None, r"xy_px must have shape \[T, 2\], got \[1, 3\]"),
        ([1, 2], None, r"xy_px must have shape \[T, 2\], got \[2\]"),
        ([[1, 2], [math.nan, 2]], None, "fixation 1 has a position that is not finite"),
        ([[1, math.inf]], None, "fixation 0 has a position that is not finite"),
        ([[1, 2]], [1, 2], "duration_ms has 2 values for 1 fixations"),
        ([[1, 2], [1, 2]], [1, -2], "fixation 1 has duration_ms -2.0"),
        ([[1, 2]], [math.nan], "fixation 0 has duration_ms nan, expected a finite value >= 0"),
    ],
)
def test_broken_fixations_are_refused(xy, duration, message):
    with pytest.raises(ValueError, match=message):
        Scanpath(xy, duration)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(-5, 5), max_size=6), min_size=1, max_size=6))
def test_padding_and_back(sequences):
    ragged = Ragged.from_list(sequences, torch.long)
    longest = max(map(len, sequences))
    assert ragged.values.shape == ragged.mask.shape == (len(sequences), longest)
    assert [t.tolist() for t in ragged.to_list()] == sequences
    assert ragged.lengths.tolist() == list(map(len, sequences))
    assert (ragged.values[~ragged.mask] == 0).all()
    assert (ragged.mask.int().diff(dim=1) <= 0).all()  # padding at the end


def test_padding_keeps_items_and_type():
    ragged = Ragged.from_list([np.ones((2, 4)), np.zeros((0, 4)), np.full((3, 4), 2.0)], torch.float32)
    assert ragged.values.shape == (3, 3, 4)
    assert ragged.values.dtype == torch.float32
    assert ragged.lengths.tolist() == [2, 0, 3]
    assert [tuple(t.shape) for t in ragged.to_list()] == [(2, 4), (0, 4), (3, 4)]


def test_no_sequences():
    ragged = Ragged.from_list([], torch.long)
    assert ragged.values.shape == (0, 0)
    assert ragged.mask.dtype == torch.bool
    assert ragged.to_list() == []


def test_several_leading_dimensions_are_flattened():
    values = torch.arange(12).view(2, 2, 3)
    mask = torch.arange(3) < torch.tensor([[3, 1], [0, 2]])[..., None]
    ragged = Ragged(values, mask)
    assert ragged.lengths.tolist() == [[3, 1], [0, 2]]
    assert [t.tolist() for t in ragged.to_list()] == [[0, 1, 2], [3], [], [9, 10]]
    moved = ragged.to("meta")
    assert moved.values.device.type == moved.mask.device.type == "meta"
