"""Distances of scanpaths as points: stored values, plain loops, properties, what is undefined."""

import math

import numpy as np
import pytest
import torch
from golden_scanpaths import SIZE_PX, assert_equal, golden_pairs, paths
from hypothesis import given, settings
from hypothesis import strategies as st
from scanpath_pairs import P, Q
from tensor_ops import TensorOps

from gazekit.metrics.functional import (
    euclidean_px,
    eyenalysis_px,
    hausdorff_px,
    mannan_similarity,
    mannan_squared_distance,
)
from gazekit.scanpath import Scanpaths


def mannan_frame(a, b, **options):
    return mannan_squared_distance(a, b, SIZE_PX, **options)


METRICS = [hausdorff_px, eyenalysis_px, mannan_frame]
EMPTY = np.zeros((0, 2))


def loop_distances(a, b) -> dict:
    d = [[math.dist(p[:2], q[:2]) for q in b] for p in a]
    to_b, to_a = [min(row) for row in d], [min(column) for column in zip(*d, strict=True)]
    n, m, diagonal = len(a), len(b), math.hypot(*SIZE_PX)
    square = (m * sum(x**2 for x in to_b) + n * sum(x**2 for x in to_a)) / (2 * n * m * diagonal**2)
    return {
        hausdorff_px: max(max(to_b), max(to_a)),
        eyenalysis_px: (sum(to_b) + sum(to_a)) / max(n, m),
        mannan_frame: square,
        euclidean_px: sum(d[i][i] for i in range(n)) / n if n == m else math.nan,
    }


def test_golden_pairs(shared_data) -> None:
    golden = golden_pairs(shared_data)
    assert_equal(hausdorff_px(golden.a, golden.b), golden.expected("hausdorff_px"))
    assert_equal(eyenalysis_px(golden.a, golden.b), golden.expected("eyenalysis_px"))
    found = mannan_squared_distance(golden.a, golden.b, golden.size_px)
    assert_equal(found, golden.expected("mannan_D2"))


def test_small_pair() -> None:
    assert_equal(hausdorff_px(P, Q), 191.0497317454)
    assert_equal(eyenalysis_px(P, Q), 105.7493318464)
    assert_equal(mannan_squared_distance(P, Q, SIZE_PX), 0.00673, atol=1e-15)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(paths(1), paths(1)), min_size=1, max_size=3))
def test_it_equals_the_loop_in_batches(pairs) -> None:
    a, b = [a for a, _ in pairs], [b for _, b in pairs]
    for metric in (*METRICS, euclidean_px):
        expected = torch.tensor([loop_distances(x, y)[metric] for x, y in pairs], dtype=torch.float64)
        assert_equal(metric(a, b), expected)
        assert_equal(metric(b, a), expected)
        assert_equal(metric(a, b, chunk=1), expected)


@settings(deadline=None, max_examples=30)
@given(paths(1), paths(1), st.floats(-500, 500), st.floats(-500, 500))
def test_translation_identity_and_order(a, b, dx: float, dy: float) -> None:
    shift = np.array([dx, dy, 0])
    for metric in METRICS:
        assert metric(a, a) == 0
        value = metric(a, b).item()
        assert metric(np.array(a) + shift, np.array(b) + shift).item() == pytest.approx(value, abs=1e-9)
        assert metric(a[::-1], b).item() == pytest.approx(value, abs=1e-9)


def test_what_is_undefined() -> None:
    for metric in (*METRICS, euclidean_px):
        assert metric([EMPTY, EMPTY, P[:, :2]], [EMPTY, Q[:, :2], EMPTY]).isnan().all()
        assert metric(EMPTY, EMPTY).isnan()
        assert metric(Scanpaths.of([]), Scanpaths.of([])).shape == (0,)
    assert euclidean_px([P, P[:4]], [Q, Q]).isnan().tolist() == [True, False]
    assert mannan_similarity([EMPTY, P[:, :2]], [Q[:, :2], EMPTY], SIZE_PX).isnan().all()


def test_padding_does_not_matter() -> None:
    xy = torch.tensor(np.stack([P[:4, :2], Q[:4, :2]]))
    mask = torch.tensor([[True] * 3 + [False], [True] * 4])
    noisy = Scanpaths(torch.where(mask[..., None], xy, torch.nan), mask)
    for metric in METRICS:
        assert metric(noisy[0], noisy[1]) == metric(P[:3, :2], Q[:, :2])
        assert metric(noisy, noisy[[1, 0]]).isnan().sum() == 0


@pytest.mark.parametrize("metric", [*METRICS, euclidean_px])
def test_gradients(metric) -> None:
    a, b = torch.tensor(P[:4, :2], requires_grad=True), torch.tensor(Q[:, :2], requires_grad=True)
    assert torch.autograd.gradcheck(metric, (a, b))


