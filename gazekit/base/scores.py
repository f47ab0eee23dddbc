"""What a report is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from gazekit.base.data import Data
from gazekit.base.predictor import Predictor
from gazekit.metrics import Score

__all__ = ["Comparison", "Scores", "Settings", "Table"]

Table = dict[str, dict[str, Score]]
"""Row to column ("metric" or "metric.part") to score."""


@dataclass(frozen=True)
class Settings:
    """How a report draws.

    Args:
        samples: draws per item of a stochastic predictor.
        resamples: draws of the bootstrap, at 95 %.
        seed: of everything random; each row starts from it.
    """

    samples: int = 1
    resamples: int = 2000
    seed: int = 0


@runtime_checkable
class Comparison(Protocol):
    """What needs all rows and items at once, such as people compared with one another: it brings rows of its own."""

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Data,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores: ...


@dataclass
class Scores:
    """What a report is made of.

    Attributes:
        table: the scores.
        reasons: (row, column) to why it has no value, or only some.
        about: row name to one sentence on what it is.
        higher_is_better: column to direction; None where neither end is better.
        notes: sentences for the reader.
        details: plain values that metrics.json keeps beside the table: curves, single runs.
    """

    table: Table
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    higher_is_better: dict[str, bool | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, other: Scores) -> None:
        """Take over rows and columns."""
        for row, scores in other.table.items():
            self.table.setdefault(row, {}).update(scores)
        self.reasons |= other.reasons
        self.about |= {row: text for row, text in other.about.items() if row not in self.about}
        self.higher_is_better |= other.higher_is_better
        self.notes += other.notes
        self.details |= other.details
