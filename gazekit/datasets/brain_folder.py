"""Anybody's responses to pictures, in a folder that `brain.json` describes; see `brain_layout`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gazekit.datasets.brain_data import BrainData
from gazekit.datasets.brain_layout import LAYOUT, read_layout
from gazekit.datasets.brain_responses import BrainRecords
from gazekit.datasets.records import DatasetInfo, OnBadRecord, find_root
from gazekit.errors import DataError

__all__ = ["INFO", "BrainFolder", "load", "random_parts"]

INFO = DatasetInfo(
    name="brain_folder",
    title="Your own responses to pictures: features or pictures, and responses as .npy, .h5 or .mat",
    licence="that of the data",
    citation="that of the data",
    source="your own recordings",
    files=(LAYOUT,),
    how_to_get="write brain.json beside the arrays, as docs/brain_data.md says",
)

_PARTS = ("train", "val", "test")


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> BrainRecords:
    """The records of a folder.

    Args:
        on_bad_record: without effect: a file that does not fit the others makes all responses doubtful.
    Raises:
        FileNotFoundError: a file is not there. DataError: it cannot be read, or does not fit the others.
    """
    records, part = read_layout(find_root(root, INFO))
    if part is not None:
        _said(part, records.name)
    return records


class BrainFolder(BrainData):
    """A folder with `brain.json`.

    Args:
        root: the folder.
        fractions: of the pictures in train, val and test, sum 1, where the table of pictures does not say.
        split_seed: of that choice.
        backbone, ...: see `BrainData`.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        fractions: Sequence[float] = (0.8, 0.1, 0.1),
        split_seed: int = 0,
        backbone: str | None = None,
        layers: Sequence[str] | None = None,
        weights: str | Path | None = None,
        size_px: Sequence[int] | None = None,
        grid: int | None = None,
        features_root: str | Path | None = None,
        batch_size: int = 64,
        split: str = "test",
        seed: int = 0,
    ) -> None:
        super().__init__(backbone, layers, weights, size_px, grid, features_root, batch_size, split, seed)
        self.root, self.fractions, self.split_seed = root, fractions, split_seed

    def setup(self, stage: str | None = None) -> None:
        """Read the folder and look at the pictures.

        Raises:
            FileNotFoundError: a file is not there. DataError: it cannot be read, or does not fit the others.
        """
        if self.records is None:
            records, part = read_layout(find_root(self.root, INFO))
            if part is None:
                parts = random_parts(len(records.items), self.fractions, self.split_seed)
            else:
                parts = _said(part, records.name)
            self.use(records, parts)


def random_parts(many: int, fractions: Sequence[float], seed: int) -> dict[str, np.ndarray]:
    """Numbers of the pictures in train, val and test, drawn at random, sorted.

    Raises:
        ValueError: fractions that are not three positive numbers with sum 1, or a part without a picture.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"data.fractions must be three positive numbers with sum 1, got {list(fractions)}")
    cuts = np.round(np.cumsum(fractions)[:2] * many).astype(int)
    found = np.split(np.random.default_rng(seed).permutation(many), cuts)
    if not all(map(len, found)):
        raise ValueError(f"{many} pictures are too few for data.fractions={list(fractions)}")
    return {part: np.sort(numbers) for part, numbers in zip(_PARTS, found, strict=True)}


def _said(part: np.ndarray, name: str) -> dict[str, np.ndarray]:
    if unknown := sorted(set(part) - {*_PARTS, ""}):
        raise DataError(f"{name}: part must be train, val, test or empty (in none), got {', '.join(unknown)}")
    return {key: np.flatnonzero(part == key) for key in _PARTS}
