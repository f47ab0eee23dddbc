"""What stands where in the figures. Positions are read from the artists, in pixels of the scene."""

from __future__ import annotations

import math
import subprocess
import sys

import cv2
import matplotlib
import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

from gazekit import drawing as figures
from gazekit.datasets import load
from gazekit.drawing import placement
from gazekit.geometry import box_centres
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

SIZE = (640, 480)
BOXES = np.array([[100, 100, 140, 130], [400, 90, 450, 140], [300, 300, 340, 340]], float)
XY = np.array([[120.0, 115.0], [425.0, 115.0], [320.0, 320.0]])


def scene(**changes) -> Scene:
    return Scene(**{"name": "a", "size_px": SIZE, "boxes_px": BOXES, "target": 1, **changes})


def grid(rows: int = 6, columns: int = 14, target: int = 40) -> Scene:
    x, y = np.meshgrid(np.arange(columns) * 100.0, np.arange(rows) * 120.0)
    corner = np.stack([x.ravel(), y.ravel()], -1)
    return Scene(
        "grid",
        (columns * 100, rows * 120),
        np.concatenate([corner, corner + np.array([100, 120])], -1),
        target,
    )


def axis() -> Axes:
    return Figure(figsize=(3.4, 2.55)).add_axes((0, 0, 1, 1))


def marked(ax: Axes, gid: str) -> list:
    return [a for a in ax.get_children() if (a.get_gid() or "").startswith(gid)]


def numbers(ax: Axes) -> dict[str, tuple[float, float]]:
    return {t.get_text(): t.get_position() for t in ax.texts if (t.get_gid() or "").startswith("fixation")}


def text_box(ax: Axes, text) -> np.ndarray:
    """Drawn extent of a text in pixels of the scene."""
    drawn = text.get_window_extent(ax.figure.canvas.get_renderer())
    (x0, y1), (x1, y0) = ax.transData.inverted().transform([(drawn.x0, drawn.y0), (drawn.x1, drawn.y1)])
    return np.array([x0, y0, x1, y1])


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((np.maximum(a[:2], b[:2]) < np.minimum(a[2:], b[2:])).all())


def agg(ax: Axes) -> Axes:
    FigureCanvasAgg(ax.figure)
    return ax


