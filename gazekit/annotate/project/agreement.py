"""Agreement of two people who labelled the fixations of one recording, each in a project of their own.

    >>> found = compare(Project.open("study/p01"), Project.open("study/p01-second"))  # doctest: +SKIP
    >>> found.table.loc["all", "kappa"]                                             # doctest: +SKIP

The second coder creates a new project of the same recording, which shows nothing of the first one, and labels a part of
the queue in random order: that order is the same in all projects and does not depend on the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gazekit.annotate.project.project import Project
from gazekit.metrics.functional import cohen_kappa, krippendorff_alpha

__all__ = ["Agreement", "compare"]


@dataclass(frozen=True)
class Agreement:
    """Agreement of two coders.

    Args:
        fixations: of the recording. both: answered by both; all measures use these. first, second: answered by each.
        table: a row for each label, and "all": `first` and `second`, how often each used it; `both`, how often both
            used it for one fixation; `agreement`, share of fixations on which they agree (for a label: whether it is
            this one); Cohen's `kappa` and Krippendorff's `alpha` (nominal) of the same. NaN where undefined:
            no fixation was answered by both, or both gave a single answer throughout.
        confusion: counts, the first coder's labels in rows, the second's in columns.
    """

    fixations: int
    both: int
    first: int
    second: int
    table: pd.DataFrame
    confusion: pd.DataFrame

    def __str__(self) -> str:
        share = (
            f"{self.both} of {self.fixations} fixations ({100 * self.both / max(self.fixations, 1):.1f} %)"
        )
        counted = f"{share} were answered by both; {self.first} by the first, {self.second} by the second."
        return "\n\n".join([counted, self.table.round(3).to_string(), self.confusion.to_string()])

    def save(self, folder: str | Path) -> tuple[Path, Path]:
        """Write `agreement.csv` and `agreement_confusion.csv` into an existing folder; returns their paths."""
        paths = Path(folder) / "agreement.csv", Path(folder) / "agreement_confusion.csv"
        for path, table in zip(paths, (self.table.round(6), self.confusion), strict=True):
            table.to_csv(path, lineterminator="\n")
        return paths


def compare(first: Project, second: Project) -> Agreement:
    """Compare the fixations that both have answered; labels match by name, ignoring case.

    Raises:
        ValueError: one project twice, or projects of different recordings.
    """
    if first.folder.resolve() == second.folder.resolve():
        raise ValueError(
            f"{first.folder}: one project cannot be compared with itself; each coder needs their own"
        )
    answers = [_answers(project) for project in (first, second)]
    times = [table[["onset_ms", "offset_ms"]] for table in answers]
    if not times[0].equals(times[1]):
        raise ValueError(
            f"{first.folder} and {second.folder} do not have the same recording: their fixations differ "
            f"({len(times[0])} and {len(times[1])})"
        )
    if times[0].empty:
        raise ValueError(
            f"{first.folder}: the recording has no fixations, so there are no answers to compare"
        )
    names = list(dict.fromkeys(name for project in (first, second) for name in _names(project).values()))
    codes = np.stack(
        [table["label"].map({name: i for i, name in enumerate(names)}).astype(float) for table in answers]
    )
    given = ~np.isnan(codes)
    a, b = codes[:, given.all(0)].astype(np.int64)
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (a, b), 1)
    rows = {name: _row(a == i, b == i) for i, name in enumerate(names)}
    rows["all"] = {"first": len(a), "second": len(b), "both": int((a == b).sum()), **_beyond_chance(a, b)}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("label")
    index = pd.Index(names, name="first \\ second")
    return Agreement(
        given.shape[1], len(a), *given.sum(1).tolist(), table, pd.DataFrame(confusion, index, pd.Index(names))
    )


def _names(project: Project) -> dict[int, str]:
    return {label["id"]: label["name"].casefold() for label in project.store.labels()}


def _answers(project: Project) -> pd.DataFrame:
    table = pd.DataFrame(project.store.fixations()).set_index("id")
    return table.assign(label=table["label"].map(_names(project)))


def _row(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    return {"first": int(a.sum()), "second": int(b.sum()), "both": int((a & b).sum()), **_beyond_chance(a, b)}


def _beyond_chance(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    one, other = (torch.as_tensor(labels.astype(np.int64)) for labels in (a, b))
    agreement = float((a == b).mean()) if len(a) else np.nan
    kappa, alpha = cohen_kappa(one, other), krippendorff_alpha(torch.stack([one, other]))
    return {"agreement": agreement, "kappa": float(kappa), "alpha": float(alpha)}
