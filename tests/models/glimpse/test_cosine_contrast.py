"""The contrast against the table of all pairs."""

from __future__ import annotations

import pytest
import torch

from gazekit.models.glimpse.contrast import SAME_GLIMPSE, Contrast, cosine_contrast


def plain(target: torch.Tensor, prediction: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """As written: a table of N x N and three masks."""
    b, t, _ = target.shape
    scanpath = torch.arange(b).repeat_interleave(t)[mask.flatten()]
    a, p = (
        torch.nn.functional.normalize(x.flatten(0, 1)[mask.flatten()], dim=1) for x in (target, prediction)
    )
    table = a @ p.T
    same = scanpath[:, None] == scanpath
    diagonal = torch.eye(len(a), dtype=torch.bool)
    kept = same & ~diagonal & (a @ a.T < SAME_GLIMPSE)
    return tuple(table[chosen].mean() for chosen in (diagonal, kept, ~same))


@pytest.mark.parametrize("full", [True, False])
def test_all_pairs_at_once_are_the_table(full: bool) -> None:
    torch.manual_seed(0)
    target = torch.randn(5, 6, 7, dtype=torch.double)
    target[1, 3] = target[1, 0] * 2  # fixated twice
    prediction = torch.randn(5, 6, 7, dtype=torch.double, requires_grad=True)
    mask = torch.ones(5, 6, dtype=torch.bool)
    if not full:
        mask[0, 4:] = False
        mask[3] = False
    found, expected = (
        cosine_contrast(target, prediction, None if full else mask),
        plain(target, prediction, mask),
    )
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    (ours,) = torch.autograd.grad(found.loss, prediction)
    (theirs,) = torch.autograd.grad((expected[1] + expected[2]) / 2 - expected[0], prediction)
    torch.testing.assert_close(ours, theirs)


def test_right_predictions_of_orthogonal_targets_have_minus_one() -> None:
    target = torch.eye(12).view(2, 6, 12)
    assert cosine_contrast(target, 3 * target).loss == pytest.approx(-1)


def test_a_glimpse_that_is_seen_twice_is_not_held_against_itself() -> None:
    target = torch.randn(3, 4, 8)
    prediction = target.clone()
    before = cosine_contrast(target[:, :3], prediction[:, :3]).same_scanpath
    target[:, 3], prediction[:, 3] = target[:, 2], prediction[:, 2]
    found = cosine_contrast(target, prediction).same_scanpath
    a = torch.nn.functional.normalize(target, dim=2)
    table = a @ a.mT
    kept = [(i, j) for i in range(4) for j in range(4) if i != j and {i, j} != {2, 3}]
    expected = torch.stack([table[:, i, j] for i, j in kept]).mean()
    torch.testing.assert_close(found, expected)
    assert found != before  # pairs with the third glimpse count twice as often


def test_one_scanpath_or_one_step_lacks_a_term() -> None:
    found = cosine_contrast(torch.randn(1, 4, 8), torch.randn(1, 4, 8))
    assert found.other_scanpaths.isnan()
    assert found.loss.isfinite()
    found = cosine_contrast(torch.randn(4, 1, 8), torch.randn(4, 1, 8))
    assert found.same_scanpath.isnan()
    assert found.loss.isfinite()
    assert isinstance(found, Contrast)
    assert cosine_contrast(torch.randn(2, 0, 8), torch.randn(2, 0, 8)).target.isnan()


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match=r"must be \[B, T, D\] alike, got \[2, 3, 4\] and \[2, 3, 5\]"):
        cosine_contrast(torch.zeros(2, 3, 4), torch.zeros(2, 3, 5))
    with pytest.raises(ValueError, match=r"mask must be \[2, 3\]"):
        cosine_contrast(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), torch.ones(2, 2, dtype=torch.bool))
