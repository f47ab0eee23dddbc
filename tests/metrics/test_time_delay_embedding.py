"""Time-delay embedding: stored values, plain loops, which side is which, what is undefined."""

import math

import numpy as np
import pytest
import torch
from golden_scanpaths import SIZE_PX, assert_equal, golden_pairs, paths
from hypothesis import given, settings
from hypothesis import strategies as st
from scanpath_pairs import P, Q

from gazekit.metrics import ScaledTimeDelayEmbedding, TimeDelayEmbedding
from gazekit.metrics.functional import scaled_time_delay_embedding, time_delay_embedding_px
from gazekit.scanpath import Scanpaths


def loop_embedding(human, model, k: int, reduce: str, window: str) -> float:
    """All windows of both, and the nearest to each of the model's."""
    if k > min(len(human), len(model)):
        return math.nan
    nearest = []
    for j in range(len(model) - k + 1):
        distances = []
        for i in range(len(human) - k + 1):
            steps = [math.dist(human[i + t][:2], model[j + t][:2]) for t in range(k)]
            distances.append((math.hypot(*steps) if window == "l2" else sum(steps)) / k)
        nearest.append(min(distances))
    return max(nearest) if reduce == "max" else sum(nearest) / len(nearest)


def test_golden_pairs(shared_data) -> None:
    golden = golden_pairs(shared_data)
    for k in (1, 2, 3):
        for reduce, key in (("mean", "mean"), ("max", "hausdorff")):
            found = time_delay_embedding_px(golden.a, golden.b, k, reduce)
            assert_equal(found, golden.expected(f"tde_k{k}_{key}_px"))
    for window in ("l2", "sum"):
        found = scaled_time_delay_embedding(golden.a, golden.b, golden.size_px, window)
        assert_equal(found, golden.expected(f"stde_{window}"))


def test_small_pair() -> None:
    for k, expected in ((1, 71.4921849184), (2, 63.9218683776), (3, 56.0289504497)):
        assert_equal(time_delay_embedding_px(P, Q, k), expected)
    assert_equal(scaled_time_delay_embedding(P, Q, SIZE_PX), 0.9245766481)
    assert_equal(scaled_time_delay_embedding(P, Q, SIZE_PX, "sum"), 0.9027039931)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(paths(1), paths(1)), min_size=1, max_size=3),
    st.integers(1, 5),
    st.sampled_from(["mean", "max"]),
    st.sampled_from(["l2", "sum"]),
)
def test_it_equals_the_loop_in_batches(pairs, k: int, reduce: str, window: str) -> None:
    human, model = [h for h, _ in pairs], [m for _, m in pairs]
    expected = [loop_embedding(h, m, k, reduce, window) for h, m in pairs]
    expected = torch.tensor(expected, dtype=torch.float64)
    assert_equal(time_delay_embedding_px(human, model, k, reduce, window), expected)
    assert_equal(time_delay_embedding_px(human, model, k, reduce, window, chunk=1), expected)
    scaled = []
    for h, m in pairs:
        h, m = np.array(h) / 800, np.array(m) / 800
        lengths = range(1, min(len(h), len(m)) + 1)
        scaled.append(np.mean([math.exp(-loop_embedding(h, m, n, "mean", window)) for n in lengths]))
    found = scaled_time_delay_embedding(human, model, SIZE_PX, window)
    assert_equal(found, torch.tensor(scaled, dtype=torch.float64))


def test_which_side_is_which() -> None:
    """A model that visits one of the human's places is perfect; a human that visits one of the model's is not."""
    human, model = [[0.0, 0.0], [300.0, 400.0]], [[0.0, 0.0]]
    assert time_delay_embedding_px(human, model, k=1) == 0
    assert time_delay_embedding_px(model, human, k=1) == 250
    assert scaled_time_delay_embedding(human, model, SIZE_PX) == 1
    assert scaled_time_delay_embedding(model, human, SIZE_PX) < 0.9
    for metric, facts, perfect in (
        (TimeDelayEmbedding(k=1), (), 0),
        (ScaledTimeDelayEmbedding(), (SIZE_PX,), 1),
    ):
        metric.update([model], [human], *facts)
        assert metric.compute() == perfect
        metric.reset()
        metric.update(model=[human], human=[model], **dict(zip(("size_px",), facts, strict=False)))
        assert metric.compute() != perfect


@settings(deadline=None, max_examples=30)
@given(paths(1), st.floats(-500, 500), st.floats(-500, 500))
def test_identity_translation_and_durations(a, dx: float, dy: float) -> None:
    shift = np.array([dx, dy, 0])
    assert time_delay_embedding_px(a, a, len(a)) == 0
    assert scaled_time_delay_embedding(a, a, SIZE_PX) == 1
    for k in (1, 2):
        there = time_delay_embedding_px(np.array(a) + shift, Q + shift, k)
        assert_equal(there, time_delay_embedding_px(a, Q[:, :2], k).item())


def test_what_is_undefined() -> None:
    empty = np.zeros((0, 2))
    assert time_delay_embedding_px([P, P[:2]], [Q, Q], k=3).isnan().tolist() == [False, True]
    assert time_delay_embedding_px(P, Q, k=5).isnan()
    assert time_delay_embedding_px([empty, P[:, :2]], [P[:, :2], empty], k=1).isnan().all()
    assert scaled_time_delay_embedding([empty, P[:, :2]], [P[:, :2], empty], SIZE_PX).isnan().all()
    assert scaled_time_delay_embedding(empty, empty, SIZE_PX).isnan()
    none = Scanpaths.of([])
    assert time_delay_embedding_px(none, none, k=1).shape == (0,)
    assert scaled_time_delay_embedding(none, none, SIZE_PX).shape == (0,)


def test_padding_does_not_matter() -> None:
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    noisy = Scanpaths(torch.where(mask[..., None], torch.tensor(P[:, :2]), torch.nan), mask)
    for human, model in ((noisy[0], Q[:, :2]), (Q[:, :2], noisy[0])):
        clean = [
            P[:3, :2] if side is not Q and isinstance(side, Scanpaths) else side for side in (human, model)
        ]
        assert time_delay_embedding_px(human, model, 2) == time_delay_embedding_px(*clean, 2)
        assert scaled_time_delay_embedding(human, model, SIZE_PX) == scaled_time_delay_embedding(
            *clean, SIZE_PX
        )


@pytest.mark.parametrize("window", ["l2", "sum"])
def test_gradients(window: str) -> None:
    a, b = torch.tensor(P[:, :2], requires_grad=True), torch.tensor(Q[:, :2], requires_grad=True)
    assert torch.autograd.gradcheck(lambda h, m: time_delay_embedding_px(h, m, 2, window=window), (a, b))
    assert torch.autograd.gradcheck(lambda h, m: scaled_time_delay_embedding(h, m, SIZE_PX, window), (a, b))
    same = scaled_time_delay_embedding(a, a.detach(), SIZE_PX, window)
    assert torch.autograd.grad(same, a)[0].isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be a whole number of at least 1, got 0"),
        ({"k": 1.5}, "k must be a whole number"),
        ({"k": 1, "reduce": "min"}, "reduce must be mean or max"),
        ({"k": 1, "window": "L2"}, "window must be l2 or sum"),
        ({"k": 1, "chunk": 0}, "chunk must be at least 1"),
    ],
)
def test_wrong_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        time_delay_embedding_px(P, Q, **options)
    with pytest.raises(ValueError, match="window must be l2 or sum"):
        scaled_time_delay_embedding(P, Q, SIZE_PX, "L1")
