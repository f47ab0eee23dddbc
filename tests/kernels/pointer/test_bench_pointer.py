"""The bench runs, and both of its sides do the same work."""

from __future__ import annotations

import torch

from gazekit.harness import measure
from gazekit.kernels.pointer import bench


def test_bench_compares_like_with_like() -> None:
    sizes = bench.Sizes(objects=(1, 5), trials=2, steps=3, heads=2, depth=4)
    assert len(measure(bench.cases("cpu", sizes), budget_s=0.0)) == 4
    leaves, more, target = bench._inputs("cpu", sizes, 5)
    torch.testing.assert_close(bench._ours(leaves, more), bench._plain(leaves, more))
    mine, theirs = (loss(leaves, more, target) for loss in (bench._our_loss, bench._plain_loss))
    torch.testing.assert_close(mine, theirs)
