import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.recordings.aoi import (
    BACKGROUND,
    Box,
    Mask,
    MovingBox,
    Polygon,
    aoi_at,
    aoi_labels,
    map_fixations,
    masks,
)

SIDES = st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 12)] * 2).map(
    lambda s: (s[0], s[1], s[0] + s[2], s[1] + s[3])
)
POINTS = st.lists(st.tuples(*[st.floats(-3, 36, allow_nan=False, width=16)] * 2), min_size=1, max_size=20)


def corners(box):
    x0, y0, x1, y1 = box
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def fixations(*rows):
    return pd.DataFrame(rows, columns=["onset_ms", "offset_ms", "x_px", "y_px"])


@given(st.lists(SIDES, max_size=6), POINTS)
@settings(deadline=None, max_examples=50)
def test_the_smallest_that_holds_a_point_wins(boxes, points):
    """Against a loop over points and boxes; the same as polygons, masks and tracks gives the same answer."""
    expected = []
    for x, y in points:
        inside = [k for k, (x0, y0, x1, y1) in enumerate(boxes) if x0 <= x < x1 and y0 <= y < y1]
        inside.sort(key=lambda k: ((boxes[k][2] - boxes[k][0]) * (boxes[k][3] - boxes[k][1]), k))
        expected.append(f"a{inside[0]}" if inside else BACKGROUND)
    image = [np.zeros((40, 40), bool) for _ in boxes]
    for mask, (x0, y0, x1, y1) in zip(image, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    kinds = (
        [Box(f"a{k}", box) for k, box in enumerate(boxes)],
        [Polygon(f"a{k}", corners(box)) for k, box in enumerate(boxes)],
        [Mask(f"a{k}", mask) for k, mask in enumerate(image)],
        [MovingBox(f"a{k}", [3], [box]) for k, box in enumerate(boxes)],
    )
    for aois in kinds:
        assert aoi_at(aois, np.array(points), np.full(len(points), 7)).tolist() == expected


def test_edges_belong_to_the_right_and_lower_neighbour():
    aois = [Box("left", (0, 0, 10, 10)), Box("right", (10, 0, 20, 10))]
    found = aoi_at(aois, [(9.999, 5), (10, 5), (20, 5), (5, 0), (5, 10), (0, 0), (-1e-9, 5)])
    assert found.tolist() == ["left", "right", BACKGROUND, "left", BACKGROUND, "left", BACKGROUND]


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=50)
def test_polygons_that_share_a_side_share_no_point(seed):
    """Two halves of a quadrilateral, cut anywhere, hold each point of it exactly once."""
    rng = np.random.default_rng(seed)
    cut = rng.integers(1, 20, 2), rng.integers(1, 20, 2)
    a, b = (cut[0][0], 0), (cut[1][0], 20)
    left, right = Polygon("left", [(0, 0), a, b, (0, 20)]), Polygon("right", [a, (20, 0), (20, 20), b])
    xy = rng.integers(-2, 44, (300, 2)) / 2  # many points lie on lines
    held = np.isfinite(left.area_at(xy)).astype(int) + np.isfinite(right.area_at(xy))
    assert held.tolist() == ((xy >= 0) & (xy < 20)).all(1).astype(int).tolist()
    assert left.area_px2 + right.area_px2 == pytest.approx(400)


def test_a_polygon_with_a_hole_drawn_by_crossing_itself():
    star = Polygon("star", [(5, 0), (8, 10), (0, 4), (10, 4), (2, 10)])
    assert aoi_at([star], [(5, 2), (5, 5.5)]).tolist() == ["star", BACKGROUND]


def test_what_has_no_position_or_frame_has_no_answer():
    box = Box("a", (0, 0, 5, 5))
    assert aoi_at([box], [(np.nan, 1), (1, np.nan), (1, 1)]).tolist() == ["", "", "a"]
    assert aoi_at([box], [(1, 1), (1, 1)], [-1, 0]).tolist() == ["", "a"]
    assert aoi_at([], [(1, 1)]).tolist() == [BACKGROUND]
    assert aoi_at([box], np.zeros((0, 2))).tolist() == []


def test_boxes_move_linearly_between_keyframes():
    track = MovingBox("a", [10, 20, 30, 40], [(0, 0, 10, 10), (10, 20, 30, 30), (9, 9, 99, 99), (0, 0, 4, 4)],
                      [True, True, False, True])  # fmt: skip
    boxes = track.boxes_at(np.array([9, 10, 15, 20, 29, 30, 39, 40, 1000]))
    assert np.isnan(boxes[[0, 5, 6]]).all()
    assert boxes[[1, 2, 3]].tolist() == [[0, 0, 10, 10], [5, 10, 20, 20], [10, 20, 30, 30]]
    assert boxes[4].tolist() == [10, 20, 30, 30]  # stays until it is gone
    assert boxes[[7, 8]].tolist() == [[0, 0, 4, 4]] * 2


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6, unique=True).map(sorted), st.integers(0, 9999))
@settings(deadline=None, max_examples=50)
def test_interpolation_against_numpy(frames, seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 100, (len(frames), 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 50, (len(frames), 2))], 1)
    at = np.arange(frames[0], 60)
    expected = np.stack([np.interp(at, frames, boxes[:, k]) for k in range(4)], 1)
    np.testing.assert_allclose(MovingBox("a", frames, boxes).boxes_at(at), expected, atol=1e-9)
    listed = MovingBox("a", frames, boxes, interpolate=False).boxes_at(at)
    assert np.isfinite(listed).all(1).tolist() == np.isin(at, frames).tolist()
    np.testing.assert_array_equal(listed[np.isin(at, frames)], boxes)