class TestScene:
    def test_y_runs_down_and_the_whole_picture_shows(self) -> None:
        ax = axis()
        figures.draw_scene(ax, scene())
        assert ax.get_xlim() == (0, 640) and ax.get_ylim() == (480, 0)
        assert ax.get_aspect() == 1 and not len(ax.get_xticks())

    def test_outlines_are_the_boxes(self) -> None:
        ax = axis()
        figures.draw_scene(ax, scene())
        drawn = [
            [*p.get_xy(), p.get_x() + p.get_width(), p.get_y() + p.get_height()] for p in marked(ax, "object")
        ]
        np.testing.assert_allclose(drawn, BOXES)

    def test_target_is_framed_and_its_label_touches_no_object(self) -> None:
        ax = agg(axis())
        figures.draw_scene(ax, scene())
        (frame,) = [p for p in ax.patches if p.get_gid() == "target"]
        x, y = frame.get_xy()
        np.testing.assert_allclose((x + frame.get_width() / 2, y + frame.get_height() / 2), (425, 115))
        (label,) = [t for t in ax.texts if t.get_text() == "target"]
        assert not any(overlap(text_box(ax, label), box) for box in BOXES)
        assert abs(label.get_position()[0] - 425) < 60 and abs(label.get_position()[1] - 115) < 60

    def test_target_label_leaves_fixations_free(self) -> None:
        free, taken = axis(), axis()
        figures.draw_scene(free, scene())
        where = free.texts[0].get_position()
        figures.draw_scene(taken, scene(), avoid_px=np.array([where]))
        assert taken.texts[0].get_position() != where

    @pytest.mark.parametrize(("target", "below"), [(40, False), (80, True)])
    def test_target_label_of_a_full_grid_stands_in_the_margin(self, target: int, below: bool) -> None:
        ax = agg(axis())
        figures.draw_scene(ax, grid(target=target))
        box = text_box(ax, next(t for t in ax.texts if t.get_text() == "target"))
        assert box[1] > 720 if below else box[3] < 0
        (line,) = [x for x in ax.lines if x.get_gid() == "target"]
        assert set(line.get_xdata()) <= set(grid(target=target).boxes_px[target][[0, 2]])

    def test_free_viewing_has_no_target(self) -> None:
        ax = axis()
        figures.draw_scene(ax, scene(target=None))
        assert not marked(ax, "target")

    def test_categories_are_written_beside_their_boxes(self) -> None:
        ax = agg(axis())
        figures.draw_scene(ax, scene(categories=("cat", "dog", "hippopotamus major")))
        written = [t for t in ax.texts if t.get_gid() == "category"]
        assert [t.get_text() for t in written] == ["cat", "dog", "hippopotamu…"]
        boxes = [text_box(ax, t) for t in ax.texts]
        assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in [*boxes[:i], *BOXES])

    def test_categories_are_left_out_where_they_do_not_fit(self) -> None:
        ax = axis()
        full = grid()
        named = Scene("grid", full.size_px, full.boxes_px, 40, tuple(["book"] * 84))
        figures.draw_scene(ax, named)
        assert not marked(ax, "category")

    def test_crops_lie_at_their_boxes(self) -> None:
        crops = np.zeros((3, 8, 8, 3), np.uint8)
        crops[:, :, :, 1] = [[[250]], [[150]], [[50]]]
        ax = axis()
        figures.draw_scene(ax, scene(crops=crops))
        (image,) = ax.images
        picture = np.asarray(image.get_array())
        assert image.get_extent() == [0, 640, 480, 0] and picture.shape == (480, 640, 3)
        assert [int(picture[y, x, 1]) for x, y in box_centres(BOXES).astype(int)] == [250, 150, 50]
        assert picture[100, 99].tolist() == picture[99, 100].tolist() == [236, 236, 232]
        assert not marked(ax, "object")

    def test_the_picture_goes_before_crops(self, tmp_path) -> None:
        path = tmp_path / "picture.png"
        cv2.imwrite(str(path), np.full((48, 64, 3), (0, 0, 255), np.uint8))  # red, in OpenCV's order
        ax = axis()
        figures.draw_scene(ax, scene(image_path=path, crops=np.zeros((3, 8, 8, 3), np.uint8)))
        (image,) = ax.images
        assert image.get_extent() == [0, 640, 480, 0]
        np.testing.assert_allclose(np.asarray(image.get_array())[20, 20, :3], [1, 0, 0])

    def test_a_picture_that_is_gone_gives_outlines(self, tmp_path) -> None:
        ax = axis()
        figures.draw_scene(ax, scene(image_path=tmp_path / "gone.png"))
        assert not ax.images and len(marked(ax, "object")) == 3


