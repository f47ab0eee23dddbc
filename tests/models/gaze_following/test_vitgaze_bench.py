"""`bench vitgaze`: every case runs, and ours does the work of its reference."""

import torch

from gazekit.bench.vitgaze import Sizes, cases


def test_all_cases_do_the_same_work():
    torch.manual_seed(0)
    small = {"width": 24, "depth": 4, "heads": 2, "patch_px": 8, "grid": 8}
    made = cases("cpu", Sizes(64, small, (1, 3)))
    assert len({case.name for case in made}) == len(made) == 5
    for case in made[:2]:
        for ours, theirs in zip(case.run(), case.run_reference(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    for case, people in zip(made[2:], (1, 3, 3), strict=True):
        maps = case.run()
        assert len(maps) == case.items == people
        torch.testing.assert_close(maps[:1], case.run_reference(), rtol=1e-4, atol=1e-5)