def test_label_images():
    image = np.array([[1, 1, 0], [2, 2, 0]])
    face, hand = masks(image, {1: "face", 2: "hand"})
    xy = [(0, 0), (1.9, 0.9), (2, 0), (0, 1), (1, 1.99), (0, 2), (-0.1, 0)]
    assert aoi_at([face, hand], xy).tolist() == [
        "face",
        "face",
        BACKGROUND,
        "hand",
        "hand",
        BACKGROUND,
        BACKGROUND,
    ]
    with pytest.raises(ValueError, match=r"AOI 'nose': a mask must be \[H, W\] bool with a pixel set"):
        masks(image, {7: "nose"})
    with pytest.raises(ValueError, match=r"a label image must be \[H, W\] integers, got float64 \[2, 3\]"):
        masks(image / 2, {1: "face"})


def test_areas_of_one_name_are_one_aoi():
    aois = [Box("b", (0, 0, 1, 1)), Box("a", (0, 0, 2, 2)), MovingBox("b", [0], [(5, 5, 6, 6)])]
    assert aoi_labels(aois) == ("b", "a")
    assert aoi_at(aois, [(0.5, 0.5), (1.5, 1.5), (5.5, 5.5)], [0, 0, 0]).tolist() == ["b", "a", "b"]


def test_the_frame_of_a_fixation_is_the_last_at_its_middle():
    times = [(0, 20), (10, 30), (9.999998, 30), (100, 110), (60, 61), (-9, 5)]
    table = fixations(*((onset, offset, 1, 1) for onset, offset in times))
    mapped = map_fixations(table, [Box("a", (0, 0, 5, 5))], np.array([0.0, 20, 40]))
    assert mapped["onset_ms"].tolist() == sorted(table["onset_ms"])
    assert mapped["frame"].tolist() == [-1, 0, 0, 1, -1, -1]  # the last frame lasts 20 ms, as others do
    assert mapped["aoi"].tolist() == ["", "a", "a", "a", "", ""]
    assert table.columns.tolist() == ["onset_ms", "offset_ms", "x_px", "y_px"]  # the caller's is left alone


def test_frames_are_compared_in_whole_nanoseconds():
    """Hours into a recording a middle that equals a frame's time is in that frame, whatever float64 makes of it."""
    rng = np.random.default_rng(0)
    frames_ns = np.cumsum(rng.integers(20_000_000, 50_000_000, 2000)) + 10**13
    half = rng.integers(1_000_000, 9_000_000, 2000)
    table = fixations(*np.stack([(frames_ns - half) / 1e6, (frames_ns + half) / 1e6, half * 0, half * 0], 1))
    assert map_fixations(table, [], frames_ns / 1e6)["frame"].tolist() == list(range(2000))
    earlier = table.assign(offset_ms=(frames_ns + half - 2) / 1e6)
    assert map_fixations(earlier, [], frames_ns / 1e6)["frame"].tolist() == [-1, *range(1999)]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Box("background", (0, 0, 1, 1)), "a non-empty string other than 'background'"),
        (lambda: Box("", (0, 0, 1, 1)), "a non-empty string other than"),
        (lambda: Box("a", (0, 0, 0, 1)), r"AOI 'a': box \[0.0, 0.0, 0.0, 1.0\] is empty or not finite"),
        (lambda: Box("a", (0, 0, np.inf, 1)), "not finite"),
        (lambda: Box("a", (0, 0, 1)), r"a box must have 4 values, got shape \[3\]"),
        (lambda: Polygon("a", [(0, 0), (1, 1)]), r"a polygon must be \[K >= 3, 2\] finite corners"),
        (lambda: Polygon("a", [(0, 0), (1, 1), (2, 2)]), "the polygon has no area"),
        (lambda: Mask("a", np.zeros((2, 2), bool)), "with a pixel set"),
        (lambda: Mask("a", np.ones((2, 2))), "got float64"),
        (lambda: MovingBox("a", [], np.zeros((0, 4))), r"frames \[K >= 1\]"),
        (lambda: MovingBox("a", [1, 1], [(0, 0, 1, 1)] * 2), "increasing whole numbers >= 0"),
        (lambda: MovingBox("a", [-1], [(0, 0, 1, 1)]), "increasing whole numbers >= 0"),
        (lambda: MovingBox("a", [0.5], [(0, 0, 1, 1)]), "increasing whole numbers >= 0"),
        (lambda: aoi_at([MovingBox("a", [1], [(0, 0, 1, 1)])], [(0, 0)]), "AOI 'a' moves: it needs the frame"),
        (lambda: aoi_at([], [(0, 0, 0)]), r"xy_px must be \[T, 2\]"),
        (lambda: aoi_at([], [(0, 0)], [1, 2]), r"and frame \[T\], got \[1, 2\] and \[2\]"),
        (lambda: map_fixations(fixations().drop(columns="x_px"), []), "no column x_px"),
        (lambda: map_fixations(fixations((0, 1, 0, 0), (0, 1, 0, 0)).assign(eye=["left", "right"]), []),
         r"expected fixations of one eye, got \['left', 'right'\]"),
        (lambda: map_fixations(fixations((0, 1, 0, 0)), [], np.array([2.0, 1.0])), "finite times that don't decrease"),
    ],
)  # fmt: skip
def test_errors(make, told):
    with pytest.raises(ValueError, match=told):
        make()
