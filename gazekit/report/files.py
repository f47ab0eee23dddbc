"""The files of a run folder that hold numbers: metrics.json for programs, report.md for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gazekit.base.scores import Scores, Table
from gazekit.drawing import save
from gazekit.drawing.scores import scores_figure
from gazekit.files import written_whole
from gazekit.metrics import Score
from gazekit.report.table import across, blocks, down, left_out
from gazekit.versions import versions

__all__ = ["NUMBERS", "read_table", "text_of", "write_files"]

NUMBERS = "metrics.json"


def write_files(
    folder: Path,
    title: str,
    scores: Scores,
    headline: Sequence[str],
    facts: Mapping[str, Any],
    notes: Sequence[str],
    figures: Mapping[str, Any],
) -> str:
    """Write metrics.json, report.md and figures/*.png; returns the tables as the terminal shows them.

    Args:
        headline: columns of the main table, in order.
        facts: what metrics.json says beside the rows: data, seed, ...
        figures: name to further figure.
    """
    record = {
        "title": title,
        "headline": list(headline),
        **facts,
        "notes": list(notes),
        "versions": versions(),
        "higher_is_better": scores.higher_is_better,
        "reasons": {f"{row}/{column}": text for (row, column), text in scores.reasons.items()},
        "rows": {row: {c: s._asdict() for c, s in found.items()} for row, found in scores.table.items()},
        **({"details": scores.details} if scores.details else {}),
    }
    with written_whole(folder / NUMBERS) as unfinished:
        unfinished.write_text(json.dumps(_without_nan(record), indent=1, allow_nan=False) + "\n")
    rest = [c for c in _columns(scores.table) if c not in headline]
    drawn = {"scores": _figure(scores, _with_any(scores.table, headline), headline)}
    for k, (table, columns) in enumerate(blocks(scores.table, rest)):
        drawn[f"scores_{k + 2}"] = _figure(scores, table, columns)
    for name, figure in (drawn | dict(figures)).items():
        save(figure, folder / "figures" / f"{name}.png")
    pictures = [f"figures/{name}.png" for name in drawn | dict(figures)]
    with written_whole(folder / "report.md") as unfinished:
        unfinished.write_text(_report(title, scores, headline, rest, notes, pictures))
    return text_of(scores, headline)


def text_of(scores: Scores, headline: Sequence[str]) -> str:
    """The main table of those rows that have any of its scores, and all other scores below."""
    rest = [c for c in _columns(scores.table) if c not in headline]
    main = _with_any(scores.table, headline)
    more = [line for table, columns in blocks(scores.table, rest) for line in ["", *down(table, columns)]]
    return "\n".join([*across(main, headline), *more])


def _report(
    title: str,
    scores: Scores,
    headline: Sequence[str],
    rest: Sequence[str],
    notes: Sequence[str],
    pictures: Sequence[str],
) -> str:
    main = _with_any(scores.table, headline)
    lines = [f"# {title}", "", *across(main, headline), ""]
    lines += [
        "In brackets: 95 % bootstrap intervals. Direction of better values: " + _directions(scores) + ".",
        "",
    ]
    if rest:
        lines += ["## All other scores", ""]
        for table, columns in blocks(scores.table, rest):
            lines += [*down(table, columns), ""]
    about = [f"- {row}: {text}" for row, text in scores.about.items() if text and row in scores.table]
    lines += ["## Rows", "", *about, ""] if about else []
    told = [*notes, *scores.notes, *left_out(scores)] or ["nothing undefined"]
    lines += ["## Notes: what to know, what is undefined or not measured", "", *(f"- {n}" for n in told), ""]
    for picture in pictures:
        lines += [f"![{Path(picture).stem}]({picture})", ""]
    return "\n".join(lines)


def _directions(scores: Scores) -> str:
    words = {True: "higher", False: "lower", None: "neither"}
    by_word: dict[str, list[str]] = {}
    for column, better in scores.higher_is_better.items():
        by_word.setdefault(words[better], []).append(column)
    return "; ".join(f"{word}: {', '.join(columns)}" for word, columns in by_word.items())


def _figure(scores: Scores, table: Table, columns: Sequence[str]) -> Any:
    rows = {row: {c: s._asdict() for c, s in found.items()} for row, found in table.items()}
    up = {c: b for c, b in scores.higher_is_better.items() if b is not None}
    return scores_figure(rows, columns, up)


def _with_any(table: Table, columns: Sequence[str]) -> Table:
    return {row: found for row, found in table.items() if any(c in found for c in columns)}


def _columns(table: Table) -> list[str]:
    return list(dict.fromkeys(column for found in table.values() for column in found))


def read_table(record: Mapping[str, Any]) -> Table:
    """The rows of a metrics.json."""
    return {
        row: {column: Score(**{k: _number(v) for k, v in s.items()}) for column, s in found.items()}
        for row, found in record["rows"].items()
    }


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value) if isinstance(value, str) else value


def _without_nan(value: Any) -> Any:
    """NaN to null and infinities to strings, which JSON has no numbers for."""
    if isinstance(value, Mapping):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
