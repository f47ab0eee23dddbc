"""Real V4 neurons with repeats, through a small but real net: everything of the experiment but its length."""

import pytest

from gazekit.base.scores import Settings
from gazekit.datasets.v4_cowley import V4Cowley
from gazekit.models.brain_encoding import FoldComparison, NestedReadout, NestedRidge


@pytest.mark.slow
def test_nested_scores_of_real_neurons(shared_data, tmp_path):
    data = V4Cowley(
        shared_data / "v4_cowley_raw",
        folds=2,
        backbone="squeezenet1_0",
        layers=["fire3", "fire5"],
        weights=shared_data / "squeezenet_imagenet",
        size_px=(96, 96),
        grid=4,
        split="all",
    )
    data.setup()
    facts = data.facts()
    rows = {
        "factorised": NestedReadout(
            facts,
            "factorised",
            grid=4,
            settings={"softmax": True},
            members=2,
            steps=80,
            batch_size=64,
            lr=1e-2,
        ),
        "ridge": NestedRidge(facts, grid=4, alphas=(2, 6, 5)),
    }
    found = FoldComparison().scores(rows, data, Settings(resamples=50), lambda *_: None)
    assert found.table["noise ceiling"]["r"].value == pytest.approx(
        0.860, abs=0.001
    )  # as the set's README has it
    for row in rows:
        assert found.table[row]["r"].value > 0.4
        assert found.table[row]["r"].value < found.table[row]["normalised"].value < 1
        assert found.table[row]["normalised"].undefined == 0
        assert len(found.details["chosen"][row]) == 2
    gap = found.table["factorised - ridge"]["r"]
    assert gap.low < gap.value < gap.high
