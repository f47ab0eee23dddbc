"""What metrics that keep items and rows do with groups, weights, checkpoints, precisions and collections."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from torchmetrics import Metric, MetricCollection

from gazekit.metrics import (
    CC,
    DTW,
    NSS,
    RSA,
    TFPAUC,
    AngularError,
    AveragePrecision,
    Dice,
    Frechet,
    GridEditDistance,
    GridSequenceScore,
    Hausdorff,
    IdentificationAccuracy,
    MultiMatch,
    ScanMatch,
    TwoVersusTwo,
)
from gazekit.metrics.ceiling import rater_ceiling
from gazekit.metrics.functional import hausdorff_px
from gazekit.metrics.item_metric import ItemMetric
from gazekit.scanpath import Scanpath, Scanpaths

SIZE_PX = (800, 600)
A, B, C = [[10, 10], [700, 500]], [[30, 20], [400, 300], [710, 550]], [[790, 590], [5, 580]]
D, E, F = [[9, 9], *A], [[5, 400], *B], [[600, 40], *C]  # MultiMatch wants three fixations


class Items(ItemMetric):
    """The values themselves."""

    higher_is_better = None

    def update(self, values, group=None, weight=None) -> None:
        self.add(torch.as_tensor(values, dtype=torch.float64), group, weight)


class Pairs(Items):
    parts = ("one", "other")


# collections, pickles, checkpoints


def test_metrics_that_are_equal_at_first_do_not_share_states() -> None:
    both = MetricCollection({"dtw": pickle.loads(pickle.dumps(DTW())), "frechet": Frechet()})
    both.update([[[0, 0]]], [[[3, 4]]])
    both.update([[[0, 0], [1, 0]]], [[[3, 4], [4, 4]]])
    assert both.compute() == {"dtw": 7.5, "frechet": 5}


def test_a_changed_copy_does_not_share_states() -> None:
    plain = GridEditDistance()
    copy = plain.clone()
    copy.settings["normalised"] = True
    both = MetricCollection({"plain": plain, "copy": copy})
    both.update([A], [A], SIZE_PX)
    both.update([A], [C], SIZE_PX)
    assert both.compute() == {"plain": 1.0, "copy": 0.5}


def test_tiny_patterns_are_not_taken_for_equal() -> None:
    """A MetricCollection holds what differs by less than 1e-8 for equal: all that is measured in tesla."""
    tiny = 1e-13 * torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    both = MetricCollection([RSA(3, 3), TwoVersusTwo(3)])
    for part in (slice(0, 3), slice(3, 6)):
        patterns = {"model_patterns": tiny[part], "brain_patterns": tiny[part].flip(0)}
        both.update(**patterns, prediction=tiny[part], response=tiny[part])
    assert both.compute()["TwoVersusTwo"] == 1


@pytest.mark.parametrize(
    "make", [DTW, AveragePrecision, lambda: RSA(3, 3), lambda: IdentificationAccuracy(3)]
)
def test_state_names_are_the_same_everywhere(make) -> None:
    names = [list(make()._defaults) for _ in range(2)]
    assert names[0] == names[1]


def _filled() -> Items:
    metric = Items("group")
    metric.update([0.1, torch.pi, torch.nan], group=[2**53, 2**53 + 1, -4])
    return metric


@pytest.mark.parametrize(
    "change",
    [
        Metric.clone,
        Metric.half,
        Metric.float,
        Metric.double,
        lambda m: m.to(torch.float16),
        lambda m: m.to("cpu", torch.float32),
        lambda m: m.set_dtype(torch.float32),
        lambda m: torch.nn.ModuleList([m]).to(torch.float16)[0],
        lambda m: pickle.loads(pickle.dumps(m)),
    ],
)
def test_copies_and_precisions_keep_the_items(change) -> None:
    metric, again = change(_filled()), _filled()
    torch.testing.assert_close(metric.item_values, again.item_values, rtol=0, atol=0, equal_nan=True)
    assert metric.rows("groups")[:, 0].tolist() == [2**53, 2**53 + 1, -4]
    value = metric(torch.tensor([0.7], dtype=torch.float64), group=[5])
    assert value == 0.7 and metric.count == 4 and metric.undefined == 1
    torch.testing.assert_close(metric.compute().item(), (0.1 + torch.pi + 0.7) / 3, rtol=0, atol=1e-12)
    metric.reset()
    assert metric.count == 0 and metric.compute_on_cpu is False


# groups and weights


def test_groups_are_kept_exactly() -> None:
    metric = Items("group")
    metric.update([1.0, 2.0, 6.0], group=np.array([2**53, 2**53 + 1, 2**53 + 1]))
    assert metric.compute() == (1 + 4) / 2


@pytest.mark.parametrize("group", [[1.0, 2.0], np.array([np.nan, 1]), torch.ones(2), [True, False], [1j, 2]])
def test_groups_must_be_integers(group) -> None:
    with pytest.raises(TypeError, match="group must hold integer"):
        Items().update([1.0, 2.0], group=group)
    with pytest.raises(TypeError, match="group must hold integer"):
        CC().update(torch.rand(2, 3, 3), torch.rand(2, 3, 3), group=group)


@pytest.mark.parametrize("name", ["group", "weight"])
@pytest.mark.parametrize("first", [True, False])
def test_groups_of_some_items_only_are_refused(name: str, first: bool) -> None:
    def fact(given: bool) -> dict:
        return {name: [7]} if given else {}

    metric = Items()
    metric.update([], **({name: []} if not first else {}))  # no items, no commitment
    metric.update([1.0], **fact(first))
    with pytest.raises(ValueError, match=f"either all items have a {name} or none"):
        metric.update([2.0], **fact(not first))
    assert metric.count == 1 and metric.compute() == 1

    metric(torch.tensor([2.0]), **fact(not first))  # forward sees its own batch only
    with pytest.raises(ValueError, match=f"either all items have a {name} or none"):
        metric.interval() if name == "group" else metric.fact("weight")


def test_one_group_has_no_interval() -> None:
    values = torch.arange(10.0)
    grouped, alone = Items(), Items()
    grouped.update(values, group=torch.full((10,), 3))
    alone.update(values)
    found = grouped.interval(n_resamples=50)
    assert found.value == 4.5 and math.isnan(found.low) and math.isnan(found.high)
    assert alone.interval(n_resamples=50).low < 4.5
    grouped.update(values + 2, group=torch.full((10,), 0))  # group 0 is a group as any other
    found = grouped.interval(n_resamples=50)
    assert (found.low, found.value, found.high) == (4.5, 5.5, 6.5)


def test_a_group_without_values_is_no_second_group() -> None:
    metric = Items("group")
    metric.update([1.0, 2.0, torch.nan], group=[0, 0, 1])
    assert metric.compute() == 1.5 and math.isnan(metric.interval(n_resamples=20).low)


def test_weight_needs_weights() -> None:
    with pytest.raises(ValueError, match="aggregation='weight' needs the weight of each item"):
        Items("weight").update([1.0])
    with pytest.raises(ValueError, match="aggregation='weight' needs the weight"):
        AngularError(aggregation="weight").update(torch.eye(3), torch.eye(3))
    with pytest.raises(ValueError, match="aggregation='weight' needs the weight"):
        TFPAUC(2, aggregation="weight").update([A], [[0, 0, 20, 20]])
    with pytest.raises(ValueError, match="aggregation='group' needs the group of each item"):
        Items("group").update([1.0])
    for metric in (Hausdorff, DTW, MultiMatch, ScanMatch, GridSequenceScore):
        with pytest.raises(ValueError, match="trials, which have no weights"):
            metric(aggregation="weight")


def test_weights_of_lists_are_read_in_float64() -> None:
    metric = Items("weight")
    metric.update([1.0, 4.0, torch.nan], weight=[0.1, 0.7, 5])
    assert metric.rows("weights")[:, 0].tolist() == [0.1, 0.7, 5]
    torch.testing.assert_close(metric.compute().item(), 2.9 / 0.8, rtol=0, atol=1e-12)
    maps = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0))
    correlation = CC(aggregation="weight")
    correlation.update(maps, maps.flip(0), weight=[0.1, 0.7])
    assert correlation.rows("weights")[:, 0].tolist() == [0.1, 0.7]
    for bad in ([-1.0], [torch.nan], [torch.inf]):
        with pytest.raises(ValueError, match="weight must be finite and at least 0"):
            metric.update([1.0], weight=bad)


def test_wrong_shapes_are_refused_and_leave_nothing_behind() -> None:
    metric = Pairs()
    for arguments in (
        {"values": torch.ones(3)},
        {"values": torch.ones(3, 2), "group": [1, 2]},
        {"values": torch.ones(3, 2), "group": [1, 2, 3], "weight": [1]},
    ):
        with pytest.raises(ValueError, match="must have shape"):
            metric.update(**arguments)
    metric.update(torch.ones(3, 2))
    assert metric.count == 3 and metric.undefined.tolist() == [0, 0]


def test_one_image_has_a_group_and_a_weight_of_its_own() -> None:
    metric = NSS(aggregation="group")
    saliency = torch.rand(4, 4, generator=torch.Generator().manual_seed(0))
    metric.update(saliency, [[1, 1], [2, 3]], group=5)
    assert metric.count == 1 and metric.rows("weights").item() == 2
    metric = Dice(aggregation="weight")
    metric.update(torch.ones(1, 2, 2, dtype=torch.bool), torch.ones(1, 2, 2, dtype=torch.bool), group=[1])
    assert metric.compute() == 1


# panels: trials of different numbers of people


@pytest.mark.parametrize("make", [GridSequenceScore, GridEditDistance, ScanMatch, MultiMatch, Hausdorff])
def test_nobody_is_left_out_of_a_panel(make) -> None:
    single, panel, nested = make(aggregation="none"), make(aggregation="none"), make(aggregation="none")
    facts = () if make is Hausdorff else (SIZE_PX,)
    timed = [[[x, y, 200 + x] for x, y in path] for path in (D, E, F)]
    a, b, c = timed
    single.update([a, a, b], [b, c, a], *facts)  # trial 0: a with b and c, trial 1: b with a
    human = Scanpaths.of([b, c, a, []])
    human = Scanpaths(*(x.reshape(2, 2, *x.shape[1:]) for x in (human.xy_px, human.mask, human.duration_ms)))
    panel.update([a, b], human, *facts)
    nested.update([a, b], [[b, c], [a]], *facts)
    one, two, three = single.item_values
    expected = torch.stack([(one + two) / 2, three])
    for metric in (panel, nested):
        torch.testing.assert_close(metric.item_values, expected, rtol=0, atol=1e-12)
    reversed_ = make(aggregation="none")
    reversed_.update([[b], [], [a, c, []]], [[c], [a], []], *facts)
    assert reversed_.item_values.isnan().all(1).tolist() == [False, True, True]
    assert reversed_.undefined.tolist() == [2] * 5 if make is MultiMatch else reversed_.undefined == 2


def test_an_empty_scanpath_outside_a_panel_is_somebodys() -> None:
    metric = GridEditDistance(aggregation="none")
    metric.update([A, []], [[], B], SIZE_PX)
    assert metric.compute().tolist() == [2, 3]


def test_in_lists_everybody_is_there() -> None:
    metric = GridEditDistance(aggregation="none")
    metric.update([A, A], [[A, []], [A]], SIZE_PX)
    assert metric.compute().tolist() == [1, 0]  # the mean of 0 and of 2 insertions


def test_lists_of_trials_take_scanpaths_in_any_form() -> None:
    arrays = [[np.array(A), torch.tensor(B)], [Scanpath(np.array(C))], Scanpaths.of([A, C]), []]
    lists = [[A, B], [C], [A, C], []]
    values = []
    for human in (arrays, lists, tuple(tuple(trial) for trial in lists)):
        metric = Hausdorff(aggregation="none")
        metric.update([A, A, B, C], human)
        values.append(metric.compute())
    expected = [hausdorff_px([A, A], [A, B]).mean(), hausdorff_px(A, C), hausdorff_px([B, B], [A, C]).mean()]
    for value in values:
        torch.testing.assert_close(value[:3], torch.stack(expected), rtol=0, atol=1e-12)
        assert value[3].isnan()


def test_a_trial_that_is_a_scanpath_is_refused() -> None:
    with pytest.raises(ValueError, match=r"human\[1\] must be a list of scanpaths"):
        Hausdorff().update([A, B], [[A, B], C])
    with pytest.raises(ValueError, match="equally many trials"):
        Hausdorff().update([A, B], [[A], [B], [C]])


# lists


def test_sizes_are_read_in_float64() -> None:
    size = (800.1, 600.7)
    values = []
    for given in (size, list(size), np.array(size), torch.tensor(size, dtype=torch.float64)):
        metric = MultiMatch()
        metric.update([D], [E], given)
        values.append(metric.compute()[:4])  # no durations
    assert all(torch.equal(value, values[-1]) for value in values)
    with pytest.raises(ValueError, match="size_px must have shape"):
        MultiMatch().update([A], [B], 800)


def test_annotations_are_read_in_float64() -> None:
    said = [[0.1, 0.7, 1.3], [0.4, 0.9, 0.2], [1.1, 0.3, 0.6], [0.8, 0.5, 0.1]]
    who = {"item": [0, 0, 1, 1], "rater": ["a", "b", "a", "b"], "n_resamples": 20}
    lists, arrays = (
        rater_ceiling(given, **who, metrics={"deg": AngularError()}, predictions={"model": given[::-1]})
        for given in (said, np.array(said))
    )
    for row in ("model", "raters, leave one out"):
        assert lists.rows[row]["deg"].value == arrays.rows[row]["deg"].value
