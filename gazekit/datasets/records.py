"""The data that every loader returns, and the handling of broken records."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from gazekit.download import Download
from gazekit.errors import DataError
from gazekit.geometry import assign_objects
from gazekit.scanpath import Scanpath
from gazekit.scanpaths.model import ScanpathModel
from gazekit.scene import Scene, Trial

__all__ = [
    "BadRecords",
    "DatasetBuilder",
    "DatasetInfo",
    "Download",
    "OnBadRecord",
    "ScanpathDataset",
    "find_root",
    "natural_key",
]

OnBadRecord = Literal["raise", "skip"]


@dataclass(frozen=True)
class DatasetInfo:
    """The card of a data set, shown by `data list` and `data info`.

    Args:
        name: name of the loader's module and of its config.
        title: one line.
        licence, citation, source: origin and terms of use.
        files: required files, relative to the root folder, one line each.
        how_to_get: what to download by hand and where to put it; empty if `data fetch` downloads everything.
        known: fingerprint digest, with the loader's default options -> description of that copy.
        downloads: path below the root -> source for `data fetch`.
        counts: published size of the whole set, as entries of its fingerprint, to check a download without a
            known checksum.
        caution: caveat that every report on this set must state.
    """

    name: str
    title: str
    licence: str
    citation: str
    source: str
    files: tuple[str, ...] = ()
    how_to_get: str = ""
    known: dict[str, str] = field(default_factory=dict)
    downloads: dict[str, Download] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    caution: str = ""


@dataclass(frozen=True, eq=False)
class ScanpathDataset:
    """Scenes and observers' scanpaths over them.

    Args:
        name: name of the data set.
        scenes, trials: `trial.scene` indexes `scenes`.
        skipped: one message per record left out with `on_bad_record="skip"`.
        filtered: rule -> number of trials removed by a documented filter of the loader.
        categories: all object categories that can occur, if the set declares them.
        observer: the `ScanpathModel` from which the scanpaths were drawn, in generated sets: the true
            ceiling. Its `SceneBatch.category` indexes `categories`.
    """

    name: str
    scenes: tuple[Scene, ...]
    trials: tuple[Trial, ...]
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)
    categories: tuple[str, ...] | None = None
    observer: ScanpathModel | None = None

    @property
    def observers(self) -> tuple[str, ...]:
        return tuple(sorted({t.scanpath.observer for t in self.trials}))

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, moments and a digest that change when a row is dropped, shifted or rescaled."""
        xy = np.concatenate([t.scanpath.xy_px for t in self.trials] or [np.zeros((0, 2))])
        boxes = np.concatenate([s.boxes_px for s in self.scenes] or [np.zeros((0, 4))])
        objects = np.concatenate([t.objects for t in self.trials] or [np.zeros(0)])
        digest = hashlib.sha256()
        for array in (xy, boxes, objects):
            digest.update(np.ascontiguousarray(np.round(array, 3) + 0.0, dtype="<f8").tobytes())
        digest.update("\n".join(s.name for s in self.scenes).encode())
        digest.update("\n".join(t.scanpath.observer for t in self.trials).encode())
        mean = xy.mean(0) if len(xy) else np.full(2, np.nan)
        return {
            "scenes": len(self.scenes),
            "objects": len(boxes),
            "observers": len(self.observers),
            "scanpaths": len(self.trials),
            "fixations": len(xy),
            "mean_x_px": float(mean[0]),
            "mean_y_px": float(mean[1]),
            "digest": digest.hexdigest()[:16],
        }


