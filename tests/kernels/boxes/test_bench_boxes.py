"""The bench runs, and compares like with like."""

from gazekit.harness import measure
from gazekit.kernels.boxes.bench import Sizes, cases


def test_it_runs() -> None:
    rows = measure(cases("cpu", Sizes(boxes=(40,), crowded=60, sparse=300, classes=3)), budget_s=0.0)
    assert len(rows) == 5
    assert all(row["kept_by_one_only"] == 0 and row["ratio"] > 0 for row in rows)
