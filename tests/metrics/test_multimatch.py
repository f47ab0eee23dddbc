"""MultiMatch against stored values of multimatch_gaze, a plain loop, and its own properties."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scanpath_pairs import P, Q, in_ms, random_walks, stored_pairs
from torch import Tensor

from gazekit.metrics import MultiMatch
from gazekit.metrics.functional import (
    MULTIMATCH_PARTS,
    Grouping,
    multimatch,
    multimatch_alignment,
    simplify_scanpaths,
)
from gazekit.scanpath import Scanpaths

GROUPINGS = {
    "multimatch": None,
    "multimatch_grouped_A": Grouping(45, 300, 150),
    "multimatch_grouped_B": Grouping(30, 150, 100),
}
SIZE = (800, 600)
TIED = (20, 46, 47)


def loop_alignment(a: np.ndarray, b: np.ndarray) -> tuple[list[tuple[int, int]], float]:
    """Pairs of saccades and the cost of the cells entered, by the textbook's table, cell by cell."""
    u, v = np.diff(a[:, :2], axis=0), np.diff(b[:, :2], axis=0)
    best = {(0, 0): (0.0, None)}
    for i, j in itertools.product(range(len(u)), range(len(v))):
        before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        known = [(best[cell][0], cell) for cell in before if cell in best]
        if known:
            total, cell = min(known, key=lambda entry: entry[0])
            best[i, j] = (total + math.dist(u[i], v[j]), cell)
    cell, pairs = (len(u) - 1, len(v) - 1), []
    total = best[cell][0]
    while cell is not None:
        pairs.append(cell)
        cell = best[cell][1]
    return pairs[::-1], total


def similarities(a: np.ndarray, b: np.ndarray, pairs: list, size: tuple[float, float]) -> list[float]:
    """The five values of a given alignment."""
    u, v = np.diff(a[:, :2], axis=0), np.diff(b[:, :2], axis=0)
    parts = []
    for i, j in pairs:
        turn = abs(math.atan2(u[i][1], u[i][0]) - math.atan2(v[j][1], v[j][0]))
        parts.append(
            (
                math.dist(u[i], v[j]),
                min(turn, 2 * math.pi - turn),
                abs(math.hypot(*u[i]) - math.hypot(*v[j])),
                math.dist(a[i][:2], b[j][:2]),
                abs(a[i][2] - b[j][2]) / max(a[i][2], b[j][2]),
            )
        )
    diagonal = math.hypot(*size)
    return list(1 - np.median(parts, 0) / [2 * diagonal, math.pi, diagonal, diagonal, 1])


