"""The AUCs against slow oracles: pairs counted one by one, scikit-learn, curves drawn point by point."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from gazekit.metrics.functional import (
    auc,
    auc_borji,
    auc_judd,
    auc_shuffled_matlab,
    conditional_auc,
    fixations_of_other_images,
    shuffled_auc,
)
from gazekit.metrics.functional.sampling import distinct_draws
from gazekit.scanpath import Scanpaths

seeds = st.integers(0, 10**6)
OTHERS = [[0, 0], [3, 3], [1, 2]]


def against_others(score):
    """`score` with the same negatives for every image."""
    return lambda s, x: score(s, x, torch.tensor(OTHERS).expand(*s.shape[:-2], 3, 2))


VARIANTS = [
    auc,
    lambda s, x: auc(s, x, "unfixated"),
    auc_judd,
    lambda s, x: auc_judd(s, x, "matlab"),
    lambda s, x: auc_judd(s, x, jitter=0.1),
    auc_borji,
    against_others(shuffled_auc),
    against_others(auc_shuffled_matlab),
]
BY_LEVEL = [VARIANTS[4], VARIANTS[5], VARIANTS[7]]  # the range of the map matters to these


def example(seed: int, levels: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A map of 7 x 9 pixels, `levels` equal values if not 0, and 1 to 12 fixations with repeats."""
    draw = np.random.default_rng(seed)
    saliency = draw.normal(size=(7, 9)) if not levels else draw.integers(levels, size=(7, 9)).astype(float)
    xy = draw.random((draw.integers(1, 13), 2)) * [9, 7]
    return saliency, np.concatenate([xy, xy[: draw.integers(0, len(xy) + 1)]])


def read(saliency: np.ndarray, xy: np.ndarray) -> np.ndarray:
    return np.array([saliency[math.floor(y), math.floor(x)] for x, y in xy])


def unfixated(saliency: np.ndarray, xy: np.ndarray) -> np.ndarray:
    free = np.ones(saliency.shape, bool)
    for x, y in xy:
        free[math.floor(y), math.floor(x)] = False
    return saliency[free]


def count_pairs(positive: np.ndarray, negative: np.ndarray) -> float:
    wins = [(v < s) + (v == s) / 2 for s, v in itertools.product(positive.tolist(), negative.tolist())]
    return sum(wins) / len(wins)


