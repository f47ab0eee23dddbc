"""Scores as text: tables that read well in a terminal and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gazekit.base.scores import Scores, Table
from gazekit.metrics import Score

__all__ = ["across", "blocks", "down", "left_out"]


def across(table: Table, columns: Sequence[str]) -> list[str]:
    """One line per row, 95 % intervals in brackets."""
    head = ["row", *columns]
    body = [[name, *(_cell(scores.get(column)) for column in columns)] for name, scores in table.items()]
    return _aligned([head, *body])


def down(table: Table, columns: Sequence[str]) -> list[str]:
    """One line per column of the table: for many scores of few rows."""
    body = [[column, *(_cell(scores.get(column)) for scores in table.values())] for column in columns]
    return _aligned([["", *table], *body])


def blocks(table: Table, columns: Sequence[str]) -> list[tuple[Table, list[str]]]:
    """Columns that the same rows have, with these rows: tables and figures without empty places."""
    of_rows: dict[tuple[str, ...], list[str]] = {}
    for column in columns:
        rows = tuple(row for row, found in table.items() if column in found)
        of_rows.setdefault(rows, []).append(column)
    return [({row: table[row] for row in rows}, block) for rows, block in of_rows.items() if rows]


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    if math.isnan(score.value):
        return "undefined"
    digits = "{:.3f}" if abs(score.value) < 100 else "{:.4g}"
    text = digits.format(score.value)
    return (
        text if math.isnan(score.low) else f"{text} [{digits.format(score.low)}, {digits.format(score.high)}]"
    )


def _aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    lines = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]


def left_out(scores: Scores) -> list[str]:
    """What has no value or is not measured, with the reason; columns and rows that lack the same share a line."""
    alike: dict[str, dict[str, list[str]]] = {}
    columns = list(dict.fromkeys(c for row in scores.table.values() for c in row))
    pairs = [(row, column) for row in scores.table for column in columns if column in scores.table[row]]
    for row, column in dict.fromkeys([*pairs, *scores.reasons]):
        value, reason = scores.table[row].get(column), scores.reasons.get((row, column), "")
        if value is not None and not value.undefined:
            continue
        text = reason if value is None else f"{value.undefined} of {value.n + value.undefined} undefined"
        text += f" ({reason})" if reason and value is not None else ""
        if text:
            alike.setdefault(text, {}).setdefault(row, []).append(column)
    return [line for text, rows in alike.items() for line in _shared(text, rows)]


def _shared(text: str, columns_of_row: Mapping[str, list[str]]) -> list[str]:
    rows_of: dict[str, list[str]] = {}
    for row, columns in columns_of_row.items():
        rows_of.setdefault(", ".join(columns), []).append(row)
    return [f"{', '.join(rows)}: {columns}: {text}" for columns, rows in rows_of.items()]
