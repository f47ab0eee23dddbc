"""Checks whether a copy of a data set is complete, and which copy it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gazekit.datasets import NAMES, info, load

__all__ = ["CheckReport", "check"]


@dataclass(frozen=True)
class CheckReport:
    """Result of `check`.

    Args:
        name: name of the data set.
        fingerprint: `ScanpathDataset.fingerprint()`.
        known: description of the known copy with this digest, or None.
        skipped: one message per broken record.
        filtered: rule -> number of scanpaths removed by a documented filter of the loader.
    """

    name: str
    fingerprint: dict[str, float | int | str]
    known: str | None
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)

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
        if self.filtered:
            facts["filtered"] = ", ".join(f"{n} scanpaths: {rule}" for rule, n in self.filtered.items())
        facts["broken"] = f"{len(self.skipped)} records" if self.skipped else "none"
        return [
            self.name,
            *(f"  {key:<11} {value}" for key, value in facts.items()),
            *(f"    {message}" for message in self.skipped),
        ]


def check(name_or_path: str | Path, root: str | Path | None = None) -> CheckReport:
    """Read all of a data set with the loader's default options and report on it.

    Broken records are listed, not raised.

    Args:
        name_or_path: name of a data set, or path of a file in gazekit's JSON format (or of its folder).
        root: folder of a named data set.
    Raises:
        ValueError: neither a known name nor an existing path.
        FileNotFoundError: the folder or a file in it is absent.
        DataError: a file cannot be read at all, or no record in it can.
    """
    name = str(name_or_path)
    if name not in NAMES:
        if not (name.endswith(".json") or Path(name).exists()):
            raise ValueError(
                f"{name!r} is neither a file nor a data set, expected one of: {', '.join(NAMES)}"
            )
        name, root = "scenes_json", name_or_path
    dataset = load(name, root, on_bad_record="skip")
    fingerprint = dataset.fingerprint()
    known = info(name).known.get(str(fingerprint["digest"]))
    return CheckReport(name, fingerprint, known, dataset.skipped, dataset.filtered)