class TestScanpath:
    def draw(self, xy: np.ndarray, home: Scene | None = None, **options) -> Axes:
        ax = axis()
        figures.draw_scene(ax, home or scene(target=None))
        figures.draw_scanpath(ax, xy, **options)
        return ax

    def test_numbers_stand_at_their_fixations(self) -> None:
        ax = self.draw(XY)
        assert list(numbers(ax)) == ["1", "2", "3"]
        np.testing.assert_allclose(list(numbers(ax).values()), XY)
        circles = [p for p in ax.patches if (p.get_gid() or "").startswith("fixation")]
        np.testing.assert_allclose([c.get_center() for c in circles], XY)

    def test_colour_runs_from_dark_to_light(self) -> None:
        ax = self.draw(XY)
        light = [sum(c.get_facecolor()[:3]) for c in ax.patches if (c.get_gid() or "").startswith("fixation")]
        assert light == sorted(light) and light[-1] > light[0] + 0.5

    def test_repeats_at_one_place_share_a_pill(self) -> None:
        ax = self.draw(np.array([[100, 100], [400, 200], [402, 201], [399, 200], [100, 400]], float))
        assert list(numbers(ax)) == ["1", "2–4", "5"]
        np.testing.assert_allclose(numbers(ax)["2–4"], (400.333, 200.333), atol=0.01)

    def test_saccades_point_from_each_fixation_to_the_next(self) -> None:
        ax = self.draw(XY)
        (lines,) = [c for c in ax.collections if hasattr(c, "get_segments")]
        for segment, a, b in zip(lines.get_segments(), XY[:-1], XY[1:], strict=True):
            assert np.hypot(*(segment[0] - a)) < np.hypot(*(segment[0] - b))
            assert (
                abs(np.cross(np.append(segment[0] - a, 0), np.append(b - a, 0))[2])
                < 1e-6 * np.hypot(*(b - a)) ** 2
            )
        (heads,) = [c for c in ax.collections if not hasattr(c, "get_segments")]
        for path, a, b in zip(heads.get_paths(), XY[:-1], XY[1:], strict=True):
            tip, left = path.vertices[0], path.vertices[1]
            assert (tip - left) @ (b - a) > 0 and np.hypot(*(tip - b)) < np.hypot(*(tip - a))

    def test_return_visits_do_not_hide_one_another(self) -> None:
        ax = self.draw(XY[[0, 1, 0, 1, 0, 1, 2]])
        places = np.array(list(numbers(ax).values()))
        apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) + 1e9 * np.eye(7)
        circle = next(p for p in ax.patches if p.get_gid() == "fixation 1-1")
        assert apart.min() >= 2 * circle.get_radius()
        assert np.hypot(*(places - XY[[0, 1, 0, 1, 0, 1, 2]]).T).max() < 6 * circle.get_radius()

    def test_fifty_fixations_on_84_objects_stay_apart_and_in_the_picture(self) -> None:
        home = grid()
        rng = np.random.default_rng(0)
        xy = box_centres(home.boxes_px)[rng.integers(0, 84, 50)] + rng.normal(0, 10, (50, 2))
        ax = agg(self.draw(xy, home))
        boxes = [text_box(ax, t) for t in ax.texts if (t.get_gid() or "").startswith("fixation")]
        assert len(boxes) > 35
        assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert np.min(boxes) >= 0 and np.max(boxes, 0)[2] <= 1400 and np.max(boxes, 0)[3] <= 720

    def test_too_many_fixations_are_numbered_now_and_then(self) -> None:
        rng = np.random.default_rng(0)
        ax = self.draw(rng.uniform(0, [640, 480], (200, 2)))
        assert 3 <= len(numbers(ax)) < 60 and "1" in numbers(ax) and "200" in numbers(ax)
        assert len(marked(ax, "fixation")) - len(numbers(ax)) > 150

    def test_the_start_is_a_cross_at_the_centre_or_where_the_scene_says(self) -> None:
        for start, expected in ((None, (320, 240)), ((50.0, 60.0), (50, 60))):
            ax = self.draw(XY, start_xy_px=start)
            arms = [line.get_xydata().mean(0) for line in ax.lines if line.get_gid() == "start"][:2]
            np.testing.assert_allclose(arms, [expected, expected])

    def test_long_fixations_are_larger(self) -> None:
        ax = self.draw(XY, duration_ms=np.array([200.0, 250.0, 500.0]))
        radii = [p.get_radius() for p in ax.patches if (p.get_gid() or "").startswith("fixation")]
        np.testing.assert_allclose(np.square(radii) / radii[0] ** 2, [1, 1, 2])

    def test_no_fixation_is_said(self) -> None:
        ax = self.draw(np.zeros((0, 2)))
        assert ax.get_title("right") == "no fixation"
        assert not numbers(ax) and len(marked(ax, "object")) == 3

    def test_a_circle_does_not_cover_half_a_category(self) -> None:
        ax = axis()
        figures.draw_scene(ax, scene(target=None, categories=("cat", "dog", "cow")))
        where = next(t.get_position() for t in ax.texts if t.get_text() == "dog")
        figures.draw_scanpath(ax, np.array([where]))
        assert {t.get_text() for t in marked(ax, "category")} == {"cat", "cow"}

    def test_wrong_shapes_are_told(self) -> None:
        with pytest.raises(ValueError, match=r"xy_px must have shape \[T, 2\], got \[2, 3\]"):
            self.draw(np.zeros((2, 3)))
        with pytest.raises(ValueError, match="2 values for 3 fixations"):
            self.draw(XY, duration_ms=np.ones(2))
        with pytest.raises(ValueError, match="not finite"):
            self.draw(np.array([[1.0, np.nan]]))


