"""`report`: merge run folders into one table and figure."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

__all__ = ["main"]


def main(rest: list[str]) -> int:
    """Parse the arguments, merge, print the tables; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="gazekit report",
        description="Merge runs of several seeds, settings or models into one table with intervals over runs.",
        epilog="examples: gazekit report outputs/NAME/sweep_TIME; gazekit report RUN_A RUN_B --out comparison",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run folder, or a folder of runs")
    parser.add_argument("--out", type=Path, default=Path("outputs/report"), help="folder of the result")
    options = parser.parse_args(rest)
    from gazekit.report.merge import merge

    text = merge(options.runs, options.out)
    Console(soft_wrap=True, highlight=False).print(f"{text}\n\n{options.out / 'report.md'}", markup=False)
    return 0
