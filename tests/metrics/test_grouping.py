"""Simplification of scanpaths against a plain loop over saccades, as multimatch_gaze goes through them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scanpath_pairs import in_ms, random_walks, stored_pairs

from gazekit.metrics.functional import Grouping, simplify_scanpaths
from gazekit.scanpath import Scanpaths

GROUPINGS = [Grouping(45, 300, 150), Grouping(30, 150, 100), Grouping(90, 1000, 40), Grouping(0, 0, 0)]
SIMPLE = Grouping(45, 200, 50)


def loop_simplify(path: np.ndarray, grouping: Grouping) -> tuple[np.ndarray, int]:
    """The simplified rows, and the number of fixations that the passes count."""
    starts, durations = path[:-1, :2], path[:, 2]
    vectors = np.diff(path[:, :2], axis=0)
    counted = len(path)
    while True:
        before = counted
        starts, vectors, durations = loop_direction_pass(starts, vectors, durations, grouping)
        starts, vectors, durations, end_merged = loop_amplitude_pass(starts, vectors, durations, grouping)
        counted = len(durations) + end_merged
        if counted == before:
            return np.c_[np.r_[starts, starts[-1:] + vectors[-1:]], durations], counted


def loop_direction_pass(starts, vectors, durations, grouping):
    kept, i = [], 0
    while i < len(vectors):
        u, v = vectors[i], vectors[min(i + 1, len(vectors) - 1)]
        merge = i + 1 < len(vectors) and u.any() and v.any() and durations[i + 1] < grouping.duration_ms
        if merge:
            cosine = u @ v / (math.hypot(*u) * math.hypot(*v))
            merge = math.degrees(math.acos(min(max(cosine, -1), 1))) < grouping.direction_deg
        kept.append((starts[i], u + v if merge else u, durations[i]))
        i += 2 if merge else 1
    return *(np.array(column) for column in list(zip(*kept, strict=True))[:2]), durations_of(kept, durations)


def loop_amplitude_pass(starts, vectors, durations, grouping):
    kept, i, end_merged = [], 0, False
    while i < len(vectors):
        brief = min(durations[i], durations[i + 1]) < grouping.duration_ms
        short = brief and math.hypot(*vectors[i]) < grouping.amplitude_px
        if short and i + 1 < len(vectors):
            kept.append((starts[i], vectors[i] + vectors[i + 1], durations[i]))
            i += 2
        elif short and kept:
            kept[-1] = (kept[-1][0], vectors[i - 1] + vectors[i], kept[-1][2])
            i, end_merged = i + 1, True
        else:
            kept.append((starts[i], vectors[i], durations[i]))
            i += 1
    columns = [np.array(column) for column in list(zip(*kept, strict=True))[:2]]
    return *columns, durations_of(kept, durations), end_merged


def durations_of(kept: list, durations: np.ndarray) -> np.ndarray:
    return np.array([duration for *_, duration in kept] + [durations[-1]])


def rows(paths: Scanpaths) -> list[np.ndarray]:
    """Rows x, y, duration of each."""
    values = torch.cat([paths.xy_px, paths.duration_ms[..., None]], -1)
    return [v[m].numpy() for v, m in zip(values, paths.mask, strict=True)]


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("step_px", [15, 40, 150])
def test_all_passes_equal_the_loop(grouping: Grouping, step_px: float) -> None:
    paths = random_walks(seed=int(step_px), count=100, step_px=step_px)
    for found, path in zip(rows(simplify_scanpaths(paths, grouping)), paths, strict=True):
        expected, _ = loop_simplify(path, grouping)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_lattices_with_right_angles_standstills_and_straight_lines(grouping: Grouping) -> None:
    draw = np.random.default_rng(3)
    paths = [np.c_[draw.integers(0, 4, (12, 2)) * 50, draw.choice([90, 150, 400], 12)] for _ in range(100)]
    for found, path in zip(rows(simplify_scanpaths(paths, grouping)), paths, strict=True):
        np.testing.assert_allclose(found, loop_simplify(path.astype(float), grouping)[0], rtol=0, atol=1e-9)


def test_golden_numbers_of_fixations(shared_data: Path) -> None:
    """multimatch_gaze counts one fixation too many after a merger of the last saccade in its last pass."""
    settings = {"multimatch_grouped_A": GROUPINGS[0], "multimatch_grouped_B": GROUPINGS[1]}
    for key, grouping in settings.items():
        for pair in stored_pairs(shared_data):
            if "error" in pair["expected"][key]:
                continue
            paths = [in_ms(pair[side]) for side in "ab"]
            counted = [len(p) if len(p) < 3 else loop_simplify(p, grouping)[1] for p in paths]
            assert counted == pair["expected"][f"{key}_fixations"]
            for found, path in zip(rows(simplify_scanpaths(paths, grouping)), paths, strict=True):
                if len(path) >= 3:
                    np.testing.assert_allclose(found, loop_simplify(path, grouping)[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # a brief fixation on a straight line; what it lasted is lost
        ([[0, 0, 300], [100, 1, 90], [200, 0, 300]], [[0, 0, 300], [200, 0, 300]]),
        # the same, but long
        ([[0, 0, 300], [100, 1, 200], [200, 0, 300]], None),
        # a short saccade begins at a brief fixation
        ([[0, 0, 90], [0, 20, 300], [200, 0, 300]], [[0, 0, 90], [200, 0, 300]]),
        # a short last saccade goes to the one before
        ([[0, 0, 300], [200, 0, 300], [200, 20, 90]], [[0, 0, 300], [200, 20, 90]]),
        # exactly parallel
        ([[0, 0, 300], [1, 3, 90], [3, 9, 300], [500, 9, 300]], [[0, 0, 300], [3, 9, 300], [500, 9, 300]]),
    ],
)
def test_single_mergers(path: list, expected: list | None) -> None:
    assert rows(simplify_scanpaths([path], SIMPLE))[0].tolist() == (expected or path)


def test_all_shrinks_to_one_saccade_which_stays() -> None:
    path = [[0, 0, 90], [5, 0, 90], [10, 0, 90], [15, 0, 90]]
    assert rows(simplify_scanpaths([path], SIMPLE))[0].tolist() == [[0, 0, 90], [15, 0, 90]]


def test_an_end_merged_twice_ends_elsewhere() -> None:
    """As in multimatch_gaze: the last vector is the sum of the last two, without the first of the three."""
    path = [[0, 0, 90], [0, 20, 300], [200, 0, 300], [200, 30, 90]]
    assert rows(simplify_scanpaths([path], SIMPLE))[0].tolist() == [[0, 0, 90], [200, 10, 90]]


def test_short_and_empty_scanpaths_stay() -> None:
    paths = [[[0, 0, 90], [5, 0, 90]], [[7, 8, 90]], np.zeros((0, 3))]
    simplified = simplify_scanpaths(paths, SIMPLE)
    assert simplified.lengths.tolist() == [2, 1, 0]
    assert simplify_scanpaths(np.zeros((0, 3)), SIMPLE).shape == ()
    assert simplify_scanpaths([], SIMPLE).shape == (0,)


def test_zero_thresholds_change_nothing_and_inputs_stay() -> None:
    paths = Scanpaths.of(random_walks(seed=1, count=20, step_px=40))
    copy = paths.xy_px.clone()
    same = simplify_scanpaths(paths, Grouping(0, 0, 0))
    assert torch.equal(same.xy_px, copy) and torch.equal(same.mask, paths.mask)
    simplify_scanpaths(paths, GROUPINGS[0])
    assert torch.equal(paths.xy_px, copy)


def test_batches_and_padding_change_nothing() -> None:
    walks = random_walks(seed=2, count=24, step_px=60)
    paths = Scanpaths.of(walks)
    dirty = Scanpaths(
        paths.xy_px.masked_fill(~paths.mask[..., None], 777.0),
        paths.mask,
        paths.duration_ms.masked_fill(~paths.mask, 1.0),
    )
    together = rows(simplify_scanpaths(dirty, GROUPINGS[0]))
    for found, walk in zip(together, walks, strict=True):
        np.testing.assert_array_equal(found, rows(simplify_scanpaths([walk], GROUPINGS[0]))[0])
    shaped = Scanpaths(
        paths.xy_px.unflatten(0, (4, 6)),
        paths.mask.unflatten(0, (4, 6)),
        paths.duration_ms.unflatten(0, (4, 6)),
    )
    assert simplify_scanpaths(shaped, GROUPINGS[0]).shape == (4, 6)


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="grouping needs the durations"):
        simplify_scanpaths([[0, 0], [1, 1], [2, 2]], SIMPLE)
    with pytest.raises(ValueError, match="duration_ms of grouping must be at least 0, got -1"):
        simplify_scanpaths([[0, 0, 1]], Grouping(45, -1, 100))
    with pytest.raises(ValueError, match="amplitude_px of grouping must be at least 0, got nan"):
        simplify_scanpaths([[0, 0, 1]], Grouping(45, 1, math.nan))
    with pytest.raises(TypeError, match="grouping must be a Grouping, got tuple"):
        simplify_scanpaths([[0, 0, 1]], (45, 300, 150))
