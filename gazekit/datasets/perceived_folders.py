"""Photographs in class folders as four perceptual systems see them, at the scale of the published data.

    ROOT/CLASS/*.jpg    for each class, say 5,000 of each of 20 classes of Places (http://places2.csail.mit.edu)

The first files of a class, in the order of the numbers in their names, are for training, the next for validation,
the last for the test: published are 4,500, 250 and 250.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gazekit.datasets.perceived import Perceived
from gazekit.errors import DataError

__all__ = ["PerceivedFolders"]

SUFFIXES = {".jpg", ".jpeg", ".png"}


class PerceivedFolders(Perceived):
    """Photographs of classes, read when they are asked for; see the module.

    As published there is no augmentation and pictures are squeezed to a square. Deviation: pictures are seen at
    `side_px`, not at twice that and then made smaller.

    Args:
        root: folder of the class folders. classes: their names, in the order of the labels; None for all folders by
        name. counts: files of each class for "train", "val" and "test". side_px, ...: see `Perceived`. 100,000
        pictures of 256 px take 79 GB in `cache`, as far as they were asked for.
    Raises:
        ValueError: counts that are not three positive numbers.
    """

    def __init__(
        self,
        root: str,
        classes: Sequence[str] | None = None,
        counts: Sequence[int] = (4500, 250, 250),
        side_px: int = 256,
        span_dva: float = 26.0,
        scaling: float = 0.4,
        matched: int = 64,
        runs: int = 1,
        cache: str | None = None,
        batch_size: int = 128,
        split: str = "test",
        seed: int = 0,
    ) -> None:
        super().__init__(side_px, span_dva, scaling, matched, runs, cache, batch_size, split, seed)
        if len(counts) != 3 or min(counts) < 1:
            raise ValueError(
                f"data.counts must be three numbers of files of each class (train, val, test), got {counts}"
            )
        self.root, self.asked = Path(root).expanduser(), classes
        self.counts = dict(zip(("train", "val", "test"), map(int, counts), strict=True))

    def setup(self, stage: str | None = None) -> None:
        """List the files, and read those of the validation part.

        Raises:
            FileNotFoundError: no such folder. DataError: a class without a folder or with too few files.
        """
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.root} does not exist: expected CLASS/*.jpg in data.root")
        folders = [path.name for path in sorted(self.root.iterdir()) if path.is_dir()]
        self.classes = list(folders if self.asked is None else self.asked)
        if absent := sorted(set(self.classes) - set(folders)):
            raise DataError(
                f"{self.root} has no folder of {', '.join(absent)}: expected CLASS/*.jpg of data.classes"
            )
        if len(self.classes) < 2:
            raise DataError(f"{self.root} must have folders of two classes or more, has {len(folders)}")
        files = [self._files(name) for name in self.classes]
        self.paths: list[Path] = []
        labels: list[int] = []
        self.parts, start = {}, 0
        for part, many in self.counts.items():
            first = len(self.paths)
            for label, found in enumerate(files):
                self.paths += found[start : start + many]
                labels += [label] * many
            self.parts[part] = np.arange(first, len(self.paths))
            start += many
        self.labels = np.array(labels)
        self.ready()

    def _files(self, name: str) -> list[Path]:
        found = [p for p in (self.root / name).iterdir() if p.suffix.lower() in SUFFIXES]
        needed = sum(self.counts.values())
        if len(found) < needed:
            raise DataError(
                f"{self.root / name} has {len(found)} pictures, data.counts={list(self.counts.values())} needs {needed}"
            )
        return sorted(found, key=_natural)

    def fingerprint(self) -> dict[str, Any]:
        return {"root": str(self.root.resolve()), "counts": self.counts}

    def about(self) -> dict[str, Any]:
        return super().about() | {"name": f"photographs {self.root.name}"}

    def items(self, index: Sequence[int]) -> list[str]:
        """Paths below the root."""
        return [str(self.paths[i].relative_to(self.root)) for i in index]

    def pictures(self, index: Sequence[int]) -> np.ndarray:
        """Raises: DataError: a file that is no picture."""
        return np.stack([self._picture(self.paths[int(i)]) for i in index])

    def _picture(self, path: Path) -> np.ndarray:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if picture is None:
            raise DataError(f"{path} is no picture that can be read: delete it or replace it")
        shrinks = min(picture.shape[:2]) > self.side_px
        size = (self.side_px, self.side_px)
        return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """Numbers in a name by their value, so that 10 follows 9."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
