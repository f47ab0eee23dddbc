"""`bench metrics`: every case runs, and the loops in NumPy are references of the same scores."""

import numpy as np
import pytest

from gazekit.bench.metrics import Sizes, cases

TINY = Sizes(
    pairs=3,
    reference_pairs=2,
    fixations=(4,),
    shape=(6, 8),
    map_batches=((3, 6, 8), (2, 5, 7)),
    map_fixations=5,
)


@pytest.fixture(scope="module")
def tiny():
    return cases("cpu", TINY)


def test_all_cases_run(tiny):
    assert len({case.name for case in tiny}) == len(tiny)
    for case in tiny:
        case.run()
        if case.run_reference is not None:
            case.run_reference()


def test_the_plain_loops_give_our_scores(tiny):
    loops = [case for case in tiny if case.reference == "a loop over the images in NumPy"]
    assert [case.name for case in loops] == [
        f"{name}, {batch}"
        for batch in ("3 maps of 8 x 6", "2 maps of 7 x 5")
        for name in ("NSS", "CC", "SIM", "KLD")
    ]
    for case in loops:
        np.testing.assert_allclose(case.run().numpy(), case.run_reference(), rtol=0, atol=1e-9)
        assert case.items == case.reference_items == len(case.run())


@pytest.mark.parametrize("name", ["DTW, 3 pairs of 4 fixations", "ScanMatch, 3 pairs of 4 fixations"])
def test_the_plain_tables_give_our_scores(tiny, name):
    (case,) = (case for case in tiny if case.name == name)
    found, expected = case.run(), case.run_reference()
    np.testing.assert_allclose(found[: len(expected)].numpy(), expected, rtol=0, atol=1e-9)
