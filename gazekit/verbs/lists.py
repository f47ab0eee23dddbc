"""`list`: what can be chosen."""

from __future__ import annotations

import argparse
import ast
from difflib import get_close_matches
from importlib.resources import files

from gazekit import backbones
from gazekit.datasets import NAMES, info

__all__ = ["LISTS", "facts", "lines", "main"]

LISTS = ("experiments", "models", "datasets", "metrics", "backbones", "kernels")

_DIRECTIONS = {True: "higher is better", False: "lower is better", None: "neither end is better"}
_PAGES = {"objects": "search"}
"""Families described on the page of another one."""


def main(rest: list[str]) -> int:
    """Parse the arguments and print; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="gazekit list",
        epilog="examples: python -m gazekit list metrics; python -m gazekit list metrics multimatch",
    )
    parser.add_argument("what", choices=LISTS)
    parser.add_argument("name", nargs="?", help="of a metric: print all facts about it")
    options = parser.parse_args(rest)
    if options.name is not None and options.what != "metrics":
        parser.error(f"a name goes with metrics only, got {options.what} {options.name}")
    print("\n".join(lines(options.what) if options.name is None else facts(options.name)))
    return 0


def lines(what: str) -> list[str]:
    """One line for each model, data set, metric or experiment; metrics are indented below their family."""
    if what == "metrics":
        return _metrics()
    if what == "kernels":
        return _columns(_kernels())
    group = {"datasets": "data"}.get(what, what.removesuffix("s"))
    titles = {name: info(name).title for name in NAMES} if what == "datasets" else {}
    if what == "backbones":
        titles = {name: f"{card.title} ({card.licence})" for name, card in backbones.INFO.items()}
    return _columns([(name, titles.get(name, text)) for name, text in _configs(group)])


def _kernels() -> list[tuple[str, str]]:
    """Packages of gazekit.kernels with the first line of their docstrings, without importing them."""
    rows = []
    for path in sorted(files("gazekit.kernels").iterdir(), key=lambda p: p.name):
        if path.is_dir() and path.joinpath("__init__.py").is_file():
            doc = ast.get_docstring(ast.parse(path.joinpath("__init__.py").read_text())) or ""
            rows.append((path.name, doc.split("\n\n")[0].replace("\n", " ")))
    return rows


def facts(metric: str) -> list[str]:
    """What is known about one metric, a line each.

    Args:
        metric: name of its function, with or without its unit, or of its class; in capitals or not.
    Raises:
        ValueError: no metric has this name.
    """
    from gazekit.metrics.info import BY_ANY_NAME, FAMILIES

    entry = BY_ANY_NAME.get(metric.lower())
    if entry is None:
        close = get_close_matches(metric.lower(), BY_ANY_NAME, n=5)
        names = dict.fromkeys(BY_ANY_NAME[name].name for name in close)
        hint = (
            f"did you mean {', '.join(names)}?" if names else "python -m gazekit list metrics shows them all"
        )
        raise ValueError(f"unknown metric {metric!r}; {hint}")
    family = next(name for name, entries in FAMILIES.items() if entry in entries)
    low, high = entry.range
    rows = [
        ("range", f"{low:g} to {high:g}"),
        ("direction", _DIRECTIONS[entry.higher_is_better]),
        ("chance", entry.chance),
        ("undefined", entry.undefined),
        ("unit", entry.unit or "none, a pure number"),
        ("reference", entry.reference),
        *(("variants" if not k else "", text) for k, text in enumerate(entry.variants or ("none",))),
        ("class", f"gazekit.metrics.{entry.class_name}"),
        ("page", f"docs/metrics/{_PAGES.get(family, family)}.md"),
    ]
    return [entry.name, *_columns(rows, indent="  ")]


def _metrics() -> list[str]:
    from gazekit.metrics import FAMILIES, INFO

    width = max(map(len, INFO))
    result = []
    for family, entries in FAMILIES.items():
        rows = []
        for entry in entries:
            low, high = entry.range
            direction = _DIRECTIONS[entry.higher_is_better]
            rows.append((entry.name, f"{direction}, {low:g} to {high:g}; {entry.reference}"))
        result += [family, *_columns(rows, indent="  ", width=width)]
    return result


def _columns(rows: list[tuple[str, str]], indent: str = "", width: int = 0) -> list[str]:
    width = max(width, *(len(name) for name, _ in rows))
    return [f"{indent}{name.ljust(width)}  {text}" for name, text in rows]


def _configs(group: str) -> list[tuple[str, str]]:
    """Names of a configuration group, with the first comment of each file."""
    rows = []
    for path in sorted(files("gazekit.conf").joinpath(group).iterdir(), key=lambda p: p.name):
        if path.name.endswith(".yaml") and not path.name.startswith("_"):
            comments = [
                line
                for line in path.read_text().splitlines()
                if line.startswith("# ") and "@package" not in line
            ]
            rows.append((path.name.removesuffix(".yaml"), comments[0].removeprefix("# ") if comments else ""))
    return rows
