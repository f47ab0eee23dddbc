"""metrics.json for programs, report.md for people."""

import json
import math

import pytest
import torch
from matplotlib.figure import Figure

from gazekit.base.scores import Scores
from gazekit.metrics.score import Score
from gazekit.report.files import read_table, text_of, write_files
from gazekit.report.table import across, down
from gazekit.versions import versions

NAN = math.nan


def made() -> Scores:
    whole = Score(0.5, 0.25, 0.75, 9, 0)
    return Scores(
        {
            "oat": {"gain": whole, "distance": Score(3.0, 2.5, 3.5, 8, 1), "delta.found": whole},
            "people": {"gain": Score(NAN, NAN, NAN, 0, 8), "distance": Score(-math.inf, NAN, math.inf, 9, 0)},
            "chance": {"delta.found": whole},
        },
        {("people", "gain"): "people give scanpaths, not probabilities"},
        {"oat": "A transformer.", "people": "Other people.", "nobody": "Is not in the table.", "chance": ""},
        {"gain": True, "distance": False, "delta.found": None},
        ["a note of a comparison"],
    )


def write(
    folder, scores=None, headline=("gain", "distance"), figures=None, notes=("3 trials filtered",)
) -> str:
    facts = {"data": {"name": "toy", "split": "test"}, "seed": 3}
    return write_files(folder, "OAT on toys", scores or made(), headline, facts, notes, figures or {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    figure = Figure()
    figure.add_subplot().plot([1, 2])
    write(folder, figures={"training": figure})
    return folder


@pytest.fixture(scope="module")
def record(folder) -> dict:
    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    return json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)


def test_every_score_has_the_same_facts(record):
    assert list(record["rows"]) == ["oat", "people", "chance"]
    for scores in record["rows"].values():
        for score in scores.values():
            assert list(score) == ["value", "low", "high", "n", "undefined"]
            assert isinstance(score["n"], int)
            assert isinstance(score["undefined"], int)


def test_undefined_numbers_become_null(record):
    people = record["rows"]["people"]
    assert people["gain"] == {"value": None, "low": None, "high": None, "n": 0, "undefined": 8}
    assert people["distance"]["value"] == "-inf"
    assert people["distance"]["high"] == "inf"
    assert record["rows"]["oat"]["distance"]["value"] == 3.0


def test_what_else_is_said(record):
    assert record["title"] == "OAT on toys"
    assert record["headline"] == ["gain", "distance"]
    assert (record["data"], record["seed"]) == ({"name": "toy", "split": "test"}, 3)
    assert record["notes"] == ["3 trials filtered"]
    assert set(record["versions"]) >= {"gazekit", "torch", "python"}
    assert record["higher_is_better"] == {"gain": True, "distance": False, "delta.found": None}
    assert record["reasons"] == {"people/gain": "people give scanpaths, not probabilities"}


def test_the_table_is_read_back(record):
    table = read_table(record)
    assert str(table) == str(made().table)  # as text, in which NaN equals NaN
    score = table["people"]["distance"]
    assert isinstance(score, Score)
    assert score.value == -math.inf


def test_versions_are_those_installed():
    assert versions()["torch"] == torch.__version__.split("+")[0] or versions()["torch"] == torch.__version__


def test_the_report_says_what_is_undefined_and_why(folder):
    text, scores = (folder / "report.md").read_text(), made()
    assert text.startswith("# OAT on toys\n\n| row ")
    main = {row: scores.table[row] for row in ("oat", "people")}  # chance has none of the main columns
    for line in across(main, ["gain", "distance"]):
        assert f"{line}\n" in text
    rest = {row: scores.table[row] for row in ("oat", "chance")}
    assert "## All other scores\n\n" + "\n".join(down(rest, ["delta.found"])) in text
    assert "95 % bootstrap intervals" in text
    assert "higher: gain; lower: distance; neither: delta.found." in text
    assert "- oat: A transformer.\n- people: Other people.\n" in text
    assert "Is not in the table" not in text
    assert "- chance:" not in text
    assert "- oat: distance: 1 of 9 undefined\n" in text
    assert "- people: gain: 8 of 8 undefined (people give scanpaths, not probabilities)\n" in text
    assert "- 3 trials filtered\n- a note of a comparison\n" in text


def test_the_report_shows_the_pictures_that_exist(folder):
    text = (folder / "report.md").read_text()
    for name in ("scores", "scores_2", "training"):
        assert f"![{name}](figures/{name}.png)" in text
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in folder.rglob("*") if p.is_file()) == sorted(
        ["metrics.json", "report.md", "scores.png", "scores_2.png", "training.png"]
    )


def test_report_of_a_complete_table(tmp_path):
    table = {"a": {"x": Score(0.5, 0.25, 0.75, 9, 0)}}
    write(tmp_path, Scores(table, higher_is_better={"x": True}), ["x"], notes=())
    text = (tmp_path / "report.md").read_text()
    assert "- nothing undefined\n" in text
    assert "All other scores" not in text
    assert "## Rows" not in text
    assert not (tmp_path / "figures" / "scores_2.png").exists()


def test_the_terminal_shows_the_same_tables(tmp_path):
    text = write(tmp_path)
    assert text == text_of(made(), ["gain", "distance"])
    lines = text.splitlines()
    assert lines[0].startswith("| row ")
    assert "" in lines
    assert any(line.startswith("| delta.found") for line in lines)
    assert text_of(made(), ["gain", "distance", "delta.found"]).count("\n\n") == 0


def test_an_interrupted_writing_leaves_the_old_numbers(tmp_path, monkeypatch):
    write(tmp_path)
    before = (tmp_path / "metrics.json").read_text()
    broken = made()
    broken.reasons[("oat", "gain")] = object()
    with pytest.raises(TypeError):
        write(tmp_path, broken)
    assert (tmp_path / "metrics.json").read_text() == before
