"""What is drawn, read back from the artists; the pictures themselves are looked at by people."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gazekit.geometry import Screen
from gazekit.recordings import plots
from gazekit.recordings.aoi import Box, map_fixations
from gazekit.recordings.plots import (
    plot_aoi_timeline,
    plot_gaze,
    plot_heatmap,
    plot_main_sequence,
    plot_scanpath,
)
from gazekit.recordings.quality_plots import plot_intervals
from gazekit.recordings.recording import Gaze, Recording, event_table
from gazekit.scanpath import Scanpath

SIZE = (200, 100)
PATH = Scanpath([(30, 50), (150, 50)], [100.0, 300.0])


@pytest.fixture
def ax():
    return Figure(figsize=(4, 2)).add_subplot()


def line(ax, name):
    (found,) = (artist for artist in ax.lines if artist.get_gid() == name)
    return found.get_xydata()


def bands(ax, name):
    """[N, 2] first and last second of the bands of one kind."""
    boxes = [p.get_extents() for c in ax.collections if c.get_gid() == name for p in c.get_paths()]
    return [[round(box.x0, 9), round(box.x1, 9)] for box in boxes]


def test_gaze_breaks_where_nothing_is_known(ax):
    t = np.r_[0:50:10, 500:550:10].astype(float)
    xy = np.stack([t, -t], 1)
    xy[2] = np.nan
    spans = (("fixation", 0, 20), ("blink", 30, 40), ("fixation", 900, 990))
    events = event_table([{"kind": kind, "onset_ms": on, "offset_ms": off} for kind, on, off in spans])
    assert plot_gaze(ax, Gaze(t, xy), events) is ax
    drawn = line(ax, "x")
    assert np.isnan(drawn[:, 1]).sum() == 2  # the invalid sample and the gap in time
    known = np.isfinite(drawn[:, 1])
    np.testing.assert_allclose(drawn[known, 0], drawn[known, 1] / 1000)
    np.testing.assert_allclose(line(ax, "y")[known, 1], -drawn[known, 1])
    assert bands(ax, "fixation") == [[0, 0.02]]
    assert bands(ax, "blink") == [[0.03, 0.04]]
    assert ax.get_xlim() == (0, 0.54)


def test_long_recordings_keep_what_stands_out(ax):
    xy = np.zeros((1_000_000, 2))
    xy[[123_456, 777_777]] = [[900, 0], [-900, 5]]
    plot_gaze(ax, Gaze(np.arange(1e6), xy))
    drawn = line(ax, "x")
    assert len(drawn) <= 4_002
    assert (np.nanmin(drawn[:, 1]), np.nanmax(drawn[:, 1])) == (-900, 900)
    assert drawn[np.nanargmax(drawn[:, 1]), 0] == pytest.approx(123.456, abs=0.5)


@pytest.mark.parametrize("samples", [0, 1, 2])
def test_hardly_any_gaze(ax, samples):
    plot_gaze(ax, Gaze(np.arange(samples, dtype=float), np.full((samples, 2), np.nan)), event_table())
    ax.figure.canvas.draw()


def test_scanpath_over_a_picture(ax):
    picture = np.zeros((100, 200, 3), np.uint8)
    assert plot_scanpath(ax, PATH, picture) is ax
    assert [t.get_text() for t in ax.texts] == ["1", "2"]
    assert not [artist for artist in ax.lines if artist.get_gid() == "start"]
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 200), (100, 0))
    plot_scanpath(Figure().add_subplot(), Scanpath(np.zeros((0, 2))), None, SIZE).figure.canvas.draw()


def heat(ax):
    (image,) = (image for image in ax.images if image.get_gid() == "heatmap")
    values = np.asarray(image.get_array())
    return values, image.get_extent()


def test_heatmap_is_weighted_by_duration(ax):
    plot_heatmap(ax, PATH, None, SIZE, sigma_px=8)
    values, extent = heat(ax)
    assert extent == [0, 200, 100, 0]
    assert values.shape == (100, 200)
    assert values.max() == 1
    assert values[50, 150] == pytest.approx(1, abs=0.01)
    assert values[50, 30] == pytest.approx(1 / 3, abs=0.01)
    assert values[50, 158] == pytest.approx(np.exp(-0.5), abs=0.05)
    equal = Figure().add_subplot()
    plot_heatmap(equal, Scanpath(PATH.xy_px), None, SIZE, sigma_px=8)
    assert heat(equal)[0][50, 30] == pytest.approx(1, abs=0.01)


def test_heatmap_in_degrees_is_the_one_in_pixels(ax):
    screen = Screen(200, 100, 40, 60)
    plot_heatmap(ax, PATH, None, SIZE, sigma_dva=1.5, screen=screen)
    other = Figure().add_subplot()
    plot_heatmap(other, PATH, None, SIZE, sigma_px=1.5 * screen.px_per_dva)
    np.testing.assert_array_equal(heat(ax)[0], heat(other)[0])


def test_heatmap_of_nothing_shows_the_stimulus(ax):
    outside = Scanpath([(999, 999)], [100.0])
    for path in (outside, Scanpath(np.zeros((0, 2)), [])):
        plot_heatmap(ax, path, None, SIZE, sigma_px=8)
        assert not [image for image in ax.images if image.get_gid() == "heatmap"]


def test_main_sequence_fits_the_power_that_was_made(ax):
    rng = np.random.default_rng(0)
    amplitude = rng.uniform(0.3, 20, 60)
    table = pd.DataFrame(
        {"kind": "saccade", "amplitude_dva": amplitude, "peak_velocity_dva_s": 90 * amplitude**0.6}
    )
    broken = pd.DataFrame({"kind": ["saccade", "saccade", "fixation"], "amplitude_dva": [np.nan, 0, 1],
                           "peak_velocity_dva_s": [1.0, 1, 1]})  # fmt: skip
    plot_main_sequence(ax, pd.concat([table, broken]))
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["saccades, n = 60 (2 undefined)", "90 deg/s (amplitude / 1 deg)$^{0.60}$"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    plot_main_sequence(ax, table[:5], "few")
    assert len(ax.collections) == 2
    assert len(ax.lines) == 1  # five are too few for a line
    ax.figure.canvas.draw()


def test_timeline_has_a_row_an_aoi(ax):
    table = pd.DataFrame(
        {"onset_ms": [0, 200, 500.0], "offset_ms": [100, 300, 600.0], "x_px": [1, 1, 9], "y_px": 1}
    )
    mapped = map_fixations(table, [Box("a", (0, 0, 5, 5))])
    assert plot_aoi_timeline(ax, mapped, ["a"]) is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "background"]
    assert bands(ax, "a") == [[0, 0.3], [0, 0.1], [0.2, 0.3]]  # one visit, two fixations
    assert bands(ax, "background") == [[0.5, 0.6]] * 2


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda ax: plot_scanpath(ax, PATH), "size_px=.width, height. is needed"),
        (
            lambda ax: plot_heatmap(ax, PATH, None, SIZE),
            "exactly one of sigma_px and sigma_dva is needed, got None and None",
        ),
        (
            lambda ax: plot_heatmap(ax, PATH, None, SIZE, sigma_px=1, sigma_dva=1),
            "exactly one of sigma_px and sigma_dva",
        ),
        (lambda ax: plot_heatmap(ax, PATH, None, SIZE, sigma_dva=1), "needs screen="),
        (lambda ax: plot_heatmap(ax, PATH, None, SIZE, sigma_px=0), "must be positive and finite"),
        (lambda ax: plot_main_sequence(ax, pd.DataFrame()), "no column amplitude_dva, peak_velocity_dva_s"),
    ],
)
def test_errors(ax, make, told):
    with pytest.raises(ValueError, match=told):
        make(ax)


def test_an_absent_picture_is_told(ax, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no picture .*none.png"):
        plot_scanpath(ax, PATH, tmp_path / "none.png", SIZE)


def test_real_recordings_are_drawn(shared_data, ax):
    real = Recording.open(shared_data / "eyelink_asc" / "cili_bino500.asc")
    plot_gaze(ax, real.gaze("left"), real.events[real.events["eye"] == "left"])
    assert {"x", "y", "fixation", "saccade"} <= {text.get_text() for text in ax.get_legend().get_texts()}
    assert len(bands(ax, "fixation")) == len(real.fixations("left"))
    ax.figure.canvas.draw()


def test_pyplot_is_left_alone():
    assert "pyplot" not in Path(plots.__file__).read_text()


@pytest.mark.parametrize("draw", [plot_scanpath, partial(plot_heatmap, sigma_px=10)])
def test_a_table_of_fixations_draws_as_its_scanpath(draw):
    table = pd.DataFrame(PATH.xy_px, columns=["x_px", "y_px"]).assign(
        kind="fixation", duration_ms=PATH.duration_ms
    )
    pictures = []
    for given in (PATH, pd.concat([table, table[:1].assign(kind="saccade")])):
        figure = Figure(figsize=(4, 2))
        draw(figure.add_subplot(), given, size_px=SIZE)
        pictures.append(pixels(figure))
    assert (pictures[0] == pictures[1]).all()
    with pytest.raises(
        TypeError, match=r"expected a Scanpath\(xy_px, duration_ms\) or a table of fixations .* got list"
    ):
        draw(Figure().add_subplot(), [(1, 2)], size_px=SIZE)
    with pytest.raises(ValueError, match="no column duration_ms"):
        draw(Figure().add_subplot(), table.drop(columns="duration_ms"), size_px=SIZE)
    with pytest.raises(ValueError, match="expected fixations of one eye"):
        draw(Figure().add_subplot(), table.assign(eye=["left", "right"]), size_px=SIZE)


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_legends_cover_no_data(ax):
    a = np.geomspace(0.1, 20, 30)
    table = pd.DataFrame({"amplitude_dva": a, "peak_velocity_dva_s": 60 * a**0.6})
    other = Figure(figsize=(4, 2)).add_subplot()
    gaze = Gaze(np.arange(100.0), np.zeros((100, 2)))
    for drawn in (plot_main_sequence(ax, table), plot_intervals(other, gaze)):
        FigureCanvasAgg(drawn.figure).draw()
        assert drawn.get_legend().get_window_extent().y0 >= drawn.get_window_extent().y1
