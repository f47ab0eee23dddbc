"""The result of a ceiling: one row a predictor, one column a metric (or part of one), with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Ceiling", "Score"]

_NOTHING = 1e-12  # what sums of numbers of the size of 1 leave of a 0


class Score(NamedTuple):
    """A mean, its confidence bounds, the number of scanpaths it rests on and of those without a value.

    A scanpath's value is the mean of its defined comparisons (with each predicting scanpath, or with one map);
    `comparisons` counts all of them, `undefined_comparisons` those without a value. Bounds are NaN where there are
    not two images (observers) to draw.
    """

    value: float
    low: float
    high: float
    n: int
    undefined: int
    comparisons: int
    undefined_comparisons: int

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "undefined"
        value, low, high = (0.0 if abs(x) < _NOTHING else x for x in (self.value, self.low, self.high))
        return f"{value:.4g}" if math.isnan(low) else f"{value:.4g} [{low:.4g}, {high:.4g}]"


@dataclass(frozen=True)
class Ceiling:
    """Scores by row and column; `str` of it is a table in Markdown, turned over.

    Attributes:
        rows: row name to column name to `Score`; columns are metric names, "name.part" where one has parts.
        facts: how it was measured: people, images, unit drawn, draws, seed.
        notes: what a reader should know of the input.
    """

    rows: dict[str, dict[str, Score]]
    facts: dict[str, int | float | str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict:
        """Plain values for JSON, None where undefined."""
        rows = {
            row: {column: _plain(score._asdict()) for column, score in scores.items()}
            for row, scores in self.rows.items()
        }
        return {"rows": rows, **self.facts, "notes": self.notes}

    @property
    def columns(self) -> list[str]:
        """Names of the scores, the same in every row."""
        return list(next(iter(self.rows.values())))

    @property
    def left_out(self) -> list[str]:
        """What has no value, one line for columns that lack the same everywhere; and why there are no intervals."""
        alike: dict[str, list[str]] = {}
        for column in self.columns:
            lacking = self._lacking({row: scores[column] for row, scores in self.rows.items()})
            if lacking:
                alike.setdefault(lacking, []).append(column)
        lines = [f"no value of {', '.join(columns)}: {lacking}" for lacking, columns in alike.items()]
        if self.facts.get(f"{self.facts.get('unit')}s") == 1:
            lines.append(f"no intervals: they need two {self.facts['unit']}s at least")
        return lines

    def _lacking(self, scores: dict[str, Score]) -> str:
        """Rows that lack equally much, with how much; "" where all have a value."""
        rows_of: dict[str, list[str]] = {}
        for row, score in scores.items():
            if score.undefined_comparisons or score.undefined:
                rows_of.setdefault(_lacking(score), []).append(row)
        parts = (
            f"{lacking} ({'all rows' if len(rows) == len(self.rows) else ', '.join(rows)})"
            for lacking, rows in rows_of.items()
        )
        return "; ".join(parts)

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
        return "\n".join([*(f"| {line} |" for line in text), "", facts, *self.left_out, *self.notes])


def _lacking(score: Score) -> str:
    parts = []
    if score.undefined:
        parts.append(f"{score.undefined} of {score.n + score.undefined} scanpaths")
    if score.undefined_comparisons and score.comparisons > score.n + score.undefined:
        parts.append(f"{score.undefined_comparisons} of {score.comparisons} comparisons")
    return " and ".join(parts) or f"{score.undefined_comparisons} of {score.comparisons} comparisons"


def _plain(score: dict) -> dict:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in score.items()}
