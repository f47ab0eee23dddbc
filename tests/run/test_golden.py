"""The numbers of a report do not change.

`tests/golden/oat_short_run` holds the weights and metrics.json of a seeded run of 30 steps as gazekit 0.1 wrote them,
before the report was rewritten for any system. The old checkpoint is read by its room's `upgrade`.
"""

import json
import math
from pathlib import Path

import pytest
from shell import run_here

from gazekit.metrics.functional import PARTS

FOLDER = Path(__file__).parents[1] / "golden" / "oat_short_run"


@pytest.fixture(scope="module")
def old():
    return json.loads((FOLDER / "metrics.json").read_text())


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    settings = ("metrics=scanpath", "metrics.samples=4", "metrics.resamples=300", "run_dir=run")
    run_here("evaluate", f"ckpt={FOLDER / 'best.ckpt'}", *settings, cwd=folder)
    return json.loads((folder / "run" / "metrics.json").read_text())["rows"]


def renamed(metric: str) -> str:
    if metric in PARTS:
        return f"search_behaviour.{metric}"
    part = metric.removeprefix("behaviour_delta_")
    return f"behaviour_delta.{part}" if part in PARTS else metric


def assert_equal(found: dict, expected: dict, where: str) -> None:
    for name in ("value", "low", "high", "n", "undefined"):
        a, b = found[name], expected[name]
        if b is None:
            assert a is None, (where, name)
        else:
            assert math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6), (where, name, a, b)


def test_scores_over_objects_are_as_before(old, new):
    assert list(old["rows"]) == ["oat", "pairwise", "marginal", "uniform", "observer"]
    for row, scores in old["rows"].items():
        assert len(scores) == 15
        for metric, expected in scores.items():
            assert_equal(new[row][renamed(metric)], expected, f"{row}/{metric}")


def test_comparisons_of_positions_are_as_before(old, new):
    assert len(old["positions"]["rows"]) == 9
    for row, scores in old["positions"]["rows"].items():
        for metric, expected in scores.items():
            assert_equal(new[row][metric], expected, f"{row}/{metric}")
