"""The bench runs, and compares like with like."""

from gazekit.harness import measure
from gazekit.kernels.roi_align.bench import Sizes, cases


def test_it_runs() -> None:
    sizes = Sizes(work=((64, 3), (128, 5)), channels=3, bins=2, loop_boxes=2)
    rows = measure(cases("cpu", sizes), budget_s=0.0)
    assert all(row["ratio"] > 0 for row in rows)
    differences = [row["largest_difference"] for row in rows if "largest_difference" in row]
    assert len(differences) == 8
    assert max(differences) < 1e-4
