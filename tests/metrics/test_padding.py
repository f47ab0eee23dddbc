"""What stands in the padding of scanpaths reaches neither the values nor the gradients of any comparison."""

from __future__ import annotations

import pytest
import torch

from gazekit.metrics import functional as F
from gazekit.metrics.functional.pairs import over_pairs
from gazekit.scanpath import Scanpaths

SIZE = (800, 600)
LENGTHS = torch.tensor([6, 3, 5, 4, 0, 2])
SMOOTH = {
    "hausdorff": F.hausdorff_px,
    "eyenalysis": F.eyenalysis_px,
    "euclidean": F.euclidean_px,
    "dtw": F.dtw_px,
    "frechet": F.frechet_px,
    "multimatch": lambda a, b: F.multimatch(a, b, SIZE),
    "multimatch, grouped": lambda a, b: F.multimatch(a, b, SIZE, F.Grouping(45, 300, 100)),
    "alignment": lambda a, b: F.multimatch_alignment(a, b).cost_px,
    "mannan distance": lambda a, b: F.mannan_squared_distance(a, b, SIZE),
    "mannan similarity": lambda a, b: F.mannan_similarity(a, b, SIZE, n_random=5),
    "time delay": lambda a, b: F.time_delay_embedding_px(a, b, k=2),
    "scaled time delay": lambda a, b: F.scaled_time_delay_embedding(a, b, SIZE),
}
OTHERS = {
    "recurrence": lambda a, b: F.cross_recurrence(a, b, 100),
    "scanmatch": lambda a, b: F.scanmatch(a, b, SIZE, bin_ms=50),
    "grid": lambda a, b: F.grid_sequence_score(a, b, SIZE, bin_ms=50),
    "clusters": lambda a, b: F.cluster_edit_distance(a, b, torch.tensor([[100.0, 100.0], [600.0, 400.0]])),
    "classes": lambda a, b: F.semantic_sequence_score(a, b, torch.arange(480000).reshape(600, 800) // 999),
}


def two_sides(filling: float) -> tuple[list[torch.Tensor], Scanpaths, Scanpaths]:
    """Leaves that ask for gradients, and padded scanpaths of them: six and the same in another order."""
    draw = torch.Generator().manual_seed(0)
    mask = torch.arange(6) < LENGTHS[:, None]
    sides, leaves = [], []
    for order in (torch.arange(6), torch.tensor([0, 2, 1, 3, 5, 4])):
        rows = torch.rand(6, 6, 3, generator=draw, dtype=torch.float64) * torch.tensor([800.0, 600, 400])
        valid = mask[order]
        xy = torch.where(valid[..., None], rows[..., :2], filling).requires_grad_()
        duration = torch.where(valid, rows[..., 2], filling).requires_grad_()
        sides.append(Scanpaths(xy, valid, duration))
        leaves += [xy, duration]
    return leaves, *sides


@pytest.mark.parametrize("filling", [torch.nan, torch.inf, 1e300])
@pytest.mark.parametrize("name", [*SMOOTH, *OTHERS])
def test_values_do_not_depend_on_the_padding(name, filling) -> None:
    metric = (SMOOTH | OTHERS)[name]
    _, a, b = two_sides(0)
    _, c, d = two_sides(filling)
    expected, found = metric(a[:, None], b), metric(c[:, None], d)
    assert not expected.isnan().all()
    assert torch.equal(expected.nan_to_num(-7), found.nan_to_num(-7))


@pytest.mark.parametrize("filling", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_do_not_depend_on_the_padding(name, filling) -> None:
    gradients = []
    for fill in (0, filling):
        leaves, a, b = two_sides(fill)
        value = SMOOTH[name](a[:, None], b)
        value[~value.isnan()].sum().backward()
        gradients.append([torch.zeros(()) if leaf.grad is None else leaf.grad for leaf in leaves])
    for clean, found in zip(*gradients, strict=True):
        assert found.isfinite().all()
        assert torch.equal(clean, found)
    assert any(gradient.abs().sum() > 0 for gradient in gradients[1])


def test_what_scores_are_handed_is_padded_with_zeros() -> None:
    seen = []

    def score(a: Scanpaths, b: Scanpaths) -> torch.Tensor:
        seen.extend([a, b])
        return a.lengths.double()

    _, a, b = two_sides(torch.nan)
    over_pairs(score, a, b, chunk=4)
    for part in seen:
        assert (part.xy_px[~part.mask] == 0).all()
        assert (part.duration_ms[~part.mask] == 0).all()


@pytest.mark.parametrize("name", SMOOTH)
def test_equal_scanpaths_have_finite_gradients(name) -> None:
    leaves, a, _ = two_sides(torch.nan)
    value = SMOOTH[name](a, a)
    value[~value.isnan()].sum().backward()
    assert leaves[0].grad.isfinite().all()
