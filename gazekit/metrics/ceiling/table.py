"""The result of a ceiling: one row per predictor, one column per metric (or part of one), with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gazekit.metrics.score import Score

__all__ = ["Ceiling", "Comparisons"]

Comparisons = dict[str, dict[str, tuple[int, int]]]
"""Row name to column name to the number of comparisons and how many of them have no value."""


@dataclass(frozen=True)
class Ceiling:
    """Scores by row and column; `str` gives a Markdown table with one line per column and one column per row.

    The items of a score are people's scanpaths (or annotations). The value of an item is the mean of its defined
    comparisons: with each predicting scanpath, or with one map. There are no intervals (NaN) where there are fewer
    than two images (observers) to draw.

    Attributes:
        rows: row name to column name to `Score`; columns are metric names, "name.part" for metrics with parts.
        comparisons: row name to column name to the number of comparisons, and the number of those without a value.
        facts: how it was measured: people, images, unit drawn, draws, seed.
        notes: what a reader should know of the input.
    """

    rows: dict[str, dict[str, Score]]
    comparisons: Comparisons
    facts: dict[str, int | float | str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict:
        """Plain values for JSON, None where undefined."""
        rows = {
            row: {column: _plain(score._asdict()) for column, score in scores.items()}
            for row, scores in self.rows.items()
        }
        comparisons = {
            row: {column: {"n": n, "undefined": undefined} for column, (n, undefined) in counts.items()}
            for row, counts in self.comparisons.items()
        }
        return {"rows": rows, "comparisons": comparisons, **self.facts, "notes": self.notes}

    @property
    def columns(self) -> list[str]:
        """Names of the scores, the same in every row."""
        return list(next(iter(self.rows.values())))

    @property
    def left_out(self) -> list[str]:
        """What has no value, one line for all columns that lack the same; and why there are no intervals."""
        alike: dict[str, list[str]] = {}
        for column in self.columns:
            lacking = self._lacking(column)
            if lacking:
                alike.setdefault(lacking, []).append(column)
        lines = [f"no value of {', '.join(columns)}: {lacking}" for lacking, columns in alike.items()]
        if self.facts.get(f"{self.facts.get('unit')}s") == 1:
            lines.append(f"no intervals: they need at least two {self.facts['unit']}s")
        return lines

    def _lacking(self, column: str) -> str:
        """What is missing, with the rows that lack it; "" if every row has all values."""
        rows_of: dict[str, list[str]] = {}
        for row, scores in self.rows.items():
            lacking = _lacking(scores[column], *self.comparisons[row][column])
            if lacking:
                rows_of.setdefault(lacking, []).append(row)
        parts = (
            f"{lacking} ({'all rows' if len(rows) == len(self.rows) else ', '.join(rows)})"
            for lacking, rows in rows_of.items()
        )
        return "; ".join(parts)

    def __str__(self) -> str:
        """One line per score and one column per row of the ceiling, which fits the width of a page."""
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
        return "\n".join([*(f"| {line} |" for line in text), "", facts, *self.left_out, *self.notes])


def _lacking(score: Score, comparisons: int, undefined_comparisons: int) -> str:
    parts = []
    scanpaths = score.n + score.undefined
    if score.undefined:
        parts.append(f"{score.undefined} of {scanpaths} scanpaths")
    if undefined_comparisons and (comparisons > scanpaths or not parts):
        parts.append(f"{undefined_comparisons} of {comparisons} comparisons")
    return " and ".join(parts)


def _plain(score: dict) -> dict:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in score.items()}
