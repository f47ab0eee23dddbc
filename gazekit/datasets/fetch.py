"""Download the data sets that are openly available.

If no checksum of the published file is known, the set is loaded afterwards and its counts are compared with
the published ones.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from gazekit.datasets import info, load
from gazekit.datasets.records import DatasetInfo
from gazekit.download import download
from gazekit.errors import DataError

__all__ = ["fetch"]


def fetch(name: str, root: str | Path, progress: bool = True) -> Path:
    """Download a data set into `root`; existing files are checked and not replaced.

    Prints licence and citation first.

    Args:
        name: name of the data set.
        root: folder, created if absent.
        progress: show a progress bar.
    Returns:
        `root`.
    Raises:
        ValueError: unknown name.
        DataError: the set is not openly downloadable (the message says how to get it), a checksum or a count
            is wrong.
        ConnectionError: the network failed; the data received so far are kept.
    """
    card = info(name)
    if not card.downloads:
        raise DataError(f"{name} cannot be fetched: {card.how_to_get or 'it needs no files'}")
    root = Path(root).expanduser()
    unchecked = [file for file, source in card.downloads.items() if source.sha256 is None]
    lines = [card.title, f"source:  {card.source}", f"licence: {card.licence}", f"cite:    {card.citation}"]
    if unchecked:
        lines.append(
            f"checksum unknown for {_shorten(unchecked)}: the counts of the set are compared instead"
        )
    console = Console(stderr=True)
    console.print(*lines, sep="\n  ", markup=False, highlight=False, soft_wrap=True)
    download(card.downloads, root, progress)
    if unchecked:
        _check_counts(card, root)
    return root


def _shorten(files: list[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"


def _check_counts(card: DatasetInfo, root: Path) -> None:
    dataset = load(card.name, root, on_bad_record="skip")
    found = dataset.fingerprint()
    wrong = [
        f"{found[key]} {key} instead of {count}" for key, count in card.counts.items() if found[key] != count
    ]
    if wrong:
        first = (
            f"; first of {len(dataset.skipped)} broken records: {dataset.skipped[0]}"
            if dataset.skipped
            else ""
        )
        raise DataError(
            f"{card.name}: the files in {root} are not the published set: {', '.join(wrong)}{first}. "
            "They were not changed"
        )
