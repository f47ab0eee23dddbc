"""`bench brain` measures what it says: all sides solve the same problem."""

from __future__ import annotations

import pytest

from gazekit.bench import BENCHES
from gazekit.bench.brain import Sizes, cases, extrapolated, responses


def test_all_sides_fit_the_same():
    found = cases("cpu", Sizes(whole=(30, 100, 12), large=(40, 80, 9), parts=(5, 20), batch=8))
    *whole, large = found
    assert [case.reference.split(" (")[0] for case in whole] == ["himalaya RidgeCV"] * 2 + [
        "scikit-learn RidgeCV"
    ]
    for case in whole:
        assert "30 voxels x 100 pictures x 12 features, 20 penalties" in case.name and case.items == 30
        facts = case.facts(case.run(), case.run_reference())
        assert facts["largest_difference"] < 1e-4
        assert facts["other_penalty"] <= (
            0.8 if "scikit" in case.reference else 0
        )  # its criterion is another one
    facts = large.facts(large.run(), None)
    assert large.items == 40 and large.run_reference is None
    for name in (case.reference for case in whole):
        assert facts[f"{name} largest_difference"] < 1e-4
        assert {f"{name} {key}" for key in ("constant_s", "s_per_1000", "all_s", "ratio")} <= facts.keys()
    assert "brain" in BENCHES


def test_time_for_all_is_a_constant_and_a_time_per_voxel():
    facts = extrapolated((100, 300), [2.0, 4.0], 1000, 5.5)
    assert facts == pytest.approx({"constant_s": 1, "s_per_1000": 10, "all_s": 11, "ratio": 2})


def test_signal_rises_over_voxels():
    x, y = responses(50, 2000, 10)
    assert x.std(0).square().sum().item() == pytest.approx(sum(1 / k for k in range(1, 11)), rel=0.1)
    assert y[:, 0].var().item() == pytest.approx(1.01, rel=0.1)
    assert y[:, -1].var().item() == pytest.approx(2, rel=0.15)