class TestPanels:
    def test_each_panel_shows_its_own_scanpath(self) -> None:
        figure = figures.scanpath_figure(
            scene(), {"person": Scanpath(XY), "oat": XY[:1], "scene": None}, title="a scene"
        )
        assert [ax.get_title("left") for ax in figure.axes] == ["person", "oat", "scene"]
        assert [list(numbers(ax)) for ax in figure.axes] == [["1", "2", "3"], ["1"], []]
        caption, title = (t.get_text() for t in figure.texts)
        assert title == "a scene"
        assert "a dot marks the true position" in caption
        assert figure.axes[2].get_title("right") == ""

    def test_the_target_label_is_at_one_place_in_all_panels(self) -> None:
        figure = figures.scanpath_figure(scene(), {"a": XY, "b": XY - np.array([0, 20])})
        labels = [[t.get_position() for t in ax.texts if t.get_text() == "target"] for ax in figure.axes]
        assert labels[0] == labels[1] and len(labels[0]) == 1

    def test_long_titles_are_cut(self) -> None:
        figure = agg(figures.scanpath_figure(scene(), {"p" * 200: XY}, title="t" * 200).axes[0]).figure
        caption, title = figure.texts
        assert caption.get_window_extent(figure.canvas.get_renderer()).x1 <= figure.bbox.x1
        for text in (title, figure.axes[0]._left_title):
            assert text.get_text().endswith("…")
            assert text.get_window_extent(figure.canvas.get_renderer()).x1 <= figure.bbox.x1

    def test_errors(self) -> None:
        with pytest.raises(ValueError, match="at least one scanpath"):
            figures.scanpath_figure(scene(), {})
        with pytest.raises(ValueError, match=r"panel 'oat': xy_px must have shape \[T, 2\], got \[3\]"):
            figures.scanpath_figure(scene(), {"oat": np.zeros(3)})

    def test_a_real_layout_with_crops_saves(self, tmp_path) -> None:
        data = load("synthetic_search", n_scenes=2)
        trial = data.trials[0]
        figure = figures.scanpath_figure(data.scenes[trial.scene], {"observer": trial.scanpath})
        path = figures.save(figure, tmp_path / "new" / "scanpath.png")
        image = imread(path)
        width, height = figure.get_size_inches() * 150
        assert abs(image.shape[1] - width) <= 1 and abs(image.shape[0] - height) <= 1
        assert len(np.unique(image[..., :3].reshape(-1, 3), axis=0)) > 100
        assert [p.name for p in path.parent.iterdir()] == ["scanpath.png"]


def entry(
    value: float | None, low: float | None = None, high: float | None = None, undefined: int = 0
) -> dict:
    return {"value": value, "low": low, "high": high, "n": 10, "undefined": undefined}


def words(ax: Axes) -> dict[int, str]:
    """Row to the word written in it."""
    return {round(t.get_position()[1]): t.get_text() for t in ax.texts if t.get_fontstyle() == "italic"}


