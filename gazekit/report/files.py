"""The files of a run folder that hold numbers: metrics.json for programs, report.md for people."""

from __future__ import annotations

import json
import math
from pathlib import Path

from gazekit.metrics.ceiling import Ceiling
from gazekit.report.rows import HEADLINE, Row
from gazekit.versions import versions

__all__ = ["REASONS", "report_text", "table_lines", "write_metrics"]

REASONS = {
    ("people", "information_gain_bits"): "people give scanpaths, not probabilities",
    ("people", "information_gain_with_stop_bits"): "people give scanpaths, not probabilities",
}
"""Why a metric is undefined for every trial of a row."""

_PEOPLE = [
    "people: other people's scanpaths on the same scene; their behavioural delta is that of one random half of the "
    "observers from the other.",
    "",
]

_POSITIONS = [
    "Generated fixations are at the centres of their objects and have no duration. Every scanpath of a person is "
    "compared with all that predict it. people, leave one out: all other people on the scene; split half: a random "
    "half of them; other images: people on other scenes, the centre bias; chance: uniform positions. A model above "
    "the first knows more than other people do, one below other images has not beaten the centre bias.",
    "",
]

_TITLES = {
    "information_gain_bits": "IG (bits)",
    "information_gain_with_stop_bits": "IG + stop",
    "sequence_score": "seq. score",
    "edit_distance": "edit dist.",
    "behaviour_delta": "delta",
}


def write_metrics(path: Path, rows: dict[str, Row], **facts) -> None:
    """Write `facts` (dataset, split, seed, ...), versions and rows as JSON; undefined numbers become null."""
    reasons = {f"{row}/{metric}": reason for (row, metric), reason in REASONS.items() if row in rows}
    record = {**facts, "versions": versions(), "undefined_reasons": reasons, "rows": rows}
    path.write_text(json.dumps(_without_nan(record), indent=1, allow_nan=False) + "\n")


def _without_nan(value):
    """NaN to null and infinities to strings, which JSON has no numbers for."""
    if isinstance(value, dict):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _cell(entry: dict, interval: bool = True) -> str:
    if math.isnan(entry["value"]):
        return "undefined"
    text = f"{entry['value']:.3f}"
    if interval and not math.isnan(entry["low"]):
        text += f" [{entry['low']:.3f}, {entry['high']:.3f}]"
    return text


def table_lines(rows: dict[str, Row], metrics: tuple[str, ...] = HEADLINE) -> list[str]:
    """A Markdown table, one line a row, 95 % intervals in brackets; it reads well in a terminal too."""
    header = ["row", *(_TITLES.get(m, m) for m in metrics)]
    body = [[name, *(_cell(row[m]) for m in metrics)] for name, row in rows.items()]
    width = [max(len(line[k]) for line in [header, *body]) for k in range(len(header))]

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, width, strict=True)) + " |"

    return [line(header), line(["-" * w for w in width]), *(line(cells) for cells in body)]


def _undefined(name: str, metric: str, row: Row) -> str:
    count, reason = row[metric]["undefined"], REASONS.get((name, metric))
    return f"- {name}, {metric}: {count} undefined" + (f" ({reason})" if reason else "") if count else ""


def report_text(
    title: str,
    rows: dict[str, Row],
    notes: list[str],
    figures: list[str],
    positions: Ceiling | None = None,
) -> str:
    """report.md: the main table, the behaviour, positions, what was left out, and the pictures."""
    first = next(iter(rows.values()))
    parts = ("found", "length", "search", "refix", "revisit")
    count = first["sequence_score"]
    lines = [f"# {title}", "", *table_lines(rows), ""]
    lines += [
        f"Means over {first['information_gain_bits']['n']} fixations of {count['n']} scanpaths; in brackets 95 % "
        "bootstrap intervals over images. IG: information gain of the next fixation over chance, given the true "
        "past, higher is better. Sequence score (higher is better), edit distance and behavioural delta (lower "
        "is better) judge generated scanpaths. Edit distance: insertions, deletions and replacements to the person's "
        "scanpath. Behavioural delta: mean relative deviation of the five numbers below from people's. Rows: uniform "
        "is chance; marginal knows places in the picture; pairwise scores each candidate by its relation to the "
        "current object; observer is the simulated observer itself, the ceiling.",
        "",
        "## Behaviour of the generated scanpaths",
        "",
        *table_lines(rows, parts),
        "",
        "found: ends on the target; length: fixations; search, refix, revisit: shares of fixations on new "
        "objects, again on the same, and back on earlier ones.",
        "",
        *(_PEOPLE if "people" in rows else []),
        *([] if positions is None else ["## Positions in pixels", "", str(positions), "", *_POSITIONS]),
    ]
    undefined = [_undefined(name, metric, row) for name, row in rows.items() for metric in HEADLINE]
    undefined = [line for line in undefined if line] or ["- nothing undefined"]
    lines += [
        "## Notes: what to know, what is undefined, filtered, skipped",
        "",
        *undefined,
        *(f"- {n}" for n in notes),
        "",
    ]
    for figure in figures:
        lines += [f"![{Path(figure).stem}]({figure})", ""]
    return "\n".join(lines)
