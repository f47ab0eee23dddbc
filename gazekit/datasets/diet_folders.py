"""Photographs in class folders (the layout of ImageNet) as a diet, with the manipulations of `diet_manipulations`.

    ROOT/train/CLASS/*.jpg    ROOT/val/CLASS/*.jpg    and, if it is there, ROOT/test/CLASS/*.jpg

Batches are those of `diet_data`, in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from gazekit.base import Data
from gazekit.datasets.diet_manipulations import MANIPULATIONS, manipulate
from gazekit.errors import DataError

__all__ = ["DietFolders"]

SUFFIXES = {".jpg", ".jpeg", ".png"}


class DietFolders(Data):
    """Photographs of classes; see the module.

    As published (Gupta et al. 2021): the shorter side is scaled to 256 px, training cuts 224 px at random and mirrors
    every other picture, validation cuts the middle out. The manipulation comes last, so that the net sees all of it:
    published are manipulated files. Mirroring comes before it, so that it never turns the light of rotated pictures.

    Args:
        root: folder; without a "test" folder that part is the one of "val".
        manipulation: one of `MANIPULATIONS`.
        size_px, short_side_px: of the cut, and of the shorter side before.
        batch_size, split, seed: see `Data`.
    Raises:
        ValueError: an unknown manipulation or part, a cut that is larger than the picture.
    """

    def __init__(
        self,
        root: str,
        manipulation: str = "none",
        size_px: int = 224,
        short_side_px: int = 256,
        batch_size: int = 150,
        split: str = "test",
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        if manipulation not in MANIPULATIONS:
            raise ValueError(
                f"data.manipulation must be one of {', '.join(MANIPULATIONS)}, got {manipulation!r}"
            )
        if split not in ("train", "val", "test"):
            raise ValueError(f"data.split must be train, val or test, got {split!r}")
        if not 0 < size_px <= short_side_px:
            raise ValueError(f"data.size_px must be at most short_side_px={short_side_px}, got {size_px}")
        self.root, self.manipulation = Path(root).expanduser(), manipulation
        self.size_px, self.short_side_px = size_px, short_side_px

    def setup(self, stage: str | None = None) -> None:
        """List the pictures; none is read yet.

        Raises:
            FileNotFoundError: no folder for training or validation. DataError: no classes, a class without pictures, or
            other classes in another part.
        """
        found = {part: self._listed(part) for part in ("train", "val")}
        found["test"] = self._listed("test") if (self.root / "test").is_dir() else found["val"]
        self.classes = list(found["train"])
        for part, classes in found.items():
            if extra := sorted(set(classes) ^ set(self.classes)):
                raise DataError(
                    f"{self.root / part} must have the classes of train, {', '.join(extra)} differ"
                )
        self.paths: list[Path] = []
        self.labels: list[int] = []
        self.parts = {}
        for part, classes in found.items():
            start = len(self.paths)
            for label, paths in enumerate(classes[name] for name in self.classes):
                self.paths += paths
                self.labels += [label] * len(paths)
            self.parts[part] = np.arange(start, len(self.paths))

    def _listed(self, part: str) -> dict[str, list[Path]]:
        folder = self.root / part
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder} does not exist: expected {part}/CLASS/*.jpg in data.root, as in ImageNet "
                "(https://image-net.org, for research only, after registration)"
            )
        classes = {
            path.name: sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            for path in sorted(folder.iterdir())
            if path.is_dir()
        }
        empty = [name for name, files in classes.items() if not files]
        if empty or not classes:
            raise DataError(
                f"{folder} has no pictures of {', '.join(empty) or 'any class'}: expected CLASS/*.jpg"
            )
        return classes

    def facts(self) -> dict[str, Any]:
        """`classes` by name, and the `diet`."""
        return {"classes": self.classes, "diet": f"{self.root.name} {self.manipulation}"}

    def about(self) -> dict[str, Any]:
        return super().about() | {"name": f"diet {self.root.name}", "manipulation": self.manipulation}

    def items(self, index: Sequence[int]) -> list[str]:
        """Paths below the root."""
        return [str(self.paths[i].relative_to(self.root)) for i in index]

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """See the module.

        Raises:
            DataError: a file that is no picture.
        """
        pictures = torch.stack([self._picture(self.paths[int(i)], generator) for i in index])
        return {
            "picture": manipulate(pictures.permute(0, 3, 1, 2), self.manipulation).permute(0, 2, 3, 1),
            "label": torch.tensor([self.labels[int(i)] for i in index]),
            "group": torch.tensor([int(i) for i in index]),
        }

    def _picture(self, path: Path, generator: torch.Generator | None) -> torch.Tensor:
        """[H, W, 3] cut to size."""
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if picture is None:
            raise DataError(f"{path} is no picture that can be read: delete it or replace it")
        scale = self.short_side_px / min(picture.shape[:2])
        size = [max(self.short_side_px, round(side * scale)) for side in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        room = [side - self.size_px for side in picture.shape[:2]]
        top, left = (side // 2 for side in room)
        if generator is not None:
            top, left = (int(torch.randint(side + 1, (1,), generator=generator)) for side in room)
            if torch.rand(1, generator=generator) < 0.5:
                picture = np.ascontiguousarray(picture[:, ::-1])
        return torch.from_numpy(picture[top : top + self.size_px, left : left + self.size_px].copy())