@settings(deadline=None, max_examples=40)
@given(seeds, st.sampled_from([0, 2, 5]))
def test_exact_auc_counts_pairs(seed: int, levels: int) -> None:
    saliency, xy = example(seed, levels)
    others = np.random.default_rng(seed + 1).random((8, 2)) * [9, 7]
    positive = read(saliency, xy)
    assert auc(saliency, xy).item() == pytest.approx(count_pairs(positive, saliency.ravel()), abs=1e-12)
    free = unfixated(saliency, xy)
    assert auc(saliency, xy, "unfixated").item() == pytest.approx(count_pairs(positive, free), abs=1e-12)
    expected = count_pairs(positive, read(saliency, others))
    assert shuffled_auc(saliency, xy, others).item() == pytest.approx(expected, abs=1e-12)
    labels = np.r_[np.ones(len(xy)), np.zeros(saliency.size)]
    by_sklearn = roc_auc_score(labels, np.r_[positive, saliency.ravel()])
    assert auc(saliency, xy).item() == pytest.approx(by_sklearn, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(seeds, st.sampled_from([0, 3]))
def test_judd_draws_the_curve_point_by_point(seed: int, levels: int) -> None:
    saliency, xy = example(seed, levels)
    positive, free = read(saliency, xy), unfixated(saliency, xy)
    points = [(0.0, 0.0)]
    for threshold in sorted(set(positive.tolist()), reverse=True):
        points.append(((free >= threshold).mean(), (positive >= threshold).mean()))
    points.append((1.0, 1.0))
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))
    assert auc_judd(saliency, xy).item() == pytest.approx(area, abs=1e-12)

    pixels = {(math.floor(y), math.floor(x)) for x, y in xy}
    once = sorted((saliency[pixel] for pixel in pixels), reverse=True)
    points = [(0.0, 0.0)]
    for i, threshold in enumerate(once, 1):
        above = int((saliency >= threshold).sum())
        points.append(((above - i) / (saliency.size - len(once)), i / len(once)))
    points.append((1.0, 1.0))
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))
    assert auc_judd(saliency, xy, "matlab").item() == pytest.approx(area, abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_judd_is_biased_upwards_by_half_the_share_above_all_fixations(seed: int) -> None:
    saliency, xy = example(seed)
    xy = np.unique(np.floor(xy), axis=0)
    free = unfixated(saliency, xy)
    bias = (free >= read(saliency, xy).min()).mean() / (2 * len(xy))
    found = auc_judd(saliency, xy) - auc(saliency, xy, "unfixated")
    assert found.item() == pytest.approx(bias, abs=1e-12)


def test_chance_of_judd_with_one_fixation_is_three_quarters() -> None:
    draw = torch.Generator().manual_seed(0)
    maps = torch.rand(3000, 8, 8, generator=draw)
    fixations = torch.zeros(3000, 1, 2)
    assert auc_judd(maps, fixations).mean().item() == pytest.approx(0.75, abs=0.01)
    assert auc(maps, fixations, "unfixated").mean().item() == pytest.approx(0.5, abs=0.02)


def by_hand(positive: np.ndarray, negative: np.ndarray) -> float:
    """The curve over thresholds 0, 0.1, ... up to the larger maximum, as in the MATLAB code."""
    thresholds = np.arange(0, max(positive.max(), negative.max()) + 1e-12, 0.1)[::-1]
    tp = np.r_[0, [(positive >= t).mean() for t in thresholds], 1]
    fp = np.r_[0, [(negative >= t).mean() for t in thresholds], 1]
    return float(np.trapezoid(tp, fp))


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_sampled_aucs_of_given_negatives(seed: int) -> None:
    saliency, xy = example(seed)
    xy = np.concatenate([np.floor(xy), [[0, 0], [8, 6]]])
    splits = np.random.default_rng(seed).integers(saliency.size, size=(4, 5))
    scaled = (saliency - saliency.min()) / (saliency.max() - saliency.min())
    positive = read(scaled, np.unique(xy, axis=0))
    expected = np.mean([by_hand(positive, scaled.ravel()[split]) for split in splits])
    padded = np.concatenate([splits, np.full((4, 3), -1)], 1)
    for score in (auc_borji, auc_shuffled_matlab):
        assert score(saliency, xy, negatives=splits).item() == pytest.approx(expected, abs=1e-12)
        assert score(saliency, xy, negatives=padded).item() == pytest.approx(expected, abs=1e-12)


def test_sampled_aucs_approach_the_exact_ones_where_every_level_is_a_threshold() -> None:
    draw = np.random.default_rng(0)
    saliency = draw.integers(3, size=(30, 40)).astype(float)
    saliency[0, :2] = 0, 2  # scaled: 0, 0.5 and 1, all of them thresholds
    xy = np.unique(np.floor(draw.random((40, 2)) * [40, 30]), axis=0)
    others = np.unique(np.floor(draw.random((200, 2)) * [40, 30]), axis=0)
    assert auc_borji(saliency, xy, 2000).item() == pytest.approx(auc(saliency, xy).item(), abs=0.003)
    found, exact = auc_shuffled_matlab(saliency, xy, others, 2000), shuffled_auc(saliency, xy, others)
    assert found.item() == pytest.approx(exact.item(), abs=0.003)


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([0, 4]))
def test_order_is_all_that_matters(seed: int, levels: int) -> None:
    saliency, xy = example(seed, levels)
    others = np.random.default_rng(seed).random((8, 2)) * [9, 7]
    for score in (auc, lambda s, x: auc(s, x, "unfixated"), lambda s, x: shuffled_auc(s, x, others)):
        value = score(saliency, xy)
        assert torch.equal(score(np.exp(saliency) - 3, xy), value)
        assert (score(-saliency, xy) + value).item() == pytest.approx(1, abs=1e-12)
    assert torch.equal(auc_judd(saliency**3, xy), auc_judd(saliency, xy))


@pytest.mark.parametrize("score", VARIANTS)
def test_a_batch_is_its_images_whatever_the_padding(score) -> None:
    images = [example(seed, 4 * (seed % 2)) for seed in range(5)]
    maps = np.stack([saliency for saliency, _ in images])
    paths = Scanpaths.of([xy for _, xy in images])
    rubbish = Scanpaths(torch.where(paths.mask[..., None], paths.xy_px, 1e9), paths.mask)
    single = torch.stack([score(saliency, xy) for saliency, xy in images])
    torch.testing.assert_close(score(maps, rubbish), single, rtol=0, atol=1e-12, equal_nan=True)
    assert score(maps[:0], rubbish[:0]).shape == (0,)


