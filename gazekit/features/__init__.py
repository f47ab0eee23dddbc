"""Run a frozen extractor once over a data set and keep what it says on disk.

Rows are dictionaries with a "key" (a name that no other row has) and whatever the extractor takes. `extract` cuts them
into shards of fixed size, and each shard into batches; a shard is a safetensors file that is either whole or not
there, so that a run can be killed at any time and the next one goes on behind the last whole shard, with the
same bytes as if nothing had happened. Memory holds one shard, whatever the number of rows.

    FOLDER/<fingerprint of recipe and data>/plan.json, 00000.safetensors, 00001.safetensors, ..., whole.json
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gazekit.errors import DataError
from gazekit.features.shards import Extractor, Job, Row, each, keys_of, path_of, shards_of
from gazekit.files import written_whole

if TYPE_CHECKING:
    from gazekit.backbones import Backbone

__all__ = ["BackboneExtractor", "Extractor", "Features", "data_fingerprint", "extract", "features_folder"]

OPEN_SHARDS = 4
"""How many files a reader keeps open."""


class BackboneExtractor:
    """Maps of a backbone for the column "image" (uint8 RGB [H, W, 3]).

    Args:
        backbone: gives the layers.
        dtype: in which features are stored.
    """

    def __init__(self, backbone: Backbone, dtype: Literal["float16", "float32"] = "float32"):
        self.backbone, self.dtype = backbone, dtype
        self.recipe = {"extractor": "backbone", **backbone.recipe, "dtype": dtype}

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        import torch

        with torch.inference_mode():
            maps = self.backbone(self.backbone.preprocess(rows["image"]))
        return {name: x.cpu().numpy().astype(self.dtype) for name, x in maps.items()}


class Features(Sequence):
    """Features on disk, by number or by key: `features[3]`, `features["img_0004"]` -> name to array.

    Shards are opened when they are first asked for and a few are kept open; nothing else is held in memory but the
    keys, once a key has been asked for.

    Args:
        folder: what `extract` has written, down to the fingerprint.
    Raises:
        FileNotFoundError: there is none, or it is not finished.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if not (self.folder / "whole.json").is_file():
            raise FileNotFoundError(
                f"{folder} holds no finished features: run `gazekit.features.extract` (again)"
            )
        self.plan: dict[str, Any] = json.loads((self.folder / "plan.json").read_text())
        self.count: int = json.loads((self.folder / "whole.json").read_text())["rows"]
        self._open: OrderedDict[int, Any] = OrderedDict()
        self._keys: dict[str, int] | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int | str) -> dict[str, np.ndarray]:
        if isinstance(row, str):
            row = self.index(row)
        if not -self.count <= row < self.count:
            raise IndexError(f"row {row} of {self.count} in {self.folder}")
        number, at = divmod(row % self.count, self.plan["shard_rows"])
        shard = self._shard(number)
        return {name: shard.get_slice(name)[at] for name in shard.keys()}

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return (self[row] for row in range(len(self)))

    @property
    def keys(self) -> list[str]:
        """Of all rows, in their order."""
        return list(self._index())

    def index(self, key: str) -> int:
        """The number of a row. Raises KeyError where no row has this key."""
        if key not in self._index():
            raise KeyError(f"no row {key!r} in {self.folder}")
        return self._index()[key]

    def read(self, name: str, rows: Iterable[int | str] | None = None) -> np.ndarray:
        """One feature of some rows, or of all, stacked: [rows, ...]."""
        return np.stack([self[row][name] for row in (range(len(self)) if rows is None else rows)])

    def _index(self) -> dict[str, int]:
        if self._keys is None:
            shards = range(-(-self.count // self.plan["shard_rows"]))
            keys = [key for number in shards for key in keys_of(self._shard(number))]
            self._keys = {key: row for row, key in enumerate(keys)}
        return self._keys

    def _shard(self, number: int) -> Any:
        from safetensors import safe_open

        if number not in self._open:
            if len(self._open) == OPEN_SHARDS:
                self._open.popitem(last=False)
            self._open[number] = safe_open(path_of(self.folder, number), "numpy")
        self._open.move_to_end(number)
        return self._open[number]


def extract(
    extractor: Extractor,
    rows: Sequence[Row] | Iterable[Row],
    folder: str | Path,
    *,
    data: str | None = None,
    shard_rows: int = 256,
    batch_size: int = 16,
    engine: Literal["local", "ray"] = "local",
    workers: int = 2,
    progress: bool = True,
) -> Features:
    """Features of all rows; what is on disk already is not computed again.

    Args:
        extractor: see `Extractor`; batches never reach over the end of a shard, and always hold the same rows.
        rows: a sequence, whose items may be read when they are asked for; or, with engine "local" and `data`, any
            iterable that gives the same rows in the same order each time.
        folder: features of different recipes and data live beside each other in it.
        data: what identifies the rows, such as the fingerprint of a data set. None reads all rows once and takes a
            checksum of all that they hold.
        shard_rows: rows of a file; what a kill can cost, and what memory holds.
        batch_size: rows of one call.
        engine: "ray" shares the shards among processes by Ray Data (`pip install gazekit-attention[ray]`); the
            extractor and the rows are sent to each.
        workers: processes of engine "ray".
        progress: show a bar.
    Returns:
        The features, ready to read.
    Raises:
        ValueError: two rows of one key, features that do not fit the rows, an unknown engine.
        DataError: an unfinished run of another shard or batch size is in the folder.
        ImportError: engine "ray" without Ray.
    """
    if engine not in ("local", "ray"):
        raise ValueError(f"engine must be local or ray, got {engine!r}")
    if not isinstance(rows, Sequence) and (data is None or engine == "ray"):
        raise ValueError("rows that are no sequence need data=..., which identifies them, and engine local")
    plan = {
        "recipe": extractor.recipe,
        "data": data_fingerprint(rows) if data is None else data,
        "shard_rows": shard_rows,
        "batch_size": batch_size,
    }
    target = features_folder(folder, plan["recipe"], plan["data"])
    if (target / "whole.json").is_file():
        return Features(target)
    _keep_plan(target, plan)
    job = Job(extractor, target, batch_size)
    if engine == "ray":
        from gazekit.features.ray_engine import run

        count = run(job, rows, shard_rows, workers)
    else:
        count = _run(job, rows, shard_rows, progress)
    _finish(target, count)
    return Features(target)


def features_folder(folder: str | Path, recipe: Mapping[str, Any], data: str) -> Path:
    """Where the features of this recipe over these data are, or will be."""
    said = json.dumps([recipe, data], sort_keys=True, allow_nan=False)
    return Path(folder) / hashlib.sha256(said.encode()).hexdigest()[:16]


def data_fingerprint(rows: Iterable[Row]) -> str:
    """Checksum of all that rows hold: keys, columns, shapes, types and values."""
    digest = hashlib.sha256()
    for row in each(rows):
        for name in sorted(row):
            value = np.ascontiguousarray(row[name])
            if value.dtype.hasobject:
                raise TypeError(
                    f"column {name!r} holds Python objects, expected numbers, strings or arrays of them"
                )
            digest.update(f"{name} {value.dtype.str} {value.shape};".encode())
            digest.update(value.tobytes())
        digest.update(b"\n")
    return digest.hexdigest()


def _run(job: Job, rows: Iterable[Row], shard_rows: int, progress: bool) -> int:
    """Returns the number of shards."""
    total = len(rows) if isinstance(rows, Sequence) else None
    count = 0
    with _bar(progress, total) as show:
        for number, shard in shards_of(rows, shard_rows):
            if not job.is_done(number):
                job.make(number, shard)
            count += 1
            show(count * shard_rows)
    return count


def _keep_plan(folder: Path, plan: dict[str, Any]) -> None:
    path = folder / "plan.json"
    if not path.is_file():
        with written_whole(path) as unfinished:
            unfinished.write_text(json.dumps(plan, indent=1, sort_keys=True) + "\n")
        return
    before = json.loads(path.read_text())
    differ = [f"{key}={before[key]}" for key in ("shard_rows", "batch_size") if before[key] != plan[key]]
    if differ:
        raise DataError(f"{folder} was begun with {', '.join(differ)}: go on with that, or delete the folder")


def _finish(folder: Path, shards: int) -> None:
    """Count the rows and look for keys that occur twice; then the features are whole."""
    from safetensors import safe_open

    seen: set[str] = set()
    for number in range(shards):
        with safe_open(path_of(folder, number), "numpy") as shard:
            for key in keys_of(shard):
                if key in seen:
                    raise ValueError(
                        f"two rows have the key {key!r}; keys must differ. {folder} is not finished"
                    )
                seen.add(key)
    for left in folder.glob(".*.part"):  # of runs that were killed
        left.unlink(missing_ok=True)
    with written_whole(folder / "whole.json") as unfinished:
        unfinished.write_text(json.dumps({"rows": len(seen)}) + "\n")


@contextmanager
def _bar(show: bool, total: int | None) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("features"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bar:
        task = bar.add_task("features", total=total)
        yield lambda done: bar.update(task, completed=done if total is None else min(done, total))
