"""From the `metrics` group of a configuration to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig
from torchmetrics import Metric

from gazekit.base import Data, System
from gazekit.base.scores import Comparison, Settings, Table
from gazekit.report.write import write_report
from gazekit.run.recipe import make

__all__ = ["metrics_of", "report_on"]


def metrics_of(cfg: DictConfig, trust: Sequence[str]) -> dict[str, Metric | Comparison]:
    """The configured metrics by column.

    Raises:
        ValueError: a class that is no metric, or one without an interval.
    """
    made = {}
    for name, config in cfg.metrics.scores.items():
        made[name] = make(config, (Metric, Comparison), f"metrics.scores.{name}", trust)
        if isinstance(made[name], Metric) and not hasattr(type(made[name]), "interval"):
            raise ValueError(
                f"metrics.scores.{name}: {type(made[name]).__name__} has no interval(); derive it from "
                "gazekit.metrics.item_metric.ItemMetric, which keeps the items"
            )
    return made


def report_on(
    cfg: DictConfig,
    folder: Path,
    system: System,
    data: Data,
    trust: Sequence[str],
    notes: Sequence[str] = (),
    training: tuple[Mapping, int | None] = ({}, None),
) -> Table:
    """Score a system by the configured metrics, on its own data or on those that `metrics.on` describes.

    Args:
        trust: classes outside gazekit that the configuration may name.
        notes, training: see `write_report`.
    """
    chosen, metrics = cfg.metrics, metrics_of(cfg, trust)
    if chosen.get("on"):
        data = make(chosen.on, Data, "metrics.on", trust)
        data.trained_with = system.facts
        data.prepare_data()
        data.setup()
    settings = Settings(chosen.get("samples", 1), chosen.get("resamples", 2000), cfg.seed)
    name, headline = system.recipe["name"], chosen.get("headline")
    return write_report(folder, name, system, data, metrics, settings, headline, notes, training)
