import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.geometry import Screen, assign_objects, box_centres, check_boxes

SCREEN = Screen(1680, 1050, 47.4, 60.0)
sizes = st.floats(5, 500)
screens = st.builds(Screen, st.integers(2, 4000), st.integers(2, 4000), sizes, sizes)


@settings(deadline=None)
@given(screens, st.lists(st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000)), min_size=1, max_size=5))
def test_pixels_to_degrees_and_back(screen, points):
    # near 90 degrees one rounding error of the angle moves the point far, hence the scale of the tolerance
    back = screen.dva_to_px(screen.px_to_dva(points))
    ratio = np.abs(np.array(points) - screen.centre_px) / screen.distance_px
    assert (np.abs(back - points) <= 1e-12 * screen.distance_px * (1 + ratio) ** 2 + 1e-9).all()


@settings(deadline=None)
@given(screens, st.lists(st.tuples(st.floats(-89, 89), st.floats(-89, 89)), min_size=1, max_size=5))
def test_degrees_to_pixels_and_back(screen, points):
    np.testing.assert_allclose(screen.px_to_dva(screen.dva_to_px(points)), points, rtol=1e-9, atol=1e-6)


def test_one_degree_is_what_trigonometry_says():
    pixels = 60.0 * math.tan(math.radians(1)) / (47.4 / 1680)
    assert SCREEN.px_per_dva == pytest.approx(pixels)
    one_right = SCREEN.centre_px + np.array([pixels, 0])
    np.testing.assert_allclose(SCREEN.px_to_dva(one_right), [1, 0], atol=1e-12)
    np.testing.assert_allclose(SCREEN.px_to_dva_linear(one_right), [1, 0], atol=1e-12)
    assert SCREEN.px_to_dva([0, 0])[0] < 0  # left is negative
    assert SCREEN.px_to_dva([0, 0])[1] < 0  # and so is up
    np.testing.assert_array_equal(SCREEN.centre_px, [839.5, 524.5])


def test_one_constant_overstates_eccentricity():
    corner = SCREEN.px_to_dva([1679, 1049])
    assert (SCREEN.px_to_dva_linear([1679, 1049]) > corner).all()


@pytest.mark.parametrize("name", ["width_px", "height_px", "width_cm", "distance_cm"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_screen_rejects_impossible_sizes(name, value):
    sizes = {"width_px": 10, "height_px": 10, "width_cm": 10.0, "distance_cm": 10.0, name: value}
    with pytest.raises(ValueError, match=f"Screen.{name} must be positive and finite, got {value}"):
        Screen(**sizes)


def assign_by_loop(xy, boxes):
    """The rule of the docstring, one point and one box at a time, in exact integers."""
    result = []
    for x, y in xy:
        best = None
        for i, (x0, y0, x1, y1) in enumerate(boxes):
            outside = not (x0 <= x < x1 and y0 <= y < y1)
            distance = (2 * x - x0 - x1) ** 2 + (2 * y - y0 - y1) ** 2
            if best is None or (outside, distance) < best[:2]:
                best = (outside, distance, i)
        result.append(best[2])
    return result


corners = st.integers(0, 12)
boxes = st.tuples(corners, corners, st.integers(1, 6), st.integers(1, 6)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.integers(-3, 20), st.integers(-3, 20)), min_size=1, max_size=8),
    st.lists(boxes, min_size=1, max_size=6),
)
def test_assignment_equals_a_loop(xy, boxes):
    assert assign_objects(xy, boxes).tolist() == assign_by_loop(xy, boxes)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        pytest.param((0, 0), 0, id="upper left corner is inside"),
        pytest.param((10, 5), 1, id="shared edge belongs to the right box"),
        pytest.param((3, 10), 0, id="lower edge is outside, nearest centre"),
        pytest.param((14, 5), 1, id="in two boxes, nearest centre"),
        pytest.param((17.5, 5), 1, id="in two boxes, tie goes to the first"),
        pytest.param((18, 5), 2, id="in two boxes, other side"),
        pytest.param((100, 5), 2, id="outside all"),
    ],
)
def test_edges_overlaps_and_ties(point, expected):
    boxes = [[0, 0, 10, 10], [10, 0, 20, 10], [12, 0, 28, 10]]
    assert assign_objects([point], boxes).tolist() == [expected]


def test_assignment_follows_a_shift_of_everything():
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 40, (6, 2))
    boxes = np.concatenate([corner, corner + rng.integers(1, 10, (6, 2))], 1)
    xy = rng.integers(0, 50, (40, 2))
    np.testing.assert_array_equal(assign_objects(xy, boxes), assign_objects(xy + 7, boxes + 7))


def test_no_points_and_no_boxes():
    assigned = assign_objects(np.zeros((0, 2)), [[0, 0, 1, 1]])
    assert assigned.shape == (0,)
    assert assigned.dtype == np.int64
    with pytest.raises(ValueError, match="needs at least one box, got none"):
        assign_objects([[1, 1]], np.zeros((0, 4)))


def test_box_centres_keep_leading_dimensions():
    assert box_centres([[[0, 0, 4, 2]], [[1, 1, 2, 5]]]).tolist() == [[[2, 1]], [[1.5, 3]]]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[0, 0, 1]], r"here: boxes must have shape \[N, 4\], got \[1, 3\]"),
        ([0, 0, 1, 1], r"here: boxes must have shape \[N, 4\], got \[4\]"),
        ([[0, 0, 1, 1], [0, math.nan, 1, 1]], "here: box 1 has a value that is not finite"),
        ([[3, 0, 3, 1]], "here: box 0 is empty"),
        ([[0, 5, 3, 4]], "here: box 0 is empty"),
        ([[-1, 0, 3, 1]], "here: box 0 .* lies outside the 10 x 8 px picture"),
        ([[0, 0, 10.5, 1]], "here: box 0 .* lies outside"),
        ([[0, 0, 10, 9]], "here: box 0 .* lies outside"),
    ],
)
def test_bad_boxes_name_themselves(boxes, message):
    with pytest.raises(ValueError, match=message):
        check_boxes(boxes, (10, 8), "here")


def test_good_boxes_pass_as_float64():
    checked = check_boxes([[0, 0, 10, 8]], (10, 8), "here")
    assert checked.dtype == np.float64
    assert checked.tolist() == [[0, 0, 10, 8]]
    assert check_boxes([], (10, 8), "here").shape == (0, 4)
