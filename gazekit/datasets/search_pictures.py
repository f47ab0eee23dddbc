"""Target search in a folder of real pictures.

    DIR/targets.csv     image,x_min,y_min,x_max,y_max and, optionally, target_image,category
    DIR/...             the pictures that it names, by their paths below DIR

One line is one search: the picture, the box of the target in it (pixels, half-open, inside the picture) and the
picture of the target that is shown first. Without `target_image` that is cut from the picture: the whole pixels that
the box touches. Batches hold pictures of one size with target pictures of one size:

    picture [B, H, W, 3], target_picture [B, h, w, 3]     uint8
    target_box_px [B, 4]         float64 x_min, y_min, x_max, y_max
    background [B, 3]            uint8, grey 127
    category [B]                 int64 index of facts()["categories"], -1 = none
    group [B]                    int64, the picture: several targets of a picture belong together
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gazekit.datasets.records import BadRecords, DatasetInfo, OnBadRecord, find_root
from gazekit.datasets.search_batches import AlikeData
from gazekit.datasets.search_images import read_picture, size_of_picture
from gazekit.errors import DataError

__all__ = ["INFO", "PictureSearch", "PictureSearches", "SearchPictures", "load"]

_FILE = "targets.csv"
_BOX = ("x_min", "y_min", "x_max", "y_max")
_GREY = 127

INFO = DatasetInfo(
    name="search_pictures",
    title="your own pictures and the boxes of the targets to search in them",
    licence="yours",
    citation="",
    source="your pictures",
    files=(_FILE,),
    how_to_get="lay out the folder yourself: python -m pydoc gazekit.datasets.search_pictures",
)


@dataclass(frozen=True)
class PictureSearch:
    """One line of the file.

    Args:
        image: path of the picture below the folder.
        size_px: its width and height.
        box_px: x_min, y_min, x_max, y_max of the target.
        target_image: path of the target's picture below the folder, "" = it is cut from the picture.
        target_size_px: width and height of the target's picture.
        category: "" = none.
        where: the file and line that say so.
    """

    image: str
    size_px: tuple[int, int]
    box_px: tuple[float, float, float, float]
    target_image: str
    target_size_px: tuple[int, int]
    category: str
    where: str


@dataclass(frozen=True, eq=False)
class PictureSearches:
    """All searches of a folder, in the order of the file; `skipped` has a message for each line left out."""

    name: str
    root: Path
    searches: tuple[PictureSearch, ...]
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, and a digest of pictures' names and boxes."""
        lines = [f"{s.image} {s.box_px} {s.target_image} {s.category}" for s in self.searches]
        return {
            "pictures": len({s.image for s in self.searches}),
            "searches": len(lines),
            "digest": hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16],
        }


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> PictureSearches:
    """Read `targets.csv`, and the size of each picture; pictures are decoded when they are searched.

    Raises:
        FileNotFoundError: no such folder or file.
        DataError: not a CSV file, a column is missing, or a line is broken unless skipped: no such picture or not one,
            values that are no numbers, a box that is empty or not inside its picture, a target picture that is larger
            than its picture, the same search twice; or no line is left.
    """
    root = find_root(root, INFO)
    bad, searches = BadRecords(on_bad_record), {}
    for number, row in _rows(root / _FILE):
        where = f"{root / _FILE}, row {number}"
        with bad.record(where):
            search = _search(root, row, where)
            if (key := (search.image, search.box_px, search.target_image)) in searches:
                raise ValueError(f"the same search as {searches[key].where}")
            searches[key] = search
    if not searches:
        raise DataError(f"{root / _FILE} has no search that can be read: {(bad.skipped or ['no line'])[0]}")
    return PictureSearches(INFO.name, root, tuple(searches.values()), tuple(bad.skipped))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 with commas ({error})") from error
    found = [str(name).strip() for name in reader.fieldnames or []]
    missing = [name for name in ("image", *_BOX) if name not in found]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; found {', '.join(found) or 'none'}")
    return [(n, {str(k).strip(): v for k, v in row.items()}) for n, row in rows if any(row.values())]


