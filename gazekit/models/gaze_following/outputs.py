"""Files of a prediction that grow batch by batch, survive a kill, and can be resumed.

Text files are rewritten whole once, at the first batch, with the lines that an earlier run left; after that each batch
is appended. The annotated video consists of fragments that play although no end was written.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from gazekit.errors import DataError
from gazekit.files import written_whole
from gazekit.models.gaze_following.head_boxes import BOX

__all__ = ["COLUMNS", "Earlier", "GrowingText", "GrowingVideo", "Key", "earlier_run"]

COLUMNS = (
    *("picture", "frame", "t_ms", "person", *BOX),
    *("p_inside", "gaze_x_px", "gaze_y_px", "direction_x", "direction_y", "shared_with", "error"),
)
"""Of gaze.csv; see `gaze_records`."""
FRAGMENTS = "frag_every_frame+empty_moov+default_base_moof"
CLOCK = Fraction(1, 90_000)

Key = tuple[str, int]
"""Picture name and frame number."""


class Earlier(NamedTuple):
    """What an earlier run has predicted, without its last frame, which may be incomplete.

    Args:
        done: pictures and frames, in the order of the file.
        boxes: the head boxes of each, rounded as in the file.
        csv, jsonl: its lines.
    """

    done: tuple[Key, ...] = ()
    boxes: dict[Key, np.ndarray] = {}  # noqa: RUF012
    csv: str = ""
    jsonl: str = ""


def earlier_run(path: Path) -> Earlier:
    """Read the `gaze.csv` of a run that was cut off, and the `gaze.jsonl` beside it.

    A cut-off last line is dropped, and the whole last frame with it: it is predicted again.

    Raises:
        FileNotFoundError: no such file.
        DataError: not UTF-8, other columns, or a line in the middle that cannot be read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"resume={path} does not exist, expected the gaze.csv of an earlier run")
    content = _whole_lines(path)
    header = tuple(next(csv.reader([content.partition("\n")[0]]), ()))
    if header != COLUMNS:
        raise DataError(f"resume={path}: expected the columns {','.join(COLUMNS)}, got {','.join(header)}")
    lines = list(csv.DictReader(io.StringIO(content)))
    keyed = [(*_parsed(path, number, line), line) for number, line in enumerate(lines, 2)]
    last = keyed[-1][0] if keyed else None
    kept = [entry for entry in keyed if entry[0] != last]
    boxes: dict[Key, list[list[float]]] = {}
    for key, of_line, _ in kept:
        boxes.setdefault(key, []).extend(of_line)
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(line for *_, line in kept)
    return Earlier(
        tuple(boxes),
        {key: np.array(rows, np.float64).reshape(-1, 4) for key, rows in boxes.items()},
        text.getvalue(),
        _kept_json(path.with_name("gaze.jsonl"), set(boxes)),
    )


def _whole_lines(path: Path) -> str:
    """The text without a cut-off last line, which may end within a character."""
    content = path.read_bytes()
    try:
        return content[: content.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text in UTF-8 ({error})") from error


def _parsed(path: Path, number: int, line: dict[str, str]) -> tuple[Key, list[list[float]]]:
    """The key of a line, and its head box, if it has one."""
    try:
        if None in line or None in line.values():
            raise ValueError
        boxes = [[float(line[name]) for name in BOX]] if line["x_min"] else []
        return (line["picture"], int(line["frame"])), boxes
    except ValueError:
        raise DataError(f"resume={path}, line {number}: not a line of gaze.csv") from None


def _kept_json(path: Path, done: set[Key]) -> str:
    if not path.is_file():
        return ""
    kept = []
    for number, line in enumerate(_whole_lines(path).splitlines(keepends=True), 1):
        try:
            row = json.loads(line)
            key = row["picture"], row["frame"]
        except (ValueError, TypeError, KeyError):
            raise DataError(f"{path}, line {number}: not a line of gaze.jsonl") from None
        kept += [line] if key in done else []
    return "".join(kept)


@dataclass
class GrowingText:
    """A text file that begins with `start` and grows by what each call of `adding` is given."""

    start: str = ""
    _begun: bool = field(default=False, init=False)

    def adding(self, text: str) -> Callable[[Path], None]:
        """A function that writes the text to the end of the file at a path."""

        def write(path: Path) -> None:
            if self._begun:
                with path.open("a", encoding="utf-8") as file:
                    file.write(text)
                return
            with written_whole(path) as unfinished:
                unfinished.write_text(self.start + text, encoding="utf-8")
            self._begun = True

        return write


class GrowingVideo:
    """An H.264 video in fragments of MP4 that grows frame by frame, at the pace of the frames' times. It
    begins with the first frame.

    `close` writes what the encoder still holds: without it the last frame is lost.
    """

    def __init__(self) -> None:
        self._container: av.container.OutputContainer | None = None
        self._last = -1

    def adding(self, frames: Callable[[], Iterator[tuple[float, np.ndarray]]]) -> Callable[[Path], None]:
        """A function that appends frames to the video at a path: pairs of time in ms and [H, W, 3] uint8 RGB."""

        def write(path: Path) -> None:
            for t_ms, rgb in frames():
                self._append(path, t_ms, rgb)

        return write

    def _append(self, path: Path, t_ms: float, rgb: np.ndarray) -> None:
        if self._container is None:
            self._open(path, rgb)
            self._start_ms = t_ms
        height, width = self._stream.height, self._stream.width
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb[:height, :width]), format="rgb24")
        if (frame.height, frame.width) != (height, width):
            frame = frame.reformat(width=width, height=height)
        frame.pts = self._last = max(round((t_ms - self._start_ms) / 1000 / CLOCK), self._last + 1)
        frame.time_base = CLOCK
        self._container.mux(self._stream.encode(frame))

    def _open(self, path: Path, rgb: np.ndarray) -> None:
        self._container = av.open(
            str(path), "w", format="mp4", options={"movflags": FRAGMENTS, "flush_packets": "1"}
        )
        name = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self._stream = self._container.add_stream(name, rate=30)
        self._stream.height, self._stream.width = (max(2, side // 2 * 2) for side in rgb.shape[:2])
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = self._stream.time_base = CLOCK
        self._stream.codec_context.max_b_frames = 0
        if name == "libx264":
            self._stream.options = {"crf": "20", "preset": "veryfast", "tune": "zerolatency"}

    def close(self) -> None:
        """Finish the file; twice is harmless."""
        if self._container is not None:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._container = None
