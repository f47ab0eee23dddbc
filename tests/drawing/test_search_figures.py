"""What stands where in the figures of visual search, read from the artists."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from gazekit.drawing import (
    asymmetry_bars_figure,
    cumulative_performance_figure,
    save,
    search_times_figure,
)

NAN = math.nan
TASKS = {
    "curvature": ("line_in_curves", "curve_in_lines"),
    "orientation, heterogeneous": ("heterogeneous_20", "heterogeneous_0"),
}
PEOPLE = {
    "line_in_curves": {"set_size": [8, 16, 32], "time_ms": [565, 640, 750]},
    "curve_in_lines": {"set_size": [8, 16, 32], "time_ms": [510, 516.4, 529.2]},
    "heterogeneous_20": {"set_size": [1, 4, 8, 12], "time_ms": [526.3, 831.6, 1084.2, 1326.3]},
    "heterogeneous_0": {"set_size": [1, 4, 8, 12], "time_ms": [431.6, 568.4, 633.7, 707.4]},
}
MODEL = {
    "line_in_curves": {"set_size": [8, 16, 32], "time_ms": [670, 720, NAN], "low": [600, 690, NAN],
                       "high": [700, 800, NAN]},
    "curve_in_lines": {"set_size": [8, 16, 32], "time_ms": [628.6] * 3},
}  # fmt: skip


def marked(figure: Figure, gid: str) -> list:
    return [artist for ax in figure.axes for artist in ax.get_children() if artist.get_gid() == gid]


def written(ax: Axes) -> list:
    """All text that is drawn; ticks beyond the limits are not."""
    ticks = [tick.label1 for axis in (ax.xaxis, ax.yaxis) for tick in axis._update_ticks()]
    titles = [t for t in ax.findobj(Text) if t.get_text() and t.get_text() == ax.get_title("left")]
    return [*ax.texts, *(t for t in ticks if t.get_visible()), ax.xaxis.label, ax.yaxis.label, *titles]


def assert_no_overlap(figure: Figure) -> None:
    """No two texts cover each other, and all are on the page."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [t for ax in figure.axes for t in written(ax)]
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts if t.get_text()]
    for k, (text, box) in enumerate(boxes):
        assert (
            box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        ), text
        for other, second in boxes[k + 1 :]:
            apart = (
                box.x1 <= second.x0 + 1
                or second.x1 <= box.x0 + 1
                or box.y1 <= second.y0 + 1
                or second.y1 <= box.y0 + 1
            )
            assert apart, (text, other)


def test_points_lines_and_slopes() -> None:
    figure = search_times_figure({"people": PEOPLE, "a model": MODEL}, TASKS)
    assert len(figure.axes) == 4
    points = marked(figure, "line_in_curves")[0]
    np.testing.assert_array_equal(points.get_xydata(), [[8, 565], [16, 640], [32, 750]])
    line = marked(figure, "line")[0].get_xydata()
    np.testing.assert_allclose(line, [[8, 510 + 8 * 7.5893], [32, 510 + 32 * 7.5893]], atol=0.01)
    slopes = [text.get_text() for text in marked(figure, "slope")]
    assert slopes == ["7.6", "0.8", "71", "24", "6.2", "0.0"]
    hard, easy = marked(figure, "line")[:2]
    assert (
        hard.get_linestyle() == "-" and easy.get_linestyle() == "--" and hard.get_color() != easy.get_color()
    )
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim() != figure.axes[2].get_ylim()
    assert [t.get_text() for t in figure.axes[3].texts if "measured" in t.get_text()] == ["not measured"]
    assert_no_overlap(figure)


def test_all_tasks_fit(tmp_path) -> None:
    tasks = {f"{title} {k}": pair for k in range(3) for title, pair in TASKS.items()}
    labels = {"line_in_curves": "line in curves", "heterogeneous_20": "20° target"}
    figure = search_times_figure(
        {"people": PEOPLE, "eccNET": PEOPLE, "no eccentricity at all": MODEL}, tasks, labels
    )
    assert figure.get_figwidth() < 7.9
    assert_no_overlap(figure)
    assert save(figure, tmp_path / "times.png").stat().st_size > 20_000


def test_times_need_equal_lengths() -> None:
    with pytest.raises(ValueError, match=r"line_in_curves must hold lists of one length, got set_size \[2\]"):
        search_times_figure({"a": {"line_in_curves": {"set_size": [1, 2], "time_ms": [1]}}}, TASKS)
    with pytest.raises(ValueError, match="must hold 'time_ms', got set_size"):
        search_times_figure({"a": {"line_in_curves": {"set_size": [1, 2]}}}, TASKS)
    with pytest.raises(ValueError, match="needs rows and tasks, got 0 and 2"):
        search_times_figure({}, TASKS)


def test_bars_are_the_indices_and_people_are_ticks() -> None:
    rows = {
        "people": {"curvature": {"value": 0.809}, "mean": {"value": 0.564}},
        "a model": {"curvature": {"value": -0.5, "low": -0.7, "high": 0.1}, "mean": {"value": NAN}},
        "another": {"curvature": {"value": 0.0}},
    }
    figure = asymmetry_bars_figure(rows)
    widths = [bar.get_width() for bar in marked(figure, "bar") if hasattr(bar, "get_width")]
    assert widths == [0.809, 0.564, -0.5, 0]
    hatched = [bar.get_hatch() for bar in marked(figure, "bar") if hasattr(bar, "get_width")]
    assert [bool(h) for h in hatched] == [False, False, True, False]
    assert [list(line.get_xdata()) for line in marked(figure, "interval")] == [[-0.7, 0.1]]
    assert [line.get_xdata()[0] for line in marked(figure, "people")] == [0.809, 0.564] * 2
    words = [t.get_text() for ax in figure.axes for t in ax.texts]
    assert words.count("undefined") == 1 and words.count("not measured") == 1
    assert words.count("as people →") == 3
    assert_no_overlap(figure)
    with pytest.raises(ValueError, match="at least one row with one task"):
        asymmetry_bars_figure({"people": {}})


def test_curves_of_targets_found() -> None:
    rows = {
        "people": {"found": [0, 0.2, 0.5], "low": [0, 0.1, 0.4], "high": [0, 0.3, 0.6]},
        "a model": {"found": [0, 0.4, 0.6, 0.7]},
    }
    figure = cumulative_performance_figure({"one": rows, "two": {"a model": rows["a model"]}})
    people = marked(figure, "people")[0]
    np.testing.assert_array_equal(people.get_xydata(), [[0, 0], [1, 0.2], [2, 0.5]])
    assert people.get_color() == "black"
    one, two = marked(figure, "a model")
    assert one.get_color() == two.get_color() and len(two.get_xdata()) == 4
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["people", "a model"]
    assert_no_overlap(figure)
    with pytest.raises(ValueError, match="at least one panel, and rows in each"):
        cumulative_performance_figure({"one": {}})
    with pytest.raises(ValueError, match="one, people must hold lists of one length"):
        cumulative_performance_figure({"one": {"people": {"found": [0], "low": [0, 1], "high": [0, 1]}}})
