"""A project: a folder with the store of one recording's labels and the checkpoints of its models.

What labelling needs of the recording (frame times, fixations, size) is kept in the store, so that a project opens at
once and its labels can be seen and exported while the recording is elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from gazekit.annotate.project.pictures import ImageFolder
from gazekit.annotate.project.recording_facts import recording_facts
from gazekit.annotate.project.rows import Row
from gazekit.annotate.project.store import Store
from gazekit.errors import RecordingError, StoreError
from gazekit.recordings import Recording
from gazekit.recordings.aoi import BACKGROUND
from gazekit.recordings.video import SceneVideo

__all__ = ["UNREVIEWED", "Project", "reviewed"]

_FILE = "project.sqlite"
_FACTS = ("kind", "recording", "name", "n_frames", "origin_ns", "px_per_dva", "ids")
# From most to least trusted. Background takes the least trusted source of the frame's boxes.
_TRUST = ("manual", "confirmed", "imported", "propagated", "predicted")
UNREVIEWED = _TRUST[3:]  # sources of labels by a machine that nobody has confirmed


class Project:
    """One recording and its labels and models. `Project.create` creates one, `Project.open` opens it.

    Attributes:
        folder, store, checkpoints: the folder, its `Store`, and the folder of models in it.
        uuid: identifies the project wherever it is moved.
        name, size_px, n_frames, frame_t_ms, origin_ns: of the recording; times in ms of `Recording`.
        px_per_dva: pixels per degree at the centre of the picture, None if unknown.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.checkpoints = folder / "checkpoints"
        self._facts = {key: store.meta(key) for key in _FACTS}
        if self._facts["kind"] is None:
            raise StoreError(
                f"{folder / _FILE}: creating this project was interrupted; remove the folder and create it again"
            )
        if store.meta("uuid") is None:  # a project from before uuids
            store.describe({"uuid": str(uuid4())})
        self.uuid: str = store.meta("uuid")
        self.name: str = self._facts["name"]
        self.size_px: tuple[int, int] = tuple(store.meta("size_px"))
        self.n_frames: int = self._facts["n_frames"]
        self.origin_ns: int = self._facts["origin_ns"]
        self.px_per_dva: float | None = self._facts["px_per_dva"]
        self.frame_t_ms = np.array(store.meta("frame_t_ms"), np.float64)

    @staticmethod
    def exists(folder: str | Path) -> bool:
        """Whether there is a project in this folder."""
        return (Path(folder).expanduser() / _FILE).is_file()

    @staticmethod
    def create(folder: str | Path, recording: str | Path, name: str | None = None) -> Project:
        """A new project.

        Args:
            folder: created if absent; must hold neither a project nor remains of one.
            recording: anything that `Recording.open` reads and that has a scene video; a video; or a folder of images,
                whose "times" are a second apart. If the tracker gives no fixations, `IVT` detects them, provided
                that degrees are known.
            name: shown to people; None: the recording's own name.
        Raises:
            FileExistsError: the folder holds a project, or remains of one.
            FileNotFoundError, RecordingError: no such recording, one without video, or one that is broken.
            StoreError: the folder cannot be written.
        """
        folder, path = Path(folder).expanduser(), Path(recording).expanduser().resolve()
        if Project.exists(folder):
            raise FileExistsError(f"{folder} already holds a project: Project.open opens it")
        if left := _left(folder):
            raise FileExistsError(
                f"{folder} holds remains of a project, {', '.join(left[:3])}, but no {_FILE}: restore {_FILE}, "
                "remove the remains, or use another folder"
            )
        facts, fixations = recording_facts(path)
        facts |= {"recording": _reference(path, folder), "name": name or facts["ids"]["name"]}
        facts["uuid"] = str(uuid4())
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        with Store(folder / _FILE) as store:
            store.describe(facts, fixations)
        return Project.open(folder)

    @staticmethod
    def open(folder: str | Path) -> Project:
        """The project in a folder.

        Raises:
            FileNotFoundError: the folder has no project.
            StoreError: its file is damaged, or of another version.
        """
        folder = Path(folder).expanduser()
        if not Project.exists(folder):
            raise FileNotFoundError(f"no project in {folder}: it has no {_FILE}")
        store = Store(folder / _FILE)
        try:
            return Project(folder, store)
        except BaseException as error:
            store.close()
            if isinstance(error, ValueError | TypeError):  # facts that are missing or no JSON
                raise StoreError(f"{store.path}: damaged: restore a copy ({error})") from error
            raise

    def close(self) -> None:
        """Release the store."""
        self.store.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the recording

    @property
    def recording_path(self) -> Path:
        """The path of the recording; project and recording can be moved together, or the project alone.

        Raises:
            FileNotFoundError: it is in neither place.
        """
        reference = self._facts["recording"]
        places = [(self.folder / reference["relative"]).resolve(), Path(reference["absolute"])]
        for place in places:
            if place.exists():
                return place
        raise FileNotFoundError(
            f"the recording of project {self.folder} is neither at {places[0]} nor at {places[1]}: restore it, "
            "or its place relative to the project"
        )

    def is_of(self, recording: str | Path) -> bool:
        """Whether the project belongs to that recording."""
        try:
            return Path(recording).expanduser().resolve() == self.recording_path.resolve()
        except FileNotFoundError:
            return False

    @cached_property
    def recording(self) -> Recording | None:
        """The recording with its gaze; None for a video or images.

        Raises:
            FileNotFoundError, RecordingError: it is missing, broken, or not the one that was labelled.
        """
        if self._facts["kind"] != "recording":
            return None
        recording = Recording.open(self.recording_path)
        times = recording.frame_t_ms
        if (
            times is None
            or not np.array_equal(times, self.frame_t_ms)
            or recording.origin_ns != self.origin_ns
        ):
            raise RecordingError(
                f"{self.recording_path}: not the recording that was labelled, its frames differ"
            )
        return recording

    def pictures(self) -> SceneVideo | ImageFolder:
        """The frames, read by index; the caller closes them.

        Raises:
            FileNotFoundError, RecordingError: the video is missing, damaged, or another one.
        """
        if self._facts["kind"] == "images":
            return ImageFolder(self.recording_path, self.store.meta("files"))
        if self._facts["kind"] == "video":
            return SceneVideo(self.recording_path, self.frame_t_ms)
        return SceneVideo(self.recording.video, self.frame_t_ms)

    @property
    def ids(self) -> dict[str, str]:
        """The recording's names in files of other tools: `name`, `recording`, `section`, `folder`, `video`."""
        return self._facts["ids"]

    @property
    def identity(self) -> dict[str, Any]:
        """Where a model comes from, kept with it: `project`, the uuid; `recording` and `frames`, digests that are the
        same in another project of the same recording, and of the same frames of it; `before`, such of the recordings
        that the model was trained on before its transfer. `recording` is "" of videos and images, and where the
        tracker does not say when it began: names alone are often given twice."""
        name, began = self.ids["recording"], self.origin_ns
        known = self._facts["kind"] == "recording" and began != 0
        return {
            "project": self.uuid,
            "recording": _digest([name, began]) if known else "",
            "frames": _digest([began if known else name, self.frame_t_ms.tolist()]),
            "before": self.store.meta("learnt_before") or [],
        }

    # --- fixations

    def mapped_fixations(
        self,
        reviewed_only: bool = False,
        predicted: Mapping[int, tuple[int, float]] = MappingProxyType({}),
    ) -> pd.DataFrame:
        """Every fixation with what it is on, as `gazekit.recordings.aoi.aoi_metrics` and `to_csv` take it.

        Args:
            reviewed_only: leave `aoi` "" where `source` is one of `UNREVIEWED`.
            predicted: label (id) and confidence of fixations by a model, for those of which nothing else is known.
        Returns:
            `id`, `onset_ms`, `offset_ms`, `duration_ms`, `x_px`, `y_px`, `frame`, `aoi`, `source`, `confidence`,
            `answered` (whether there is an answer for the fixation itself). `aoi` is what a person has answered; else
            the label of the smallest box that holds the fixation in its frame; else "background" if the frame is
            confirmed or has any box; else the prediction; else "".
            `source` is the answer's or the box's. Background is "confirmed" in a confirmed frame; in another
            one a box may be missing, so it is "predicted", or "propagated" if such boxes are the least sure.
            `confidence` is the box's score, 1 for what has none; for background the least of the frame's scores, NaN
            where it has none and is not confirmed; NaN with `aoi` "".
        """
        now = self.store.looked_at()
        table, names = pd.DataFrame(now["fixations"]), {label["id"]: label["name"] for label in now["labels"]}
        held, boxes, confirmed = now["held"], now["boxes"], now["confirmed"]
        answered = table["label"].notna()
        rows = []
        for row in table.itertuples():
            if not pd.isna(row.label):
                rows.append((names[int(row.label)], row.source, row.confidence))
            elif (box := held.get(row.id)) is not None:
                rows.append(
                    (names[box["label"]], box["source"], 1.0 if box["score"] is None else box["score"])
                )
            elif pd.isna(row.x_px) or pd.isna(row.y_px) or not (row.frame in boxes or row.frame in confirmed):
                label, confidence = predicted.get(row.id, (None, np.nan))
                known = label in names  # and not merged away since
                rows.append((names[label], "predicted", confidence) if known else ("", "", np.nan))
            else:
                rows.append(_background(boxes.get(row.frame, []), row.frame in confirmed))
        table = table.drop(columns=["label", "source", "confidence"]).astype({"x_px": float, "y_px": float})
        table.insert(3, "duration_ms", table["offset_ms"] - table["onset_ms"])
        table[["aoi", "source", "confidence"]] = pd.DataFrame(rows, columns=["aoi", "source", "confidence"])
        table["answered"] = answered
        return reviewed(table) if reviewed_only else table


def reviewed(mapped: pd.DataFrame) -> pd.DataFrame:
    """`Project.mapped_fixations` without unreviewed labels."""
    seen = ~mapped["source"].isin(UNREVIEWED)
    texts = {name: mapped[name].where(seen, "") for name in ("aoi", "source")}
    return mapped.assign(**texts, confidence=mapped["confidence"].where(seen))


def _background(boxes: list[Row], confirmed: bool) -> tuple[str, str, float]:
    scores = [box["score"] for box in boxes if box["score"] is not None]
    weakest = max((box["source"] for box in boxes), key=_TRUST.index, default="confirmed")
    if not confirmed and weakest != "propagated":
        weakest = "predicted"
    return BACKGROUND, weakest, min(scores, default=1.0 if confirmed else np.nan)


def _left(folder: Path) -> list[str]:
    """Files of a project whose store is gone."""
    models = folder / "checkpoints"
    found = [*folder.glob(f"{_FILE}-*"), *(models.iterdir() if models.is_dir() else ())]
    return sorted(str(path.relative_to(folder)) for path in found)


def _digest(facts: list) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _reference(path: Path, folder: Path) -> dict[str, str]:
    return {"absolute": str(path), "relative": os.path.relpath(path, folder.resolve())}
