"""What the generated sets of search displays share: writing them to a folder, and reading one to check it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gazekit.datasets.records import OnBadRecord
from gazekit.datasets.search_displays import design, draw_display
from gazekit.datasets.search_files import DisplayFolder, write_displays
from gazekit.datasets.search_tasks import SearchDisplay
from gazekit.errors import DataError

__all__ = ["DisplaySet", "read_set", "write_set"]

_TARGETS = {"present": (True,), "absent": (False,), "both": (True, False)}


@dataclass(frozen=True, eq=False)
class DisplaySet:
    """The displays of a folder, all of them decoded once.

    Args:
        name: of the data set.
        counts: what `fingerprint` says.
        skipped: a message for each broken display.
    """

    name: str
    counts: dict[str, int | str]
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)

    def fingerprint(self) -> dict[str, int | str]:
        """Numbers of displays, conditions and absent targets, and a digest of all pixels."""
        return self.counts


def read_set(name: str, root: str | Path | None, on_bad_record: OnBadRecord) -> DisplaySet:
    """Read all displays of a folder.

    Raises:
        FileNotFoundError, DataError: see `DisplayFolder`; broken displays are counted with "skip".
    """
    folder = DisplayFolder(Path("data") / name if root is None else root, on_bad_record)
    digest, conditions, absent, skipped = hashlib.sha256(), set(), 0, list(folder.skipped)
    for k in range(len(folder)):
        try:
            display = folder[k]
        except DataError as error:
            if on_bad_record == "raise":
                raise
            skipped.append(str(error))
            continue
        digest.update(display.picture.tobytes() + display.target_picture.tobytes())
        conditions.add(display.condition)
        absent += display.target_item is None
    counts = {"displays": len(folder) + len(folder.skipped) - len(skipped), "conditions": len(conditions)}
    return DisplaySet(name, counts | {"absent": absent, "digest": digest.hexdigest()[:16]}, tuple(skipped))


def write_set(tasks: Sequence[str], root: str | Path, displays: int, seed: int, target: str) -> Path:
    """Write the displays of the part "test" of these tasks, all conditions and set sizes.

    Args:
        displays: per condition and set size; as many with the target as without it where `target` is "both".
        target: "present", "absent" or "both".
    Raises:
        ValueError: no displays, or an unknown `target`. FileExistsError: see `write_displays`.
    """
    if displays < 1:
        raise ValueError(f"displays must be at least 1, got {displays}")
    if target not in _TARGETS:
        raise ValueError(f"target must be one of {', '.join(_TARGETS)}, got {target!r}")

    def drawn() -> Iterator[SearchDisplay]:
        for place in design(tasks, displays, ["test"]):
            for present in _TARGETS[target]:
                yield draw_display(place.condition, place.set_size, place.index, place.part, seed, present)

    return write_displays(root, drawn())