def test_leading_dimensions_and_number_types() -> None:
    draw = np.random.default_rng(0)
    maps, xy = draw.integers(200, size=(2, 3, 6, 8)), draw.random((2, 3, 5, 2)) * [8, 6]
    value = auc(maps, xy)
    assert value.shape == (2, 3)
    for dtype in (np.uint8, np.float32, np.float16, np.int64):
        found = auc(maps.astype(dtype), torch.as_tensor(xy))
        assert found.dtype == torch.float64
        assert torch.equal(found, value)
    single = maps.astype(np.float32) / 7
    torch.testing.assert_close(auc(single, xy), auc(single.astype(float), xy), rtol=0, atol=0)


@pytest.mark.parametrize("score", VARIANTS)
def test_nothing_to_score_is_nan(score) -> None:
    saliency, _ = example(0)
    assert score(saliency, np.zeros((0, 2))).isnan()


def test_constant_maps() -> None:
    flat, xy = np.full((4, 5), 3.0), [[0, 0], [3, 3]]
    others = [[1, 1], [2, 2]]
    halves = [auc(flat, xy), auc(flat, xy, "unfixated"), auc_judd(flat, xy), shuffled_auc(flat, xy, others)]
    assert halves == [0.5] * 4
    undefined = [auc_judd(flat, xy, "matlab"), auc_borji(flat, xy), auc_shuffled_matlab(flat, xy, others)]
    assert all(value.isnan() for value in undefined)


def test_no_negative_is_nan() -> None:
    everywhere = [[x, y] for x in range(3) for y in range(2)]
    saliency = np.arange(6.0).reshape(2, 3)
    assert auc(saliency, everywhere, "unfixated").isnan()
    assert auc_judd(saliency, everywhere).isnan()
    assert shuffled_auc(saliency, everywhere, np.zeros((0, 2))).isnan()
    assert auc_shuffled_matlab(saliency, everywhere, np.zeros((0, 2))).isnan()
    assert auc_borji(saliency, [[0, 0], [0, 0]]).isnan()  # one pixel


def test_draws_follow_the_seed_and_the_image() -> None:
    saliency, xy = example(3)
    for score in (auc_borji, lambda s, x, seed=0: auc_judd(s, x, jitter=0.5, seed=seed)):
        assert torch.equal(score(saliency, xy), score(saliency, xy[::-1].copy()))
        assert not torch.equal(score(saliency, xy), score(saliency, xy, seed=1))
        maps, moved = np.stack([saliency, saliency[::-1, ::-1]]), np.stack([xy, [9, 7] - xy - 1e-9])
        first, turned = score(maps, moved)
        assert first != turned  # the same image turned round, but other draws


def test_jitter_is_relative_to_the_range() -> None:
    saliency, xy = example(5)
    for scale in (1e-6, 1e6):
        found = auc_judd(saliency * scale, xy, jitter=0.3)
        assert found.item() == pytest.approx(auc_judd(saliency, xy, jitter=0.3).item(), abs=1e-12)
    small = auc_judd(saliency, xy, jitter=1e-9)
    assert small.item() == pytest.approx(auc_judd(saliency, xy).item(), abs=1e-12)


def test_fixations_of_other_images_are_scaled() -> None:
    paths = [[[10, 20], [30, 40]], [[50, 60]], np.zeros((0, 2))]
    size = [[100, 100], [200, 50], [10, 10]]
    others = fixations_of_other_images(paths, np.array(size))
    assert [part.tolist() for part in Scanpaths.of(others).xy_px] == [
        [[25, 120], [0, 0], [0, 0]],
        [[20, 10], [60, 20], [0, 0]],
        [[1, 2], [3, 4], [2.5, 12]],
    ]
    assert others.lengths.tolist() == [1, 2, 3]
    some = fixations_of_other_images(paths, np.array(size), images=[2])
    assert some.xy_px.tolist() == [[[1, 2], [3, 4], [2.5, 12]]]
    same = fixations_of_other_images([[[0.1 + 0.2, 0.3]], [[7 / 3, 0.7]]], (1024, 768))
    assert same.xy_px.tolist() == [[[7 / 3, 0.7]], [[0.1 + 0.2, 0.3]]]
    assert len(fixations_of_other_images(paths, (5, 5), images=[])) == 0


