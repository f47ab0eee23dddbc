"""`recording`: facts and events of eye-tracking recordings, and a report with figures; for a file or a folder."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import Progress
from rich.table import Table

from gazekit.geometry import Screen
from gazekit.recordings.shell_words import in_shell

__all__ = ["main"]

EPILOG = """formats (detected from the content):
{formats}

examples:
  python -m gazekit recording info session1.asc
  python -m gazekit recording info recordings/ --out quality.json        # the folder and its subfolders
  python -m gazekit recording events session1.asc --screen 1024x768 --width-cm 38 --distance-cm 60 > events.csv
  python -m gazekit recording events recordings/ --px-per-dva 36 --detector adaptive --out events/
  python -m gazekit recording events s.asc --px-per-dva 36 --detector ivt --set threshold_dva_s=40
  python -m gazekit recording report recordings/ --screen 1024x768 --width-cm 38 --distance-cm 60 --out report/
  python -m gazekit recording info export.csv --format table --read size_px=1920x1080 \\
      --read 'columns={{"t_ms": "Time", "x_px": "Gaze X", "y_px": "Gaze Y"}}'

A recording that cannot be read does not stop the others; it is listed at the end with the reason, and the exit
status is 1. The same applies to files in a folder that are named like recordings (.asc, .edf, gaze.csv ...) but are
not.
"""


_COLUMNS = (
    "s: recorded time without pauses; lost: time of samples without a position and of missing samples; RMS: "
    "sample to sample, median over 200 ms windows; fix, sacc, blink: the tracker's own, for this eye (mean: both)"
)


def main(rest: list[str]) -> int:
    """Run `gazekit recording ...`; returns 1 if a recording failed.

    Raises:
        ValueError, FileNotFoundError: invalid options or paths.
    """
    options = _parser().parse_args(rest)
    from gazekit.errors import RecordingError
    from gazekit.recordings.find import find_recordings

    settings = _settings(options)
    try:
        found = find_recordings(options.paths, options.format)
    except RecordingError as error:
        raise RecordingError(in_shell(str(error))) from error
    paths = [path for path, _ in found.recordings]
    work, out = _work(options, settings, paths)
    results, failures = _run(work, paths, options.jobs)
    failures = found.failed | failures
    show = {"info": _show_info, "events": _show_events, "report": _show_info}[options.action]
    show(results, out)
    console = Console(stderr=True)
    if results and out is not None and options.action != "events":
        rows = [facts | {"path": str(path)} for path, facts in results.items()]
        _write_json(out if options.action == "info" else out / "quality.json", rows)
    for path, facts in results.items():
        for warning in facts.get("warnings", ()):
            console.print(f"[yellow]warning[/] {escape(f'{path.name}: {warning}')}", soft_wrap=True)
    if results and out is not None:
        pages = ", a folder with report.md for each" if options.action == "report" else ""
        console.print(f"written to {escape(str(out))}{pages}", soft_wrap=True)
    if found.others:
        names = ", ".join(p.name for p in found.others[:5]) + (", ..." if len(found.others) > 5 else "")
        console.print(f"{len(found.others)} other files were ignored: {escape(names)}")
    for path, reason in failures.items():
        console.print(f"[red]failed[/] {escape(str(path))}\n  {escape(in_shell(reason))}", soft_wrap=True)
    if failures:
        console.print(f"{len(failures)} of {len(paths) + len(found.failed)} recordings failed")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    from gazekit.recordings.readers import FORMATS
    from gazekit.recordings.summary import DETECTORS

    width = max(map(len, FORMATS))
    formats = "\n".join(f"  {name.ljust(width)}  {title}" for name, title in FORMATS.items())
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="gazekit recording", epilog=EPILOG.format(formats=formats), formatter_class=shape
    )
    actions = parser.add_subparsers(dest="action", required=True)
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("paths", nargs="+", metavar="PATH", help="a recording, or a folder of recordings")
    every.add_argument("--format", choices=FORMATS, help="format of the paths (default: detected)")
    every.add_argument(
        "--read", action="append", default=[], metavar="NAME=VALUE", help="option of the format's reader"
    )
    every.add_argument(
        "--screen", metavar="WxH", help="resolution of the display in pixels, for instance 1024x768"
    )
    every.add_argument("--width-cm", type=float, help="width of its picture area")
    every.add_argument("--distance-cm", type=float, help="distance from the eyes to the display")
    every.add_argument("--px-per-dva", type=float, help="pixels per degree, if no screen or camera is known")
    every.add_argument(
        "--eye", choices=("left", "right", "mean", "best"), help="default: the one with more valid samples"
    )
    every.add_argument("--jobs", type=int, help="processes (default: one per core)")
    detecting = argparse.ArgumentParser(add_help=False)
    detecting.add_argument("--detector", choices=DETECTORS,
                           help="default: ivt if degrees are known; vendor, the tracker's own events, otherwise and "
                                "with a scene camera")  # fmt: skip
    detecting.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="parameter of the detector"
    )
    info = actions.add_parser("info", parents=[every], help="content and data quality")
    info.add_argument("--out", type=Path, metavar="FILE", help="write all facts as JSON")
    both = {"parents": [every, detecting]}
    events = actions.add_parser(
        "events", help="fixations and saccades, compared with the tracker's own", **both
    )
    events.add_argument("--out", type=Path, metavar="DIR", help="one CSV per recording; required for several")
    report = actions.add_parser("report", help="one folder per recording, with numbers and figures", **both)
    report.add_argument(
        "--out", type=Path, default=Path("recording_report"), metavar="DIR", help="default: %(default)s"
    )
    return parser


def _settings(options: argparse.Namespace) -> Any:
    from gazekit.recordings.summary import Settings

    screen, given = None, (options.screen, options.width_cm, options.distance_cm)
    if any(value is not None for value in given):
        if None in given:
            raise ValueError("a screen needs all of --screen WxH, --width-cm and --distance-cm")
        screen = Screen(*_size(options.screen), options.width_cm, options.distance_cm)
    if screen is not None and options.px_per_dva is not None:
        raise ValueError("--screen and --px-per-dva both define the size of a degree: give one of them")
    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {options.jobs}")
    return Settings(
        options.format, _pairs(options.read, "--read"), screen, options.px_per_dva, options.eye,
        getattr(options, "detector", None), _pairs(getattr(options, "set", []), "--set"),
    )  # fmt: skip


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise ValueError(f"a size must be WIDTHxHEIGHT in pixels, for instance 1024x768; got {text!r}")
    return int(width), int(height)


def _pairs(texts: list[str], option: str) -> dict[str, Any]:
    """NAME=VALUE: a value in JSON, a size, or a word."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"{option} takes NAME=VALUE, got {text!r}")
        if name in ("path", "screen", "format"):
            raise ValueError(f"{option} {text}: {name} has its own option")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = _size(value) if name == "size_px" else value
    return found


