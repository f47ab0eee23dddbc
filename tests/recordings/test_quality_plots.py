"""Pictures of quality, read back from the artists."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from gazekit.recordings.quality import gaze_quality
from gazekit.recordings.quality_plots import plot_intervals, plot_losses
from gazekit.recordings.recording import Gaze


@pytest.fixture
def ax():
    return Figure(figsize=(4, 2)).add_subplot()


def shares(ax, name):
    """Shares of time of each stretch, and its length in seconds."""
    (found,) = (artist for artist in ax.patches if artist.get_gid() == name)
    values, edges, baseline = found.get_data()
    return values - baseline, np.diff(edges)


@pytest.mark.parametrize("seed", range(5))
def test_time_lost_adds_up_to_what_quality_says(ax, seed):
    draw = np.random.default_rng(seed)
    kept = np.sort(draw.choice(4000, 3000, replace=False))
    xy = draw.normal(500, 1, (3000, 2))
    xy[draw.random(3000) < 0.2] = np.nan
    gaze = Gaze(kept * 2.0, xy)
    assert plot_losses(ax, gaze) is ax
    found = gaze_quality(gaze)
    missing, seconds = shares(ax, "missing")
    invalid, _ = shares(ax, "invalid")
    assert (0 <= invalid).all() and (invalid + missing <= 1 + 1e-9).all()
    lost = found["missing_share"] * found["recorded_ms"] / 1000
    assert (missing * seconds).sum() == pytest.approx(lost) and lost > 1
    assert (invalid * seconds).sum() == pytest.approx((~gaze.valid).sum() * 0.002)


def test_pauses_are_no_loss(ax):
    plot_losses(ax, Gaze(np.r_[0:400:4, 9000:9400:4], np.zeros((200, 2)), block=np.repeat([0, 1], 100)))
    assert not shares(ax, "missing")[0].any() and not shares(ax, "invalid")[0].any()


def test_losses_by_hand(ax):
    t = np.delete(np.arange(40.0) * 10, slice(25, 30))
    xy = np.zeros((35, 2))
    xy[:5] = np.nan
    plot_losses(ax, Gaze(t, xy))  # three stretches of 133.3 ms
    np.testing.assert_allclose(shares(ax, "invalid")[0], [50 / 133.333333, 0, 0], atol=1e-6)
    np.testing.assert_allclose(
        shares(ax, "missing")[0], [0, 16.666667 / 133.333333, 33.333333 / 133.333333], atol=1e-6
    )
    assert ax.get_xlim() == (0, 0.4)


def test_intervals_are_counted_within_blocks(ax):
    t = np.array([0, 4, 8, 16, 1000, 1004])
    assert plot_intervals(ax, Gaze(t, np.zeros((6, 2)), block=np.array([0, 0, 0, 0, 1, 1]))) is ax
    counts = {round(p.get_x() + p.get_width() / 2): p.get_height() for p in ax.patches if p.get_height()}
    assert sorted(counts.values()) == [1, 3] and max(counts) < 20


@pytest.mark.parametrize("draw", [plot_losses, plot_intervals])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_samples_are_drawn_or_not_without_complaint(ax, draw, count):
    draw(ax, Gaze(np.arange(count) * 4.0, np.full((count, 2), np.nan)))
    ax.figure.canvas.draw()
    assert bool(ax.patches) == (count == 2)
