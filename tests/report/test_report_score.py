"""Every row is asked the same, every metric takes what it needs by name, and nothing is silently left out."""

import math

import pytest
import torch
from report_toys import Eight, Error, Says, Spread, Sum, exactly, one_off
from torch import nn

from gazekit.base.scores import Comparison, Scores, Settings
from gazekit.metrics import Accuracy
from gazekit.metrics.score import Score
from gazekit.report.score import columns_of, score

SETTINGS = Settings(samples=3, resamples=40, seed=5)


def scored(rows, metrics, settings=SETTINGS, batch_size=2) -> Scores:
    return score(rows, Eight(batch_size), metrics, settings)


def test_each_row_is_scored_by_each_metric_it_can_feed():
    found = scored({"good": Says(exactly), "bad": Says(one_off)}, {"error": Error(), "sum": Sum()})
    assert found.table["good"]["error"].value == 0
    assert found.table["bad"]["error"].value == 1
    assert found.table["good"]["sum"].value == 5  # of 3 to 7
    assert found.table["bad"]["sum"].value == 6
    assert found.table["good"]["error"].n == 5
    assert found.higher_is_better == {"error": False, "sum": True}
    assert found.reasons == {}


def test_the_part_of_the_data_is_passed_once_and_in_order():
    row = Says(exactly)
    scored({"row": row}, {"error": Error()})
    items = [batch["item"].tolist() for batch, *_ in row.asked]
    assert items == [[3, 4], [5, 6], [7]]
    for _, samples, gradients, training in row.asked:
        assert (samples, gradients, training) == (3, False, False)


def test_batches_are_read_with_the_facts_of_the_row():
    row = Says(lambda batch, _: {"said": batch["truth"] + batch["shift"]}, {"shift": 2})
    assert scored({"row": row, "other": Says(exactly)}, {"error": Error()}).table["row"]["error"].value == 2


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_batches_do_not_change_scores(batch_size):
    metrics = {"error": Error(), "spread": Spread()}
    rows = {"row": Says(one_off)}
    assert scored(rows, metrics, batch_size=batch_size) == scored(rows, metrics)


def test_settings_reach_the_intervals():
    found = scored({"row": Says(exactly)}, {"error": Error()}).table["row"]["error"]
    assert (found.low, found.high) == (40, 5)  # the toy puts resamples and seed there


def test_what_a_row_does_not_give_is_not_measured():
    rows = {"good": Says(exactly), "bad": Says(one_off)}
    found = scored(rows, {"error": Error(), "spread": Spread()})
    assert "spread" not in found.table["good"]
    assert found.reasons == {("good", "spread"): "not measured: good gives no spread"}
    assert found.table["bad"]["spread"].value == 5


def test_a_metric_that_nobody_can_feed_is_an_error():
    rows = {"good": Says(exactly), "other": Says(exactly)}
    with pytest.raises(
        ValueError, match=r"metrics\.scores\.width cannot be measured here; good gives no spread"
    ):
        scored(rows, {"error": Error(), "width": Spread()})


def test_arguments_come_from_batch_and_prediction_and_the_prediction_wins():
    row = Says(lambda batch, _: {"said": batch["truth"], "truth": batch["truth"] + 3})
    assert scored({"row": row}, {"error": Error()}).table["row"]["error"].value == 3


def test_an_argument_with_a_default_is_given_if_somebody_has_it():
    rows = {"plain": Says(exactly), "more": Says(lambda b, _: {"said": b["truth"], "bonus": 10.0})}
    found = scored(rows, {"sum": Sum()})
    assert found.table["plain"]["sum"].value == 5
    assert found.table["more"]["sum"].value == 15


def test_parts_are_columns_of_their_own():
    found = scored({"row": Says(one_off)}, {"width": Spread()})
    assert set(found.table["row"]) == {"width", "width.double"}
    assert found.table["row"]["width.double"].value == 10
    assert found.higher_is_better == {"width": None, "width.double": None}


def test_names_of_columns():
    score = Score(1, 0, 2, 3, 0)
    assert list(columns_of("a", score)) == [("a", score)]
    assert list(columns_of("a", {"": score, "b": score})) == [("a", score), ("a.b", score)]


def undefined(batch, generator):
    return {"said": torch.where(batch["item"] == 3, torch.nan, batch["truth"])}


def test_undefined_items_are_counted_with_the_reason_of_the_row():
    rows = {
        "told": Says(undefined, reasons={"said": "it does not know three"}),
        "silent": Says(undefined),
        "complete": Says(exactly, reasons={"said": "it does not know three"}),
    }
    found = scored(rows, {"error": Error()})
    assert found.table["told"]["error"].undefined == found.table["silent"]["error"].undefined == 1
    assert found.reasons == {("told", "error"): "it does not know three"}


def test_every_part_that_is_undefined_has_the_reason():
    row = Says(lambda b, _: {"spread": b["truth"] * math.nan}, reasons={"spread": "why"})
    found = scored({"row": row}, {"width": Spread()})
    assert found.reasons == {("row", "width"): "why", ("row", "width.double"): "why"}
    assert math.isnan(found.table["row"]["width"].value)
    assert found.table["row"]["width"].undefined == 5


