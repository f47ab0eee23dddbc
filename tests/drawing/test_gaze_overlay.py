"""Overlays of gaze: what is drawn where, and nothing breaks at the edges."""

import numpy as np
import pytest

from gazekit.drawing.gaze import COLOURS, CONE_DEG, SHARED_COLOUR, DrawnGaze, draw_gaze

GREY = 128
NOWHERE = np.full(2, np.nan)


def picture(height=240, width=320):
    return np.full((height, width, 3), GREY, np.uint8)


def person(
    head=(40, 60, 80, 110), target=NOWHERE, direction=(1.0, 0.0), colour=0, heatmap=None, shared_with=()
):
    head = np.array(head, float)
    inside = 0.1 if np.isnan(target).any() else 0.9
    eye = (head[:2] + head[2:]) / 2
    return DrawnGaze(
        head, eye, np.array(direction), np.array(target), inside, "1", colour, heatmap, shared_with
    )


def near(image, xy, colour, radius=4):
    """Whether a colour is drawn close to a point."""
    x, y = (round(v) for v in xy)
    part = image[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].astype(int)
    return bool((np.abs(part - np.array(colour)).max(-1) <= 12).any())


def test_nobody_leaves_the_picture_as_it_is():
    image = picture()
    np.testing.assert_array_equal(draw_gaze(image, []), image)


def test_a_target_in_the_picture_has_a_ray_and_a_point():
    image = picture()
    drawn = draw_gaze(image, [person(target=(250.0, 160.0))])
    assert (image == GREY).all()  # the picture itself is not painted
    for share in (0.5, 0.8):  # along the ray
        assert near(drawn, (60 + share * 190, 85 + share * 75), COLOURS[0])
    assert near(drawn, (250, 160), COLOURS[0]) and near(drawn, (255, 160), (255, 255, 255), 2)
    assert near(drawn, (40, 90), COLOURS[0]) and (drawn[200:, :200] == GREY).all()


@pytest.mark.parametrize(
    ("way", "seen"), [((2.0, 0.0), (300, 120)), ((0.0, -0.1), (160, 20)), ((-0.6, 0.8), (80, 220))]
)
def test_a_target_outside_has_a_cone_to_the_border(way, seen):
    drawn = draw_gaze(picture(), [person((140, 95, 180, 145), direction=way, colour=3)])
    rows, columns = np.mgrid[:240, :320]
    x, y = columns - 160, rows - 120
    along = (x * way[0] + y * way[1]) / (np.hypot(x, y) + 1e-9) / np.hypot(*way)
    off_deg = np.degrees(np.arccos(np.clip(along, -1, 1)))
    label = (rows > 70) & (rows < 96) & (columns > 135) & (columns < 230)
    clear = (
        (np.hypot(x, y) > 60) & (np.hypot(columns - seen[0], rows - seen[1]) > 24) & ~label
    )  # of head and tip too
    changed = (drawn != GREY).any(-1)
    assert changed[clear & (off_deg < CONE_DEG - 3)].mean() > 0.97
    assert not changed[clear & (off_deg > CONE_DEG + 3)].any()
    assert near(drawn, seen, COLOURS[3], 12)


def test_a_heat_map_lies_over_the_whole_picture():
    heat = np.zeros((64, 64))
    heat[48:52, 10:14] = 5.0
    plain, drawn = (
        draw_gaze(picture(), [person(target=(250.0, 160.0), heatmap=h)]).astype(int) for h in (None, heat)
    )
    change = np.abs(drawn - plain).max(-1)
    y, x = (index.mean() for index in np.nonzero(change))
    assert abs(x - 12 / 64 * 320) < 2 and abs(y - 50 / 64 * 240) < 2 and change.max() > 50
    flat = draw_gaze(picture(), [person(target=(250.0, 160.0), heatmap=np.ones((64, 64)))])
    np.testing.assert_array_equal(flat, plain)


def test_shared_attention_has_one_ring():
    two = [
        person(target=(250.0, 160.0), shared_with=(1,)),
        person((150, 20, 190, 60), (254.0, 160.0), colour=1, shared_with=(0,)),
    ]
    apart = [one._replace(shared_with=()) for one in two]
    with_ring, without = draw_gaze(picture(), two), draw_gaze(picture(), apart)
    ring = (np.abs(with_ring.astype(int) - without) > 60).any(-1)
    assert near(with_ring, (252, 160 - 16), SHARED_COLOUR, 3) and ring[140:190].any() and not ring[:120].any()
    assert near(with_ring, (150, 40), COLOURS[1]) and near(with_ring, (40, 90), COLOURS[0])


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (240, 320), (1500, 40)])
@pytest.mark.parametrize(
    "head", [(-50, -50, 20, 20), (-1e5, -1e5, 1e5, 1e5), (0.2, 0.2, 0.4, 0.4), (900, 900, 950, 950)]
)
@pytest.mark.parametrize("target", [(0.0, 0.0), (5000.0, -300.0), (np.nan, np.nan)])
@pytest.mark.parametrize("way", [(0.3, -0.1), (0.0, 0.0), (np.nan, np.nan)])
def test_edges(size, head, target, way):
    drawn = draw_gaze(
        picture(*size), [person(head, target, way, 11, np.random.default_rng(0).random((64, 64)))]
    )
    assert drawn.shape == (*size, 3) and drawn.dtype == np.uint8


def test_labels_of_people_close_together_do_not_cover_each_other():
    two = [person((100, 100, 140, 150), direction=(0, 0)), person((110, 102, 150, 152), NOWHERE, (0, 0), 1)]
    drawn = draw_gaze(picture(), two)
    plates = [(np.abs(drawn.astype(int) - np.array(COLOURS[k])).max(-1) <= 2).sum() for k in (0, 1)]
    alone = [
        (np.abs(draw_gaze(picture(), [one]).astype(int) - np.array(COLOURS[k])).max(-1) <= 2).sum()
        for k, one in enumerate(two)
    ]
    assert all(both > 0.7 * one for both, one in zip(plates, alone, strict=True))
