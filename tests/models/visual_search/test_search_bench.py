"""`bench search`: every case runs, and ours does the work of its reference."""

from __future__ import annotations

import torch

from gazekit.bench.search import Sizes, cases


def test_all_cases_do_the_same_work() -> None:
    made = cases("cpu", Sizes(180, ((4, 3), (8, 2)), ("lighting",), 2, "squeezenet1_0"))
    assert len({case.name for case in made}) == len(made) == 3
    for case in made[:2]:
        torch.testing.assert_close(case.run(), case.run_reference(), atol=1e-5, rtol=1e-5)
    ours = made[2].run()
    assert len(ours["fixations"]) == made[2].items == 2
    reference = made[2].run_reference()
    assert reference.found.all()
    assert set(made[2].facts(ours, reference)) == {
        "fixations_per_display",
        "fixations_of_reference",
    }
