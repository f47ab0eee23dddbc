"""What detectors found in frames: looked for once, kept within a number of bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gazekit.annotate.frames import ByteCache

__all__ = ["Found"]

LIMIT_BYTES = 96 << 20


class Found:
    """Detections by detector and frame. Several threads may use it."""

    def __init__(self) -> None:
        self._kept = ByteCache(LIMIT_BYTES, _bytes_of)

    def of(
        self,
        detector: Any,
        key: int,
        frame: int,
        picture: Callable[[int], np.ndarray],
        keep: bool = True,
    ) -> Any:
        """`Detections` of a frame.

        Args:
            detector: asked if it has not been yet.
            key: its number.
            picture: decodes a frame.
            keep: what it says.
        """
        found = self._kept.get((key, frame))
        if found is None:
            found = detector.detect([picture(frame)])[0]
            if keep:
                self._kept.put((key, frame), found)
        return found


def _bytes_of(found: Any) -> int:
    return sum(part.nbytes for part in (found.boxes, found.probs, found.features))
