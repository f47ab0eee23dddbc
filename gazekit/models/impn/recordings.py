"""A user's own recording: batches of its fixations, and the table of their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from gazekit.errors import RecordingError
from gazekit.recordings.recording import Recording
from gazekit.recordings.scene_fixations import scene_fixations
from gazekit.recordings.video import SceneVideo

__all__ = ["fixation_batches", "label_table"]

AT_ONCE = 32
COLUMNS = ["frame", "onset_ms", "offset_ms", "x_px", "y_px"]


def fixation_batches(path: Path) -> Iterator[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Batches of the fixations that lie in a frame of the scene video, each with what is known of its fixations.

    Args:
        path: folder or file of a recording, as `Recording.open` reads it.
    Raises:
        RecordingError: a recording without scene video, or without a fixation in it.
    """
    recording = Recording.open(path)
    if recording.video is None or recording.frame_t_ms is None:
        raise RecordingError(f"{path}: no scene video in this recording, so there are no frames to label")
    table, _ = scene_fixations(recording)
    table = table[(table["frame"] >= 0) & table[["x_px", "y_px"]].notna().all(axis=1)]
    if table.empty:
        raise RecordingError(
            f"{path}: no fixation lies in a frame of the scene video; `gazekit recording info` shows what is there"
        )
    with SceneVideo(recording.video, recording.frame_t_ms) as video:
        for start in range(0, len(table), AT_ONCE):
            rows = table.iloc[start : start + AT_ONCE]
            items = rows.rename(columns={"id": "fixation"})
            items = items[[name for name in ("fixation", *COLUMNS) if name in items]].to_dict("records")
            xy = torch.tensor(rows[["x_px", "y_px"]].to_numpy(), dtype=torch.float32)
            yield items, {"frames": video, "frame": torch.tensor(rows["frame"].tolist()), "fixation_px": xy}


def label_table(
    items: Sequence[Mapping[str, Any]], said: Mapping[str, Any], labels: Sequence[str]
) -> pd.DataFrame:
    """One line a fixation: what is known of it, and `label` ("background" without a box), `score`, `x_min_px` ...

    Args:
        items: what is known of each fixation.
        said: of `FrameLabeller.predict`.
        labels: names.
    """
    names = [*labels, "background"]
    table = pd.DataFrame(list(items))
    table["label"] = [names[k] for k in said["predicted"].tolist()]
    table["score"] = said["score"].numpy().round(4)
    for name, column in zip(("x_min_px", "y_min_px", "x_max_px", "y_max_px"), said["box_px"].T, strict=True):
        table[name] = column.numpy().round(2)
    return table