def _work(options: argparse.Namespace, settings: Any, paths: list[Path]) -> tuple[Callable, Path | None]:
    from gazekit.recordings import summary

    out = options.out
    if options.action == "info":
        if out is not None and not out.absolute().parent.is_dir():
            raise FileNotFoundError(f"--out {out}: the folder {out.parent} does not exist")
        return partial(summary.info, settings=settings), out
    if out is None:
        if len(paths) > 1:
            raise ValueError(f"{len(paths)} recordings: give --out DIR, the folder for their events")
        return partial(summary.events, settings=settings, out=None), None
    names = _names(paths)
    targets = {
        path: out / (f"{name}.csv" if options.action == "events" else name) for path, name in names.items()
    }
    return partial(_to, work=getattr(summary, options.action), settings=settings, targets=targets), out


def _to(path: Path, work: Callable, settings: Any, targets: dict[Path, Path]) -> dict[str, Any]:
    return work(path, settings, targets[path])


def _names(paths: list[Path]) -> dict[Path, str]:
    """A unique name per path: its own without suffix, preceded by as many folders as necessary.

    If folders do not distinguish two paths (a_b.asc and a/b.asc, or one file by two paths), they are numbered.
    """
    could = {path: _could_be(path) for path in paths}
    count = Counter(name for names in could.values() for name in set(names))
    return {
        path: next((n for n in names if count[n] == 1), f"{names[0]}~{number}")
        for number, (path, names) in enumerate(could.items(), start=1)
    }


