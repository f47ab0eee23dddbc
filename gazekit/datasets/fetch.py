"""Download the data sets that are openly available.

Each file is downloaded to `<file>.part` and renamed only when it is complete and its SHA-256 is correct. A
broken connection leaves the `.part`; the next run resumes from there (HTTP Range). If no checksum of the
published file is known, the set is loaded afterwards and its counts are compared with the published ones.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from gazekit.datasets import info, load
from gazekit.datasets.records import DatasetInfo, Download
from gazekit.errors import DataError

__all__ = ["fetch"]

ATTEMPTS = 3
WAIT_S = 1.0  # before the second attempt; twice that before the third
TIMEOUT_S = 30.0
_CHUNK = 1 << 16


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
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not progress) as bars:
        for file, source in card.downloads.items():
            task = bars.add_task(file, total=None)
            _fetch_file(
                source, root / file, lambda done, total, t=task: bars.update(t, completed=done, total=total)
            )
    if unchecked:
        _check_counts(card, root)
    return root


def _shorten(files: list[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"


def _fetch_file(source: Download, path: Path, report: Callable[[int, int | None], None]) -> None:
    if path.exists():
        if source.sha256 not in (None, found := _sha256(path)):
            raise DataError(
                f"{path} already exists with SHA-256 {found}, but the published file has {source.sha256}. "
                "It was not changed; move it away to download the published one"
            )
        size = path.stat().st_size
        report(size, size)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    _download(source.url, part, report)
    found = _sha256(part)
    if source.sha256 not in (None, found):
        part.unlink()
        raise DataError(
            f"{source.url}: the download has SHA-256 {found}, expected {source.sha256}. It was discarded; "
            "try again; if that does not help, the published file has changed"
        )
    os.replace(part, path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, part: Path, report: Callable[[int, int | None], None]) -> None:
    """Complete `part`, in a few attempts."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _transfer(url, part, report)
            return
        except (OSError, http.client.HTTPException) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
            if refused or attempt == ATTEMPTS:
                size = part.stat().st_size if part.exists() else 0
                kept = f". {size} bytes are kept in {part}; the next run resumes from there" if size else ""
                raise ConnectionError(
                    f"{url}: not downloaded after {attempt} attempts: {error}{kept}"
                ) from error
        time.sleep(WAIT_S * attempt)


def _transfer(url: str, part: Path, report: Callable[[int, int | None], None]) -> None:
    """One attempt: append the missing bytes, or start again if the server does not support ranges."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 416:  # range not satisfiable: the part is complete, or not of this file
                raise
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return
        part.unlink()
        raise ConnectionError(
            f"{part} has {have} bytes, more than the file on the server; starting again"
        ) from error
    with response:
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        done = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else done + int(length)
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                report(done, total)
    if total is not None and done != total:
        raise ConnectionError(f"the connection broke after {done} of {total} bytes")


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
