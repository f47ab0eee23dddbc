"""Scores of every row of a report: predictors are asked batch by batch, metrics take what they need by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature

import torch
from lightning_fabric.utilities import move_data_to_device
from rich.progress import Progress
from torchmetrics import Metric

from gazekit.base import Data, Predictor
from gazekit.base.data import arguments_of, group_of
from gazekit.base.scores import Comparison, Scores, Settings
from gazekit.metrics import INFO, Score

__all__ = ["columns_of", "score"]


def score(
    rows: Mapping[str, Predictor], data: Data, metrics: Mapping[str, Metric | Comparison], settings: Settings
) -> Scores:
    """Score predictors on `data.split`.

    Args:
        rows: row name to predictor; each is asked on the device on which it is.
        metrics: column name to a metric with `update` and `interval`, or to a `Comparison`.
    Raises:
        ValueError: a metric whose arguments no row gives.
    """
    single = {name: m for name, m in metrics.items() if isinstance(m, Metric)}
    result = Scores({}, about={name: p.about for name, p in rows.items()})
    items = len(data.parts[data.split])
    with Progress(transient=True) as progress:
        task = progress.add_task(f"scoring {items} items", total=items * len(rows))
        for name, predictor in rows.items():
            progress.update(task, description=f"scoring {items} items: {name}")
            result.add(_row(name, predictor, data, single, settings, lambda n: progress.advance(task, n)))
        _check_used(single, result)
        for name, metric in metrics.items():
            if name in single:
                continue
            task = progress.add_task(name, total=1.0)

            def told(row: str, share: float, task=task, name=name) -> None:
                progress.update(task, description=f"scoring {name}: {row}", completed=share)

            result.add(metric.scores(rows, data, settings, told))
    return result


def _row(
    name: str,
    predictor: Predictor,
    data: Data,
    metrics: Mapping[str, Metric],
    settings: Settings,
    advance: Callable[[int], None],
) -> Scores:
    own = {m: metric.clone() for m, metric in metrics.items() if m not in predictor.reasons}
    generator, device = torch.Generator().manual_seed(settings.seed), _device(predictor)
    lacking: dict[str, list[str]] = {}
    items = 0
    predictor.eval()
    for metric in own.values():
        metric.reset()
    for batch in data.batches(data.split, predictor.facts) if own else ():  # a comparison asks for itself
        with torch.no_grad():
            said = predictor.predict(move_data_to_device(batch, device), generator, settings.samples)
        given = arguments_of(batch) | said
        for column, metric in own.items():
            if missing := [a for a in _needed(metric) if a not in given]:
                lacking[column] = missing
            else:
                metric.update(**move_data_to_device(metric._filter_kwargs(**given), "cpu"))
        items += len(group_of(batch))
        advance(len(group_of(batch)))
    table, reasons, better = {}, {}, {}
    for column, metric in metrics.items():
        if column in predictor.reasons:
            table[column] = Score(torch.nan, torch.nan, torch.nan, 0, items)
            reasons[name, column] = predictor.reasons[column]
            continue
        if column in lacking:
            reasons[name, column] = f"not measured: {name} gives no {', '.join(lacking[column])}"
            continue
        why = next(
            (predictor.reasons[a] for a in _takes(metric) if a in predictor.reasons), _undefined(metric)
        )
        for part, value in columns_of(column, own[column].interval(settings.resamples, seed=settings.seed)):
            table[part], better[part] = value, metric.higher_is_better
            if why and value.undefined:
                reasons[name, part] = why
    return Scores({name: table}, reasons, {}, better)


def columns_of(name: str, found: Score | Mapping[str, Score]) -> Iterable[tuple[str, Score]]:
    """Column names and scores of one metric's `interval()`."""
    if isinstance(found, Score):
        return [(name, found)]
    return [(f"{name}.{part}" if part else name, value) for part, value in found.items()]


def _check_used(metrics: Mapping[str, Metric], result: Scores) -> None:
    for column in metrics:
        texts = [result.reasons.get((row, column), "") for row in result.table]
        if texts and all(text.startswith("not measured") for text in texts):
            raise ValueError(
                f"metrics.scores.{column} cannot be measured here; {texts[0].removeprefix('not measured: ')}"
            )


def _undefined(metric: Metric) -> str:
    """When a value of one of our metrics is undefined, in words."""
    found = (entry.undefined for entry in INFO.values() if entry.class_name == type(metric).__name__)
    return next(found, "")


def _takes(metric: Metric) -> list[str]:
    return list(signature(metric.update).parameters)


def _needed(metric: Metric) -> list[str]:
    parameters = signature(metric.update).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]


def _device(predictor: Predictor) -> torch.device:
    tensors = (*predictor.parameters(), *predictor.buffers())
    return tensors[0].device if tensors else torch.device("cpu")
