"""What was computed of items, kept in memory or on disk so that it is computed once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.errors import DataError
from gazekit.files import written_whole

__all__ = ["Store"]

MEMORY = "memory"


class Store:
    """One uint8 array per item; an item is computed when it is first asked for.

    Processes may share a folder: what an item is depends on nothing else, so that both write the same.

    Args:
        where: "memory", a folder, or None to keep nothing.
        shape: of all items together; the first number counts them. On disk the file is sparse until it is filled.
        settings: plain values on which the items depend; a folder that was filled under others is refused.
    Raises:
        DataError: such a folder.
    """

    def __init__(self, where: str | None, shape: Sequence[int], settings: Mapping[str, Any]) -> None:
        self.kept: np.ndarray | None = None
        if where == MEMORY:
            self.kept, self.done = np.zeros(shape, np.uint8), np.zeros(shape[0], bool)
        elif where is not None:
            folder = Path(where).expanduser()
            _check(folder, {"shape": list(shape), **settings})
            self.kept = _opened(folder / "views.npy", tuple(shape), np.uint8)
            self.done = _opened(folder / "done.npy", (shape[0],), np.bool_)

    def get(self, index: np.ndarray, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Items [B, ...]; those that are not there yet are computed."""
        if self.kept is None:
            return compute(index)
        missing = np.unique(index[~self.done[index]])
        if len(missing):
            self.kept[missing] = compute(missing)
            self.done[missing] = True
        return self.kept[index]


def _check(folder: Path, settings: Mapping[str, Any]) -> None:
    file = folder / "settings.json"
    text = json.dumps(settings, indent=1, sort_keys=True)
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with written_whole(file) as unfinished:
            unfinished.write_text(text)
    elif file.read_text() != text:
        raise DataError(
            f"{folder} keeps pictures of other data or settings (see {file}): delete it or set data.cache to "
            "another folder"
        )


def _opened(path: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    if path.is_file():
        return np.lib.format.open_memmap(path, "r+")
    return np.lib.format.open_memmap(path, "w+", dtype, shape)
