"""Is this copy of a data set complete, and which copy is it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gazekit.datasets import NAMES, info, load

__all__ = ["CheckReport", "check"]


@dataclass(frozen=True)
class CheckReport:
    """What `check` found.

    Args:
        name: of the data set.
        fingerprint: `ScanpathDataset.fingerprint()`.
        known: description of the known copy with this digest, or None.
        skipped: one message for each broken record.
        filtered: rule to number of scanpaths that a documented filter of the loader left out.
    """

    name: str
    fingerprint: dict[str, float | int | str]
    known: str | None
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The report as text, one fact a line.

        >>> print(*CheckReport("osie", {"scenes": 2, "digest": "ab"}, None).lines(), sep="\\n")
        osie
          scenes      2
          digest      ab
          copy        unknown digest: no error, but not one of the copies this version was tested on
          broken      none
        """
        facts = {k: f"{v:.3f}" if isinstance(v, float) else str(v) for k, v in self.fingerprint.items()}
        unknown = "unknown digest: no error, but not one of the copies this version was tested on"
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
