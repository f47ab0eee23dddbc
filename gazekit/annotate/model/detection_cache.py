"""Detections of frames: computed once, kept up to a number of bytes, and saved for the next start."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gazekit.annotate.project.byte_cache import ByteCache
from gazekit.files import save_tensors

if TYPE_CHECKING:
    from gazekit.models.impn.detections import Detections
    from gazekit.models.impn.detector import Detector

__all__ = ["DetectionCache"]

log = logging.getLogger(__name__)
LIMIT_BYTES, SAVED_BYTES = 96 << 20, 32 << 20


class DetectionCache:
    """Detections by detector and frame. Several threads may use it."""

    def __init__(self) -> None:
        self._kept: ByteCache[tuple[int, int], Detections] = ByteCache(LIMIT_BYTES, _bytes_of)

    def get(
        self,
        detector: Detector,
        key: int,
        frame: int,
        picture: Callable[[int], np.ndarray],
        keep: bool = True,
    ) -> Detections:
        """`Detections` of a frame.

        Args:
            detector: runs if the frame is not in the cache.
            key: the detector's number.
            picture: decodes a frame.
            keep: whether new detections go into the cache.
        """
        found = self._kept.get((key, frame))
        if found is None:
            found = detector.detect([picture(frame)])[0]
            if keep:
                self._kept.put((key, frame), found)
        return found

    def save(self, path: Path, key: int, frames: Iterable[int], identity: str) -> None:
        """Write the detections of frames, the first that fit in 32 MB, as one safetensors file.

        Args:
            identity: of the detector; `load` compares it.
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
        save_tensors(path, parts, {"of": identity})

    def load(self, path: Path, key: int, identity: str) -> None:
        """Read what `save` wrote for this detector. Without a readable file, detections are computed again."""
        from safetensors import SafetensorError, safe_open

        from gazekit.models.impn.detections import Detections

        if not path.is_file():
            return
        try:
            with safe_open(str(path), "pt") as file:
                if (file.metadata() or {}).get("of") != identity:
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


def _bytes_of(found: Detections) -> int:
    return sum(part.nbytes for part in (found.boxes, found.probs, found.features))
