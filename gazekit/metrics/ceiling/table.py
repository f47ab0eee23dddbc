"""The result of a ceiling: one row a predictor, one column a metric (or part of one), with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Ceiling", "Score"]


class Score(NamedTuple):
    """A mean, its confidence bounds, the number of scanpaths it rests on and of those without a value."""

    value: float
    low: float
    high: float
    n: int
    undefined: int

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "undefined"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True)
class Ceiling:
    """Scores by row and column; `str` of it is a table in Markdown, turned over.

    Attributes:
        rows: row name to column name to `Score`; columns are metric names, "name.part" where one has parts.
        facts: how it was measured: people, images, unit drawn, draws, seed.
    """

    rows: dict[str, dict[str, Score]]
    facts: dict[str, int | float | str] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """Plain values for JSON, None where undefined."""
        rows = {
            row: {column: _plain(score._asdict()) for column, score in scores.items()}
            for row, scores in self.rows.items()
        }
        return {"rows": rows, **self.facts}

    @property
    def columns(self) -> list[str]:
        """Names of the scores, the same in every row."""
        return list(next(iter(self.rows.values())))

    @property
    def left_out(self) -> list[str]:
        """What not all scanpaths have a value for, one line for entries that leave out equally many."""
        rows_of: dict[tuple[str, int, int], list[str]] = {}
        for row, scores in self.rows.items():
            for column, score in scores.items():
                if score.undefined:
                    rows_of.setdefault((column, score.undefined, score.n + score.undefined), []).append(row)
        columns_of: dict[tuple[int, int, tuple[str, ...]], list[str]] = {}
        for (column, undefined, total), rows in rows_of.items():
            columns_of.setdefault((undefined, total, tuple(rows)), []).append(column)
        lines = []
        for (undefined, total, rows), columns in columns_of.items():
            where = "all rows" if len(rows) == len(self.rows) else "; ".join(rows)
            lines.append(f"{', '.join(columns)}: {undefined} of {total} scanpaths have no value ({where})")
        return lines

    def __str__(self) -> str:
        """Scores below one another, who predicts beside one another: that fits the width of a page."""
        lines = [["", *self.rows]]
        lines += [
            [column, *(str(scores[column]) for scores in self.rows.values())] for column in self.columns
        ]
        widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
        lines.insert(1, ["-" * width for width in widths])
        text = [
            " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
        ]
        facts = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        return "\n".join([*(f"| {line} |" for line in text), "", facts, *self.left_out])


def _plain(score: dict) -> dict:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in score.items()}
