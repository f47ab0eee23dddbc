"""Writes a generated egocentric video as a recording's folder: mp4, Pupil Cloud CSV, ground truth as COCO JSON."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import pandas as pd

from gazekit.datasets.egocentric_world import LABELS

__all__ = ["coco", "write"]


ORIGIN_NS = 1_700_000_000_000_000_000


class LabelledVideo(Protocol):
    """A video with gaze and true boxes; `EgocentricVideo` says what each attribute holds."""

    name: str
    t_ms: np.ndarray
    boxes_px: list[np.ndarray]
    labels: list[np.ndarray]
    tracks: list[np.ndarray]
    fixations: pd.DataFrame
    gaze: pd.DataFrame

    @property
    def size_px(self) -> tuple[int, int]: ...
    def __len__(self) -> int: ...
    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]: ...


def write(video: LabelledVideo, folder: Path) -> Path:
    """See `EgocentricVideo.write`."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: choose a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    ids = {"recording id": str(uuid.uuid5(uuid.NAMESPACE_OID, video.name))}
    sections = {"section id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{video.name} section")), **ids}
    duration_s = video.t_ms[-1] / 1000
    _write_video(video, folder / f"{sections['section id'][:8]}_0.000-{duration_s:.3f}.mp4")
    _csv(folder / "world_timestamps.csv", sections, {"timestamp [ns]": _ns(video.t_ms)})
    events = {"timestamp [ns]": _ns([0, video.t_ms[-1]]), "name": ["recording.begin", "recording.end"]}
    _csv(folder / "events.csv", ids, {**events, "type": "recording"})
    _write_gaze(video, folder, sections)
    _json(folder / "scene_camera.json", _camera(video))
    _json(
        folder / "info.json",
        {
            **{key.replace(" ", "_"): value for key, value in ids.items()},
            "start_time": ORIGIN_NS,
            "duration": int(_ns(video.t_ms[-1:])[0]) - ORIGIN_NS,
            "wearer_name": "generated",
            "template_data": {"recording_name": video.name},
        },
    )
    _json(folder / "coco_ground_truth.json", coco(video))
    return folder


def coco(video: LabelledVideo) -> dict:
    """The ground truth: one image per frame with `frame_index` and `timestamp_ns`, boxes with `track_id`; ids
    from 1.
    """
    width, height = video.size_px
    images, annotations = [], []
    for frame, ns in enumerate(_ns(video.t_ms).tolist()):
        name = f"frame_{frame:06d}.jpg"
        size = {"width": width, "height": height}
        images.append({"id": frame + 1, "file_name": name, **size, "frame_index": frame, "timestamp_ns": ns})
        truth = zip(video.boxes_px[frame], video.labels[frame], video.tracks[frame], strict=True)
        for (x0, y0, x1, y1), label, track in truth:
            w, h = round(x1 - x0, 2), round(y1 - y0, 2)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": frame + 1,
                    "category_id": int(label) + 1,
                    "bbox": [float(x0), float(y0), float(w), float(h)],
                    "area": round(float(w * h), 2),
                    "iscrowd": 0,
                    "track_id": int(track) + 1,
                }
            )
    categories = [
        {"id": k, "name": name, "supercategory": name.split("-")[0]} for k, name in enumerate(LABELS, 1)
    ]
    return {
        "info": {"description": video.name},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def _write_video(video: LabelledVideo, path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=30, options={"crf": "18", "preset": "veryfast", "g": "30"}
        )
        stream.width, stream.height = video.size_px
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1_000_000)
        for index, picture in enumerate(video.frames(range(len(video)))):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(video.t_ms[index] * 1000), stream.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _write_gaze(video: LabelledVideo, folder: Path, ids: dict[str, str]) -> None:
    gaze, fixations = video.gaze, video.fixations
    number = gaze["fixation"].astype("Int64")
    columns = {
        "timestamp [ns]": _ns(gaze["t_ms"]),
        "gaze x [px]": gaze["x_px"],
        "gaze y [px]": gaze["y_px"],
        "worn": 1.0,
        "fixation id": number.mask(number == 0),
        "blink id": "",
    }
    _csv(folder / "gaze.csv", ids, {**columns, **_angles(video, gaze)})
    columns = {
        "fixation id": fixations["id"],
        "start timestamp [ns]": _ns(fixations["onset_ms"]),
        "end timestamp [ns]": _ns(fixations["offset_ms"]),
        "duration [ms]": fixations["duration_ms"].astype(int),
        "fixation x [px]": fixations["x_px"],
        "fixation y [px]": fixations["y_px"],
    }
    _csv(folder / "fixations.csv", ids, {**columns, **_angles(video, fixations)})


def _camera(video: LabelledVideo) -> dict:
    """A camera whose picture is 65 degrees wide, without distortion."""
    width, height = video.size_px
    focal = _focal_px(video)
    matrix = [[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]]
    return {"camera_matrix": matrix, "distortion_coefficients": [[0.0] * 8], "serial_number": "generated"}


def _focal_px(video: LabelledVideo) -> float:
    return round(video.size_px[0] / 2 / np.tan(np.deg2rad(32.5)), 3)


def _angles(video: LabelledVideo, points: pd.DataFrame) -> dict[str, pd.Series]:
    x, y = (
        (points[f"{a}_px"] - side / 2) / _focal_px(video) for a, side in zip("xy", video.size_px, strict=True)
    )
    return {
        "azimuth [deg]": np.rad2deg(np.arctan(x)).round(4),
        "elevation [deg]": -np.rad2deg(np.arctan(y)).round(4),
    }


def _ns(t_ms) -> np.ndarray:
    return np.round(np.asarray(t_ms, np.float64) * 1000).astype(np.int64) * 1000 + ORIGIN_NS


def _csv(path: Path, ids: dict[str, str], columns: dict) -> None:
    table = pd.DataFrame(columns)
    for place, (name, value) in enumerate(ids.items()):
        table.insert(place, name, value)
    table.to_csv(path, index=False, lineterminator="\n")


def _json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content))
