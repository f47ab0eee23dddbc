"""Scores as text."""

import math

import pytest

from gazekit.base.scores import Scores
from gazekit.metrics.score import Score
from gazekit.report.table import across, down, left_out

NAN = math.nan


def entry(value: float, low: float = NAN, high: float = NAN, undefined: int = 0, n: int = 9) -> Score:
    return Score(value, low, high, n, undefined)


TABLE = {
    "oat": {"edit_distance": entry(1.23456, 1, 1.5), "sequence_score": entry(0.5)},
    "people": {"edit_distance": entry(NAN), "sequence_score": entry(0.25, 0.2, 0.3)},
}


def test_one_line_per_row():
    assert across(TABLE, ("edit_distance", "sequence_score")) == [
        "| row    | edit_distance        | sequence_score       |",
        "| ------ | -------------------- | -------------------- |",
        "| oat    | 1.235 [1.000, 1.500] | 0.500                |",
        "| people | undefined            | 0.250 [0.200, 0.300] |",
    ]


def test_one_line_per_column():
    assert down(TABLE, ["sequence_score", "edit_distance"]) == [
        "|                | oat                  | people               |",
        "| -------------- | -------------------- | -------------------- |",
        "| sequence_score | 0.500                | 0.250 [0.200, 0.300] |",
        "| edit_distance  | 1.235 [1.000, 1.500] | undefined            |",
    ]


def test_what_was_not_measured_is_empty_and_not_undefined():
    lines = across({"a": {"x": entry(0.5)}, "b": {"y": entry(NAN)}}, ["x", "y"])
    assert lines[2:] == ["| a   | 0.500 |           |", "| b   |       | undefined |"]


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (entry(123.456, 99.5, 150), "123.5 [99.5, 150]"),
        (entry(-1234.5), "-1234"),
        (entry(99.9996), "100.000"),
        (entry(-math.inf), "-inf"),
        (entry(0.0004, -0.0004, 0.001), "0.000 [-0.000, 0.001]"),
    ],
)
def test_large_small_and_infinite_numbers(score, text):
    assert across({"a": {"x": score}}, ["x"])[2].split("|")[2].strip() == text


def test_what_has_no_value_is_told_with_the_reason():
    table = {
        "oat": {"score": entry(0.5, undefined=1, n=8), "delta": entry(0.1)},
        "people": {"score": entry(0.5), "delta": entry(NAN, undefined=9, n=0)},
    }
    reasons = {
        ("people", "delta"): "0 by construction",
        ("people", "gain"): "not measured: people gives no gain",
    }
    assert left_out(Scores(table, reasons)) == [
        "oat: score: 1 of 9 undefined",
        "people: delta: 9 of 9 undefined (0 by construction)",
        "people: gain: not measured: people gives no gain",
    ]


def test_rows_and_columns_that_lack_the_same_share_a_line():
    lost = entry(NAN, undefined=4, n=0)
    table = {row: {"a": lost, "b": lost} for row in ("one", "two")}
    table["three"] = {"a": lost, "b": entry(1)}
    assert left_out(Scores(table)) == [
        "one, two: a, b: 4 of 4 undefined",
        "three: a: 4 of 4 undefined",
    ]


def test_nothing_is_told_of_a_complete_table():
    assert left_out(Scores({"a": {"x": entry(1)}, "b": {"y": entry(1)}})) == []
    # a reason for what has a value everywhere is no news
    assert left_out(Scores({"a": {"x": entry(1)}}, {("a", "x"): "why"})) == []
