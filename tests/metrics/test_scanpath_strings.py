"""Sequence score and edit distance of scanpaths by cells, clusters and classes; strings in every form."""

import math

import numpy as np
import pytest
import torch
from golden_scanpaths import SIZE_PX, assert_equal, golden_pairs, paths
from hypothesis import given, settings
from hypothesis import strategies as st
from scanpath_pairs import P, Q
from tensor_ops import TensorOps

from gazekit.metrics import ClusterSequenceScore
from gazekit.metrics.functional import (
    cluster_edit_distance,
    cluster_labels,
    cluster_sequence_score,
    edit_distance,
    grid_edit_distance,
    grid_labels,
    grid_sequence_score,
    semantic_edit_distance,
    semantic_sequence_score,
    sequence_score,
)
from gazekit.scanpath import Ragged, Scanpaths

strings = st.lists(st.integers(0, 3), max_size=9)


def test_golden_pairs(shared_data) -> None:
    golden = golden_pairs(shared_data)
    pair = golden.a, golden.b, golden.size_px
    assert_equal(grid_sequence_score(*pair), golden.expected("sequence_score_5x5_gap0"))
    assert_equal(grid_sequence_score(*pair, bin_ms=50), golden.expected("sequence_score_5x5_time50ms_floor"))
    assert_equal(grid_edit_distance(*pair), golden.expected("levenshtein_5x5_sub1"))
    assert_equal(grid_edit_distance(*pair, substitution_cost=2), golden.expected("levenshtein_5x5_sub2"))


def test_small_pair() -> None:
    assert_equal(grid_sequence_score(P, Q, SIZE_PX), 0.2)
    assert_equal(grid_edit_distance(P, Q, SIZE_PX), 4)
    assert_equal(grid_edit_distance(P, Q, SIZE_PX, substitution_cost=2), 7)
    assert_equal(grid_edit_distance(P, Q, SIZE_PX, normalised=True), 4 / 5)


def test_cells_as_a_label_map_and_as_clusters_are_the_same_symbols(shared_data) -> None:
    """5 x 5 cells of 1000 x 750 px, once by formula, once painted, once as their centres."""
    draw = np.random.default_rng(5)
    a, b = (Scanpaths.of(draw.uniform(0, 1, (8, 9, 3)) * [1000, 750, 500]) for _ in "ab")
    x, y = np.meshgrid(np.arange(1000) // 200, np.arange(750) // 150)
    painted = y * 5 + x
    centres = np.stack(np.meshgrid(100 + 200 * np.arange(5), np.arange(5) * 200 + 100), -1).reshape(-1, 2)
    square = Scanpaths(a.xy_px * torch.tensor([1, 4 / 3]), a.mask, a.duration_ms)
    square_b = Scanpaths(b.xy_px * torch.tensor([1, 4 / 3]), b.mask, b.duration_ms)
    for bin_ms in (None, 50):
        score = grid_sequence_score(a, b, (1000, 750), bin_ms=bin_ms)
        assert torch.equal(semantic_sequence_score(a, b, painted, bin_ms=bin_ms), score)
        assert torch.equal(cluster_sequence_score(square, square_b, centres, bin_ms=bin_ms), score)
        edits = grid_edit_distance(a, b, (1000, 750), bin_ms=bin_ms)
        assert torch.equal(semantic_edit_distance(a, b, painted, bin_ms=bin_ms), edits)
        assert torch.equal(cluster_edit_distance(square, square_b, centres, bin_ms=bin_ms), edits)


@settings(deadline=None, max_examples=30)
@given(paths(1), paths(1), st.sampled_from([None, 50.0]))
def test_bounds_identity_and_symmetry(a, b, bin_ms: float | None) -> None:
    forth, back, same = grid_sequence_score([a, b, a], [b, a, a], SIZE_PX, bin_ms=bin_ms)
    edits, back_edits, none = grid_edit_distance([a, b, a], [b, a, a], SIZE_PX, bin_ms=bin_ms)
    assert_equal(forth, back.item(), atol=0)
    assert edits == back_edits
    assert none == 0
    assert same == 1 or same.isnan()
    assert 0 <= forth <= 1 or forth.isnan()


def test_what_is_undefined() -> None:
    empty, path = np.zeros((0, 3)), [[10.0, 10.0, 20.0]]
    a, b = [empty, empty, path], [path, empty, path]
    assert grid_sequence_score(a, b, SIZE_PX).tolist() == pytest.approx([0, math.nan, 1], nan_ok=True)
    assert grid_edit_distance(a, b, SIZE_PX).tolist() == [1, 0, 0]
    assert grid_edit_distance(a, b, SIZE_PX, normalised=True).tolist() == pytest.approx(
        [1, math.nan, 0], nan_ok=True
    )
    assert grid_sequence_score(a, b, SIZE_PX, bin_ms=50).isnan().all()  # no bin is filled
    assert grid_edit_distance(a, b, SIZE_PX, bin_ms=50).tolist() == [0, 0, 0]


def test_every_trial_has_its_own_centres() -> None:
    draw = np.random.default_rng(2)
    model, human = draw.uniform(0, 100, (3, 2, 6, 2)), draw.uniform(0, 100, (3, 4, 5, 2))
    centres = [draw.uniform(0, 100, (k, 2)) for k in (2, 5, 3)]
    metric = ClusterSequenceScore(aggregation="none")
    metric.update(model, human, centres)
    expected = [
        np.mean([cluster_sequence_score(a, b, c).item() for a in model[i] for b in human[i]])
        for i, c in enumerate(centres)
    ]
    assert metric.compute().tolist() == pytest.approx(expected, abs=1e-12)


def test_memory_stays_within_the_chunk() -> None:
    """Each of 40 x 40 pairs lies on a picture of its own kind: 800,000 distances to centres for either side."""
    draw = np.random.default_rng(4)
    a, b = (Scanpaths.of(draw.uniform(0, 100, (40, 10, 3)) * [1, 1, 5]) for _ in "ab")
    centres = draw.uniform(0, 100, (40, 50, 2))
    for bin_ms in (None, 50):
        whole = cluster_sequence_score(a[:, None], b[:, None], centres, bin_ms)
        with TensorOps() as ops:
            found = cluster_sequence_score(a[:, None], b[:, None], centres, bin_ms, chunk=20)
        assert torch.equal(found, whole)
        assert ops.largest <= 20 * 10 * 50


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(strings, strings), min_size=1, max_size=4))
def test_strings_in_every_form(pairs) -> None:
    a, b = [a for a, _ in pairs], [b for _, b in pairs]
    a_ragged, b_ragged = Ragged.from_list(a, torch.long), Ragged.from_list(b, torch.long)
    for metric in (sequence_score, edit_distance):
        expected = metric(a_ragged.values, b_ragged.values, a_ragged.mask, b_ragged.mask).tolist()
        for forms in ((a, b), (a_ragged, b_ragged), ([np.array(x) for x in a], b_ragged)):
            assert metric(*forms).tolist() == pytest.approx(expected, nan_ok=True)
        single = [metric(x, y).item() for x, y in pairs]
        assert single == pytest.approx(expected, nan_ok=True)
        dense = [(np.array(x, dtype=int), torch.tensor(y, dtype=torch.long)) for x, y in pairs]
        assert [metric(x, y).item() for x, y in dense] == pytest.approx(expected, nan_ok=True)


