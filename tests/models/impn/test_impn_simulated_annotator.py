"""The simulated annotator, made-up detections, and what their curves say."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.models.impn.baselines import MODELS, Tracker
from gazekit.models.impn.detections import Detections, LabelledFrame, Predictions
from gazekit.models.impn.fixated import fixated_labels
from gazekit.models.impn.learning_curves import compare, corrections_to_reach, curves_figure, summary
from gazekit.models.impn.simulated_annotator import SECONDS, corrections, simulate
from gazekit.models.impn.synthetic_detections import DIFFICULTIES, NAMES, SIZE_PX, synthetic_detections


def said(boxes, label):
    label = torch.tensor(label, dtype=torch.long)
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Predictions(boxes, label, torch.nn.functional.one_hot(label, 6).float(), torch.arange(len(label)))


def test_an_annotator_mends_each_thing_once():
    truth = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]])
    labels = torch.tensor([0, 1, 2, 3])
    found = [[0, 0, 10, 10], [20, 0, 30, 10], [45, 0, 55, 10], [64, 0, 74, 10], [90, 0, 99, 9]]
    # right; wrong label; IoU 1/3, moved; IoU 3/7, moved and wrong; nothing is there
    assert corrections(said(found, [0, 0, 2, 2, 4]), truth, labels) == (2, 2, 0, 1)
    assert corrections(said([], []), truth, labels) == (0, 0, 4, 0)
    assert corrections(said(found, [0] * 5), torch.zeros(0, 4), torch.zeros(0)) == (0, 0, 0, 5)


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(0, 5), min_size=1, max_size=5), seed=st.integers(0, 10**6))
def test_aoi_of_a_fixation_is_the_smallest_box(counts, seed):
    draw = np.random.default_rng(seed)
    corners = [draw.integers(0, 10, (count, 2)) for count in counts]
    boxes = [
        torch.tensor(np.concatenate([c, c + draw.integers(1, 10, c.shape)], 1), dtype=torch.float32)
        for c in corners
    ]
    labels = [torch.arange(count) for count in counts]
    xy = torch.tensor(draw.integers(0, 15, (len(counts), 2)), dtype=torch.float32)
    for (x, y), box, label in zip(
        xy.tolist(), boxes, fixated_labels(xy, boxes, labels).tolist(), strict=True
    ):
        area = {
            i: (b[2] - b[0]) * (b[3] - b[1])
            for i, b in enumerate(box.tolist())
            if b[0] <= x < b[2] and b[1] <= y < b[3]
        }
        assert area[label] == min(area.values()) if area else label == -1


@pytest.mark.parametrize("name", DIFFICULTIES)
def test_made_up_videos(name):
    video, again = (synthetic_detections(3, 120, DIFFICULTIES[name]) for _ in range(2))
    assert all(
        torch.equal(a.features, b.features) for a, b in zip(video.detections, again.detections, strict=True)
    )
    assert len(video.detections) == len(video.boxes) == len(video.labels) == len(video.fixation_px) == 120
    limit = torch.tensor(SIZE_PX * 2)
    for found, boxes, labels in zip(video.detections, video.boxes, video.labels, strict=True):
        assert torch.allclose(found.probs.sum(1), torch.ones(len(found.probs)))
        for box in (boxes, found.boxes):
            assert ((box >= 0) & (box <= limit)).all()
        assert len(labels) == len(labels.unique()) == len(boxes)
    on = fixated_labels(video.fixation_px, video.boxes, video.labels)
    assert (on >= 0).float().mean() > 0.5 and set(on.tolist()) <= {-1, *range(len(NAMES))}


def test_left_and_right_look_the_same():
    """Features of the twins differ by no more than chance; those of other things do."""
    video = synthetic_detections(0, 300, DIFFICULTIES["easy"])
    of = {label: [] for label in range(5)}
    for found, boxes, labels in zip(video.detections, video.boxes, video.labels, strict=True):
        for box, label in zip(boxes, labels.tolist(), strict=True):
            near = (found.boxes - box).abs().amax(1) < 20
            of[label] += list(found.features[near])
    mean = {label: torch.stack(rows).mean(0) for label, rows in of.items() if rows}
    assert len(mean) == 5
    assert (mean[0] - mean[1]).norm() < 1.5 < 6 < (mean[0] - mean[2]).norm()
    assert (mean[2] - mean[3]).norm() < 1.5 < 6 < (mean[2] - mean[4]).norm()


@pytest.fixture(scope="module")
def curves():
    models = {name: MODELS[name] for name in ("graph", "detector", "tracker")}
    return simulate(
        lambda seed: synthetic_detections(seed, 150, DIFFICULTIES["easy"]),
        models,
        seeds=[0, 1],
        n_labelled=30,
        every=15,
        steps=60,
    )


def test_the_graph_learns_what_the_detector_cannot(curves):
    """The full comparison, with intervals over seeds, is in the README; this is its smallest form."""
    last = curves[curves["frames"] == 30].groupby("model")["fixation_accuracy"].mean()
    assert last["graph"] > last["detector"] + 0.1
    first = curves[curves["frames"] == 0]
    start = first[first["model"] != "tracker"].groupby("seed")["AP"].nunique()
    assert (start == 1).all()  # untrained, all are the detector


def test_curves_count_what_was_done(curves):
    assert list(curves["frames"][:3]) == [0, 15, 30] and len(curves) == 2 * 3 * 3
    assert (curves["actions"] == curves["corrections"] + curves["frames"]).all()
    low = SECONDS["confirm"] * curves["frames"] + min(SECONDS.values()) * curves["corrections"]
    high = SECONDS["confirm"] * curves["frames"] + max(SECONDS.values()) * curves["corrections"]
    assert ((low - 1e-6 <= curves["annotator_s"]) & (curves["annotator_s"] <= high + 1e-6)).all()
    assert {f"AP {name}" for name in NAMES} <= set(curves.columns)


def test_more_frames_than_there_are_is_an_error():
    video = synthetic_detections(0, 20)
    with pytest.raises(ValueError, match="n_labelled must be at least 1 and at most 12"):
        simulate(lambda seed: video, {"tracker": MODELS["tracker"]}, [0], n_labelled=13)


def toy_curves():
    rows = []
    for seed, gain in ((0, 0.2), (1, 0.4)):
        for model, best in (("a", 0.5 + gain), ("b", 0.5)):
            for step in range(3):
                value = best * step / 2
                rows.append({"model": model, "seed": seed, "frames": 10 * step, "corrections": 30 * step})
                rows[-1] |= {"actions": 40 * step, "annotator_s": 50 * step, "update_s": 1.0}
                rows[-1] |= {metric: value for metric in ("fixation_accuracy", "kappa", "AP50", "AP")}
    return pd.DataFrame(rows)


def test_summaries_by_hand():
    curves = toy_curves()
    row = summary(curves).set_index(["model", "frames"]).loc[("a", 20)]
    assert (row["AP"], row["AP_low"], row["AP_high"]) == pytest.approx((0.8, 0.7, 0.9))
    one = summary(curves[curves["seed"] == 0])
    assert one["AP_low"].isna().all() and one["AP"].notna().all()
    better = compare(curves, "a", "b").set_index("metric").loc["kappa"]
    assert tuple(better) == pytest.approx((0.3, 0.2, 0.4))
    cost = corrections_to_reach(curves, "a", "b")
    assert cost["level"].tolist() == [0.5, 0.5] and cost["other_corrections"].tolist() == [60, 60]
    assert cost["corrections"].tolist() == [60, 60]  # 0.35 and 0.45 after 30 are not yet enough
    still = curves.copy()  # b is as good after 30 corrections as after 60
    still.loc[(still["model"] == "b") & (still["frames"] == 10), "fixation_accuracy"] = 0.5
    both = corrections_to_reach(still, "a", "b")
    assert both["share"].tolist() == [1, 1] and both["share_of_first"].tolist() == [2, 2]
    never = corrections_to_reach(curves, "b", "a")
    assert never["share"].isna().all()


def test_figure_has_a_line_a_model():
    figure = curves_figure(toy_curves(), "annotator_s")
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "fixation-to-AOI accuracy",
        "Cohen's kappa",
        "AP50",
        "AP50:95",
    ]
    assert all([line.get_label() for line in ax.get_lines()] == ["a", "b"] for ax in figure.axes)
    assert list(figure.axes[0].get_lines()[0].get_xdata()) == [0, 50, 100]


def test_tracker_carries_labels_and_loses_things():
    def frame(x):
        boxes = torch.tensor([[x, 0.0, x + 20, 20]])
        return Detections(boxes, torch.full((1, 6), 1 / 6), torch.zeros(1, 2), (800.0, 600.0))

    nothing = Detections(torch.zeros(0, 4), torch.zeros(0, 6), torch.zeros(0, 2), (800.0, 600.0))
    tracker = Tracker(5)
    truth = LabelledFrame(1, frame(0), frame(0).boxes, torch.tensor([3]), torch.ones(1))
    report = tracker.update([truth])
    assert report.accepted and math.isnan(report.held_out_after)
    walk = [frame(0), frame(0), frame(5), nothing, frame(9), frame(200), frame(9), *[nothing] * 16, frame(9)]
    labels = [one.label.tolist() for one in tracker.predict(walk)]
    assert labels == [[], [3], [3], [], [3], [], [3], *[[]] * 16, []]
