"""Agreement of two event tables of one recording: the tracker's and ours, or the truth and a detector's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gazekit.metrics.functional.events import TIMING_PARTS, Events, event_f1, event_timing_ms
from gazekit.recordings.synthetic import SyntheticGaze

__all__ = ["event_agreement", "noise_curve", "to_events"]


def to_events(table: pd.DataFrame, kind: str, interval_ms: float) -> Events:
    """Events of one kind for `gazekit.metrics`: each lasts until the sample after its last one.

    Args:
        table: `kind`, `onset_ms`, `offset_ms`, the time of the last sample.
        interval_ms: sample interval.
    """
    rows = table[table["kind"] == kind]
    return Events(rows["onset_ms"].to_numpy(np.float64), rows["offset_ms"].to_numpy(np.float64) + interval_ms)


def event_agreement(
    detected: pd.DataFrame,
    reference: pd.DataFrame,
    interval_ms: float,
    kinds: Sequence[str] = ("fixation", "saccade"),
    min_iou: float = 0.5,
) -> pd.DataFrame:
    """Agreement of events per kind, by `gazekit.metrics.functional.event_f1` and `event_timing_ms`.

    Args:
        detected, reference: event tables of one eye each, as returned by detectors or held in `Recording.events`.
        interval_ms: `Gaze.interval_ms`; offsets name the last sample in both tables.
        min_iou: matched events overlap by this share of the time in either.
    Returns:
        One row per kind: kind, detected, reference (counts), f1, and `TIMING_PARTS` of matched events
        (positive = late). NaN where there is no event or no match.
    Raises:
        ValueError: min_iou outside 0 to 1, an event with non-finite times, a table with events of both eyes.
    """
    for name, table in (("detected", detected), ("reference", reference)):
        eyes = {*table.loc[table["kind"].isin(kinds), "eye"], ""} - {""} if "eye" in table else ()
        if len(eyes) > 1:
            raise ValueError(
                f"{name} has events of the {' and the '.join(sorted(eyes))} eye, expected one: "
                'events[events["eye"] == "left"]'
            )
    rows = []
    for kind in kinds:
        ours, theirs = (to_events(table, kind, interval_ms) for table in (detected, reference))
        row = {"kind": kind, "detected": len(ours), "reference": len(theirs)}
        row["f1"] = float(event_f1(ours, theirs, min_iou))
        rows.append(
            row | dict(zip(TIMING_PARTS, event_timing_ms(ours, theirs, min_iou).tolist(), strict=True))
        )
    return pd.DataFrame(rows)


def noise_curve(
    detectors: Mapping[str, Any],
    noise_dva: Sequence[float] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0),
    maker: SyntheticGaze | None = None,
    seeds: Sequence[int] = (0,),
    kinds: Sequence[str] = ("fixation", "saccade"),
    min_iou: float = 0.5,
) -> pd.DataFrame:
    """F1 of detectors on synthetic gaze with increasing noise.

    Args:
        detectors: name -> any object with `detect(gaze, view)`.
        noise_dva: SD of white noise on each axis, degrees.
        maker: generator of the gaze; 60 s at 1000 Hz by default.
        seeds: one stream per seed; their events are pooled.
    Returns:
        One row per detector, noise level and kind: detector, noise_dva, kind, detected, reference, f1.
    """
    maker = maker or SyntheticGaze()
    rows = []
    for noise in noise_dva:
        made = [replace(maker, noise_dva=noise).make(seed) for seed in seeds]
        for name, detector in detectors.items():
            pairs = [(detector.detect(m.gaze, m.screen), m.events, m.gaze.interval_ms) for m in made]
            tables = [event_agreement(*pair, kinds, min_iou) for pair in pairs]
            for k, kind in enumerate(kinds):
                counts = np.array(
                    [table.loc[k, ["detected", "reference"]].to_numpy(float) for table in tables]
                )
                f1 = np.array([table.loc[k, "f1"] for table in tables], float)
                total = counts.sum()
                matched = np.nansum(f1 * counts.sum(1))
                rows.append({
                    "detector": name, "noise_dva": noise, "kind": kind,
                    "detected": int(counts[:, 0].sum()), "reference": int(counts[:, 1].sum()),
                    "f1": matched / total if total else np.nan,
                })  # fmt: skip
    return pd.DataFrame(rows)