def test_many_to_many_by_chunks() -> None:
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randint(5, (9, 1, 12), generator=draw), torch.randint(5, (1, 7, 10), generator=draw)
    for metric in (sequence_score, edit_distance):
        assert metric(a, b).shape == (9, 7)
        assert torch.equal(metric(a, b, chunk=4), metric(a, b))


def test_normalised_edits() -> None:
    assert edit_distance([1, 2, 3, 4], [1, 3], normalised=True) == 0.5
    assert edit_distance([1, 2], [3, 4], substitution_cost=2, normalised=True) == 2
    assert edit_distance([], [], normalised=True).isnan()
    assert edit_distance([1, 2], [1, 3], substitution_cost=0.25) == 0.25


def test_labels_feed_the_string_metrics() -> None:
    a, b = grid_labels(P, SIZE_PX), grid_labels(Q, SIZE_PX)
    assert sequence_score(a, b) == grid_sequence_score(P, Q, SIZE_PX)
    a, b = (cluster_labels(path, np.array([[0, 0], [800, 600]])) for path in (P, Q))
    assert edit_distance(a, b) == cluster_edit_distance(P, Q, np.array([[0, 0], [800, 600]]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sequence_score([0.5], [1]), TypeError, "a must hold integer object ids, got torch.float"),
        (lambda: sequence_score([1], [1], torch.ones(1).bool()), ValueError, "a says by itself how long"),
        (lambda: edit_distance([1], [[1], [2]], chunk=0), ValueError, "chunk must be at least 1"),
        (
            lambda: edit_distance([1], [[1], [2]], chunk=1.5),
            TypeError,
            "chunk must be a whole number, got 1.5",
        ),
        (lambda: edit_distance([1], [1], substitution_cost=-1), ValueError, "substitution_cost"),
        (lambda: edit_distance([[1]] * 2, [[1]] * 3), ValueError, r"must broadcast, got \[\[2\], \[3\]\]"),
        (lambda: grid_edit_distance(P, Q, (700, 100)), ValueError, "a: fixation 0 lies at"),
        (lambda: grid_sequence_score(P[:, :2], Q, SIZE_PX, bin_ms=5), ValueError, "a has none"),
    ],
)
def test_wrong_input_is_named(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
