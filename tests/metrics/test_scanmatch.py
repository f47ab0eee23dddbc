"""ScanMatch: stored values, the textbook loop, properties, what is undefined."""

import math

import numpy as np
import pytest
import torch
from golden_scanpaths import SIZE_PX, assert_equal, golden_pairs, paths
from hypothesis import given, settings
from hypothesis import strategies as st
from scanpath_pairs import P, Q
from tensor_ops import TensorOps

from gazekit.metrics.functional import scanmatch
from gazekit.scanpath import Scanpaths


def loop_scanmatch(a, b, grid, threshold, gap, bin_ms) -> float:
    """As the paper tells it, one cell of the table after the other."""
    strings = []
    for path in (a, b):
        cells = [(int(x) * grid[0] // SIZE_PX[0], int(y) * grid[1] // SIZE_PX[1]) for x, y, _ in path]
        repeats = [1 if bin_ms is None else round(d / bin_ms) for *_, d in path]
        strings.append([c for c, n in zip(cells, repeats, strict=True) for _ in range(n)])
    a, b = strings
    if not a or not b:
        return math.nan
    table = np.zeros((len(a) + 1, len(b) + 1))
    table[:, 0], table[0] = gap * np.arange(len(a) + 1), gap * np.arange(len(b) + 1)
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            paired = table[i - 1, j - 1] + threshold - math.dist(x, y)
            table[i, j] = max(paired, table[i - 1, j] + gap, table[i, j - 1] + gap)
    return table[-1, -1] / (threshold * max(len(a), len(b)))


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("no_duration_12x8", {}),
        ("duration50ms_12x8", {"bin_ms": 50}),
        ("duration100ms_12x8", {"bin_ms": 100}),
        ("no_duration_8x6_gap_m0p5", {"grid": (8, 6), "gap": -0.5, "variant": "gazeparser"}),
    ],
)
def test_golden_pairs(shared_data, key: str, options: dict) -> None:
    golden = golden_pairs(shared_data)
    expected = golden.expected("scanmatch", key)
    assert_equal(scanmatch(golden.a, golden.b, golden.size_px, **options), expected)
    if not options.get("gap"):  # then the largest score is the last
        assert_equal(scanmatch(golden.a, golden.b, golden.size_px, variant="gazeparser", **options), expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 0.5579389727),
        ({"bin_ms": 50}, 0.5674891706),
        ({"gap": -0.5, "variant": "gazeparser"}, 0.5007961156),
    ],
)
def test_small_pair(options: dict, expected: float) -> None:
    assert_equal(scanmatch(P, Q, SIZE_PX, grid=(8, 6), **options), expected, atol=1e-10)


@settings(deadline=None, max_examples=50)
@given(
    paths(),
    paths(),
    st.tuples(st.integers(1, 14), st.integers(1, 10)),
    st.floats(0.5, 6),
    st.sampled_from([0.0, -0.5, -2.0]),
    st.sampled_from([None, 50.0, 100.0]),
)
def test_it_equals_the_loop(a, b, grid, threshold: float, gap: float, bin_ms: float | None) -> None:
    found = scanmatch([a], [b], SIZE_PX, grid, threshold, gap, bin_ms) if a and b else None
    expected = loop_scanmatch(a, b, grid, threshold, gap, bin_ms)
    if found is None:
        assert math.isnan(expected)
    else:
        assert_equal(found, expected)


@settings(deadline=None, max_examples=50)
@given(paths(1), paths(1), st.sampled_from([None, 50.0]))
def test_bounds_identity_and_symmetry(a, b, bin_ms: float | None) -> None:
    forth, back, same = scanmatch([a, b, a], [b, a, a], SIZE_PX, bin_ms=bin_ms)
    assert_equal(forth, back.item())
    if not same.isnan():
        assert same == 1
    if not forth.isnan():
        assert 0 <= forth <= 1


def test_a_batch_equals_single_calls_and_chunks_change_nothing(shared_data) -> None:
    golden = golden_pairs(shared_data)
    together = scanmatch(golden.a, golden.b, golden.size_px, bin_ms=50)
    for i in range(0, 50, 7):
        alone = scanmatch(golden.a[i], golden.b[i], golden.size_px[i], bin_ms=50)
        assert alone.shape == ()
        assert_equal(alone, together[i].item(), atol=0)
    for chunk in (1, 13):
        assert torch.equal(scanmatch(golden.a, golden.b, golden.size_px, bin_ms=50, chunk=chunk), together)