def close(found: Tensor, expected: list[float]) -> None:
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(list(expected), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("key", GROUPINGS)
def test_golden_values(shared_data: Path, key: str) -> None:
    pairs = stored_pairs(shared_data)
    a, b = ([in_ms(pair[side]) for pair in pairs] for side in "ab")
    found = multimatch(a, b, torch.tensor([pair["screen"] for pair in pairs]), GROUPINGS[key])
    for index, (pair, value) in enumerate(zip(pairs, found, strict=True)):
        stored = pair["expected"][key]
        if "error" in stored:
            assert value.isfinite().all() or value.isnan().all()
        elif index not in TIED:
            close(value, [math.nan if stored[part] is None else stored[part] for part in MULTIMATCH_PARTS])


def test_golden_alignments(shared_data: Path) -> None:
    compared = 0
    for index, pair in enumerate(stored_pairs(shared_data)):
        if "multimatch_alignment" not in pair["expected"]:
            continue
        expected = pair["expected"]
        a, b = in_ms(pair["a"]), in_ms(pair["b"])
        found = multimatch_alignment(a, b)
        stored = [tuple(cells) for cells in expected["multimatch_alignment"]]
        assert expected["multimatch_alignment_unique"] == (index not in TIED)
        assert found.cost_px.item() == pytest.approx(expected["multimatch_alignment_cost"], abs=1e-9)
        values = [expected["multimatch"][part] for part in MULTIMATCH_PARTS]
        assert similarities(a, b, stored, pair["screen"]) == pytest.approx(values, abs=1e-9)
        ours = aligned(found)
        if index not in TIED:
            assert ours == stored
        close(multimatch(a, b, pair["screen"]), similarities(a, b, ours, pair["screen"]))
        compared += 1
    assert compared == 49


def aligned(found) -> list[tuple[int, int]]:
    sides = (side[found.mask].tolist() for side in (found.a_saccade, found.b_saccade))
    return list(zip(*sides, strict=True))


def test_tiny_golden_table() -> None:
    close(multimatch(P, Q, SIZE).round(decimals=10),
          [0.9493279666, 0.8986697523, 0.9150054484, 0.9596115638, 0.8166666667])  # fmt: skip
    close(multimatch(P, Q, SIZE, Grouping(45, 300, 150)).round(decimals=10),
          [0.9609487516, 0.9932284709, 0.9220011214, 0.9552786405, 0.8])  # fmt: skip
    found = multimatch_alignment(P, Q)
    assert aligned(found) == [(0, 0), (1, 0), (2, 1), (3, 2)]
    assert found.cost_px.item() == pytest.approx(344.8207524729, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_random_pairs_equal_the_loop(seed: int) -> None:
    a, b = random_walks(seed, 40, 150), random_walks(seed + 100, 40, 150)
    found, alignment = multimatch(a, b, SIZE), multimatch_alignment(a, b)
    for index, (x, y) in enumerate(zip(a, b, strict=True)):
        pairs, cost = loop_alignment(x, y)
        mask = alignment.mask[index]
        assert alignment.a_saccade[index][mask].tolist() == [i for i, _ in pairs]
        assert alignment.b_saccade[index][mask].tolist() == [j for _, j in pairs]
        assert alignment.cost_px[index].item() == pytest.approx(cost, abs=1e-9)
        close(found[index], similarities(x, y, pairs, SIZE))


@pytest.mark.parametrize(
    "grouping", [Grouping(45, 300, 150), Grouping(30, 150, 100), Grouping(180, 5000, 5000)]
)
@pytest.mark.parametrize("step_px", [15, 40])
def test_grouping_never_fails(grouping: Grouping, step_px: float) -> None:
    """Reading-like scanpaths shrink to one saccade, where multimatch_gaze raises an error."""
    a, b = random_walks(1, 400, step_px), random_walks(2, 400, step_px)
    simplified = simplify_scanpaths(a, grouping)
    assert simplified.lengths.min() == 2
    assert multimatch(a, b, SIZE, grouping).isfinite().all()


def test_grouping_is_the_comparison_of_simplified_scanpaths() -> None:
    a, b = random_walks(3, 50, 150), random_walks(4, 50, 150)
    grouping = Grouping(30, 150, 100)
    simple = [simplify_scanpaths(paths, grouping) for paths in (a, b)]
    long = (simple[0].lengths > 2) & (simple[1].lengths > 2)
    assert long.sum() > 30
    assert torch.equal(multimatch(*simple, SIZE)[long], multimatch(a, b, SIZE, grouping)[long])


def test_short_scanpaths_are_undefined() -> None:
    for short in (P[:2], P[:1], P[:0]):
        assert multimatch(P, short, SIZE).isnan().all()
        assert multimatch(short, P, SIZE).isnan().all()
        assert multimatch(short, P, SIZE, Grouping(45, 300, 150)).isnan().all()
    mixed = multimatch([P, P[:2], P, P[:0]], [Q, Q, Q[:2], Q], SIZE)
    assert mixed.isnan().all(1).tolist() == [False, True, True, True]
    assert torch.equal(mixed[0], multimatch(P, Q, SIZE))
    assert multimatch([], [], SIZE).shape == (0, 5)
    assert multimatch_alignment(P, Q[:1]).cost_px.isnan()
    assert not multimatch_alignment(P, Q[:0]).mask.any()


def test_durations_unknown() -> None:
    full, bare = multimatch(P, Q, SIZE), multimatch(P[:, :2], Q[:, :2], SIZE)
    assert torch.equal(bare[:4], full[:4]) and bare[4].isnan()
    assert multimatch(P, Q[:, :2], SIZE)[4].isnan()
    with pytest.raises(ValueError, match="grouping needs the durations"):
        multimatch(P, Q[:, :2], SIZE, Grouping(45, 300, 150))


def test_durations_of_zero_are_equal() -> None:
    zero = np.c_[P[:, :2], np.zeros(len(P))]
    assert multimatch(zero, zero, SIZE).tolist() == [1] * 5
    assert multimatch(zero, P, SIZE)[4] == 0


def test_a_saccade_of_length_zero_points_to_the_right() -> None:
    still = [[100, 100, 200]] * 3
    for degrees, expected in ((0, 1.0), (90, 0.5), (180, 0.0), (-90, 0.5), (-45, 0.75)):
        step = 100 * np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
        straight = [[*(k * step), 200] for k in range(3)]
        assert multimatch(still, straight, SIZE)[1].item() == pytest.approx(expected, abs=1e-12)
    assert multimatch(still, still, SIZE).tolist() == [1] * 5


def test_shapes_sizes_and_chunks() -> None:
    a, b = Scanpaths.of(random_walks(5, 6, 150)), Scanpaths.of(random_walks(6, 4, 150))
    sizes = torch.rand(6, 1, 2, dtype=torch.float64) * 900 + 100
    table = multimatch(a[:, None], b[None], sizes)
    assert table.shape == (6, 4, 5)
    alignment = multimatch_alignment(a[:, None], b[None])
    assert alignment.a_saccade.shape == (6, 4, a.mask.shape[1] + b.mask.shape[1] - 3)
    for i, j in itertools.product(range(6), range(4)):
        close(table[i, j], multimatch(a[i], b[j], sizes[i, 0]).tolist())
    for chunk in (1, 7, 100):
        torch.testing.assert_close(
            multimatch(a[:, None], b[None], sizes, chunk=chunk), table, rtol=0, atol=1e-12
        )
        found = multimatch_alignment(a[:, None], b[None], chunk=chunk)
        assert torch.equal(found.a_saccade, alignment.a_saccade) and torch.equal(found.mask, alignment.mask)


def test_padding_does_not_matter() -> None:
    a, b = Scanpaths.of(random_walks(7, 20, 150)), Scanpaths.of(random_walks(8, 20, 150))
    dirty = [
        Scanpaths(
            p.xy_px.masked_fill(~p.mask[..., None], -9e9),
            p.mask,
            p.duration_ms.masked_fill(~p.mask, torch.nan),
        )
        for p in (a, b)
    ]
    for grouping in (None, Grouping(45, 300, 150)):
        expected = multimatch(a, b, SIZE, grouping)
        torch.testing.assert_close(multimatch(*dirty, SIZE, grouping), expected, rtol=0, atol=0)


walks = st.tuples(st.integers(0, 2**31), st.integers(3, 12), st.integers(3, 12))


@settings(deadline=None, max_examples=40)
@given(walks)
def test_symmetric_identical_and_blind_to_a_common_translation(numbers: tuple[int, int, int]) -> None:
    seed, n, m = numbers
    a, b = (random_walks(seed + k, 1, 120, length, length)[0] for k, length in enumerate((n, m)))
    value = multimatch(a, b, SIZE)
    close(multimatch(b, a, SIZE), value.tolist())
    assert multimatch(a, a, SIZE).tolist() == [1] * 5
    moved = np.array([35.5, -80.25, 0])
    close(multimatch(a + moved, b + moved, SIZE), value.tolist())
    doubled = np.array([2, 2, 1])
    close(multimatch(a * doubled, b * doubled, (1600, 1200)), value.tolist())


@pytest.mark.parametrize("grouping", [None, Grouping(45, 300, 150)])
def test_gradients(grouping: Grouping | None) -> None:
    a, b = Scanpaths.of(random_walks(9, 3, 150, 7)), Scanpaths.of(random_walks(10, 3, 150, 6))

    def values(xy: Tensor, duration: Tensor) -> Tensor:
        return multimatch(Scanpaths(xy, a.mask, duration), b, SIZE, grouping)

    inputs = a.xy_px.clone().requires_grad_(), a.duration_ms.clone().requires_grad_()
    assert torch.autograd.gradcheck(values, inputs, eps=1e-4)
    same = P[:, :2].tolist()
    xy = torch.tensor(same, dtype=torch.float64, requires_grad=True)
    multimatch(xy, same, SIZE)[:4].sum().backward()
    assert xy.grad.isfinite().all()


def test_wrong_input_is_named() -> None:
    for size in ((0, 600), (math.nan, 600), (-1, 2)):
        with pytest.raises(ValueError, match="size_px must be"):
            multimatch(P, Q, size)
    with pytest.raises(ValueError, match=r"size_px must have shape \[..., 2\]"):
        multimatch(P, Q, (800, 600, 3))
    with pytest.raises(ValueError, match="leading dimensions must broadcast"):
        multimatch([P, P, P], [Q, Q], SIZE)
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        multimatch(P, Q, SIZE, chunk=0)


def test_the_class_takes_a_size_for_each_trial() -> None:
    metric = MultiMatch()
    sizes = torch.tensor([[800.0, 600.0], [1600.0, 1200.0]])
    metric.update([P, P], [Q, Q], size_px=sizes)
    expected = torch.stack([multimatch(P, Q, size) for size in sizes]).mean(0)
    torch.testing.assert_close(metric.compute(), expected, rtol=0, atol=1e-12)
    assert metric.parts == MULTIMATCH_PARTS
