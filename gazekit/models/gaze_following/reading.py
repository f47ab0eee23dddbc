"""A user's pictures, videos or camera as batches of people whose gaze is to be followed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from rich.console import Console

from gazekit.datasets.gaze_targets import stretched
from gazekit.errors import DataError
from gazekit.models.gaze_following.frames import Frame, Frames, frames_of
from gazekit.models.gaze_following.head_source import HeadSource
from gazekit.models.gaze_following.items import Look, Outputs, Picture
from gazekit.models.gaze_following.outputs import (
    COLUMNS,
    Earlier,
    GrowingText,
    GrowingVideo,
    earlier_run,
)
from gazekit.models.gaze_following.tracks import Tracks

__all__ = ["Look", "gaze_batches"]

WARNINGS = 5
"""Broken frames that are told one by one; the table has all."""
NUMBER = re.compile("[1-9][0-9]*")


def gaze_batches(
    input: Path,
    size_px: tuple[int, int],
    heads: str | None = None,
    face_weights: str | None = None,
    every: int = 1,
    seconds: float | None = None,
    resume: str | None = None,
    overlays: bool = True,
    heat_maps: bool = False,
    max_side_px: int = 1280,
    batch_frames: int = 8,
    pose_weights: str | None = None,
) -> Iterator[tuple[list[Look], dict[str, Any]]]:
    """Batches of `batch_frames` pictures as in `gazekit.datasets.gaze_targets`, without targets, and their items.

    Items are in the order of the batch's people; those of pictures that cannot be read and of pictures without a
    head stand between them and have no row. At least one picture is in each batch, a black one if none can be read;
    the number of people may be 0. No more than the pictures of one batch are held at a time.

    In videos people are numbered by `Tracks`, in pictures from left to right; names in the file of heads stay,
    and a number that is such a name is left out.

    Args:
        input: a picture, a folder of pictures, a video, or a camera's device (/dev/video0), which runs until Ctrl-C.
        size_px: height and width to which pictures are stretched.
        heads: file or folder of head boxes, see `head_boxes`. None: heads are found by their faces with YuNet, so
            people who are seen from behind are missed.
        face_weights: weights of YuNet, a file or folder, or its .onnx file; None is data/backbones/yunet.
        every: of videos, predict every n-th frame.
        seconds: stop after this time of a video or camera.
        resume: gaze.csv of a run that was cut off. Its frames are kept in the new gaze.csv and not predicted again.
            It may lie in the folder that is written to. The annotated video has the remaining frames only and is
            named after the first, so that one that is there stays.
        overlays: draw pictures and videos.
        heat_maps: write heat maps to gaze.jsonl.
        max_side_px: larger side of drawn pictures.
        batch_frames: pictures a batch.
        pose_weights: folder of the nets of `HeadDirection`, which find `pose_xy` of people with a face for the cone
            baseline; None leaves it NaN.
    Raises:
        FileNotFoundError, DataError, RecordingError, ValueError: see `frames_of`, `HeadsFile`, `FaceFinder` and
            `earlier_run`; also a `resume` of another input, and no head boxes and no weights of YuNet.
    """
    frames = frames_of(input, every, seconds)
    earlier = (
        Earlier() if resume is None else _checked(earlier_run(Path(resume).expanduser()), frames, resume)
    )
    reading = _Reading(
        frames,
        HeadSource(frames, heads, face_weights, pose_weights),
        earlier,
        max_side_px if overlays else 0,
    )
    outputs = Outputs(
        GrowingText(",".join(COLUMNS) + "\n" + earlier.csv),
        GrowingText(earlier.jsonl),
        None if frames.kind == "pictures" else GrowingVideo(),
        overlays=overlays,
        heat_maps=heat_maps,
    )
    try:
        yield from _batched(reading, outputs, size_px, batch_frames)
    finally:
        if outputs.video is not None:
            outputs.video.close()


def _checked(earlier: Earlier, frames: Frames, resume: str) -> Earlier:
    if frames.kind == "camera":
        raise ValueError("resume= needs a file: a camera does not show the same again")
    names = set(frames.names)
    if other := next((name for name, _ in earlier.done if name not in names), None):
        raise DataError(
            f"resume={resume} is of another input: it has {other}, the input {frames.names[0]} ..."
        )
    return earlier


class _Person(NamedTuple):
    name: str
    head_px: np.ndarray
    eye_px: np.ndarray
    pose_xy: np.ndarray
    error: str


class _Reading:
    """Pictures with their people, in order."""

    def __init__(self, frames: Frames, heads: HeadSource, earlier: Earlier, overlay_px: int) -> None:
        self.frames, self.heads, self.earlier, self.overlay_px = frames, heads, earlier, overlay_px
        self.tracks = Tracks()
        self.broken = 0
        self.taken = sorted(int(name) for name in heads.names if NUMBER.fullmatch(name))
        stems = {name: Path(name).stem for name in frames.names}
        count = Counter(stems.values())
        self.unique = {name: stem if count[stem] == 1 else name for name, stem in stems.items()}

    def __iter__(self) -> Iterator[tuple[Picture, np.ndarray | None, list[_Person]]]:
        """Each picture, its pixels, and its people."""
        done = set(self.earlier.done)
        console = Console(stderr=True, highlight=False)
        for key in self.earlier.done:  # tracks go on where they were
            if self.heads.video:
                self.tracks.update(self.earlier.boxes[key], key[1])
        for frame in self.frames.each(lambda *key: key in done):
            if frame.error:
                self.broken += 1
                if self.broken <= WARNINGS:
                    console.print(f"{frame.picture}, frame {frame.number}: {frame.error}", markup=False)
            yield self._picture(frame), frame.rgb, [] if frame.rgb is None else self._people(frame)
        if self.broken > WARNINGS:
            console.print(f"... and {self.broken - WARNINGS} more, see `error` in gaze.csv", markup=False)

    def _picture(self, frame: Frame) -> Picture:
        size_px = (0, 0) if frame.rgb is None else frame.rgb.shape[1::-1]
        small = None if frame.rgb is None or not self.overlay_px else _smaller(frame.rgb, self.overlay_px)
        return Picture(*frame[:3], frame.error, size_px, small, self.unique[frame.picture])

    def _people(self, frame: Frame) -> list[_Person]:
        boxes, eyes, poses, names = self.heads(frame)
        boxes = boxes.round(2)  # as gaze.csv says them: tracks of a resumed run are the same
        if self.heads.video:
            numbers = self.tracks.update(boxes, frame.number)
        else:
            numbers = (np.argsort(np.argsort(boxes[:, 0], kind="stable")) + 1).tolist()
        people = [
            _Person(name or _free(number, self.taken), box, eye, pose, _outside(box, frame.rgb))
            for name, number, box, eye, pose in zip(names, numbers, boxes, eyes, poses, strict=True)
        ]
        return sorted(people, key=lambda person: (len(person.name), person.name))


def _free(number: int, taken: Sequence[int]) -> str:
    """The number-th of the positive numbers that nobody has as a name; `taken` in ascending order."""
    for name in taken:
        number += name <= number
    return str(number)


def _outside(box: np.ndarray, rgb: np.ndarray) -> str:
    height, width = rgb.shape[:2]
    seen = box[0] < width and box[1] < height and box[2] > 0 and box[3] > 0
    return "" if seen else "the head lies outside the picture"


def _smaller(rgb: np.ndarray, side_px: int) -> np.ndarray:
    scale = side_px / max(rgb.shape[:2])
    return rgb if scale >= 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _batched(
    reading: _Reading, outputs: Outputs, size_px: tuple[int, int], batch_frames: int
) -> Iterator[tuple[list[Look], dict[str, Any]]]:
    items: list[Look] = []
    images: list[torch.Tensor] = []
    people: list[tuple[int, Look]] = []
    first, n_frames, count = True, 0, 0
    for picture, rgb, of_picture in reading:
        if first and reading.earlier.done and outputs.video is not None:
            outputs.video_name = f"overlays_from_{picture.number:06d}.mp4"
        first = False
        nobody = picture.error or "no head found"
        found = [Look(picture, *person, outputs) for person in of_picture]
        items += found or [Look(picture, "", None, *np.full((2, 2), np.nan), nobody, outputs)]
        people += [(len(images), look) for look in found if look.predicted]
        if rgb is not None:
            images.append(stretched(rgb, size_px))
        n_frames += 1
        if n_frames == batch_frames:
            yield items, _batch(images, people, size_px, None if reading.heads.video else count)
            count += n_frames
            items, images, people, n_frames = [], [], [], 0
    if items:
        yield items, _batch(images, people, size_px, None if reading.heads.video else count)


def _batch(
    images: list[torch.Tensor], people: list[tuple[int, Look]], size_px: tuple[int, int], first: int | None
) -> dict[str, Any]:
    """`first`: number of the batch's first picture; None if all belong to one video."""
    sizes = np.array([look.picture.size_px for _, look in people], np.float64).reshape(-1, 2)
    heads = np.array([look.head_px for _, look in people], np.float64).reshape(-1, 4) / np.tile(sizes, 2)
    eyes = np.array([look.eye_px for _, look in people], np.float64).reshape(-1, 2) / sizes
    eyes = np.where(np.isnan(eyes), (heads[:, :2] + heads[:, 2:]) / 2, eyes)
    pose = torch.tensor(np.array([look.pose_xy for _, look in people]).reshape(-1, 2), dtype=torch.float32)
    picture = torch.tensor([k for k, _ in people], dtype=torch.long)
    return {
        "image": torch.stack(images or [torch.zeros(3, *size_px, dtype=torch.uint8)]),
        "picture": picture,
        "head_norm": torch.from_numpy(heads).float(),
        "eye_norm": torch.from_numpy(eyes).float(),
        "pose_xy": pose / pose.norm(dim=1, keepdim=True),
        "size_px": torch.from_numpy(sizes).long(),
        "group": torch.zeros_like(picture) if first is None else picture + first,
    }
