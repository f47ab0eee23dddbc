"""AOI measures: times, visits, transitions and their entropy; and their CSV files.

All tables are computed from `map_fixations`. A fixation with `aoi` "" (no position or no video frame) belongs to no
AOI: it counts in no total, ends a visit and interrupts transitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from gazekit.recordings.aoi.shapes import BACKGROUND

__all__ = ["aoi_metrics", "cloud_metrics", "to_csv", "transition_entropy", "transitions", "visits"]


def visits(mapped: pd.DataFrame) -> pd.DataFrame:
    """Maximal runs of consecutive fixations on one AOI, background included.

    Args:
        mapped: from `map_fixations`.
    Returns:
        One row per visit, in order: `aoi`, `onset_ms` of its first fixation, `offset_ms` of its last, `duration_ms`
        between the two (dwell: saccades inside the visit included), `fixations`.
    Raises:
        ValueError: fixations that are not in order, or AOIs not mapped.
    """
    _check(mapped)
    run = (mapped["aoi"] != mapped["aoi"].shift()).cumsum()
    groups = mapped.groupby(run.to_numpy(), sort=False)
    table = groups.agg(
        aoi=("aoi", "first"),
        onset_ms=("onset_ms", "first"),
        offset_ms=("offset_ms", "last"),
        fixations=("aoi", "size"),
    )
    table.insert(3, "duration_ms", table["offset_ms"] - table["onset_ms"])
    return table[table["aoi"] != ""].reset_index(drop=True)


def aoi_metrics(mapped: pd.DataFrame, labels: Sequence[str], start_ms: float) -> pd.DataFrame:
    """One row per AOI, and one for the background.

    Args:
        mapped: from `map_fixations`: a recording, or the rows of one trial.
        labels: all AOIs that were present, `aoi_labels`; the order of the rows.
        start_ms: reference for time to first fixation: the first frame (`frame_t_ms[0]`), or a trial's onset.
    Returns:
        `aoi`; `fixations`; `total_duration_ms` and `mean_duration_ms` of them; `time_to_first_fixation_ms`, onset of
        the first minus `start_ms` (negative if it had already begun by then); `first_duration_ms`; `visits`;
        `revisits`, visits after the first; `dwell_ms`, summed durations of visits; `share` of the duration of
        all mapped fixations. For an AOI that was never fixated, counts and sums are 0; mean, time to first
        and first duration are NaN. `share` is NaN if no fixation was mapped.
    Raises:
        ValueError: as `visits`; an AOI of the table that is not in `labels`.
    """
    names = _names(mapped, labels)
    rows = mapped[mapped["aoi"] != ""].groupby("aoi")
    runs = visits(mapped).groupby("aoi")["duration_ms"]
    table = pd.DataFrame({"aoi": names}).set_index("aoi")
    table["fixations"] = rows.size().reindex(names, fill_value=0)
    table["total_duration_ms"] = rows["duration_ms"].sum().reindex(names, fill_value=0.0)
    table["mean_duration_ms"] = rows["duration_ms"].mean().reindex(names)
    table["time_to_first_fixation_ms"] = rows["onset_ms"].min().reindex(names) - start_ms
    table["first_duration_ms"] = rows["duration_ms"].first().reindex(names)
    table["visits"] = runs.size().reindex(names, fill_value=0)
    table["revisits"] = (table["visits"] - 1).clip(lower=0)
    table["dwell_ms"] = runs.sum().reindex(names, fill_value=0.0)
    total = table["total_duration_ms"].sum()
    table["share"] = table["total_duration_ms"] / (total if total > 0 else np.nan)
    return table.reset_index()


def transitions(
    mapped: pd.DataFrame,
    labels: Sequence[str],
    by: Literal["fixation", "visit"] = "visit",
    background: bool = False,
) -> pd.DataFrame:
    """Number of transitions between each pair of AOIs.

    Args:
        mapped: from `map_fixations`.
        labels: order of rows and columns.
        by: "fixation": from fixation to fixation, with refixations on the diagonal; or "visit": from visit to
            visit, with a diagonal of 0.
        background: whether background counts as an AOI. If not, its fixations are removed first, so A,
            background, B is a transition from A to B, and A, background, A is, by visit, no transition.
    Returns:
        [N, N] counts, from rows to columns.
    Raises:
        ValueError: as `aoi_metrics`; another `by`.
    """
    if by not in ("fixation", "visit"):
        raise ValueError(f'by must be "fixation" or "visit", got {by!r}')
    names = _names(mapped, labels)[: None if background else -1]
    path = mapped["aoi"].to_numpy()
    path = path if background else path[path != BACKGROUND]
    start, end = path[:-1], path[1:]
    counted = (start != "") & (end != "") & ((start != end) | (by == "fixation"))
    counts = np.zeros((len(names), len(names)), np.int64)
    index = pd.Index(names)
    np.add.at(counts, (index.get_indexer(start[counted]), index.get_indexer(end[counted])), 1)
    return pd.DataFrame(counts, pd.Index(names, name="from"), pd.Index(names, name="to"))


def transition_entropy(counts: pd.DataFrame | np.ndarray) -> float:
    """Entropy of the next AOI given the current one, in bits.

    H = -sum_i w_i sum_j p_ij log2 p_ij, with p_ij each row's shares. Source: Krejtz, Szmidt, Duchowski and Krejtz 2014
    (ETRA). Deviation: w_i is the row's share of all observed transitions, not the chain's stationary distribution.

    Args:
        counts: [N, N] from `transitions`.
    Returns:
        From 0 (the next AOI is certain) to log2 N; NaN without transitions.
    Raises:
        ValueError: not a square table of counts >= 0.
    """
    counts = np.asarray(counts, np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not (counts >= 0).all():
        raise ValueError(f"transitions must be a square table of counts >= 0, got shape {list(counts.shape)}")
    if counts.sum() == 0:
        return float("nan")
    row = counts.sum(1, keepdims=True)
    share = np.divide(counts, row, out=np.ones_like(counts), where=counts > 0)
    return float(-(counts / counts.sum() * np.log2(share)).sum()) + 0.0


def to_csv(
    mapped: pd.DataFrame,
    labels: Sequence[str],
    folder: str | Path,
    start_ms: float,
    *,
    origin_ns: int,
    recording_id: str,
    recording_name: str,
    section_id: str = "",
    source: str = "manual",
    confidence: float = 1.0,
) -> Path:
    """Write five tables, with Pupil Cloud's columns where it has them: `aoi_fixations.csv` (without background),
    `aoi_metrics.csv`, `fixation_aoi.csv`, `transitions_fixation.csv`, `transitions_visits_no_background.csv`.

    Durations have at most 3 decimals, none if all are whole; positions and means 3, shares 6. In
    `aoi_metrics.csv` the times of an AOI that was never fixated are empty, not 0, as in Pupil Cloud.

    Args:
        mapped: from `map_fixations`; column `id` is the fixation's number, default 1, 2, ...; `frame`
            defaults to -1; columns `source` and `confidence` are used if present.
        labels, start_ms: as in `aoi_metrics`.
        folder: created if absent; existing files of these names are replaced.
        origin_ns: `Recording.origin_ns`: times are written in nanoseconds of the device's clock.
        source, confidence: how fixations were mapped, for a table without these columns.
    Returns:
        `folder`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    metrics = aoi_metrics(mapped, labels, start_ms)
    fixations = _fixation_file(mapped, origin_ns, source, confidence)
    tables = {
        "fixation_aoi": fixations.assign(**{"recording id": recording_id})[
            ["recording id", *fixations.columns]
        ],
        "aoi_fixations": _cloud_fixations(fixations, recording_id, section_id),
        "aoi_metrics": cloud_metrics(metrics, recording_id, recording_name),
        "transitions_fixation": _matrix_file(transitions(mapped, labels, "fixation", background=True)),
        "transitions_visits_no_background": _matrix_file(transitions(mapped, labels, "visit")),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    return folder


def _fixation_file(mapped: pd.DataFrame, origin_ns: int, source: str, confidence: float) -> pd.DataFrame:
    def nanoseconds(column: str) -> np.ndarray:
        return np.rint(mapped[column].to_numpy() * 1e6).astype(np.int64) + origin_ns

    return pd.DataFrame(
        {
            "fixation id": mapped["id"] if "id" in mapped else np.arange(1, len(mapped) + 1),
            "start timestamp [ns]": nanoseconds("onset_ms"),
            "end timestamp [ns]": nanoseconds("offset_ms"),
            "duration [ms]": _short(mapped["duration_ms"]),
            "fixation x [px]": mapped["x_px"].round(3),
            "fixation y [px]": mapped["y_px"].round(3),
            "frame index": mapped["frame"] if "frame" in mapped else -1,
            "aoi label": mapped["aoi"],
            "source": mapped.get("source", source),
            "confidence": mapped.get("confidence", confidence),
        }
    )


def _cloud_fixations(fixations: pd.DataFrame, recording_id: str, section_id: str) -> pd.DataFrame:
    rows = fixations[~fixations["aoi label"].isin([BACKGROUND, ""])]
    return pd.DataFrame(
        {
            "aoi label": rows["aoi label"],
            "section id": section_id,
            "recording id": recording_id,
            "fixation id": rows["fixation id"],
            "fixation duration [ms]": rows["duration [ms]"],
        }
    )


def cloud_metrics(metrics: pd.DataFrame, recording_id: str, recording_name: str) -> pd.DataFrame:
    """`aoi_metrics` in the columns of `aoi_metrics.csv`; times of an AOI that was never fixated are empty."""
    metrics = metrics.copy()
    sums = ["total_duration_ms", "dwell_ms", "share"]
    metrics[sums] = metrics[sums].where(metrics["fixations"] > 0)
    return pd.DataFrame(
        {
            "recording id": recording_id,
            "recording name": recording_name,
            "aoi label": metrics["aoi"],
            "total fixations": metrics["fixations"],
            "total fixation duration [ms]": _short(metrics["total_duration_ms"]),
            "average fixation duration [ms]": metrics["mean_duration_ms"].round(3),
            "time to first fixation [ms]": metrics["time_to_first_fixation_ms"].round(3),
            "first fixation duration [ms]": _short(metrics["first_duration_ms"]),
            "visits": metrics["visits"],
            "revisits": metrics["revisits"],
            "dwell time [ms]": metrics["dwell_ms"].round(3),
            "share of fixation time": metrics["share"].round(6),
        }
    )


def _matrix_file(counts: pd.DataFrame) -> pd.DataFrame:
    return counts.rename_axis(index="from \\ to", columns=None).reset_index()


def _short(values: pd.Series) -> pd.Series:
    """At most 3 decimals; whole numbers where all are whole."""
    values = values.round(3)
    return values.astype("Int64") if (values.dropna() % 1 == 0).all() else values


def _names(mapped: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    _check(mapped)
    names = [*labels, BACKGROUND]
    if len(set(names)) < len(names):
        raise ValueError(f"labels must be unique and not {BACKGROUND!r}, got {list(labels)}")
    if unknown := sorted(set(mapped["aoi"]) - {*names, ""}):
        raise ValueError(
            f"fixations are on {', '.join(unknown)}, which are not in labels: {', '.join(labels)}"
        )
    return names


def _check(mapped: pd.DataFrame) -> None:
    if "aoi" not in mapped:
        raise ValueError("the table has no column aoi: map_fixations(fixations, aois) adds it")
    if not mapped["onset_ms"].is_monotonic_increasing:
        raise ValueError("fixations must be in order of onset_ms")