class TestScores:
    def test_points_and_bars_are_where_the_numbers_say(self) -> None:
        rows = {
            "oat": {"sequence_score": entry(0.4, 0.3, 0.45)},
            "people": {"sequence_score": entry(0.5, 0.48, 0.53)},
        }
        (ax,) = figures.scores_figure(rows, ["sequence_score"]).axes
        assert [t.get_text() for t in ax.get_yticklabels()] == ["oat", "people"]
        assert [a.get_xydata().tolist() for a in marked(ax, "value")] == [[[0.4, 0]], [[0.5, 1]]]
        assert [list(a.get_xdata()) for a in marked(ax, "interval")] == [[0.3, 0.45], [0.48, 0.53]]
        assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row on top

    def test_direction_comes_from_the_metric_or_the_caller(self) -> None:
        metrics = ["sequence_score", "edit_distance", "information_gain_bits", "mine", "unknown"]
        rows = {"oat": {m: entry(1.0) for m in metrics}}
        figure = figures.scores_figure(rows, metrics, higher_is_better={"mine": False})
        said = [next((t.get_text() for t in ax.texts), "") for ax in figure.axes]
        assert said == [
            "higher is better →",
            "← lower is better",
            "higher is better →",
            "← lower is better",
            "",
        ]

    @pytest.mark.parametrize("nothing", [None, math.nan])
    def test_undefined_rows_are_written_out(self, nothing: float | None) -> None:
        rows = {
            "oat": {"m": entry(1.0, 0.5, 1.5)},
            "people": {"m": entry(nothing, nothing, nothing)},
            "uniform": {},
        }
        (ax,) = figures.scores_figure(rows, ["m"]).axes
        assert words(ax) == {1: "undefined", 2: "not measured"}
        assert len(marked(ax, "value")) == 1

    @pytest.mark.parametrize("value", [-math.inf, "-inf"])
    def test_minus_infinity_is_at_the_left_end(self, value: float | str, tmp_path) -> None:
        figure = figures.scores_figure({"a": {"m": entry(value)}, "b": {"m": entry(2.0, 1.0, 3.0)}}, ["m"])
        (ax,) = figure.axes
        assert "−∞" in [t.get_text() for t in ax.texts]
        assert all(map(math.isfinite, ax.get_xlim())) and len(marked(ax, "value")) == 1
        figures.save(figure, tmp_path / "scores.png")

    def test_an_infinite_bound_ends_at_the_axis(self) -> None:
        (ax,) = figures.scores_figure({"b": {"m": entry(2.0, -math.inf, 3.0)}}, ["m"]).axes
        (bar,) = marked(ax, "interval")
        assert list(bar.get_xdata()) == [ax.get_xlim()[0], 3.0]

    def test_left_out_trials_are_counted(self) -> None:
        (ax,) = figures.scores_figure({"b": {"m": entry(2.0, 1.0, 3.0, undefined=7)}}, ["m"]).axes
        assert "7 undefined" in [t.get_text() for t in ax.texts]

    def test_colours_stay_with_their_rows(self) -> None:
        rows = {
            "oat": {"m": entry(1.0), "k": entry(2.0)},
            "people": {"m": entry(1.0)},
            "pairwise": {"k": entry(1.0)},
        }
        m, k = figures.scores_figure(rows, ["m", "k"]).axes
        colours = [[a.get_color() for a in marked(ax, "value")] for ax in (m, k)]
        assert colours[0][0] == colours[1][0] != colours[1][1]
        assert colours[0][1] == "black"
        assert figures.scores_figure({k: rows[k] for k in ("oat", "pairwise")}, ["k"]).axes[0].lines

    def test_nothing_defined_at_all(self, tmp_path) -> None:
        figures.save(figures.scores_figure({"a": {"m": entry(None)}}, ["m"]), tmp_path / "scores.png")

    def test_errors(self) -> None:
        with pytest.raises(ValueError, match="at least one row"):
            figures.scores_figure({}, ["m"])
        with pytest.raises(ValueError, match="at least one metric"):
            figures.scores_figure({"a": {}}, [])
        with pytest.raises(ValueError, match="at least one row"):
            figures.behaviour_figure({})

    def test_people_are_a_line_with_a_band_in_the_five_parts(self) -> None:
        parts = ("found", "length", "search", "refix", "revisit")
        rows = {
            "oat": {part: entry(0.5, 0.4, 0.6) for part in parts},
            "people": {part: entry(0.7, 0.65, 0.8) for part in parts},
        }
        rows["people"]["found"] = entry(math.nan)
        figure = figures.behaviour_figure(rows)
        assert [ax.get_title("left") for ax in figure.axes] == list(parts)
        assert not marked(figure.axes[0], "people")
        band, line = sorted(marked(figure.axes[1], "people"), key=lambda a: a.get_zorder())
        assert (band.get_x(), round(band.get_x() + band.get_width(), 9)) == (0.65, 0.8)
        assert line.get_xdata() == [0.7, 0.7]
        assert not marked(figures.behaviour_figure({"oat": rows["oat"]}).axes[1], "people")


HISTORY = {
    "train/loss": [(s, 1 / (s + 1)) for s in range(20)],
    "val/loss": [(0, 2.0), (10, 1.0), (19, 1.5)],
    "val/information_gain_bits": [(0, -math.inf), (10, None), (19, 0.3)],
}


