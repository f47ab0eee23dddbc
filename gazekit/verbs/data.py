"""`data`: list data sets, check whether a copy is complete, download one, or the weights of a backbone, or write a
generated one to disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from gazekit import backbones
from gazekit.datasets import NAMES, info, write
from gazekit.datasets.check import check
from gazekit.datasets.fetch import fetch

__all__ = ["main"]

EPILOG = """examples:
  python -m gazekit data list
  python -m gazekit data info hsem_hybrid_search
  python -m gazekit data fetch eyecrowd                      # into data/eyecrowd
  python -m gazekit data fetch dinov2_small                  # weights, into data/backbones/dinov2_small
  python -m gazekit data check hsem_hybrid_search --root DIR
  python -m gazekit data check scanpaths.json
  python -m gazekit data write search_asymmetry --root DIR --displays 30 --seed 1 --target both    # for people
"""


def main(rest: list[str]) -> int:
    """Run `gazekit data ...`; returns 1 if `check` found broken records."""
    parser = argparse.ArgumentParser(
        prog="gazekit data", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="the data sets, one per line")
    actions.add_parser("info", help="one data set's card").add_argument("name", choices=NAMES)
    checked = actions.add_parser("check", help="read a copy, count its records and list broken ones")
    checked.add_argument("name", help="a data set, or the path of a JSON file of scenes")
    checked.add_argument("--root", type=Path, help="its folder (default data/NAME)")
    fetched = actions.add_parser("fetch", help="download what is openly downloadable, with checksums")
    fetched.add_argument("name", choices=(*NAMES, *backbones.NAMES), help="a data set or a backbone")
    fetched.add_argument("--root", type=Path, help="target folder (default data/NAME or data/backbones/NAME)")
    written = actions.add_parser(
        "write", help="write a generated set of displays to disk, pictures and facts"
    )
    written.add_argument("name", help="a data set")
    written.add_argument("--root", type=Path, help="an empty or a new folder (default data/NAME)")
    written.add_argument("--displays", type=int, help="per condition and set size (default 30)")
    written.add_argument("--seed", type=int, help="of the displays (default 0)")
    written.add_argument("--target", choices=("present", "absent", "both"), help="(default present)")
    options = parser.parse_args(rest)
    if options.action == "list":
        width = max(map(len, NAMES))
        print("\n".join(f"{name.ljust(width)}  {info(name).title}" for name in NAMES))
        return 0
    if options.action == "info":
        print("\n".join(_card(options.name)))
        return 0
    if options.action == "fetch" and options.name in backbones.NAMES:
        backbones.fetch_weights(options.name, options.root)
        return 0
    if options.action == "write":
        chosen = {key: getattr(options, key) for key in ("displays", "seed", "target")}
        given = {key: value for key, value in chosen.items() if value is not None}
        folder = write(options.name, options.root or Path("data") / options.name, **given)
        print(f"written to {folder}")
        return 0
    root = options.root or (Path("data") / options.name if options.name in NAMES else None)
    if options.action == "fetch":
        fetch(options.name, root)
        return 0
    report = check(options.name, None if options.name == "synthetic_search" else root)
    print("\n".join(report.lines()))
    return 1 if report.skipped else 0


def _card(name: str) -> list[str]:
    card = info(name)
    lines = [
        f"{card.name}: {card.title}",
        f"licence   {card.licence}",
        f"cite      {card.citation}",
        f"source    {card.source}",
    ]
    lines += [f"file      {file}" for file in card.files]
    if card.how_to_get:
        lines.append(f"get it    {card.how_to_get}")
    elif card.downloads:
        lines.append(f"get it    python -m gazekit data fetch {name}")
    lines += [f"known     {digest}  {text}" for digest, text in card.known.items()]
    return lines
