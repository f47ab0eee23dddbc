"""Download openly available files.

Each file is downloaded to `<file>.part` and renamed only when it is complete and its SHA-256 is correct. A
broken connection leaves the `.part`; the next run resumes from there (HTTP Range).
"""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gazekit.errors import DataError

__all__ = ["Download", "download", "file_sha256"]

ATTEMPTS = 3
WAIT_S = 1.0  # before the second attempt; twice that before the third
TIMEOUT_S = 30.0
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Download:
    """Where a file is openly available.

    Args:
        url: "" where the file is known but cannot be downloaded.
        sha256: of the whole file in hexadecimal digits, or its first digits where no more are published; None
            where no checksum is known.
    """

    url: str
    sha256: str | None = None

    def fits(self, sha256: str) -> bool:
        """Whether a file with this checksum can be the published one."""
        return self.sha256 is None or sha256.startswith(self.sha256)


def download(files: Mapping[str, Download], root: Path, progress: bool = True) -> None:
    """Download files into a folder; existing ones are checked and not replaced.

    Args:
        files: path below `root` to its source.
        root: folder, created if absent.
        progress: show a progress bar.
    Raises:
        DataError: a checksum is wrong.
        ConnectionError: the network failed; the data received so far are kept.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bars:
        for file, source in files.items():
            task = bars.add_task(file, total=None)
            _fetch_file(
                source, root / file, lambda done, total, t=task: bars.update(t, completed=done, total=total)
            )


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_file(source: Download, path: Path, report: Callable[[int, int | None], None]) -> None:
    if path.exists():
        if not source.fits(found := file_sha256(path)):
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
    if not source.fits(found := file_sha256(part)):
        part.unlink()
        raise DataError(
            f"{source.url}: the download has SHA-256 {found}, expected {source.sha256}. It was discarded; "
            "try again; if that does not help, the published file has changed"
        )
    os.replace(part, path)


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
