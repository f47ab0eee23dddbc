"""Names of BIDS files: `sub-01_ses-2_task-see_run-1_betas.nii.gz` is entities, a suffix and an extension."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gazekit.errors import DataError

__all__ = ["BidsFile", "find_files", "one_of"]

_NAME = re.compile(r"(?P<entities>(?:[a-zA-Z]+-[a-zA-Z0-9+]+_)+)(?P<suffix>[a-zA-Z0-9]+)(?P<extension>\..+)")


class BidsFile(NamedTuple):
    """A file with its entities ("sub", "ses", "task", "run", "space", "label", "desc", ...)."""

    path: Path
    entities: dict[str, str]


def find_files(root: Path, suffix: str, extension: str) -> list[BidsFile]:
    """The files below a folder with this suffix and extension, by their paths."""
    found = []
    for path in sorted(root.rglob(f"*_{suffix}{extension}")):
        name = _NAME.fullmatch(path.name)
        if name and name["suffix"] == suffix and name["extension"] == extension:
            found.append(
                BidsFile(path, dict(pair.split("-", 1) for pair in name["entities"][:-1].split("_")))
            )
    return found


def one_of(files: list[BidsFile], entities: Mapping[str, str], what: str, root: Path) -> BidsFile:
    """The file that agrees with these entities in sub, ses, task and run.

    Raises:
        FileNotFoundError: none does. DataError: several do.
    """
    wanted = {key: entities.get(key) for key in ("sub", "ses", "task", "run")}
    found = [file for file in files if {key: file.entities.get(key) for key in wanted} == wanted]
    said = "_".join(f"{key}-{value}" for key, value in wanted.items() if value)
    if not found:
        raise FileNotFoundError(f"{root} has no {what} of {said}")
    if len(found) > 1:
        raise DataError(
            f"{root} has {len(found)} files with {what} of {said}: {found[0].path}, {found[1].path}"
        )
    return found[0]
