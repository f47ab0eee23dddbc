"""`list`: what can be chosen."""

from __future__ import annotations

from importlib.resources import files

from gazekit.datasets import NAMES, info

__all__ = ["LISTS", "lines"]

LISTS = ("models", "datasets", "metrics", "experiments")


def lines(what: str) -> list[str]:
    """One line for each model, data set, metric or experiment."""
    if what == "datasets":
        rows = [(name, info(name).title) for name in NAMES]
    elif what == "metrics":
        from gazekit.metrics import FAMILIES

        rows = [(e.name, f"{family}; {_metric(e)}") for family, entries in FAMILIES.items() for e in entries]
    else:
        rows = _configs(what.removesuffix("s"))
    width = max(len(name) for name, _ in rows)
    return [f"{name.ljust(width)}  {text}" for name, text in rows]


def _metric(entry) -> str:
    directions = {True: "higher is better", False: "lower is better", None: "neither end is better"}
    direction = directions[entry.higher_is_better]
    low, high = entry.range
    return f"{direction}, {low:g} to {high:g}; {entry.reference}"


def _configs(group: str) -> list[tuple[str, str]]:
    """Names of a configuration group, with the first comment of each file."""
    rows = []
    for path in sorted(files("gazekit.conf").joinpath(group).iterdir(), key=lambda p: p.name):
        if path.name.endswith(".yaml"):
            comments = [
                line
                for line in path.read_text().splitlines()
                if line.startswith("# ") and "@package" not in line
            ]
            rows.append((path.name.removesuffix(".yaml"), comments[0].removeprefix("# ") if comments else ""))
    return rows