def _could_be(path: Path) -> list[str]:
    real = path.resolve()
    parts = (*real.parts[1:-1], real.stem if real.is_file() else real.name)
    names = ["_".join(parts[-depth:]) for depth in range(1, len(parts) + 1)]
    return [*names, *(f"{name}{real.suffix.replace('.', '_')}" for name in names)]


def _run(work: Callable, paths: list[Path], jobs: int | None) -> tuple[dict[Path, dict], dict[Path, str]]:
    """Results and reasons of failures, each in the order of the paths."""
    from gazekit.recordings.many import for_each

    done: dict[int, Any] = {}
    with Progress(transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task("recordings", total=len(paths))
        for outcome in for_each(work, paths, jobs=jobs):
            done[outcome.index] = outcome
            bar.advance(task)
    results = {paths[i]: done[i].result for i in sorted(done) if not done[i].error}
    return results, {paths[i]: done[i].error for i in sorted(done) if done[i].error}


def _show_info(results: dict[Path, dict[str, Any]], out: Path | None) -> None:
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True, padding=(0, 1, 0, 0))
    table.add_column("recording", overflow="fold", min_width=16)
    table.add_column("tracker", min_width=8)
    table.add_column("eye", no_wrap=True)
    for name in ("s", "Hz", "lost", "RMS", "fix", "sacc", "blink"):
        table.add_column(name, justify="right", no_wrap=True)
    notes = []
    for path, facts in results.items():
        in_dva = facts["rms_s2s_dva"] == facts["rms_s2s_dva"]
        precision = (facts["rms_s2s_dva"], "{:.3f}°") if in_dva else (facts["rms_s2s_px"], "{:.2f} px")
        counts = [str(facts["vendor_events"].get(kind, "-")) for kind in ("fixation", "saccade", "blink")]
        table.add_row(
            escape(path.name), escape(facts["tracker"]), facts["eye"] or "-",
            _number(facts["recorded_ms"] / 1e3, "{:.1f}"), _number(facts["rate_hz"], "{:.0f}"),
            _number(100 * _lost(facts), "{:.1f} %"), _number(*precision), *counts,
        )  # fmt: skip
        notes += [f"{path.name}: {note}" for note in facts["notes"]]
    if results:
        console = Console()
        least = Measurement.get(console, console.options.update(width=1000), table).minimum
        Console(width=max(console.width, least)).print(
            table, soft_wrap=True
        )  # so that no number is truncated
        console.print(_COLUMNS)
    for note in notes:
        Console(stderr=True).print(f"note: {escape(in_shell(note))}", soft_wrap=True)


def _lost(facts: dict[str, Any]) -> float:
    """Share of time without a position: invalid samples, and samples missing in between."""
    missing = facts["missing_share"] if facts["missing_share"] == facts["missing_share"] else 0.0
    return missing + (1 - missing) * facts["lost_share"]


def _number(value: float, form: str) -> str:
    return form.format(value) if value == value else "-"


def _show_events(results: dict[Path, dict[str, Any]], out: Path | None) -> None:
    console = Console(stderr=True)
    for path, found in results.items():
        counts = ", ".join(f"{count} {kind}" for kind, count in found["counts"].items()) or "none"
        agreement = "; ".join(
            f"{kind} F1 {_number(f1, '{:.3f}')}" for kind, f1 in found["agreement_f1"].items()
        )
        who = "the tracker's own events" if found["detector"] == "vendor" else found["detector"]
        eye = f", {found['eye']} eye" if found["eye"] else ""
        beside = f" (agreement with the tracker's: {agreement})" if agreement else ""
        console.print(escape(f"{path.name}: {who}{eye}: {counts}{beside}"), soft_wrap=True)
        if out is None:
            found["table"].to_csv(sys.stdout, index=False)


def _write_json(out: Path, rows: list[dict[str, Any]]) -> None:
    from gazekit.recordings.summary import plain

    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(plain(rows), indent=1, allow_nan=False) + "\n")
