"""Scene videos frame by frame: the frame shown at a given time, and its exact picture.

Eye trackers film at a variable frame rate, so the frame index is never `time * rate`: every frame has its own
presentation time, and a picture is decoded from the preceding key frame up to the frame with exactly that
time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from gazekit.errors import RecordingError

__all__ = ["SceneVideo", "frame_at", "scene_size", "video_size"]


def frame_at(frame_t_ms: np.ndarray, t_ms: np.ndarray | float) -> np.ndarray:
    """Index of the frame shown at a time: the last one with time <= t.

    Args:
        frame_t_ms: [F] increasing times of frames.
        t_ms: [...] times on the same clock.
    Returns:
        [...] int64; -1 before the first frame and where t is NaN. After the last frame it is F - 1: compare with the
        last time if the video may have ended.
    """
    t = np.asarray(t_ms, np.float64)
    index = np.searchsorted(np.asarray(frame_t_ms, np.float64), t, side="right") - 1
    return np.where(np.isnan(t), -1, index)


def video_size(path: Path) -> tuple[int, int]:
    """(width, height) that a video declares; no frame is decoded.

    Raises:
        FileNotFoundError, RecordingError: as `SceneVideo`.
    """
    with _opened(path) as container:
        context = container.streams.video[0].codec_context
        return context.width, context.height


def scene_size(
    video: Path | None, size_px: tuple[int, int] | None, notes: list[str]
) -> tuple[int, int] | None:
    """The given size, else that of the video; None without either. An unreadable video adds a note.

    Raises:
        ValueError: a size that is not two positive integers.
    """
    if size_px is not None:
        return _checked_size(size_px)
    if video is None:
        return None
    try:
        return video_size(video)
    except RecordingError as error:
        notes.append(f"the scene video cannot be used: {error}")
        return None


def _checked_size(size_px: tuple[int, int]) -> tuple[int, int]:
    if (
        not isinstance(size_px, tuple | list)
        or len(size_px) != 2
        or not all(type(v) is int and v > 0 for v in size_px)
    ):
        raise ValueError(f"size_px must be (width, height) in whole pixels, got {size_px!r}")
    return size_px[0], size_px[1]


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"no video {path}")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise RecordingError(f"{path}: not a readable video, is it complete? ({error})") from error
    if not container.streams.video:
        container.close()
        raise RecordingError(f"{path}: no video stream in this file")
    if container.streams.video[0].codec_context is None:
        container.close()
        raise RecordingError(f"{path}: the video's codec is unknown, is the file damaged?")
    return container


class SceneVideo:
    """A video whose frames are read by index. Close it, or use it in a `with` statement.

    Opening reads the presentation time of each frame without decoding. Consecutive frames are decoded
    sequentially; any other order seeks to the preceding key frame.

    Args:
        path: the video.
        frame_t_ms: [F] times of its frames on the recording's clock, `Recording.frame_t_ms`; None: presentation
            times of the video itself.
        on_damage: "keep" reads what is left of a damaged video; `damage` then says what is missing, and `read` raises
            for each frame that cannot be decoded.
    Attributes:
        damage: "" for a whole video.
    Raises:
        FileNotFoundError: no such file.
        RecordingError: not a video, a truncated or damaged file, a number of frames other than in
            `frame_t_ms`, or times that do not increase.

    Example:
        >>> with SceneVideo(recording.video, recording.frame_t_ms) as video:      # doctest: +SKIP
        ...     picture = video.read(video.frame_at(1234.5))
    """

    def __init__(
        self,
        path: str | Path,
        frame_t_ms: np.ndarray | None = None,
        on_damage: Literal["raise", "keep"] = "raise",
    ) -> None:
        self.path, self.damage = Path(path), ""
        self._keep = on_damage == "keep"
        self._container = _opened(self.path)
        try:
            self._open(frame_t_ms)
        except BaseException:
            self._container.close()
            raise

    def _open(self, frame_t_ms: np.ndarray | None) -> None:
        self._stream = self._container.streams.video[0]
        self._pts, self._keys = self._index()
        self._decoder: Iterator[Any] = iter(())
        self._at: int | None = None  # pts of the last decoded frame, None if the decoder has no position
        self._last: tuple[int, np.ndarray] | None = None
        self.t_ms = self._pts * float(self._stream.time_base * 1000)
        if frame_t_ms is not None:
            self.t_ms = np.asarray(frame_t_ms, np.float64)
            if len(self.t_ms) != len(self._pts):
                raise RecordingError(
                    f"{self.path}: {len(self._pts)} frames, but the recording lists {len(self.t_ms)} frame times;"
                    " the video and the times do not belong together, or one of them was cut off"
                )
            if not (np.diff(self.t_ms) > 0).all():
                raise RecordingError(f"{self.path}: the times of its frames do not increase")

    def _index(self) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """Presentation times of all frames in order; (presentation, seek) times of key frames."""
        times, keys, packets = [], [], 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.size == 0:  # the flush at the end
                    continue
                packets += 1
                if packet.is_corrupt or packet.pts is None:
                    self._note(f"packet {packets} is damaged or has no time")
                if packet.pts is None:
                    continue
                if not packet.is_discard:
                    times.append(packet.pts)
                if packet.is_keyframe:
                    seek = packet.pts if packet.dts is None else min(packet.pts, packet.dts)
                    keys.append((packet.pts, seek))
        except av.error.FFmpegError as error:
            self._note(f"damaged after {packets} frames ({error})", error)
        declared = self._stream.frames
        missing = f"only {packets} of {declared or 'its'} frames are present, the video was cut off"
        if not keys:
            raise RecordingError(f"{self.path}: {missing}")
        if declared and packets != declared:
            self._note(missing)
        pts = np.unique(np.array(times, np.int64))
        if len(pts) < len(times):
            self._note("two frames with the same presentation time, the video is damaged")
        return pts, sorted(keys)

    def _note(self, damage: str, cause: Exception | None = None) -> None:
        if not self._keep:
            raise RecordingError(f"{self.path}: {damage}") from cause
        self.damage = self.damage or damage

    def __len__(self) -> int:
        return len(self._pts)

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height)."""
        return self._stream.codec_context.width, self._stream.codec_context.height

    def frame_at(self, t_ms: np.ndarray | float) -> np.ndarray:
        """`frame_at` for this video's frames."""
        return frame_at(self.t_ms, t_ms)

    def read(self, index: int) -> np.ndarray:
        """[H, W, 3] uint8 RGB picture of a frame.

        Raises:
            IndexError: not in 0 .. len - 1 (-1 means "no frame yet" in `frame_at`, not the last frame).
            RecordingError: the frame cannot be decoded.
        """
        index = int(index)
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path.name} has frames 0 to {len(self) - 1}, got {index}")
        if self._last is None or self._last[0] != index:
            self._last = (index, self._decode(int(self._pts[index])))
        return self._last[1].copy()

    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The pictures of the given frames in turn; fastest in increasing order."""
        return (self.read(index) for index in indices)

    def _decode(self, pts: int) -> np.ndarray:
        try:
            starts = [k for k, (shown, _) in enumerate(self._keys) if shown <= pts] or [0]
            near = self._at is not None and self._keys[starts[-1]][0] <= self._at < pts
            # A container may seek past the requested key frame: then try the one before it.
            for key in [None] * near + starts[::-1]:
                if key is not None:
                    self._container.seek(self._keys[key][1], stream=self._stream, backward=True)
                    self._decoder = self._container.decode(self._stream)
                if (frame := self._forward(pts)) is not None:
                    return frame
        except (av.error.FFmpegError, OSError) as error:
            self._at = None
            raise self._damaged(pts, str(error)) from error
        raise self._damaged(pts, "the decoder did not produce it")

    def _forward(self, pts: int) -> np.ndarray | None:
        for frame in self._decoder:
            self._at = frame.pts
            if frame.pts == pts:
                if frame.is_corrupt:
                    raise self._damaged(pts, "the decoder had to conceal errors")
                return frame.to_ndarray(format="rgb24")
            if frame.pts is not None and frame.pts > pts:
                break
        self._at = None
        return None

    def _damaged(self, pts: int, reason: str) -> RecordingError:
        index = int(np.searchsorted(self._pts, pts))
        return RecordingError(f"{self.path}: frame {index} cannot be decoded ({reason})")

    def close(self) -> None:
        """Release the file."""
        self._decoder = iter(())
        self._container.close()

    def __enter__(self) -> SceneVideo:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
