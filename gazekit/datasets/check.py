"""Checks whether a copy of a data set is complete, and which copy it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gazekit.datasets import NAMES, ScanpathDataset, info, load
from gazekit.datasets.brain_responses import BrainRecords

__all__ = ["CheckReport", "check"]


@dataclass(frozen=True)
class CheckReport:
    """Result of `check`.

    Args:
        name: name of the data set.
        fingerprint: `fingerprint()` of the data set.
        known: description of the known copy with this digest, or None.
        skipped: one message per broken record.
        filtered: rule -> number of records removed by a documented filter of the loader.
        repaired: rule -> number of records that the loader corrected.
        notes: sentences on what was not checked, or is peculiar in the data.
        records: what `filtered` and `repaired` count.
    """

    name: str
    fingerprint: dict[str, float | int | str]
    known: str | None
    skipped: tuple[str, ...] = ()
    filtered: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    records: str = "scanpaths"

    def lines(self) -> list[str]:
        """The report as text, one fact per line.

        >>> print(*CheckReport("osie", {"scenes": 2, "digest": "ab"}, None).lines(), sep="\\n")
        osie
          scenes      2
          digest      ab
          copy        unknown digest: not an error, but this version was not tested on this copy
          broken      none
        """
        facts = {k: f"{v:.3f}" if isinstance(v, float) else str(v) for k, v in self.fingerprint.items()}
        unknown = "unknown digest: not an error, but this version was not tested on this copy"
        if self.known or info(self.name).known:
            facts["copy"] = self.known or unknown
        for key, counts in (("filtered", self.filtered), ("repaired", self.repaired)):
            if counts:
                facts[key] = ", ".join(f"{n} {self.records}: {rule}" for rule, n in counts.items())
        if self.notes:
            facts["notes"] = "; ".join(self.notes)
        facts["broken"] = f"{len(self.skipped)} records" if self.skipped else "none"
        width = max(11, *map(len, facts))
        return [
            self.name,
            *(f"  {key:<{width}} {value}" for key, value in facts.items()),
            *(f"    {message}" for message in self.skipped),
        ]


def check(name_or_path: str | Path, root: str | Path | None = None) -> CheckReport:
    """Read all of a data set with the loader's default options and report on it.

    Broken records are listed, not raised.

    Args:
        name_or_path: name of a data set; path of a file in gazekit's JSON format (or of its folder), or of a text file
            with annotations in GazeFollow's columns.
        root: folder of a named data set; for `gazefollow` an annotation file also.
    Raises:
        ValueError: neither a known name nor an existing path.
        FileNotFoundError: the folder or a file in it is absent.
        DataError: a file cannot be read at all, or no record in it can.
    """
    from gazekit.datasets import gazefollow  # imports pandas

    name = str(name_or_path)
    if name not in NAMES:
        if not (name.endswith(".json") or Path(name).exists()):
            raise ValueError(
                f"{name!r} is neither a file nor a data set, expected one of: {', '.join(NAMES)}"
            )
        name, root = ("gazefollow" if name.endswith(".txt") else "scenes_json"), name_or_path
    dataset = (
        gazefollow.load_to_check(root) if name == "gazefollow" else load(name, root, on_bad_record="skip")
    )
    fingerprint = dataset.fingerprint()
    known = info(name).known.get(str(fingerprint["digest"]))
    if isinstance(dataset, BrainRecords):
        notes = (*dataset.notes, *dataset.survey().notes())
        return CheckReport(name, fingerprint, known, notes=notes)
    left = (dataset.skipped, dataset.filtered)
    if isinstance(dataset, ScanpathDataset):
        return CheckReport(name, fingerprint, known, *left)
    notes = dataset.notes if isinstance(dataset, gazefollow.Annotations) else ()
    return CheckReport(name, fingerprint, known, *left, dataset.repaired, notes, "lines")
