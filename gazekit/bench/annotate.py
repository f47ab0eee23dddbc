"""The response times that an annotator notices: a frame with its state, an action saved to disk, the review queue.

A server in a process of its own answers over loopback, as for the page. Its model is untrained; it takes the same time.
"""

from __future__ import annotations

import atexit
import http.client
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gazekit.harness import Case

__all__ = ["Sizes", "cases"]


@dataclass(frozen=True)
class Sizes:
    """The size of the cases.

    Args:
        duration_s: of the generated video.
        size_px: width and height of its pictures.
        confirmed: number of confirmed frames.
    """

    duration_s: float = 12.0
    size_px: tuple[int, int] = (640, 480)
    confirmed: int = 50


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Requests of the annotation page; needs the extra "annotate".

    Raises:
        ValueError: another device.
    """
    if device != "cpu":
        raise ValueError(f"the annotation server runs on the CPU, got device={device!r}")
    sizes = sizes or Sizes()
    folder = Path(tempfile.mkdtemp(prefix="gazekit-bench-"))
    video, n_frames = _project(folder, sizes)
    ask = _served(folder / "project")
    capture = cv2.VideoCapture(str(video))
    width, height = sizes.size_px
    following, anywhere = count(1), np.random.default_rng(0)

    def shown(frame: int) -> Any:
        ask("GET", f"/api/frames/{frame}.jpg")
        return json.loads(ask("GET", f"/api/frames/{frame}"))

    def by_opencv(frame: int) -> bytes:
        capture.set(cv2.CAP_PROP_POS_FRAMES, frame)
        return cv2.imencode(".jpg", capture.read()[1])[1].tobytes()

    def drawn() -> Any:
        frame = int(anywhere.integers(n_frames))
        action = {
            "op": "box.add",
            "frame": frame,
            "label": "book",
            "box": [10, 10, 60, 50],
            "author": "bench",
            "tab": "bench",
        }
        return json.loads(ask("POST", "/api/actions", action))

    what = f"{width} x {height}, with boxes and predictions"
    return [
        Case(f"the next frame, {what}", lambda: shown(next(following) % n_frames), unit="frame"),
        Case(
            f"any frame, {what}",
            lambda: shown(int(anywhere.integers(n_frames))),
            unit="frame",
            reference="the picture alone: OpenCV's seek by number, and JPEG",
            run_reference=lambda: by_opencv(int(anywhere.integers(n_frames))),
        ),
        Case("an action, acknowledged once it is on disk", drawn, unit="action"),
        Case("the 50 most uncertain fixations", lambda: ask("GET", "/api/queue?limit=50"), unit="queue"),
    ]


def _project(folder: Path, sizes: Sizes) -> tuple[Path, int]:
    """A project with confirmed frames and a model in `folder/project`; its video and number of frames."""
    from gazekit.annotate.model import checkpoints
    from gazekit.annotate.project import Project
    from gazekit.datasets.synthetic_egocentric import EXCLUSIVE, LABELS, make
    from gazekit.models.impn import Learner
    from gazekit.models.impn.detector import TinyDetector

    walk = make(sizes.duration_s, "medium", 0, size_px=sizes.size_px)
    recording = walk.write(folder / "walk")
    with Project.create(folder / "project", recording) as project:
        for name in LABELS:
            project.store.act({"op": "label.add", "name": name}, "bench")
        for frame in np.linspace(0, len(walk) - 1, sizes.confirmed).round().astype(int).tolist():
            for box, label in zip(walk.boxes_px[frame], walk.labels[frame], strict=True):
                action = {"op": "box.add", "frame": frame, "label": LABELS[label], "box": box.tolist()}
                project.store.act(action, "bench")
            project.store.act({"op": "frame.confirm", "frame": frame}, "bench")
        detector = TinyDetector([f"label {k + 1}" for k in range(len(LABELS))])
        learner = Learner(len(LABELS), detector.feature_size, EXCLUSIVE)
        checkpoints.write(
            project.checkpoints / "000001", detector, learner, {"trained_on": sizes.confirmed, "known": []}
        )
        return next(recording.glob("*.mp4")), project.n_frames


def _served(project: Path) -> Callable[..., bytes]:
    """Start a server, which ends with this program; returns a function that sends requests to it."""
    command = [sys.executable, "-m", "gazekit", "annotate", f"project={project}", "open_browser=false"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    atexit.register(server.kill)
    address = server.stdout.readline().strip().rpartition("http://")[2].rstrip("/")
    if not address:
        raise ValueError("the annotation server did not start: is the extra annotate installed?")

    def ask(method: str, path: str, body: Any = None) -> bytes:
        text = None if body is None else json.dumps(body)
        with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
            connection.request(method, path, text, {"content-type": "application/json"} if text else {})
            answer = connection.getresponse()
            data = answer.read()
        if answer.status >= 400:
            raise ValueError(f"{method} {path}: {answer.status} {data[:200]!r}")
        return data

    return ask