def _search(root: Path, row: dict[str, str], where: str) -> PictureSearch:
    if "None" in row or None in row.values():
        raise ValueError("another number of values than columns")
    text = {name: value.strip() for name, value in row.items()}
    if not text["image"]:
        raise ValueError("image is empty")
    size = size_of_picture(root / text["image"], "image")
    x0, y0, x1, y1 = box = tuple(_pixels(text[name], name) for name in _BOX)
    if not (0 <= x0 < x1 <= size[0] and 0 <= y0 < y1 <= size[1]):
        raise ValueError(
            f"box {', '.join(f'{v:g}' for v in box)} must have x_min < x_max and y_min < y_max inside "
            f"{text['image']}, {size[0]} x {size[1]} px"
        )
    target = text.get("target_image", "")
    target_size = (ceil(x1) - floor(x0), ceil(y1) - floor(y0))
    if target:
        target_size = size_of_picture(root / target, "target_image")
        if target_size[0] > size[0] or target_size[1] > size[1]:
            raise ValueError(f"{target}, {target_size} px, is larger than {text['image']}, {size} px")
    return PictureSearch(text["image"], size, box, target, target_size, text.get("category", ""), where)


def _pixels(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise ValueError(f"{name} must be a number of pixels, got {text!r}")
    return value


class SearchPictures(AlikeData):
    """Searches in real pictures as batches, see the module; all of them are the part "test".

    Args:
        root, on_bad_record: see `load`.
        batch_size: searches per batch, in pictures of one size.
    """

    def __init__(
        self, root: str | Path | None = None, on_bad_record: OnBadRecord = "raise", batch_size: int = 4
    ) -> None:
        super().__init__(batch_size, "test")
        self.root, self.on_bad_record = root, on_bad_record

    def setup(self, stage: str | None = None) -> None:
        """Read the file. Errors: see `load`."""
        self.dataset = load(self.root, self.on_bad_record)
        searches = self.dataset.searches
        self.parts = {"test": np.arange(len(searches))}
        self.categories = tuple(sorted({s.category for s in searches} - {""}))
        self._picture = np.unique([s.image for s in searches], return_inverse=True)[1]

    def batch_key(self, index: int) -> tuple:
        search = self.dataset.searches[index]
        return search.size_px, search.target_size_px

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """The searches with these indices; see the module.

        Raises:
            DataError: a picture cannot be decoded. ValueError: pictures of several sizes.
        """
        sizes = {self.batch_key(i) for i in index}
        if len(sizes) != 1:
            raise ValueError(
                f"a batch must hold pictures and target pictures of one size, got {sorted(sizes)}"
            )
        searches = [self.dataset.searches[i] for i in index]
        pictures = [read_picture(self.dataset.root / s.image, s.where) for s in searches]
        targets = [self._target(s, picture) for s, picture in zip(searches, pictures, strict=True)]
        category = [self.categories.index(s.category) if s.category else -1 for s in searches]
        return {
            "picture": torch.from_numpy(np.stack(pictures)),
            "target_picture": torch.from_numpy(np.stack(targets)),
            "target_box_px": torch.tensor([s.box_px for s in searches], dtype=torch.float64),
            "background": torch.full((len(searches), 3), _GREY, dtype=torch.uint8),
            "category": torch.tensor(category),
            "group": torch.from_numpy(self._picture[list(index)]),
        }

    def _target(self, search: PictureSearch, picture: np.ndarray) -> np.ndarray:
        if search.target_image:
            return read_picture(self.dataset.root / search.target_image, search.where)
        x0, y0, x1, y1 = search.box_px
        return picture[floor(y0) : ceil(y1), floor(x0) : ceil(x1)]

    def items(self, index: Sequence[int]) -> list[str]:
        """The paths of these pictures below the folder."""
        return [self.dataset.searches[i].image for i in index]

    def facts(self) -> dict[str, Any]:
        return {"dataset": INFO.name, "categories": list(self.categories)}

    def about(self) -> dict[str, Any]:
        return {
            "name": INFO.name,
            "split": self.split,
            "fingerprint": self.dataset.fingerprint(),
            "searches": len(self.dataset.searches),
            "skipped": list(self.dataset.skipped),
            "notes": [f"skipped {message}" for message in self.dataset.skipped],
        }
