"""Frames as JPEG, by index: decoded on the server, so that the frame does not depend on a browser's clock.

Recent frames are cached up to a number of bytes. The frames that a person stepping through the recording needs next
are decoded ahead, unless a request waits for another one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import cv2
import numpy as np

from gazekit.annotate.project.byte_cache import ByteCache
from gazekit.annotate.project.pictures import Pictures
from gazekit.errors import RecordingError

__all__ = ["Frames"]

QUALITY = 85
SMALL_PX = 320  # thumbnails have a decoder of their own, so that they never delay the main picture


class _Lane:
    """A decoder behind a lock, opened when it is first needed."""

    def __init__(self, opener: Callable[[], Pictures]) -> None:
        self._opener, self._pictures, self._lock, self._closed = opener, None, threading.Lock(), False
        self.waiting = 0  # a hint for background work: need not be exact

    def read(self, index: int) -> np.ndarray:
        self.waiting += 1
        try:
            with self._lock:
                if self._closed:
                    raise ValueError("the recording is closed")
                if self._pictures is None:
                    self._pictures = self._opener()
                return self._pictures.read(index)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._pictures is not None:
                self._pictures.close()


class Frames:
    """JPEGs of a recording's frames.

    Args:
        opener: opens the pictures; called at the first request for a frame, so that labels can be seen and exported if
            the video is damaged or missing.
        jpeg_bytes, picture_bytes: cache sizes of encoded and decoded frames.
        ahead: number of frames decoded ahead, in the direction of the last step.
    """

    def __init__(
        self,
        opener: Callable[[], Pictures],
        jpeg_bytes: int = 64 << 20,
        picture_bytes: int = 64 << 20,
        ahead: int = 12,
    ) -> None:
        self._large, self._small = _Lane(opener), _Lane(opener)
        self._jpegs = ByteCache(jpeg_bytes)
        self._pictures = ByteCache(picture_bytes, lambda picture: picture.nbytes)
        self._ahead, self._last = ahead, -1
        self._next: tuple[list[int], int | None] | None = None
        self._wake, self._closed = threading.Condition(), False
        self._thread: threading.Thread | None = None

    @property
    def bytes_kept(self) -> int:
        """Bytes of all cached pictures."""
        return self._jpegs.used + self._pictures.used

    def picture(self, index: int, small: bool = False) -> np.ndarray:
        """[H, W, 3] uint8 RGB.

        Raises:
            IndexError: no such frame.
            RecordingError, FileNotFoundError: a video that cannot be read, or this frame of it.
        """
        found = self._pictures.get(index)
        if found is None:
            found = (self._small if small else self._large).read(index)
            self._pictures.put(index, found)
        return found

    def jpeg(self, index: int, width: int | None = None) -> bytes:
        """One frame, at most `width` pixels wide; errors as `picture`."""
        found = self._jpegs.get((index, width))
        if found is None:
            found = self._encoded(index, width)
        if width is None or width > SMALL_PX:
            self._plan(index, width)
        return found

    def _encoded(self, index: int, width: int | None) -> bytes:
        picture = self.picture(index, small=width is not None and width <= SMALL_PX)
        if width is not None and width < picture.shape[1]:
            height = max(1, round(picture.shape[0] * width / picture.shape[1]))
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        done, data = cv2.imencode(
            ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        )
        if not done:
            raise RecordingError(f"frame {index} cannot be written as JPEG")
        self._jpegs.put((index, width), data.tobytes())
        return data.tobytes()

    def _plan(self, index: int, width: int | None) -> None:
        """Decode ahead after a step; not after a jump, which does not tell what comes next."""
        step, self._last = index - self._last, index
        if step == 0 or abs(step) > self._ahead:
            return
        near = range(index + 1, index + 1 + self._ahead) if step > 0 else range(index - self._ahead, index)
        with self._wake:
            self._next = ([i for i in near if i >= 0], width)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="frames ahead", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._next is not None or self._closed)
                if self._closed:
                    return
                (indices, width), self._next = self._next, None
            for index in indices:
                if self._next is not None or self._closed or self._large.waiting:
                    break
                try:
                    if (index, width) not in self._jpegs:
                        self._encoded(index, width)
                except (IndexError, ValueError, OSError):
                    break  # the end, or damage: a request for this frame reports it

    def open_ahead(self) -> None:
        """Open the video in the background: reading the times of an hour's frames takes a second."""

        def opening() -> None:
            with contextlib.suppress(IndexError, ValueError, OSError):  # a request for a frame reports it
                for lane in (self._large, self._small):
                    lane.read(0)

        threading.Thread(target=opening, name="open video", daemon=True).start()

    def close(self) -> None:
        """Release the file; ends the thread that decodes ahead."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
        self._large.close()
        self._small.close()