def test_a_border_between_pixels_stays_one() -> None:
    """49 x (2 / 98) is less than 1 in floating point: the fixation would move to the pixel before."""
    others = fixations_of_other_images([[[49, 49]], [[0, 0]]], np.array([[98, 98], [2, 2]]))
    assert others.xy_px[1].tolist() == [[1, 1]]


def test_splits_are_distinct_and_even_from_small_and_large_pools() -> None:
    first = torch.ones(1, 6, dtype=torch.bool)
    for pool in (6, 8, 11, 40):  # all of it, more than half, about half, less
        others = torch.arange(100, 100 + pool)[None]
        drawn = distinct_draws(torch.arange(6)[None], first, first, others, others > 0, 4000, 0)[0]
        assert all(len(set(split)) == 6 for split in drawn.tolist())
        counts = torch.bincount(drawn.flatten() - 100, minlength=pool)
        assert len(counts) == pool
        share = 6 / pool
        assert (counts - 4000 * share).abs().max() <= 5 * math.sqrt(4000 * share * (1 - share))


def test_a_split_of_many_others_needs_no_order_of_them_all(monkeypatch) -> None:
    monkeypatch.setattr(torch, "rand", None)  # of which an order is made
    first = torch.ones(1, 3, dtype=torch.bool)
    others = torch.arange(20_000)[None]
    drawn = distinct_draws(torch.arange(3)[None], first, first, others, others >= 0, 5, 0)
    assert drawn.shape == (1, 5, 3)


def test_the_logarithm_of_a_density_scores_as_the_density() -> None:
    maps = np.stack([example(seed, 4)[0] for seed in range(4)])  # a quarter of the pixels is 0
    xy = np.stack([example(seed)[1][:1].repeat(3, 0) for seed in range(4)])
    xy[:, 1:] = [[0, 0], [4, 3]]
    logs = torch.as_tensor(maps).log()
    assert logs.isneginf().any()
    by_order = [score for score in VARIANTS if score not in BY_LEVEL]
    for score in [*by_order, lambda s, x: conditional_auc(s[:, None], x[:, :1])]:
        assert torch.equal(score(logs, xy), score(maps, xy))
    empty = np.full((3, 4), -math.inf)
    assert auc(empty, [[0, 0]]) == auc_judd(empty, [[0, 0]]) == 0.5


def test_wrong_input_is_named() -> None:
    saliency, xy = example(0)
    with pytest.raises(ValueError, match="negatives must be uniform or unfixated, got 'all'"):
        auc(saliency, xy, "all")
    with pytest.raises(ValueError, match="variant must be pysaliency or matlab"):
        auc_judd(saliency, xy, "judd")
    with pytest.raises(ValueError, match="jitter must be a finite share"):
        auc_judd(saliency, xy, jitter=-1)
    with pytest.raises(ValueError, match="either other_fixations or negatives"):
        auc_shuffled_matlab(saliency, xy)
    with pytest.raises(ValueError, match="n_splits must be a whole number of at least 1, got 0"):
        auc_borji(saliency, xy, 0)
    with pytest.raises(TypeError, match="negatives must hold integer pixel numbers"):
        auc_borji(saliency, xy, negatives=np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"negatives must have shape \['K', 'M'\], got \[3\]"):
        auc_borji(saliency, xy, negatives=np.zeros(3, int))
    with pytest.raises(ValueError, match="pixel numbers from 0 to 62"):
        auc_borji(saliency, xy, negatives=np.full((2, 3), 63))
    with pytest.raises(ValueError, match="size_px must be finite and positive"):
        fixations_of_other_images([xy], (0, 5))
    with pytest.raises(ValueError, match=r"size_px must have shape \[2\] or \[1, 2\]"):
        fixations_of_other_images([xy], np.ones((3, 2)))
    with pytest.raises(ValueError, match="images must be numbers from 0 to 0"):
        fixations_of_other_images([xy], (9, 7), images=[1])


@pytest.mark.parametrize(
    ("score", "bad"),
    [*itertools.product(VARIANTS, [math.nan, math.inf]), *((score, -math.inf) for score in BY_LEVEL)],
)
def test_a_value_that_is_not_finite_is_found(score, bad: float) -> None:
    maps = np.stack([example(seed)[0] for seed in range(2)])
    maps[1, 4, 2] = bad
    with pytest.raises(
        ValueError, match=r"saliency: the pixel in row 4, column 2 of image \(1,\) is not finite"
    ):
        score(maps, np.array([[[0, 0], [2.5, 4]]] * 2))
