"""Times in order, exact milliseconds, rows with the very same time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.errors import RecordingError
from gazekit.recordings.clocks import in_order, rows_at, since_ms


@given(times=st.lists(st.integers(0, 30), max_size=20))
@settings(deadline=None, max_examples=50)
def test_sorted_rows_are_the_first_of_each_time(times: list[int]):
    table = pd.DataFrame({"t": np.array(times, np.int64), "row": range(len(times))})
    done, notes = in_order(table, "t", "file", "sort")
    first = {t: times.index(t) for t in sorted(set(times))}
    assert done["t"].tolist() == list(first) and done["row"].tolist() == list(first.values())
    assert bool(notes) == (done["row"].tolist() != list(range(len(times))))


@pytest.mark.parametrize(
    ("times", "text"), [([1, 2, 2.0], "time 2.0 in row 3"), ([1, np.nan, 3], "row 2 has no time")]
)
def test_times_that_do_not_increase_are_an_error(times: list[float], text: str):
    with pytest.raises(RecordingError, match=text):
        in_order(pd.DataFrame({"t": times}), "t", "file", "error")


def test_milliseconds_are_exact_where_a_float_of_nanoseconds_is_not():
    origin = 1760676788219000001
    assert since_ms(np.array([origin, origin + 1, origin - 2]), origin, "file").tolist() == [0, 1e-6, -2e-6]
    assert float(origin + 1) - float(origin) == 0  # the trap


@pytest.mark.parametrize("ns", [[-1], [2**63 - 1], [0, 10**18]])
def test_times_of_another_century_are_an_error(ns: list[int]):
    with pytest.raises(RecordingError, match="do not fit a recording"):
        since_ms(np.array(ns), 1760676788219000000, "file")


@given(times=st.sets(st.integers(0, 50)), wanted=st.lists(st.integers(-5, 60)))
@settings(deadline=None, max_examples=50)
def test_rows_at_a_time(times: set[int], wanted: list[int]):
    known = sorted(times)
    expected = [known.index(w) if w in times else -1 for w in wanted]
    assert rows_at(np.array(known, np.int64), np.array(wanted, np.int64)).tolist() == expected