class BadRecords:
    """Raises at the first broken record, or collects them, depending on `on_bad_record`.

    >>> bad = BadRecords("skip")
    >>> for value in ("1", "x"):
    ...     with bad.record(f"numbers.txt, record {value!r}"):
    ...         _ = int(value)
    >>> bad.skipped
    ["numbers.txt, record 'x': invalid literal for int() with base 10: 'x'"]
    """

    def __init__(self, on_bad_record: OnBadRecord) -> None:
        if on_bad_record not in ("raise", "skip"):
            raise ValueError(f"on_bad_record must be 'raise' or 'skip', got {on_bad_record!r}")
        self.on_bad_record = on_bad_record
        self.skipped: list[str] = []

    @contextmanager
    def record(self, where: str) -> Iterator[None]:
        """Treat an error from bad values inside the block as one broken record at `where`."""
        try:
            yield
        except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
            message = f"{where}: {reason}"
            if self.on_bad_record == "raise":
                raise DataError(
                    f"{message}. To leave such records out and count them: data.on_bad_record=skip"
                ) from error
            self.skipped.append(message)


def natural_key(name: str) -> tuple:
    """Natural sort key: "2.jpg" before "10.jpg"; distinct names never tie."""
    parts = re.split("([0-9]+)", name)
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), name


class DatasetBuilder:
    """Collects scenes, then their scanpaths, and leaves out broken ones.

    The scanpaths of a broken scene are left out too; its message gives their number. The result is in natural order
    of scene names and observers, the same on every machine, unless `keep_order`.

    Args:
        name: of the data set.
        on_bad_record: see `BadRecords`.
        keep_order: keep scenes and scanpaths in their original order.
    """

    def __init__(self, name: str, on_bad_record: OnBadRecord, keep_order: bool = False) -> None:
        self.name = name
        self.keep_order = keep_order
        self._bad = BadRecords(on_bad_record)
        self._scenes: dict[str, Scene] = {}
        self._paths: dict[str, list[tuple[Scanpath, np.ndarray | None]]] = {}
        self._lost: dict[str, list[int]] = {}  # scene name -> [row of `skipped`, scanpaths lost with it]
        self._offered = 0

    @contextmanager
    def scene(self, name: str, where: str) -> Iterator[None]:
        """Context for reading scene `name`; errors in the block are reported at `where`."""
        before = len(self._bad.skipped)
        with self._bad.record(where):
            yield
        if len(self._bad.skipped) > before and name not in self._scenes:
            self._lost.setdefault(name, [before, 0])

    @contextmanager
    def scanpath(self, where: str) -> Iterator[None]:
        """Context for reading one scanpath; errors in the block are reported at `where`."""
        self._offered += 1
        with self._bad.record(where):
            yield

    def __contains__(self, scene: str) -> bool:
        return scene in self._scenes

    def __getitem__(self, scene: str) -> Scene:
        return self._scenes[scene]

    def add_scene(self, scene: Scene) -> None:
        """Add a scene.

        Raises:
            ValueError: its name has occurred before.
        """
        if scene.name in self._scenes or scene.name in self._lost:
            raise ValueError(f"scene {scene.name!r} occurs twice, expected one record per scene")
        self._scenes[scene.name] = scene

    def lost(self, scene: str) -> bool:
        """Whether `scene` was left out; if so, counts one more scanpath as lost with it."""
        if scene in self._lost:
            self._lost[scene][1] += 1
        return scene in self._lost

    def add_scanpath(
        self, scene: str, scanpath: Scanpath, objects: np.ndarray | None = None, inside: bool = True
    ) -> None:
        """Add a scanpath over `scene`.

        Args:
            scene: name of a scene that was read before.
            scanpath: its fixations.
            objects: [T] their object indices; computed with `assign_objects` if None.
            inside: whether fixations must lie inside the picture, right and lower edges included.
        Raises:
            ValueError: an unknown scene, a fixation outside the picture, invalid objects.
        """
        if self.lost(scene):
            return
        if scene not in self._scenes:
            raise ValueError(
                f"image {scene!r} has no layout, expected one of the {len(self._scenes)} known images"
            )
        home = self._scenes[scene]
        if inside:
            _check_inside(scanpath.xy_px, home.size_px)
        if objects is not None:
            objects = _check_objects(objects, len(scanpath), len(home))
        elif len(scanpath) and not len(home):
            raise ValueError(f"scene {scene!r} has no objects that fixations could be assigned to")
        self._paths.setdefault(scene, []).append((scanpath, objects))

    def build(self, filtered: dict[str, int] | None = None) -> ScanpathDataset:
        """The data set.

        Raises:
            DataError: no data, or nothing left after skipping.
        """
        skipped = list(self._bad.skipped)
        for row, count in self._lost.values():
            skipped[row] += f" ({count} scanpath{'s' * (count != 1)} of this scene left out with it)"
        if not self._scenes or (self._offered and not self._paths):
            first = f"; the first of {len(skipped)} skipped records: {skipped[0]}" if skipped else ""
            what = "scene" if not self._scenes else "scanpath"
            raise DataError(f"{self.name}: found no usable {what}{first}")
        names = list(self._scenes) if self.keep_order else sorted(self._scenes, key=natural_key)
        trials: list[Trial] = []
        for index, name in enumerate(names):
            paths = self._paths.get(name, [])
            if not self.keep_order:
                paths = sorted(paths, key=lambda p: natural_key(p[0].observer))
            trials += _trials(index, self._scenes[name], paths)
        scenes = tuple(self._scenes[n] for n in names)
        return ScanpathDataset(self.name, scenes, tuple(trials), tuple(skipped), dict(filtered or {}))


