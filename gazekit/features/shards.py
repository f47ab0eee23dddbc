"""Rows to shards: files of a fixed number of rows, each whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gazekit.files import save_tensors

__all__ = ["Extractor", "Job", "Row", "each", "keys_of", "path_of", "shards_of"]

Row = Mapping[str, Any]


class Extractor(Protocol):
    """What `extract` runs: a frozen net, a detector, anything without memory.

    Attributes:
        recipe: JSON values that tell its output from that of any other extractor.
    """

    recipe: dict[str, Any]

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Columns of a batch -> features, each with one entry a row and the same shape in every row.

        Columns are stacked where all rows of the batch have one shape, else arrays of objects.
        """
        ...


class Job:
    """Makes a shard of its rows, batch after batch: what the engines share.

    Args:
        extractor, batch_size: as in `extract`.
        folder: of the shards.
    """

    def __init__(self, extractor: Extractor, folder: Path, batch_size: int):
        self.extractor, self.folder, self.batch_size = extractor, folder, batch_size

    def is_done(self, number: int) -> bool:
        """Whether the shard is there; if it is, it is whole."""
        return path_of(self.folder, number).is_file()

    def make(self, number: int, rows: Iterable[Row]) -> int:
        """Write one shard; returns its number of rows."""
        import torch

        rest, keys, parts = iter(rows), [], []
        while batch := list(islice(rest, self.batch_size)):
            found = self.extractor(_columns(batch))
            _check(found, parts[0] if parts else found, batch)
            keys += [str(row["key"]) for row in batch]
            parts.append(found)
        whole = {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in parts[0]}
        save_tensors(path_of(self.folder, number), whole, {"keys": json.dumps(keys)})
        return len(keys)


def each(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows; those of a sequence by number, so that one that does not end by an IndexError ends, too."""
    return (rows[i] for i in range(len(rows))) if isinstance(rows, Sequence) else iter(rows)


def shards_of(rows: Iterable[Row], shard_rows: int) -> Iterator[tuple[int, Iterable[Row]]]:
    """Number and rows of shard after shard; the rows of a sequence are read only when they are asked for."""
    if isinstance(rows, Sequence):
        for number in range(-(-len(rows) // shard_rows)):
            numbers = range(number * shard_rows, min((number + 1) * shard_rows, len(rows)))
            yield number, (rows[i] for i in numbers)
        return
    rest = iter(rows)
    for number, first in enumerate(rest):
        shard = chain([first], islice(rest, shard_rows - 1))
        yield number, shard
        for _ in shard:  # was there already
            pass


def path_of(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.safetensors"


def keys_of(shard: Any) -> list[str]:
    return json.loads(shard.metadata()["keys"])


def _columns(batch: Sequence[Row]) -> dict[str, np.ndarray]:
    names = list(batch[0])
    columns = {}
    for name in names:
        values = [np.asarray(row[name]) for row in batch]
        if len({value.shape for value in values}) == 1:
            columns[name] = np.stack(values)
        else:
            columns[name] = np.empty(len(values), object)
            columns[name][:] = values
    return columns


def _check(found: dict[str, np.ndarray], before: dict[str, np.ndarray], batch: Sequence[Row]) -> None:
    first = batch[0]["key"]
    if set(before) != set(found):
        raise ValueError(f"the extractor gave {sorted(found)} from row {first!r} on, {sorted(before)} before")
    for name, value in found.items():
        wanted = before[name].shape[1:]
        if value.shape != (len(batch), *wanted):
            raise ValueError(
                f"feature {name!r} of the {len(batch)} rows from {first!r} on has shape {list(value.shape)}, "
                f"expected {[len(batch), *wanted]}: pad features to one size"
            )
