"""The report of a system: score it beside its baselines and what the data know, and write the run folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from torchmetrics import Metric

from gazekit.base import Data, Predictor, System
from gazekit.base.scores import Settings, Table
from gazekit.drawing.training import training_figure
from gazekit.report.files import write_files
from gazekit.report.score import score

__all__ = ["write_report"]

log = logging.getLogger(__name__)


def write_report(
    folder: Path,
    name: str,
    system: System,
    data: Data,
    metrics: Mapping[str, Metric],
    settings: Settings,
    headline: Sequence[str] | None = None,
    notes: Sequence[str] = (),
    training: tuple[Mapping, int | None] = ({}, None),
) -> Table:
    """Score everything on `data.split`, write metrics.json, report.md and figures into `folder`, print the tables.

    Args:
        name: row of the system.
        metrics: column to metric or comparison, see `score`.
        headline: columns of the main table; those that no row has are left out. None, or if none is left, takes the
            first six.
        notes: sentences for the reader.
        training: curves of the training and the step of the weights that are scored.
    Raises:
        ValueError: two rows of one name; see `score`.
    """
    rows: dict[str, Predictor] = {name: system}
    for row, predictor in (*system.baselines.items(), *data.references().items()):
        if row in rows:
            raise ValueError(f"two rows of the report are named {row!r}: rename the model or the baseline")
        rows[row] = predictor
    scores = score(rows, data, metrics, settings)
    about = data.about()
    known = {column for row in scores.table.values() for column in row}
    columns = [c for c in headline or () if c in known] or list(scores.table[name])[:6]
    title = f"{name} on {about['name']}, part {data.split}"
    notes = [*notes, *system.notes(), *about.pop("notes", [])]
    figures = {}
    try:
        figures |= system.figures(data, scores.table)
    except Exception as error:  # hours of work must not be lost to a drawing
        log.exception("the figures of %s could not be drawn", name)
        notes.append(f"the figures of {name} could not be drawn: {type(error).__name__}: {error}")
    if training[0]:
        figures["training"] = training_figure(*training)
    facts: dict[str, Any] = {"data": about, "seed": settings.seed, "samples": settings.samples}
    text = write_files(folder, title, scores, columns, facts, notes, figures)
    Console(soft_wrap=True, highlight=False).print(
        "\n".join(["", title, text, *notes, "", f"run folder: {folder}"]), markup=False
    )
    return scores.table
