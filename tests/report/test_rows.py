import json
import math

import pytest
import torch

from gazekit.metrics.functional import PARTS
from gazekit.report.evaluation import TrialScores
from gazekit.report.files import REASONS, report_text, table_lines, write_metrics
from gazekit.report.rows import HEADLINE, Row, row
from gazekit.versions import versions

NAN = math.nan


def scores(**changes) -> TrialScores:
    """Four trials, two on image 0 and one each on images 1 and 2."""
    facts = {
        "gain_bits": [3.0, 1.0, 8.0, 0.0],
        "fixations": [2, 2, 4, 0],
        "gain_with_stop_bits": [4.0, 2.0, 9.0, 0.0],
        "outcomes": [3, 3, 5, 0],
        "sequence_score": [0.5, 0.25, 0.75, NAN],
        "edit_distance": [2.0, 4.0, 1.0, 5.0],
        "behaviour": [
            [1, 4, 0.5, 0.25, 0.25], [0, 4, 0.5, 0.25, 0.25], [1, 4, 0.5, 0.25, 0.25], [1, 4, 1, 0, 0],
        ],
        "human_behaviour": [
            [1, 2, 0.5, 0.5, 0], [0, 2, 0.5, 0, 0.5], [1, 2, 0.5, 0.25, 0.25], [0, 0, NAN, NAN, NAN],
        ],
        **changes,
    }  # fmt: skip
    return TrialScores(**{k: torch.tensor(v, dtype=torch.float64) for k, v in facts.items()})


IMAGE = torch.tensor([0, 0, 1, 2])


def new_row(values: TrialScores | None = None, n_resamples: int = 50, seed: int = 0) -> Row:
    return row(values or scores(), IMAGE, n_resamples, seed)


def test_every_metric_has_the_same_facts():
    made = new_row()
    assert set(HEADLINE) | set(PARTS) | {f"behaviour_delta_{part}" for part in PARTS} == set(made)
    for entry in made.values():
        assert list(entry) == ["value", "low", "high", "n", "undefined"]
        assert isinstance(entry["n"], int)
        assert isinstance(entry["undefined"], int)


def test_gain_is_a_mean_over_fixations_and_not_over_trials():
    made = new_row()
    gain, with_stop = made["information_gain_bits"], made["information_gain_with_stop_bits"]
    assert gain["value"] == pytest.approx(12 / 8)
    assert (gain["n"], gain["undefined"]) == (8, 0)
    assert with_stop["value"] == pytest.approx(15 / 11)
    assert with_stop["n"] == 11


def test_undefined_trials_are_counted_and_left_out():
    made = new_row()
    assert made["sequence_score"]["value"] == pytest.approx(0.5)
    assert (made["sequence_score"]["n"], made["sequence_score"]["undefined"]) == (3, 1)
    assert made["edit_distance"]["value"] == pytest.approx(3.0)
    assert (made["edit_distance"]["n"], made["edit_distance"]["undefined"]) == (4, 0)


def test_behaviour_is_compared_where_both_sides_define_it():
    made = new_row()
    # found and length of four trials, fractions of three: the fourth person fixated nothing
    assert made["found"]["value"] == pytest.approx(3 / 4)
    assert made["length"]["value"] == pytest.approx(4)
    assert made["search"]["value"] == pytest.approx(0.5)
    assert [made[part]["n"] for part in PARTS] == [4, 4, 3, 3, 3]
    assert [made[part]["undefined"] for part in PARTS] == [0, 0, 1, 1, 1]
    deviations = [abs(3 / 4 - 1 / 2) / (1 / 2), abs(4 - 1.5) / 1.5, 0, 0, 0]
    for part, deviation in zip(PARTS, deviations, strict=True):
        assert made[f"behaviour_delta_{part}"]["value"] == pytest.approx(deviation, abs=1e-12)
    assert made["behaviour_delta"]["value"] == pytest.approx(sum(deviations) / 5)
    assert (made["behaviour_delta"]["n"], made["behaviour_delta"]["undefined"]) == (3, 1)


def test_people_without_probabilities():
    made = new_row(scores(gain_bits=[NAN] * 4))
    gain = made["information_gain_bits"]
    assert all(math.isnan(gain[k]) for k in ("value", "low", "high"))
    assert (gain["n"], gain["undefined"]) == (0, 8)


