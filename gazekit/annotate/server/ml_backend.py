"""The project's model for Label Studio: the addresses that it calls on a machine-learning backend.

Predictions are of this project's recording only: a task is recognised by the name of its video, or by the number of a
frame in its data. No address or path of a task is ever opened.
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

__all__ = ["add_routes", "linked", "predicted"]

SAME = 0.3  # IoU of boxes of one label in successive predicted frames that are one thing


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
        results = [predicted(session, task) | {"model_version": version()} for task in tasks]
        return {"results": results, "model_version": version()}

    @app.post("/webhook")
    def webhook() -> Any:
        return {}  # what is labelled there comes here by an import, when a person wants it


def predicted(session: AnnotationSession, task: dict[str, Any]) -> dict[str, Any]:
    """`result` and `score` (the mean of its boxes) of one task: a `videorectangle` a thing, or `rectanglelabels` of one
    frame where the task's data has `frame`, which counts from 0.

    Raises:
        ValueError: a task of another video; a frame that is no number.
        IndexError: a frame that the recording lacks.
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
    if not re.fullmatch(f"([0-9a-f]{{8}}-)?{re.escape(own)}", name):  # what Label Studio puts before uploads
        raise ValueError(f"task {task.get('id')} shows {name!r}; this server knows {own!r} only")
    things = [thing for thing in linked(session) if thing["label"] in names]
    result = [_video_rectangle(session, number, thing, names) for number, thing in enumerate(things)]
    return {"result": result, "score": _mean([score for thing in things for score in thing["scores"]])}


def linked(session: AnnotationSession) -> list[dict[str, Any]]:
    """Predictions as things: `label`, and in order of time `frames`, `boxes`, `scores`. Boxes of one label that overlap
    by an IoU of 0.3 in one predicted frame and the next are one thing."""
    things: list[dict[str, Any]] = []
    alive: list[dict[str, Any]] = []
    for frame, shown in sorted(session.loop.predictions.items()):
        ends = torch.tensor([thing["boxes"][-1] for thing in alive]).reshape(-1, 4)
        overlap = pairwise_iou(torch.as_tensor(shown.boxes), ends)
        now = []
        for row, (label, box, score) in enumerate(
            zip(shown.labels, shown.boxes.tolist(), shown.score.tolist(), strict=True)
        ):
            same = [
                k
                for k, thing in enumerate(alive)
                if thing["label"] == label and not any(thing is t for t in now)
            ]
            best = max(same, key=lambda k: float(overlap[row, k]), default=None)
            if best is None or overlap[row, best] < SAME:
                things.append({"label": label, "frames": [], "boxes": [], "scores": []})
                thing = things[-1]
            else:
                thing = alive[best]
            for name, value in (("frames", frame), ("boxes", box), ("scores", score)):
                thing[name].append(value)
            now.append(thing)
        for thing in alive:
            if not any(thing is other for other in now):
                thing["gone"] = frame
        alive = now
    return things


def _video_rectangle(
    session: AnnotationSession, number: int, thing: dict[str, Any], names: dict[int, str]
) -> dict[str, Any]:
    times = (session.times() - session.times()[0]) / 1000
    width, height = session.project.size_px
    entries = [(f, box, True) for f, box in zip(thing["frames"], thing["boxes"], strict=True)]
    if "gone" in thing:
        entries.append((thing["gone"], thing["boxes"][-1], False))
    sequence = [
        {"frame": f + 1, "enabled": on, "rotation": 0, "time": round(float(times[f]), 6)}
        | _share(box, width, height)
        for f, box, on in entries
    ]
    value = {"framesCount": len(times), "duration": round(float(times[-1]), 6), "sequence": sequence}
    return {
        "id": f"gazekit{number}", "type": "videorectangle", "from_name": "box", "to_name": "video",
        "value": value | {"labels": [names[thing["label"]]]}, "score": _mean(thing["scores"]),
    }  # fmt: skip


def _rectangle(box: dict[str, Any], names: dict[int, str], width: int, height: int) -> dict[str, Any]:
    value = _share(box["box"], width, height) | {"rotation": 0, "rectanglelabels": [names[box["label"]]]}
    size = {"original_width": width, "original_height": height}
    named = {"type": "rectanglelabels", "from_name": "label", "to_name": "image"}
    return named | size | {"value": value, "score": round(box["score"], 4)}


def _share(box: list[float], width: int, height: int) -> dict[str, float]:
    """In percent of the picture."""
    x_min, y_min, x_max, y_max = box
    shares = {"x": x_min / width, "y": y_min / height, "width": (x_max - x_min) / width}
    return {
        name: round(100 * value, 4) for name, value in (shares | {"height": (y_max - y_min) / height}).items()
    }


def _mean(scores: list[float]) -> float:
    return round(sum(scores) / len(scores), 4) if scores else 0.0