def _check_inside(xy_px: np.ndarray, size_px: tuple[int, int]) -> None:
    outside = ((xy_px < 0) | (xy_px > size_px)).any(-1)
    if outside.any():
        first = int(outside.argmax())
        width, height = size_px
        raise ValueError(
            f"fixation {first} at {xy_px[first].tolist()} lies outside the {width} x {height} px picture"
        )


def _check_objects(objects: np.ndarray, length: int, count: int) -> np.ndarray:
    objects = np.asarray(objects)
    if objects.shape != (length,):
        raise ValueError(
            f"objects must have one index for each of {length} fixations, got shape {list(objects.shape)}"
        )
    if length and (objects.dtype.kind not in "iu" or objects.min() < 0 or objects.max() >= count):
        raise ValueError(f"objects must be integers from 0 to {count - 1}, got {objects.tolist()}")
    return objects.astype(np.int64)


def _trials(index: int, scene: Scene, paths: list[tuple[Scanpath, np.ndarray | None]]) -> list[Trial]:
    """Trials of one scene; all fixations without objects are assigned in one call."""
    open_paths = [p.xy_px for p, objects in paths if objects is None]
    xy = np.concatenate(open_paths or [np.zeros((0, 2))])
    found = assign_objects(xy, scene.boxes_px) if len(xy) else np.zeros(0, np.int64)
    pieces = iter(np.split(found, np.cumsum([len(p) for p in open_paths])[:-1]))
    return [Trial(index, path, next(pieces) if objects is None else objects) for path, objects in paths]


def find_root(root: str | Path | None, info: DatasetInfo) -> Path:
    """Check that `root` contains the files of a data set.

    Raises:
        FileNotFoundError: the folder or one of its files is absent; the message says what was expected and
            how to get it.
    """
    expected = "\n".join(f"    {name}" for name in info.files)
    advice = info.how_to_get or f"python -m gazekit data fetch {info.name}"
    if root is None:
        raise FileNotFoundError(f"{info.name} needs data.root=FOLDER with:\n{expected}\nTo get it: {advice}")
    root = Path(root).expanduser()
    missing = [name for name in info.files if not any(root.glob(name))]
    if missing:
        state = "does not exist" if not root.is_dir() else f"lacks {', '.join(missing)}"
        raise FileNotFoundError(
            f"{info.name}: the folder {root} (config key data.root) {state}. "
            f"Expected there:\n{expected}\nTo get it: {advice}"
        )
    return root
