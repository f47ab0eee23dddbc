"""`bench`: benchmarks of gazekit against the alternatives."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from gazekit.bench import BENCHES

__all__ = ["bench", "main", "table"]

EPILOG = """benches:
{benches}

settings:
  out=FILE.json      also write the numbers to this file, as a table to FILE.csv and as a figure to FILE.png
  device=cpu|cuda    default cpu

examples:
  python -m gazekit bench oat
  python -m gazekit bench oat out=oat.json
  python -m gazekit bench oat out=oat_gpu.json device=cuda
  python -m gazekit bench kernels.roi_align out=roi_align.json
  OMP_NUM_THREADS=1 python -m gazekit bench oat             # on one thread

The table shows the median per call, with 20 % and 80 % quantiles in brackets. "x" is the speed-up over the
reference, "peak MB" the memory of one call beyond that held before it, ours and the reference's. The
JSON file also has versions, threads and processor. Other programs distort the numbers: keep the machine idle.
"""
WIDTH_WITHOUT_TERMINAL = 110
BUSY = 0.5


def main(rest: list[str]) -> int:
    """Run `gazekit bench ...`.

    Raises:
        ValueError: an unknown bench, setting or device.
        FileNotFoundError, IsADirectoryError: `out` cannot be written; raised before anything is timed.
    """
    known = "\n".join(f"  {name:<8} {_title(make)}" for name, make in BENCHES.items() if "." not in name)
    parser = argparse.ArgumentParser(
        prog="gazekit bench",
        epilog=EPILOG.format(benches=known),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", metavar="WHAT", help=f"one of: {', '.join(BENCHES)}")
    parser.add_argument("settings", nargs="*", default=[], metavar="KEY=VALUE", help="see below")
    options = parser.parse_args(rest)
    settings = _settings(options.settings)
    out = Path(settings["out"]) if "out" in settings else None
    if out is not None and out.is_dir():
        raise IsADirectoryError(f"out={out} is a folder, expected a file to write")
    if out is not None and out.suffix != ".json":
        raise ValueError(
            f"out={out}: expected a name that ends in .json (.csv and .png are written next to it)"
        )
    if out is not None and not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"out={out}: the folder {out.parent} does not exist")
    found = bench(options.what, settings.get("device", "cpu"))
    if out is not None:
        _write(found, out)
    _show(found)
    return 0


def bench(what: str, device: str = "cpu") -> dict[str, Any]:
    """Run one benchmark; returns the content of the JSON file.

    Raises:
        ValueError: an unknown benchmark or device, or no CUDA device.
    """
    if what not in BENCHES:
        raise ValueError(f"unknown bench {what!r}, expected one of: {', '.join(BENCHES)}")
    if device not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu or cuda, got {device!r}")
    import torch

    from gazekit.harness import busy_cores, measure, record

    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda, but torch finds no CUDA device")
    load = busy_cores()
    with Console(stderr=True).status("preparing the cases") as status:
        rows = measure(BENCHES[what](device), device, progress=status.update)
    return record(what, rows, device, load)


def table(found: dict[str, Any]) -> Table:
    """The rows for a terminal."""
    about = (
        f"{found['bench']}: {found['device']}, {found['threads']} threads, torch {found['versions']['torch']}"
    )
    shown = Table(title=about, box=box.SIMPLE_HEAD)
    shown.add_column("case")
    for name in ("ours ms", "per second", "reference ms", "x", "peak MB", "ref. MB"):
        shown.add_column(name, justify="right")
    for row in found["rows"]:
        spread = f"{_number(row['ours_ms'])} [{_number(row['ours_p20_ms'])}, {_number(row['ours_p80_ms'])}]"
        columns = ("per_second", "reference_ms", "ratio", "peak_mb", "reference_peak_mb")
        others = [row[name] for name in columns]
        shown.add_row(row["case"], spread, *map(_number, others))
    return shown


def _show(found: dict[str, Any]) -> None:
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    console.print(table(found))
    for row in found["rows"]:
        if row["reference"]:
            console.print(f"  reference of {row['case']}: {row['reference']}")
    load = found["load_before"] or 0
    if load > BUSY:
        console.print(
            f"  {load:.1f} cores were busy in the previous minute: if they still are, the timings are unreliable"
        )


def _write(found: dict[str, Any], out: Path) -> None:
    from gazekit.bench.figure import bench_figure
    from gazekit.drawing import save

    out.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    with out.with_suffix(".csv").open("w", newline="") as file:
        columns = dict.fromkeys(name for row in found["rows"] for name in row)
        table = csv.DictWriter(file, list(columns), restval="")
        table.writeheader()
        table.writerows(found["rows"])
    save(bench_figure(found), out.with_suffix(".png"))


def _title(make: Callable) -> str:
    return (make.__doc__ or "").partition("\n")[0]


def _number(value: float | None) -> str:
    """Four digits; a dash for a missing value."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _settings(given: list[str]) -> dict[str, str]:
    found = {}
    for setting in given:
        key, _, value = setting.partition("=")
        if key not in ("out", "device") or not value:
            raise ValueError(f"expected out=FILE.json or device=cpu|cuda, got {setting!r}")
        found[key] = value
    return found