def test_a_metric_that_a_row_names_is_not_computed_for_it():
    calls = []

    class Watched(Error):
        def update(self, said, truth):
            calls.append(said)
            super().update(said, truth)

    rows = {"people": Says(exactly, reasons={"error": "0 by construction"}), "model": Says(one_off)}
    found = scored(rows, {"error": Watched(), "sum": Sum()})
    people = found.table["people"]["error"]
    assert all(math.isnan(x) for x in people[:3])
    assert (people.n, people.undefined) == (0, 5)  # every item is counted as undefined
    assert found.table["people"]["sum"].value == 5
    assert len(calls) == 3  # of the model
    assert found.reasons == {("people", "error"): "0 by construction"}


def drawn(batch, generator):
    return {"said": torch.rand(len(batch["item"]), generator=generator).double()}


def test_the_seed_decides_the_draws_and_each_row_starts_from_it():
    def values(seed):
        rows = {"one": Says(drawn), "other": Says(drawn)}
        table = scored(rows, {"sum": Sum()}, Settings(seed=seed)).table
        return table["one"]["sum"].value, table["other"]["sum"].value

    assert values(1) == values(1)
    assert values(1) != values(2)
    assert values(1)[0] == values(1)[1]


def test_metrics_are_left_as_they_were_and_rows_do_not_mix():
    metric = Error()
    metric.update(torch.tensor([100.0]), torch.tensor([0.0]))
    found = scored({"a": Says(exactly), "b": Says(exactly)}, {"error": metric})
    assert found.table["a"] == found.table["b"]
    assert found.table["a"]["error"].n == 5
    assert len(metric.values) == 1


def test_a_row_in_training_mode_is_asked_without_dropout():
    class Dropped(Says):
        def __init__(self):
            super().__init__(lambda b, _: {"said": self.drop(b["truth"])})
            self.drop = nn.Dropout(0.9)

    row = Dropped().train()
    assert scored({"row": row}, {"error": Error()}).table["row"]["error"].value == 0


def test_what_rows_are_is_told():
    found = scored({"a": Says(exactly, about="Knows everything.")}, {"error": Error()})
    assert found.about == {"a": "Knows everything."}


def test_a_metric_of_ours_draws_whole_groups():
    """Items 3 | 4 5 | 6 7 by group: the two of a group are always drawn together."""

    def wrong_in_one_group(batch, generator):
        return {"predicted": batch["item"], "label": batch["item"] + (batch["item"] >= 6)}

    found = scored({"row": Says(wrong_in_one_group)}, {"accuracy": Accuracy()}, Settings(resamples=500))
    accuracy = found.table["row"]["accuracy"]
    assert accuracy.value == pytest.approx(3 / 5)
    assert accuracy.low == 0  # the group of 6 and 7 alone
    assert accuracy.high == 1
    assert accuracy.n == 5


class Beside:
    """A comparison with a row and columns of its own, and a note."""

    def scores(self, rows, data, settings, progress):
        self.given = (list(rows), data.split, settings)
        progress("chance", 0.5)
        value = Score(0.5, 0.25, 0.75, 5, 0)
        table = {name: {"positions.x": value} for name in [*rows, "chance"]}
        about = {"chance": "Random.", "row": "not this"}
        return Scores(table, {("chance", "positions.x"): "why"}, about, {"positions.x": False}, ["a note"])


def test_rows_of_a_comparison_are_merged_in():
    beside = Beside()
    assert isinstance(beside, Comparison)
    found = scored({"row": Says(exactly, about="Mine.")}, {"error": Error(), "positions": beside})
    assert beside.given == (["row"], "test", SETTINGS)
    assert list(found.table) == ["row", "chance"]
    assert set(found.table["row"]) == {"error", "positions.x"}
    assert set(found.table["chance"]) == {"positions.x"}
    assert found.about == {"row": "Mine.", "chance": "Random."}
    assert found.higher_is_better == {"error": False, "positions.x": False}
    assert found.reasons == {("chance", "positions.x"): "why"}
    assert found.notes == ["a note"]


def test_a_comparison_alone():
    found = scored({"row": Says(exactly)}, {"positions": Beside()})
    assert set(found.table) == {"row", "chance"}


def test_scores_add_up():
    one = Scores({"a": {"x": Score(1, 0, 2, 3, 0)}}, {("a", "x"): "r"}, {"a": "first"}, {"x": True}, ["n"])
    one.add(
        Scores({"a": {"y": Score(2, 0, 3, 3, 0)}, "b": {}}, {}, {"a": "second", "b": "B"}, {"y": None}, ["m"])
    )
    assert set(one.table["a"]) == {"x", "y"}
    assert list(one.table) == ["a", "b"]
    assert one.about == {"a": "first", "b": "B"}  # who came first knows
    assert one.higher_is_better == {"x": True, "y": None}
    assert one.notes == ["n", "m"]


def test_the_toy_metrics_are_honest():
    metric = Error()
    metric.values.append(torch.tensor([1.0, math.nan, 3.0]))
    assert metric.interval(10, seed=2) == Score(2.0, 10.0, 2.0, 2, 1)