def test_leading_dimensions_broadcast(shared_data) -> None:
    golden = golden_pairs(shared_data)
    a, b = golden.a[:4], golden.b[:6]
    table = scanmatch(a[:, None], b[None], SIZE_PX, on_outside="clip")
    assert table.shape == (4, 6)
    for i, j in np.ndindex(4, 6):
        assert table[i, j] == scanmatch(a[i], b[j], SIZE_PX, on_outside="clip")


def test_what_is_undefined() -> None:
    empty, short = np.zeros((0, 3)), [[10.0, 10.0, 20.0]]
    path = [[10.0, 10.0, 200.0]]
    assert scanmatch([empty, empty, path], [path, empty, path], SIZE_PX).tolist() == pytest.approx(
        [math.nan, math.nan, 1], nan_ok=True
    )
    assert scanmatch(short, path, SIZE_PX) == 1
    assert scanmatch(short, path, SIZE_PX, bin_ms=50).isnan()  # no bin is filled
    assert scanmatch([], [], SIZE_PX).shape == (0,)
    assert scanmatch([], [], SIZE_PX, bin_ms=50).shape == (0,)
    assert scanmatch(Scanpaths.of(P)[None][:0], [], SIZE_PX, bin_ms=50).shape == (0,)


def test_memory_does_not_grow_with_the_grid() -> None:
    with TensorOps() as ops:
        fine = scanmatch(P, Q, SIZE_PX, grid=(100, 75))
    assert ops.largest < 4 * 100 * 75  # cells by cells were 56 million
    assert_equal(fine, loop_scanmatch(P, Q, (100, 75), 3.5, 0, None))


def test_pixels_are_whole() -> None:
    """204.9 px of 1024 lie beyond the first of five cells, pixel 204 does not."""
    a, b = [[204.9, 1.0]], [[0.0, 0.0]]
    assert scanmatch(a, b, (1024, 768), grid=(5, 5)) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold must be above 0"),
        ({"gap": 0.1}, "gap must be at most 0"),
        ({"bin_ms": -1}, "bin_ms must be above 0"),
        ({"variant": "matlab"}, "variant must be global or gazeparser"),
        ({"chunk": 0}, "chunk must be at least 1"),
        ({"size_px": (100, 100)}, r"a: fixation 0 lies at \(400, 300\), off the frame of 100 x 100 px"),
    ],
)
def test_wrong_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scanmatch(P, Q, **({"size_px": SIZE_PX} | options))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bin_ms": "50"}, TypeError, "bin_ms must be a number, got '50'"),
        ({"bin_ms": math.nan}, ValueError, "bin_ms must be finite, got nan"),
        ({"threshold": None}, TypeError, "threshold must be a number, got None"),
        ({"gap": -math.inf}, ValueError, "gap must be finite, got -inf"),
        ({"grid": 12}, TypeError, r"grid must be two whole numbers \(nx, ny\) >= 1, got 12"),
        ({"grid": (12, "8")}, TypeError, "grid must be two whole numbers"),
        ({"grid": (12.5, 8)}, ValueError, "grid must be two whole numbers"),
        ({"chunk": 2.5}, TypeError, "chunk must be a whole number, got 2.5"),
        ({"chunk": True}, TypeError, "chunk must be a whole number, got True"),
    ],
)
def test_wrong_settings_are_named(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        scanmatch(P, Q, SIZE_PX, **options)


def test_bins_need_durations() -> None:
    with pytest.raises(ValueError, match="bin_ms=50 needs durations, and b has none"):
        scanmatch(P, Q[:, :2], SIZE_PX, bin_ms=50)


@pytest.mark.gpu
def test_the_device_changes_nothing(shared_data) -> None:
    golden = golden_pairs(shared_data)
    there = scanmatch(golden.a.to("cuda"), golden.b.to("cuda"), golden.size_px.cuda(), bin_ms=50)
    assert there.is_cuda
    assert_equal(there.cpu(), scanmatch(golden.a, golden.b, golden.size_px, bin_ms=50))
