"""Pictures one by one: from a picture, a folder of pictures, a video or a camera."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from gazekit.datasets.gaze_tables import read_picture
from gazekit.errors import DataError, RecordingError
from gazekit.recordings.video import SceneVideo

__all__ = ["Frame", "Frames", "frames_of"]

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
NO_TIME = float("nan")

Kind = Literal["pictures", "video", "camera"]
Skip = Callable[[str, int], bool]


class Frame(NamedTuple):
    """A picture of the input.

    Args:
        picture: name of the file.
        number: of the frame in its video, from 0; 0 in a picture.
        t_ms: presentation time in the video, or time since the camera's first frame; NaN in a picture.
        rgb: [H, W, 3] uint8, a picture turned as its EXIF orientation says; None if it cannot be read.
        error: why not, in one line.
    """

    picture: str
    number: int
    t_ms: float
    rgb: np.ndarray | None
    error: str = ""


@dataclass(frozen=True)
class Frames:
    """The frames of an input.

    Args:
        kind: what they come from.
        names: of the files.
        keys: by which a file of heads knows the pictures: their names, or the frames' numbers; of a camera none.
        each: called with `skip`, gives them in order; those with `skip(picture, number)` are left out unread.
        n_frames: of a video, read or not; None if it is damaged, so that its end is missing, and of other inputs.
    """

    kind: Kind
    names: tuple[str, ...]
    keys: Sequence[str]
    each: Callable[[Skip], Iterator[Frame]]
    n_frames: int | None = None


def frames_of(input: Path, every: int = 1, seconds: float | None = None) -> Frames:
    """The frames of a picture, of the pictures in a folder (by name; not in folders below it), of a video, or of a
    camera such as /dev/video0, which runs until Ctrl-C.

    Args:
        input: the file, folder or device.
        every: of a video or camera only frames 0, every, 2 * every ...
        seconds: stop after this time of a video or camera.
    Raises:
        FileNotFoundError: a folder without pictures.
        RecordingError: a file that is neither picture nor video, or a camera that cannot be opened.
        ValueError: `every` is not a positive integer.
    """
    if not isinstance(every, int) or every < 1:
        raise ValueError(f"every={every} must be a positive integer n: every n-th frame is predicted")
    if input.is_char_device():
        return Frames("camera", (input.name,), (), lambda _: _camera(input, every, seconds))
    if input.is_dir():
        paths = sorted(path for path in input.iterdir() if path.suffix.lower() in PICTURES)
        if not paths:
            raise FileNotFoundError(f"input={input} has no picture, expected files that end in {_endings()}")
        return _pictures(paths)
    if input.suffix.lower() in PICTURES:
        return _pictures([input])
    video = SceneVideo(input, on_damage="keep")
    numbers = [str(number) for number in range(0, len(video), every)]
    n_frames = None if video.damage else len(video)
    return Frames("video", (input.name,), numbers, lambda skip: _video(video, every, seconds, skip), n_frames)


def _endings() -> str:
    return ", ".join(sorted(PICTURES))


def _pictures(paths: list[Path]) -> Frames:
    def each(skip: Skip) -> Iterator[Frame]:
        for path in paths:
            if not skip(path.name, 0):
                try:
                    yield Frame(path.name, 0, NO_TIME, read_picture(path, upright=True))
                except DataError:
                    error = "not a picture that can be read, is the file complete?"
                    yield Frame(path.name, 0, NO_TIME, None, error)

    names = tuple(path.name for path in paths)
    return Frames("pictures", names, names, each)


def _video(video: SceneVideo, every: int, seconds: float | None, skip: Skip) -> Iterator[Frame]:
    name = video.path.name
    with video:
        for number in range(0, len(video), every):
            t_ms = float(video.t_ms[number])
            if seconds is not None and t_ms - video.t_ms[0] >= seconds * 1000:
                return
            if skip(name, number):
                continue
            try:
                yield Frame(name, number, t_ms, video.read(number))
            except RecordingError as error:
                yield Frame(name, number, t_ms, None, _line(error))
        if video.damage and not skip(name, len(video)):
            yield Frame(name, len(video), NO_TIME, None, f"{video.damage}; what follows is missing")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _camera(device: Path, every: int, seconds: float | None) -> Iterator[Frame]:
    camera = cv2.VideoCapture(str(device))
    if not camera.isOpened():
        camera.release()
        raise RecordingError(f"{device} cannot be opened as a camera, is it one, and may you read it?")
    start, number = time.monotonic(), 0
    try:
        with _stoppable() as stopped:
            while not stopped.is_set():
                t_ms = (time.monotonic() - start) * 1000
                if seconds is not None and t_ms >= seconds * 1000:
                    return
                good, bgr = camera.read()
                if not good:
                    yield Frame(device.name, number, t_ms, None, "the camera gave no frame; reading stopped")
                    return
                if number % every == 0:
                    yield Frame(device.name, number, t_ms, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
                number += 1
    finally:
        camera.release()


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that what was seen is still predicted; a second one ends at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(*_: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
