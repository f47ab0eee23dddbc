"""`bench glimpse`: both ways give the same loss and gradient."""

import torch

import gazekit.bench.glimpse as bench


def test_sums_give_what_the_table_gives():
    (case,) = bench.cases("cpu", bench.Sizes(scanpaths=5, steps=4, widths=(7,)))
    torch.testing.assert_close(case.run(), case.run_reference())
    target, prediction = torch.randn(4, 3, 6), torch.randn(4, 3, 6, requires_grad=True)
    (ours,) = torch.autograd.grad(bench.cosine_contrast(target, prediction).loss, prediction)
    (table,) = torch.autograd.grad(bench.contrast_of_table(target, prediction), prediction)
    torch.testing.assert_close(ours, table)
