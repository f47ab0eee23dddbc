"""`bench foveation` measures what it says: both sides of every case do the same work."""

from gazekit.bench import BENCHES
from gazekit.bench.foveation import Sizes, cases


def test_both_sides_do_the_same():
    found = cases("cpu", Sizes(pictures=2, side_px=48, looped=1, scaling=1.0, sigma_px=(0.5, 1.5)))
    assert [case.name.split(",")[0] for case in found] == [
        name for name in ("acuity", "blur of rings", "texture") for _ in range(2)
    ]
    for case in found:
        facts = case.facts(case.run(), case.run_reference())
        for name in facts.keys() & {"largest_difference", "mean_difference"}:
            assert facts[name] < 1e-4, case.name
        assert case.items == 2
    assert "foveation" in BENCHES
