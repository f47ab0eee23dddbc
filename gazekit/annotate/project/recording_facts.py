"""The facts about a recording that a new project stores: kind, size, frame times, names and fixations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.annotate.project.pictures import ImageFolder, image_files
from gazekit.errors import RecordingError
from gazekit.recordings import Recording
from gazekit.recordings.readers import fitting, recognise
from gazekit.recordings.scene_fixations import scene_fixations
from gazekit.recordings.video import SceneVideo

__all__ = ["recording_facts"]

_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


def recording_facts(path: Path) -> tuple[dict[str, Any], list[tuple]]:
    """Facts and fixations of a video, a folder of images or a recording, as `Store.describe` takes them.

    Raises:
        FileNotFoundError, RecordingError: no such recording, one without video, or one that is broken.
    """
    return _video(path) or _images(path) or _recording(path)


def _images(path: Path) -> tuple[dict[str, Any], list] | None:
    if not path.is_dir() or not (files := image_files(path)) or _is_recording(path):
        return None
    with ImageFolder(path, files) as pictures:
        size = pictures.size_px
    ids = {"name": path.name, "recording": path.name, "section": "", "folder": path.name, "video": path.name}
    times = [1000.0 * i for i in range(len(files))]
    facts = {"kind": "images", "n_frames": len(files), "size_px": size, "frame_t_ms": times, "files": files}
    return facts | {"origin_ns": 0, "ids": ids}, []


def _is_recording(path: Path) -> bool:
    try:
        return bool(recognise(path))
    except RecordingError:
        return False


def _video(path: Path) -> tuple[dict[str, Any], list] | None:
    if not path.is_file() or path.suffix.lower() not in _VIDEOS:
        return None
    with SceneVideo(path) as video:
        times, size = video.t_ms.tolist(), video.size_px
    ids = {"name": path.stem, "recording": path.stem, "section": "", "folder": path.stem, "video": path.name}
    facts = {"kind": "video", "n_frames": len(times), "size_px": size, "frame_t_ms": times}
    return facts | {"origin_ns": 0, "ids": ids}, []


def _recording(path: Path) -> tuple[dict[str, Any], list]:
    try:
        recording = Recording.open(path)
    except RecordingError as error:
        if fitting(path) is not None:
            raise
        hint = "To be annotated it must be of a format that is recognised; a video or a folder of images will do too."
        raise RecordingError(f"{error}\n{hint}") from error
    if recording.video is None or recording.frame_t_ms is None:
        raise RecordingError(
            f"{path}: a recording without a scene video ({recording.tracker}), so without frames to label"
        )
    with SceneVideo(recording.video, recording.frame_t_ms) as video:
        size = video.size_px
    info = recording.info
    template = info.get("template_data")
    name = template.get("recording_name") if isinstance(template, dict) else None
    ids = {
        "name": str(name or path.name),
        "recording": str(info.get("recording id") or info.get("recording_id") or path.name),
        "section": str(info.get("section id") or ""),
        "folder": path.name,
        "video": f"{path.name}{recording.video.suffix}",
    }
    times = recording.frame_t_ms.tolist()
    facts = {"kind": "recording", "n_frames": len(times), "size_px": size, "frame_t_ms": times}
    facts["px_per_dva"] = None if recording.camera is None else recording.camera.px_per_dva
    fixations, by = _fixations(recording)
    return facts | {"origin_ns": recording.origin_ns, "ids": ids, "fixations_by": by}, fixations


def _fixations(recording: Recording) -> tuple[list[tuple], str]:
    """Rows of `scene_fixations`, and whose fixations they are."""
    table, by = scene_fixations(recording)
    numbers = range(1, len(table) + 1)
    if "id" in table and table["id"].is_unique and pd.api.types.is_integer_dtype(table["id"]):
        numbers = table["id"].tolist()
    columns = (table[name].tolist() for name in ("onset_ms", "offset_ms", "x_px", "y_px", "frame"))
    rows = zip(numbers, *columns, strict=True)
    return [tuple(None if isinstance(v, float) and np.isnan(v) else v for v in row) for row in rows], by
