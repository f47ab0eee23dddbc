"""Old names of arguments."""

from __future__ import annotations

import inspect

import pytest
import torch
from torchmetrics import MetricCollection

import gazekit.metrics
from gazekit.metrics import INFO, Dice, InformationGain, IoU, Pearson

MASK = torch.tensor([[[True, False], [True, True]]])


def classes() -> list[type]:
    return [getattr(gazekit.metrics, info.class_name) for info in INFO.values()]


def test_old_names_warn_and_work() -> None:
    metric = Dice()
    with pytest.warns(
        DeprecationWarning, match="Dice.update: argument prediction is now called predicted_mask"
    ):
        metric.update(prediction=MASK, true_mask=MASK)
    assert metric.compute() == 1
    with pytest.warns(DeprecationWarning, match="argument log_baseline is now called log_chance"):
        InformationGain().update(
            torch.zeros(2), log_baseline=torch.zeros(2), mask=torch.ones(2, dtype=torch.bool)
        )


def test_both_names_are_refused() -> None:
    with pytest.raises(
        TypeError, match="prediction is the old name of predicted_mask, pass predicted_mask only"
    ):
        Dice().update(MASK, prediction=MASK, predicted_mask=MASK)


def test_old_names_in_a_collection() -> None:
    collection = MetricCollection([Dice(), IoU()])
    with pytest.warns(DeprecationWarning, match="is now called"):
        collection.update(prediction=MASK, target=MASK)
    assert collection.compute() == {"Dice": 1, "IoU": 1}


def test_what_is_the_new_name_of_another_metric_is_not_taken_for_an_old_one() -> None:
    """`prediction` is the response that an encoding model predicts, and was a mask."""
    collection = MetricCollection([Dice(), Pearson(2, "mean")])
    response = torch.tensor([[1.0, 2.0], [2.0, 1.0], [4.0, 0.0]])
    collection.update(predicted_mask=MASK, true_mask=MASK, prediction=response, response=response)
    assert collection.compute()["Dice"] == 1


def test_old_and_new_names_of_all_metrics() -> None:
    found = 0
    for metric in classes():
        parameters = set(inspect.signature(metric.update).parameters)
        for old, new in getattr(metric.update, "old_names", {}).items():
            assert new in parameters and old not in parameters, (metric, old)
            found += 1
    assert found >= 20


def test_names_mean_one_thing(repo_root) -> None:
    """Every argument has a row in the table of docs/metrics/README.md, and nothing else has one."""
    page = (repo_root / "docs" / "metrics" / "README.md").read_text()
    table = page.partition("## Names of `update` arguments")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = [name.strip(" `") for row in rows for name in row.split(",")]
    assert len(documented) == len(set(documented))
    used = {name for metric in classes() for name in inspect.signature(metric.update).parameters} - {"self"}
    assert set(documented) == used
