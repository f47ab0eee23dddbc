"""The bench runs, and both of its sides do the same work."""

from __future__ import annotations

import torch

from gazekit.harness import measure
from gazekit.kernels.attention_rows import bench


def test_bench_compares_like_with_like() -> None:
    sizes = bench.Sizes(sides_px=(28, 70), rows=3, layers=2, most_map_mb=0.03, heads=2, depth=4)
    rows = measure(bench.cases("cpu", sizes), budget_s=0.0)
    assert [row["case"].split(", ", 2)[1] for row in rows] == ["forward", "forward and backward"] * 2
    assert "2 layers of 5 tokens" in rows[0]["case"] and "3 rows" in rows[0]["case"]
    inputs = bench._inputs("cpu", sizes, 2, 26)
    *ours, mine = bench._ours(inputs)[::2], torch.cat(bench._ours(inputs)[1::2], 1)[:, :, 0]
    *outputs, theirs = bench._full_maps(inputs)
    torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(ours[0], outputs)
