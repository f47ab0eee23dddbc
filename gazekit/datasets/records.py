"""What every loader returns, and how it treats records that are broken."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from gazekit.scene import Scene, Trial

__all__ = ["BadRecords", "DataError", "DatasetInfo", "OnBadRecord", "ScanpathDataset", "find_root"]

OnBadRecord = Literal["raise", "skip"]


class DataError(ValueError):
    """A data set that cannot be read: the message names the file, the record and what was expected."""


@dataclass(frozen=True)
class DatasetInfo:
    """The card of a data set, shown by `data list` and `data info`.

    Args:
        name: name of the loader's module and of its config.
        title: one line.
        licence, citation, source: whose it is and on what terms.
        files: what the folder must hold, relative to its root, one line each.
        how_to_get: what to request by hand and where to put it; empty if `data fetch` gets everything.
        known: fingerprint digest to a description of that copy ("whole set, 102 images", ...).
    """

    name: str
    title: str
    licence: str
    citation: str
    source: str
    files: tuple[str, ...] = ()
    how_to_get: str = ""
    known: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ScanpathDataset:
    """Scenes and the scanpaths of observers over them.

    Args:
        name: of the data set.
        scenes, trials: `trial.scene` indexes `scenes`.
        skipped: one message for each record left out with `on_bad_record="skip"`.
        filtered: rule to number of trials that a documented filter of the loader left out.
    """

    name: str
    scenes: tuple[Scene, ...]
    trials: tuple[Trial, ...]
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)

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
    """Raises at the first broken record, or collects them, as the user wishes.

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
        """Treat a ValueError, KeyError, TypeError or IndexError inside as one broken record at `where`."""
        try:
            yield
        except (ValueError, KeyError, TypeError, IndexError) as error:
            reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
            message = f"{where}: {reason}"
            if self.on_bad_record == "raise":
                raise DataError(f"{message}. To leave such records out and count them: data.on_bad_record=skip") from error
            self.skipped.append(message)


def find_root(root: str | Path | None, info: DatasetInfo) -> Path:
    """Check that `root` holds the files of a data set.

    Raises:
        FileNotFoundError: the folder or one of its files is absent; the message shows what was expected
            and how to get it.
    """
    expected = "\n".join(f"    {name}" for name in info.files)
    advice = info.how_to_get or f"python -m gazekit data fetch {info.name}"
    if root is None:
        raise FileNotFoundError(f"{info.name} needs data.root=FOLDER with\n{expected}\nTo get it: {advice}")
    root = Path(root).expanduser()
    missing = [name for name in info.files if not any(root.glob(name))]
    if missing:
        state = "does not exist" if not root.is_dir() else f"lacks {', '.join(missing)}"
        raise FileNotFoundError(
            f"{info.name}: the folder {root} (config key data.root) {state}. Expected there:\n{expected}\nTo get it: {advice}"
        )
    return root
