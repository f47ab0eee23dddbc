"""Sequence score and edit distance: golden strings, properties, what is undefined."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gazekit.metrics.functional import edit_distance, sequence_score
from gazekit.scanpath import Ragged

strings = st.lists(st.integers(0, 3), max_size=9)


def both(metric, a: list[list[int]], b: list[list[int]]) -> Tensor:
    a, b = Ragged.from_list(a, torch.long), Ragged.from_list(b, torch.long)
    return metric(a.values, b.values, a.mask, b.mask)


@pytest.mark.parametrize(
    ("metric", "key"),
    [(edit_distance, "levenshtein_5x5_sub1"), (sequence_score, "sequence_score_5x5_gap0")],
)
def test_golden_pairs(shared_data: Path, metric, key: str) -> None:
    pairs = json.loads((shared_data / "golden_metrics" / "scanpath_pairs.json").read_text())["pairs"]
    labels = [pair["expected"]["grid5x5_labels"] for pair in pairs]
    expected = torch.tensor([pair["expected"][key] for pair in pairs], dtype=torch.float64)
    assert len(pairs) == 50
    found = both(metric, [a for a, _ in labels], [b for _, b in labels])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "score", "edits"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0, 0.0),
        ([1, 2, 3], [4, 5], 0.0, 3.0),
        ([1, 1, 2], [1, 2, 2], 2 / 3, 1.0),
        ([], [1, 2], 0.0, 2.0),
        ([], [], float("nan"), 0.0),
    ],
)
def test_small_cases(a: list[int], b: list[int], score: float, edits: float) -> None:
    assert both(sequence_score, [a], [b]).item() == pytest.approx(score, nan_ok=True)
    assert both(edit_distance, [a], [b]).item() == edits


@settings(deadline=None)
@given(strings, strings)
def test_symmetry_bounds_and_padding(a: list[int], b: list[int]) -> None:
    values = {}
    for metric in (sequence_score, edit_distance):
        forth, back = both(metric, [a], [b]), both(metric, [b], [a])
        longer = both(metric, [a, [0] * 12], [b, [1] * 11])[:1]
        assert torch.equal(forth.nan_to_num(-1), back.nan_to_num(-1))
        assert torch.equal(forth.nan_to_num(-1), longer.nan_to_num(-1))
        values[metric] = forth.item()
    if a or b:
        assert 0 <= values[sequence_score] <= 1
        assert (values[sequence_score] == 1) == (a == b) == (values[edit_distance] == 0)
        # whatever is not common to both costs at least the rest of the longer one
        assert values[edit_distance] >= (1 - values[sequence_score]) * max(len(a), len(b)) - 1e-9


@settings(deadline=None)
@given(strings, strings, st.permutations([0, 1, 2, 3]))
def test_names_of_objects_do_not_matter(a: list[int], b: list[int], names: list[int]) -> None:
    for metric in (sequence_score, edit_distance):
        renamed = both(metric, [[names[i] for i in a]], [[names[i] for i in b]])
        assert torch.equal(renamed.nan_to_num(-1), both(metric, [a], [b]).nan_to_num(-1))


@pytest.mark.parametrize("metric", [sequence_score, edit_distance])
def test_leading_dimensions_broadcast_and_numpy_is_taken(metric) -> None:
    draw = np.random.default_rng(3)
    a, b = draw.integers(0, 4, (3, 5, 7)), draw.integers(0, 4, (3, 1, 6))
    a_mask = np.arange(7) < draw.integers(1, 8, (3, 5, 1))
    b_mask = np.ones((3, 1, 6), bool)
    found = metric(a, b, a_mask, b_mask)
    assert found.shape == (3, 5)
    assert found.dtype == torch.float64
    for i, j in np.ndindex(3, 5):
        assert found[i, j] == metric(a[i, j], b[i, 0], a_mask[i, j], b_mask[i, 0])


@pytest.mark.parametrize("metric", [sequence_score, edit_distance])
def test_wrong_input_is_named(metric) -> None:
    ids, mask = torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(TypeError, match=r"a must hold integer object ids, got torch\.float32"):
        metric(ids.float(), ids, mask, mask)
    with pytest.raises(TypeError, match=r"mask of b must be bool, got torch\.int64"):
        metric(ids, ids, mask, mask.long())
    with pytest.raises(ValueError, match=r"b and its mask must share one shape"):
        metric(ids, ids, mask, mask[:, :2])
    with pytest.raises(ValueError, match="padding of a must lie at the end"):
        metric(ids, ids, torch.tensor([[True, False, True]]).repeat(2, 1), mask)
    with pytest.raises(ValueError, match="leading dimensions of a and b must broadcast"):
        metric(ids, ids.repeat(2, 1)[:3], mask, mask.repeat(2, 1)[:3])
