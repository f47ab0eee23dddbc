"""Labelled fixations as the tables of `gazekit.recordings.aoi.to_csv`; import of answers from such a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from gazekit.annotate.exchange import methods
from gazekit.annotate.exchange.trials import trial_metrics
from gazekit.annotate.project.checks import SOURCES
from gazekit.annotate.project.labels import CANNOT_TELL
from gazekit.annotate.project.project import Project, reviewed
from gazekit.annotate.project.rows import Row
from gazekit.errors import RecordingError
from gazekit.recordings.aoi import BACKGROUND, to_csv
from gazekit.recordings.files import read_csv
from gazekit.recordings.plots import plot_aoi_timeline

__all__ = ["read", "write"]

ANSWERS = ("manual", "confirmed")  # sources of answers by a person


def write(
    project: Project, folder: Path, reviewed_only: bool, predicted: Mapping[int, tuple[int, float]]
) -> Path:
    """The five tables of `to_csv`, from `Project.mapped_fixations`, and beside them

    `methods.md`, a paragraph for a paper; `timeline.png`, when each area was looked at; `aoi_metrics_trials.csv`, if
    the recording has messages that begin and end trials: a row for each trial and area.

    Args:
        reviewed_only, predicted: see `Project.mapped_fixations`.
    Raises:
        ValueError: the recording has no fixations.
    """
    every = project.mapped_fixations(predicted=predicted)
    if every.empty:
        raise ValueError(
            f"{project.name}: no fixations, so nothing to report; export coco, cvat or label_studio"
        )
    mapped = reviewed(every) if reviewed_only else every
    labels = [label["name"] for label in project.store.labels() if label["id"] > 0]
    labels += sorted(set(mapped["aoi"]) - {*labels, BACKGROUND, ""})  # "cannot tell", if it was answered
    ids = project.ids
    to_csv(
        mapped,
        labels,
        folder,
        float(project.frame_t_ms[0]),
        origin_ns=project.origin_ns,
        recording_id=ids["recording"],
        recording_name=ids["name"],
        section_id=ids["section"],
    )
    (folder / "methods.md").write_text(methods.text(project, every, reviewed_only), encoding="utf-8")
    _timeline(mapped, labels, folder / "timeline.png")
    if len(trials := trial_metrics(project, mapped, labels)):
        trials.to_csv(folder / "aoi_metrics_trials.csv", index=False, lineterminator="\n")
    return folder


def _timeline(mapped: pd.DataFrame, labels: list[str], file: Path) -> None:
    figure = Figure(figsize=(10, 1 + 0.3 * (len(labels) + 1)), dpi=150, layout="constrained")
    plot_aoi_timeline(figure.subplots(), mapped, labels)
    figure.savefig(file)


def read(project: Project, path: Path) -> Row:
    """Fields of `boxes.import`: the answer of each fixation in `fixation_aoi.csv` whose source is a person's, "manual"
    or "confirmed". Labels from boxes of other sources are not answers, and neither are empty ones.

    Labels come in the order of `aoi_metrics.csv`, if it is beside.

    Raises:
        FileNotFoundError: no such file.
        RecordingError: no such table.
    """
    path = path / "fixation_aoi.csv" if path.is_dir() else path
    columns = {"id": "fixation id", "aoi": "aoi label", "source": "source", "confidence": "confidence"}
    table, _ = read_csv(path, columns, text=("aoi", "source"), integers=("id",))
    if strange := sorted(set(table["source"]) - {*SOURCES, ""}):
        raise RecordingError(f"{path}: source must be one of {', '.join(SOURCES)}, got {strange[0]!r:.80}")
    table = table[(table["aoi"] != "") & table["source"].isin(ANSWERS)]
    names: list[str] = []
    if (beside := path.with_name("aoi_metrics.csv")).is_file():
        names = read_csv(beside, {"aoi": "aoi label"}, text=("aoi",))[0]["aoi"].tolist()
    names = [name for name in dict.fromkeys([*names, *table["aoi"]]) if name not in (BACKGROUND, CANNOT_TELL)]
    rows = table[["id", "aoi", "source", "confidence"]].itertuples(index=False)
    answers = [
        {
            "fixation": int(r.id),
            "label": r.aoi,
            "source": r.source,
            "confidence": None if pd.isna(r.confidence) else r.confidence,
        }
        for r in rows
    ]
    return {"labels": [{"name": name} for name in names], "boxes": [], "frames": [], "answers": answers}
