"""A machine-learning backend for Label Studio: the requests that Label Studio sends, answered by the project's model.

It predicts for this project's recording only: a task is recognised by the name of its video, or by the frame number in
its data. No URL or path of a task is ever opened.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import torch
from fastapi import Body, FastAPI

from gazekit.annotate.session import AnnotationSession
from gazekit.kernels.boxes import pairwise_iou

__all__ = ["add_routes", "linked_tracks", "task_prediction"]

MIN_IOU = 0.3  # of boxes of one label in successive predicted frames that form a track


def add_routes(app: FastAPI, session: AnnotationSession) -> None:
    """GET /health, POST /setup, POST /predict and POST /webhook."""

    def version() -> str:
        return f"gazekit-{session.loop.model.version}"

    @app.get("/health")
    def health() -> Any:
        return {"status": "UP", "model_class": "gazekit.annotate"}

    @app.post("/setup")
    def setup(body: dict[str, Any] = Body(default={})) -> Any:  # noqa: B008
        return {"model_version": version()}

    @app.post("/predict")
    def predict(body: dict[str, Any] = Body()) -> Any:  # noqa: B008
        tasks = body.get("tasks")
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise ValueError("tasks must be a list of Label Studio's tasks")
        results = [task_prediction(session, task) | {"model_version": version()} for task in tasks]
        return {"results": results, "model_version": version()}

    @app.post("/webhook")
    def webhook() -> Any:
        return {}  # labels from Label Studio come by an import, at a person's request


def task_prediction(session: AnnotationSession, task: dict[str, Any]) -> dict[str, Any]:
    """`result` and `score` (the mean of its boxes) of one task: one `videorectangle` per track, or `rectanglelabels` of
    one frame if the task's data has `frame`, which counts from 0.

    Raises:
        ValueError: a task of another video; a frame that is not a number.
        IndexError: no such frame in the recording.
    """
    data = task.get("data") if isinstance(task.get("data"), dict) else {}
    names = {label["id"]: label["name"] for label in session.store.labels()}
    width, height = session.project.size_px
    if "frame" in data:
        if not isinstance(data["frame"], int) or isinstance(data["frame"], bool):
            raise ValueError(
                f"task {task.get('id')}: frame must be a whole number, got {data['frame']!r:.80}"
            )
        boxes = session.frame(data["frame"])["predictions"]
        result = [_rectangle(box, names, width, height) for box in boxes if box["label"] in names]
        return {"result": result, "score": _mean([box["score"] for box in boxes])}
    name = PurePosixPath(unquote(urlsplit(str(data.get("video", ""))).path)).name
    own = session.project.ids["video"]
    if not re.fullmatch(f"([0-9a-f]{{8}}-)?{re.escape(own)}", name):  # prefix of uploads in Label Studio
        raise ValueError(f"task {task.get('id')} shows {name!r}; this server serves {own!r} only")
    tracks = [track for track in linked_tracks(session) if track["label"] in names]
    result = [_video_rectangle(session, number, track, names) for number, track in enumerate(tracks)]
    return {"result": result, "score": _mean([score for track in tracks for score in track["scores"]])}


def linked_tracks(session: AnnotationSession) -> list[dict[str, Any]]:
    """Predictions linked to tracks: `label`, and in order of time `frames`, `boxes`, `scores`. Boxes of one label with
    an IoU of at least 0.3 in successive predicted frames are one track."""
    tracks: list[dict[str, Any]] = []
    alive: list[dict[str, Any]] = []
    for frame, shown in sorted(session.loop.predictions.items()):
        ends = torch.tensor([track["boxes"][-1] for track in alive]).reshape(-1, 4)
        overlap = pairwise_iou(torch.as_tensor(shown.boxes), ends)
        now = []
        for row, (label, box, score) in enumerate(
            zip(shown.labels, shown.boxes.tolist(), shown.score.tolist(), strict=True)
        ):
            same = [
                k
                for k, track in enumerate(alive)
                if track["label"] == label and not any(track is t for t in now)
            ]
            best = max(same, key=lambda k: float(overlap[row, k]), default=None)
            if best is None or overlap[row, best] < MIN_IOU:
                tracks.append({"label": label, "frames": [], "boxes": [], "scores": []})
                track = tracks[-1]
            else:
                track = alive[best]
            for name, value in (("frames", frame), ("boxes", box), ("scores", score)):
                track[name].append(value)
            now.append(track)
        for track in alive:
            if not any(track is other for other in now):
                track["gone"] = frame
        alive = now
    return tracks


def _video_rectangle(
    session: AnnotationSession, number: int, track: dict[str, Any], names: dict[int, str]
) -> dict[str, Any]:
    times = (session.times() - session.times()[0]) / 1000
    width, height = session.project.size_px
    entries = [(f, box, True) for f, box in zip(track["frames"], track["boxes"], strict=True)]
    if "gone" in track:
        entries.append((track["gone"], track["boxes"][-1], False))
    sequence = [
        {"frame": f + 1, "enabled": on, "rotation": 0, "time": round(float(times[f]), 6)}
        | _share(box, width, height)
        for f, box, on in entries
    ]
    value = {"framesCount": len(times), "duration": round(float(times[-1]), 6), "sequence": sequence}
    return {
        "id": f"gazekit{number}", "type": "videorectangle", "from_name": "box", "to_name": "video",
        "value": value | {"labels": [names[track["label"]]]}, "score": _mean(track["scores"]),
    }  # fmt: skip


def _rectangle(box: dict[str, Any], names: dict[int, str], width: int, height: int) -> dict[str, Any]:
    value = _share(box["box"], width, height) | {"rotation": 0, "rectanglelabels": [names[box["label"]]]}
    size = {"original_width": width, "original_height": height}
    named = {"type": "rectanglelabels", "from_name": "label", "to_name": "image"}
    return named | size | {"value": value, "score": round(box["score"], 4)}


def _share(box: list[float], width: int, height: int) -> dict[str, float]:
    """The box in percent of the picture."""
    x_min, y_min, x_max, y_max = box
    shares = {"x": x_min / width, "y": y_min / height, "width": (x_max - x_min) / width}
    return {
        name: round(100 * value, 4) for name, value in (shares | {"height": (y_max - y_min) / height}).items()
    }


def _mean(scores: list[float]) -> float:
    return round(sum(scores) / len(scores), 4) if scores else 0.0
