"""A folder of anybody's responses to pictures, described by a small file `brain.json`; see docs/brain_data.md.

    {
      "name": "my study",
      "pictures": "pictures.csv",
      "features": {"layer": "features.npy"},
      "subjects": {
        "S1": {"responses": "s1.npy", "shown": "s1_shown.csv", "voxels": "s1_voxels.csv", "names": "s1_names.npy"}
      }
    }

- `pictures`: a table with a column `picture` (files in the folder, or mere names) and perhaps `part`; or a pattern such
  as "pictures/*.png"; or an array uint8 [N, H, W, 3] or [N, H, W].
- `features`, if there are any: layer to an array [N, C, H, W] or [N, C].
- `responses`: [T, V], or [R, N, V] for R presentations of each picture (NaN: did not take place).
- `shown`: which picture each of the T rows answers to: a table with a column `picture` (names), or an array of T
  numbers from 0. Without it row i answers to picture i. A picture that is shown again has several rows.
- `names`: V names of the voxels in the order of the responses. Without it voxels are called 0, 1, ...
- `voxels`: a table with a row for each voxel in any order: `voxel` (its name), `regions` (names with ";" between them),
  `hemisphere` (left or right); the last two are optional.

Arrays are "FILE" or "FILE:VARIABLE", see `brain_arrays`. Paths are below the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gazekit.datasets.brain_arrays import read_array, read_table
from gazekit.datasets.brain_pictures import PictureArray, PictureFiles, Pictures
from gazekit.datasets.brain_responses import Block, BrainRecords
from gazekit.datasets.files import read_json
from gazekit.datasets.records import natural_key
from gazekit.errors import DataError

__all__ = ["LAYOUT", "Voxels", "read_layout", "read_voxels", "rows_of"]

LAYOUT = "brain.json"
_KEYS = ("name", "pictures", "features", "subjects")
_SUBJECT_KEYS = ("responses", "shown", "voxels", "names")
_SIDES = {"left": 0, "right": 1, "l": 0, "r": 1, "lh": 0, "rh": 1}


def read_layout(folder: Path) -> tuple[BrainRecords, np.ndarray | None]:
    """The records, and the part of each picture where the table of pictures has that column.

    Raises:
        FileNotFoundError: a file is not there. DataError: a file cannot be read, or does not fit the others.
    """
    layout = read_json(folder / LAYOUT, dict)
    _known(layout, _KEYS, ("pictures", "subjects"), folder / LAYOUT)
    _texts(layout, ("name", "pictures"), folder / LAYOUT)
    _texts(layout.get("features") or {}, None, f"{folder / LAYOUT}, features")
    items, pictures, part = _pictures(folder, layout["pictures"])
    people = layout["subjects"]
    if not isinstance(people, dict) or not people:
        raise DataError(f"{folder / LAYOUT}: subjects must be an object, name to what belongs to the subject")
    blocks, subject_of, hemispheres, notes = [], [], [], []
    voxel_names: list[str] = []
    regions: dict[str, list[int]] = {}
    start = 0
    for number, (subject, said) in enumerate(people.items()):
        _known(said, _SUBJECT_KEYS, ("responses",), f"{folder / LAYOUT}, subject {subject!r}")
        _texts(said, _SUBJECT_KEYS, f"{folder / LAYOUT}, subject {subject!r}")
        block = _block(folder, said, items, subject)
        voxels = _voxels(folder, said, block.response.shape[1], subject)
        for region, numbers in voxels.regions.items():
            regions.setdefault(region, []).extend((start + np.asarray(numbers)).tolist())
        if "voxels" in said and not voxels.regions:
            notes.append(
                f"{said['voxels']} names no region of {subject}; they are read from its column regions"
            )
        voxel_names += voxels.names
        blocks.append(block)
        hemispheres.append(voxels.hemisphere)
        subject_of.append(np.full(block.response.shape[1], number))
        start += block.response.shape[1]
    complete = all(side is not None for side in hemispheres)
    features = {
        layer: read_array(folder, where, f"the features {layer!r}")
        for layer, where in (layout.get("features") or {}).items()
    }
    records = BrainRecords(
        name=str(layout.get("name", folder.name)),
        items=items,
        blocks=blocks,
        subjects=list(people),
        subject_of=np.concatenate(subject_of),
        regions=regions,
        hemisphere_of=np.concatenate(hemispheres) if complete else None,
        pictures=pictures,
        features=features or None,
        notes=notes + _repeat_notes(blocks, list(people)),
        voxel_names=voxel_names,
    )
    return records, part


def _known(said: Any, keys: tuple[str, ...], needed: tuple[str, ...], where: Path | str) -> None:
    if not isinstance(said, dict) or set(said) - set(keys) or set(needed) - set(said):
        got = ", ".join(map(str, said)) if isinstance(said, dict) else type(said).__name__
        raise DataError(
            f"{where}: expected {', '.join(needed)} and perhaps others of {', '.join(keys)}, got {got}"
        )


def _texts(said: Any, keys: tuple[str, ...] | None, where: Path | str) -> None:
    """Values of `keys` must be texts; None: all keys of an object."""
    if not isinstance(said, dict):
        raise DataError(f"{where}: expected an object, name to file, got {type(said).__name__}")
    for key in said if keys is None else keys:
        if not isinstance(said.get(key, ""), str):
            kind = type(said[key]).__name__
            raise DataError(f"{where}: {key} must be a text, such as the name of a file, got {kind}")


def _pictures(folder: Path, where: str) -> tuple[list[str], Pictures | None, np.ndarray | None]:
    """Names, pictures where there are any, and parts where they are said."""
    if where.endswith((".csv", ".tsv")):
        table = read_table(folder / where, ("picture",))
        items = table["picture"].tolist()
        if len(set(items)) < len(items):
            twice = next(name for i, name in enumerate(items) if name in items[:i])
            raise DataError(
                f'{folder / where} names {twice!r} twice; each picture has one row, and repeats are said by "shown" '
                "or by responses [repeats, pictures, voxels]"
            )
        paths = [folder / name for name in items]
        there = [path.is_file() for path in paths]
        if any(there) and not all(there):
            absent = paths[there.index(False)]
            raise FileNotFoundError(
                f"{absent} does not exist, one of {there.count(False)} pictures of {where}"
            )
        part = table["part"].to_numpy() if "part" in table.columns else None
        return items, PictureFiles(paths) if any(there) else None, part
    if "*" in where:
        paths = sorted(folder.glob(where), key=lambda path: natural_key(str(path.relative_to(folder))))
        if not paths:
            raise FileNotFoundError(f"{folder} has no pictures {where}")
        return [str(path.relative_to(folder)) for path in paths], PictureFiles(paths), None
    pictures = PictureArray(read_array(folder, where, "the pictures"))
    return [str(i) for i in range(len(pictures))], pictures, None


def _block(folder: Path, said: Mapping[str, str], items: list[str], subject: str) -> Block:
    what = f"the responses of {subject}"
    response = read_array(folder, said["responses"], what)
    if response.dtype.kind not in "fiu" or response.ndim not in (2, 3):
        raise DataError(
            f"{folder / said['responses']}: {what} must be numbers [presentations, voxels] or [repeats, pictures, "
            f"voxels], got {response.dtype} {list(response.shape)}"
        )
    many = len(items)
    if "shown" in said and response.ndim == 3:
        raise DataError(
            f'{folder / said["responses"]}: {what} are [repeats, pictures, voxels], which "shown" does not go with: '
            "leave it out, or give them as [presentations, voxels]"
        )
    if "shown" in said:
        return Block(response, rows_of(_shown(folder, said["shown"], items, len(response), subject), many))
    if response.shape[-2] != many:
        axes = "[pictures, voxels]" if response.ndim == 2 else "[repeats, pictures, voxels]"
        hint = ', or "shown", which says the picture of each row' if response.ndim == 2 else ""
        raise DataError(
            f"{folder / said['responses']}: {what} have the shape {list(response.shape)}, but there are {many} "
            f"pictures: expected {axes}{' (turned around?)' if many in response.shape else ''}{hint}"
        )
    rows = np.arange(response.size // response.shape[-1]).reshape(-1, many)
    response = response.reshape(-1, response.shape[-1])
    absent = np.stack([np.isnan(response[r]).all(-1) for r in rows]) if response.dtype.kind == "f" else False
    return Block(response, np.where(absent, -1, rows) if len(rows) > 1 else rows)


def _shown(folder: Path, where: str, items: list[str], count: int, subject: str) -> np.ndarray:
    """[T] numbers of pictures."""
    if where.endswith((".csv", ".tsv")):
        names = read_table(folder / where, ("picture",))["picture"].tolist()
        number = {name: i for i, name in enumerate(items)}
        if unknown := [name for name in names if name not in number]:
            raise DataError(
                f"{folder / where}: {len(unknown)} rows name no picture of the set, first {unknown[0]!r}"
            )
        shown = np.array([number[name] for name in names], int)
    else:
        numbers = np.asarray(read_array(folder, where, f"the pictures that {subject} saw")).ravel()
        if numbers.dtype.kind not in "fiu" or (numbers != np.floor(numbers)).any():
            raise DataError(
                f"{folder / where}: pictures must be whole numbers, or a table with a column picture"
            )
        shown = numbers.astype(int)
        if len(shown) and not 0 <= shown.min() <= shown.max() < len(items):
            raise DataError(
                f"{folder / where}: pictures must be numbers from 0 to {len(items) - 1}, got {shown.min()} to "
                f"{shown.max()}"
            )
    if len(shown) != count:
        raise DataError(
            f"{folder / where} tells of {len(shown)} presentations, but {subject} has {count} responses"
        )
    return shown


def rows_of(shown: np.ndarray, many: int) -> np.ndarray:
    """[R, N] from the picture of each row; presentations in the order of the rows."""
    order = np.argsort(shown, kind="stable")
    often = np.bincount(shown, minlength=many)
    repeat = np.arange(len(shown)) - np.repeat(np.cumsum(often) - often, often)
    rows = np.full((max(1, often.max(initial=0)), many), -1)
    rows[repeat, shown[order]] = order
    return rows


class Voxels(NamedTuple):
    """What is said of voxels.

    Args:
        regions: name to numbers of voxels.
        hemisphere: [V] 0 left, 1 right; None where it is not said.
        names: in the order of the responses.
    """

    regions: dict[str, list[int]]
    hemisphere: np.ndarray | None
    names: list[str]


def _voxels(folder: Path, said: Mapping[str, str], count: int, subject: str) -> Voxels:
    names = [str(i) for i in range(count)]
    if "names" in said:
        names = [
            str(name) for name in read_array(folder, said["names"], f"names of {subject}'s voxels").ravel()
        ]
        if len(set(names)) < len(names):
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise DataError(f"{folder / said['names']} names the voxel {twice!r} of {subject} twice")
        if len(names) != count:
            raise DataError(
                f"{folder / said['names']} names {len(names)} voxels, but {subject} has responses of {count}: is it of "
                "other voxels?"
            )
    return (
        read_voxels(folder / said["voxels"], names, subject) if "voxels" in said else Voxels({}, None, names)
    )


def read_voxels(path: Path, names: list[str], subject: str) -> Voxels:
    """Regions and hemispheres of voxels; rows are matched by the names of the voxels, whatever their order.

    Args:
        names: of the voxels in the order of the responses.
    Raises:
        DataError: a voxel that is not there, twice or not named, or a hemisphere that is neither left nor right.
    """
    table = read_table(path, ("voxel",))
    number = {name: i for i, name in enumerate(names)}
    found = [number.get(name, -1) for name in table["voxel"]]
    if sorted(found) != list(range(len(names))):
        unknown, lacking = found.count(-1), len(names) - len(set(found) - {-1})
        stranger = (
            f" (first {table['voxel'][found.index(-1)]!r}; {subject} has {names[0]!r})" if unknown else ""
        )
        raise DataError(
            f"{path} does not name each voxel of {subject} once: {len(found)} rows for {len(names)} voxels, {unknown} "
            f"unknown{stranger}, {lacking} without a row: is it of other voxels, or do responses lack their names?"
        )
    regions: dict[str, list[int]] = {}
    for voxel, said in zip(found, table.get("regions", [""] * len(found)), strict=True):
        for region in filter(None, (name.strip() for name in said.split(";"))):
            regions.setdefault(region, []).append(voxel)
    regions = {name: sorted(numbers) for name, numbers in sorted(regions.items())}
    if "hemisphere" not in table.columns:
        return Voxels(regions, None, names)
    sides = [_SIDES.get(side.strip().lower()) for side in table["hemisphere"]]
    if None in sides:
        raise DataError(
            f"{path}: hemisphere must be left or right, got {table['hemisphere'][sides.index(None)]!r}"
        )
    hemisphere = np.empty(len(names), int)
    hemisphere[found] = sides
    return Voxels(regions, hemisphere, names)


def _repeat_notes(blocks: list[Block], people: list[str]) -> list[str]:
    """Pictures that were shown to somebody less often than others."""
    notes = []
    for block, name in zip(blocks, people, strict=True):
        often = (block.rows >= 0).sum(0)
        seen = often[often > 0]
        if len(seen) and seen.min() < seen.max():
            counts = ", ".join(f"{(seen == n).sum()} {n} times" for n in np.unique(seen))
            notes.append(f"{name} saw pictures different numbers of times: {counts}")
        if len(seen) < len(often):
            notes.append(f"{name} saw {len(seen)} of {len(often)} pictures")
    return notes