def test_the_similarity_follows_from_the_distance_and_its_random_baseline() -> None:
    """The ratio of two similarities' distances is that of their D; and the same pair twice has similarity 100."""
    near = P + np.array([10, -5, 0])
    d = [mannan_squared_distance(P, other, SIZE_PX).sqrt().item() for other in (near, P[::-1] + 20)]
    s = [mannan_similarity(P, other, SIZE_PX).item() for other in (near, P[::-1] + 20)]
    assert (100 - s[0]) / (100 - s[1]) == pytest.approx(d[0] / d[1], abs=1e-12)
    assert mannan_similarity(P, P[::-1], SIZE_PX) == 100


def test_random_fixations_have_similarity_zero() -> None:
    draw = np.random.default_rng(3)
    size = np.array([1024, 600])
    for n, m in ((10, 10), (4, 12)):
        a, b = draw.uniform(0, 1, (3000, n, 2)) * size, draw.uniform(0, 1, (3000, m, 2)) * size
        values = mannan_similarity(a, b, tuple(size.tolist()), n_random=3000)
        # both sides are means of 3000 pairs
        assert abs(values.mean()) < 4 * math.sqrt(2) * values.std() / math.sqrt(3000)


def test_the_baseline_depends_on_the_pair_alone(shared_data) -> None:
    golden = golden_pairs(shared_data)
    together = mannan_similarity(golden.a, golden.b, golden.size_px, n_random=30)
    for i in (0, 17, 45):
        alone = mannan_similarity(golden.a[i], golden.b[i], golden.size_px[i], n_random=30)
        assert_equal(alone, together[i].item(), atol=1e-9)
    half = mannan_similarity(Scanpaths.of(P / 2), Scanpaths.of(Q / 2), (400, 300), n_random=30)
    assert_equal(half, mannan_similarity(P, Q, SIZE_PX, n_random=30).item())
    assert torch.equal(together, mannan_similarity(golden.a, golden.b, golden.size_px, n_random=30))
    other = mannan_similarity(golden.a, golden.b, golden.size_px, n_random=30, seed=1)
    assert not torch.equal(together, other)


def test_the_baseline_equals_the_loop() -> None:
    """Lengths from 0 to 5 and two shapes of pictures, one random pair after the other."""
    draw = torch.Generator().manual_seed(7)
    random = [torch.rand(40, 2, 2, generator=draw, dtype=torch.float64) for _ in range(5)]
    random = torch.stack(random, 2)
    a, b = [Q[:n, :2] for n in range(6)], [P[:m, :2] for m in (3, 1, 4, 5, 2, 5)]
    sizes = torch.tensor([[800.0, 600.0], [800.0, 800.0]]).repeat(3, 1)
    found = mannan_similarity(a, b, sizes, n_random=40, seed=7)
    assert found[0].isnan()
    for i in range(1, 6):
        pairs = [(x[: len(a[i])] * sizes[i], y[: len(b[i])] * sizes[i]) for x, y in random]
        d_random = np.mean([mannan_squared_distance(x, y, sizes[i]).sqrt().item() for x, y in pairs])
        d = mannan_squared_distance(a[i], b[i], sizes[i]).sqrt().item()
        assert_equal(found[i], 100 * (1 - d / d_random))


def test_the_baseline_of_all_lengths_takes_as_many_steps_as_that_of_one() -> None:
    draw = torch.Generator().manual_seed(0)
    xy = torch.rand(400, 20, 2, generator=draw, dtype=torch.float64)
    lengths = torch.stack([torch.full((400,), 20), 1 + torch.arange(400) % 20])
    counts = []
    for length in lengths:
        paths = Scanpaths(xy, torch.arange(20) < length[:, None])
        with TensorOps() as ops:
            mannan_similarity(paths, paths[torch.randperm(400, generator=draw)], (1, 1), n_random=10)
        counts.append(ops.count)
    assert counts[0] == counts[1]


def test_wrong_input_is_named() -> None:
    for wrong in ({"n_random": 2.5}, {"n_random": True}, {"seed": None}, {"chunk": 1.5}):
        with pytest.raises(TypeError, match=f"{next(iter(wrong))} must be a whole number"):
            mannan_similarity(P, Q, SIZE_PX, **wrong)
    with pytest.raises(ValueError, match="n_random must be at least 1"):
        mannan_similarity(P, Q, SIZE_PX, n_random=0)
    with pytest.raises(ValueError, match=r"size_px must be \(width, height\) > 0"):
        mannan_squared_distance(P, Q, (800, -1))
    for metric in (eyenalysis_px, euclidean_px):
        with pytest.raises(ValueError, match="must broadcast"):
            metric([P, P], [Q, Q, Q])
        with pytest.raises(ValueError, match="chunk"):
            metric(P, Q, chunk=0)