class TestTraining:
    def test_training_and_validation_share_an_axis(self) -> None:
        loss, gain = figures.training_figure(HISTORY).axes
        np.testing.assert_array_equal(marked(loss, "val/loss")[0].get_xydata(), HISTORY["val/loss"])
        assert len(marked(loss, "train/loss")) == 1
        np.testing.assert_array_equal(marked(gain, "val")[0].get_ydata(), [np.nan, np.nan, 0.3])
        assert not marked(loss, "best")

    def test_the_best_step_is_marked(self, tmp_path) -> None:
        figure = figures.training_figure(HISTORY, best_step=10)
        ring, line = sorted(marked(figure.axes[0], "best"), key=lambda a: len(a.get_xdata()))
        assert ring.get_xydata().tolist() == [[10, 1.0]]
        assert list(line.get_xdata()) == [10, 10]
        figures.save(figure, tmp_path / "training.png")

    def test_a_curve_without_values_says_so(self, tmp_path) -> None:
        figure = figures.training_figure({"val/behaviour_delta": [(0, None)], "val/x": []}, best_step=0)
        assert all("no value" in [t.get_text() for t in ax.texts] for ax in figure.axes)
        figures.save(figure, tmp_path / "training.png")

    def test_errors(self) -> None:
        with pytest.raises(ValueError, match="at least one curve"):
            figures.training_figure({})
        with pytest.raises(
            ValueError, match=r"history\['a'\] must hold \(step, value\) pairs, got \[1, 2, 3\]"
        ):
            figures.training_figure({"a": [(1, 2, 3)]})


class TestPlacement:
    def test_equal_anchors_part(self) -> None:
        place = placement.spread(np.full((5, 2), 50.0), np.zeros(5), np.full(5, 6.0), (100, 100))
        apart = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1)) + 1e9 * np.eye(5)
        assert apart.min() >= 12

    def test_nothing_moves_without_need(self) -> None:
        anchors = np.array([[20.0, 20.0], [60.0, 60.0]])
        np.testing.assert_array_equal(
            placement.spread(anchors, np.zeros(2), np.full(2, 6.0), (100, 100)), anchors
        )

    def test_fixed_circles_stay(self) -> None:
        anchors = np.array([[50.0, 50.0], [51.0, 50.0]])
        place = placement.spread(anchors, np.zeros(2), np.full(2, 6.0), (100, 100), n_fixed=1)
        np.testing.assert_array_equal(place[0], anchors[0])
        assert place[1, 0] >= 62 - 0.1

    def test_a_line_leaves_a_pill_at_its_outline(self) -> None:
        assert placement.edge_fraction(np.zeros(2), np.array([100.0, 0.0]), 10, 5) == pytest.approx(
            0.15, abs=0.005
        )
        assert placement.edge_fraction(np.zeros(2), np.array([0.0, 100.0]), 10, 5) == pytest.approx(
            0.05, abs=0.005
        )
        assert placement.edge_fraction(np.zeros(2), np.array([3.0, 0.0]), 10, 5) == 1.0

    def test_no_free_place_is_none(self) -> None:
        everything = np.array([[0.0, 0.0, 100.0, 100.0]])
        assert (
            placement.place_label((20, 8), np.array([40.0, 40.0, 60.0, 60.0]), everything, (100, 100)) is None
        )


def test_saving_replaces_and_leaves_nothing_behind_on_failure(tmp_path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    figures.save(Figure(figsize=(2, 1)), path)
    assert imread(path).shape[:2] == (150, 300)
    with pytest.raises(ValueError, match=r"saved as .png, got 'a.pdf'"):
        figures.save(Figure(), tmp_path / "a.pdf")
    broken = Figure(figsize=(2, 1))
    broken.text(0.5, 0.5, r"$\notacommand$")
    kept = path.read_bytes()
    with pytest.raises(ValueError):
        figures.save(broken, path)
    assert path.read_bytes() == kept and [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_metrics_do_not_import_figures() -> None:
    code = "import sys, gazekit.metrics; sys.exit('gazekit.report' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_drawing_leaves_no_global_state(tmp_path) -> None:
    settings = dict(matplotlib.rcParams)
    figures.save(figures.scanpath_figure(scene(), {"a": XY}), tmp_path / "a.png")
    figures.save(figures.training_figure(HISTORY), tmp_path / "b.png")
    assert not Gcf.figs and dict(matplotlib.rcParams) == settings
