"""What detectors found in frames: looked for once, kept within a number of bytes, and over a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.annotate.frames import ByteCache
from gazekit.files import save_tensors

__all__ = ["Found"]

log = logging.getLogger(__name__)
LIMIT_BYTES, SAVED_BYTES = 96 << 20, 32 << 20


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

    def save(self, path: Path, key: int, frames: Iterable[int], of: str) -> None:
        """Write what a detector found in frames, the first ones that fit in 32 MB, as one safetensors file.

        Args:
            of: what the detector is known by when it is read again.
        Raises:
            OSError: it cannot be written.
        """
        import torch

        kept, used = {}, 0
        for frame in frames:
            found = self._kept.get((key, frame))
            used += 0 if found is None else _bytes_of(found)
            if used > SAVED_BYTES:
                break
            if found is not None:
                kept[frame] = found
        if not kept:
            return
        parts = {
            name: torch.cat([getattr(f, name) for f in kept.values()])
            for name in ("boxes", "probs", "features")
        }
        parts["frame"], parts["count"] = (
            torch.tensor(list(kept)),
            torch.tensor([len(f.boxes) for f in kept.values()]),
        )
        parts["size_px"] = torch.tensor([f.size_px for f in kept.values()], dtype=torch.float64)
        save_tensors(path, parts, {"of": of})

    def load(self, path: Path, key: int, of: str) -> None:
        """Take what `save` wrote, if it is of this detector. Without a readable file, frames are looked at again."""
        from safetensors import SafetensorError, safe_open

        from gazekit.models.impn.detections import Detections

        if not path.is_file():
            return
        try:
            with safe_open(str(path), "pt") as file:
                if (file.metadata() or {}).get("of") != of:
                    return
                parts = {name: file.get_tensor(name) for name in file.keys()}
            ends = [0, *parts["count"].cumsum(0).tolist()]
            if {len(parts[name]) for name in ("boxes", "probs", "features")} != {ends[-1]}:
                raise ValueError("its parts are not of one length")
            rows = zip(parts["frame"].tolist(), parts["size_px"].tolist(), pairwise(ends), strict=True)
            for frame, size, (first, last) in rows:
                columns = (parts[name][first:last].clone() for name in ("boxes", "probs", "features"))
                self._kept.put((key, frame), Detections(*columns, tuple(size)))
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            log.warning("%s is not used: %s", path, error)


def _bytes_of(found: Any) -> int:
    return sum(part.nbytes for part in (found.boxes, found.probs, found.features))