def test_free_viewing_leaves_found_out_of_the_delta():
    def without_found(name):
        values = getattr(scores(), name).clone()
        values[:, 0] = NAN
        return values.tolist()

    names = ("behaviour", "human_behaviour")
    made = new_row(scores(**{name: without_found(name) for name in names}))
    assert math.isnan(made["found"]["value"])
    assert made["found"]["undefined"] == 4
    assert made["behaviour_delta"]["value"] == pytest.approx(2.5 / 1.5 / 4)
    assert made["behaviour_delta"]["n"] == 3


def test_infinite_gain_stays_infinite():
    made = new_row(scores(gain_bits=[-math.inf, 1, 8, 0]))
    assert made["information_gain_bits"]["value"] == -math.inf
    assert math.isnan(made["information_gain_bits"]["low"])


def test_intervals_draw_whole_images():
    """One image: nothing is known of others. Equal images: no spread."""
    alone = row(scores(), torch.zeros(4, dtype=torch.long), 50, 0)
    assert math.isnan(alone["edit_distance"]["low"])
    equal = new_row(scores(edit_distance=[1.0, 3.0, 2.0, 2.0]))  # the mean of image 0 is 2, too
    assert equal["edit_distance"]["low"] == pytest.approx(2)
    assert equal["edit_distance"]["high"] == pytest.approx(2)
    spread = new_row(n_resamples=500)["edit_distance"]
    assert spread["low"] < spread["value"] < spread["high"]


def test_seed_decides():
    assert str(new_row(seed=3)) == str(new_row(seed=3))
    assert new_row(seed=3)["edit_distance"] != new_row(seed=4)["edit_distance"]


def test_undefined_numbers_become_null(tmp_path):
    made = new_row(scores(gain_bits=[NAN] * 4, gain_with_stop_bits=[-math.inf, 0, 0, 0]))
    write_metrics(tmp_path / "metrics.json", {"people": made}, dataset="toy", seed=3)

    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    record = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse)
    people = record["rows"]["people"]
    assert people["information_gain_bits"] == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
        "undefined": 8,
    }
    assert people["information_gain_with_stop_bits"]["value"] == "-inf"
    assert people["edit_distance"]["value"] == 3.0
    assert (record["dataset"], record["seed"]) == ("toy", 3)
    assert set(record["versions"]) >= {"gazekit", "torch", "python"}
    reason = "people give scanpaths, not probabilities"
    assert record["undefined_reasons"]["people/information_gain_bits"] == reason


def test_reasons_are_given_for_the_rows_that_exist(tmp_path):
    write_metrics(tmp_path / "metrics.json", {"oat": new_row()})
    assert json.loads((tmp_path / "metrics.json").read_text())["undefined_reasons"] == {}
    assert all(metric in HEADLINE for _, metric in REASONS)


def test_versions_are_those_installed():
    assert versions()["torch"] == torch.__version__.split("+")[0] or versions()["torch"] == torch.__version__


def entry(value: float, low: float = NAN, high: float = NAN, undefined: int = 0) -> dict:
    return {"value": value, "low": low, "high": high, "n": 9, "undefined": undefined}


def test_table_text():
    rows = {
        "oat": {"edit_distance": entry(1.23456, 1, 1.5), "sequence_score": entry(0.5)},
        "people": {"edit_distance": entry(NAN), "sequence_score": entry(0.25, 0.2, 0.3)},
    }
    assert table_lines(rows, ("edit_distance", "sequence_score")) == [
        "| row    | edit dist.           | seq. score           |",
        "| ------ | -------------------- | -------------------- |",
        "| oat    | 1.235 [1.000, 1.500] | 0.500                |",
        "| people | undefined            | 0.250 [0.200, 0.300] |",
    ]


def test_report_says_what_is_undefined_and_why():
    made = new_row()
    people = new_row(scores(gain_bits=[NAN] * 4))
    text = report_text(
        "OAT on toys", {"oat": made, "people": people}, ["3 trials filtered"], ["figures/a.png"]
    )
    assert text.startswith("# OAT on toys\n\n| row ")
    assert "Means over 8 fixations of 3 scanpaths" in text
    assert "- oat, sequence_score: 1 undefined\n" in text
    assert "- people, information_gain_bits: 8 undefined (people give scanpaths, not probabilities)\n" in text
    assert "- 3 trials filtered\n" in text
    assert "![a](figures/a.png)" in text
    for line in table_lines({"oat": made, "people": people}):
        assert line in text


def test_report_of_a_complete_table():
    defined = scores(sequence_score=[0.5] * 4, human_behaviour=[[1, 2, 0.5, 0.25, 0.25]] * 4)
    assert "- nothing undefined\n" in report_text("t", {"oat": new_row(defined)}, [], [])
