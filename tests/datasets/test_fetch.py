import hashlib
import re
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

import gazekit.datasets.fetch as fetch_module
import gazekit.download as download_module
from gazekit.datasets import load
from gazekit.datasets.fetch import fetch
from gazekit.datasets.records import DatasetInfo, Download
from gazekit.datasets.scenes_json import save
from gazekit.errors import DataError
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene, Trial

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Site:
    """A web server of one file on this machine, with the faults that a test sets.

    Attributes:
        ranges: the Range header of each request so far.
        breaks: for each coming answer, the bytes after which the connection is closed (None: never).
        failures: status codes with which the coming requests are refused.
        knows_ranges: whether Range is obeyed.
    """

    def __init__(self):
        self.ranges, self.breaks, self.failures, self.knows_ranges = [], [], [], True
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request):
        header = request.headers.get("Range")
        self.ranges.append(header)
        if self.failures:
            request.send_error(self.failures.pop(0))
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", header)[1]) if header and self.knows_ranges else 0
        if start >= len(CONTENT):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        request.send_header("Content-Length", str(len(CONTENT) - start))
        request.end_headers()
        stop = self.breaks.pop(0) if self.breaks else None
        request.wfile.write(CONTENT[start:] if stop is None else CONTENT[start : start + stop])


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(download_module, "WAIT_S", 0.0)
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def offer(monkeypatch):
    """Make `fetch("test", ...)` download these files."""

    def set_card(downloads, **facts):
        card = DatasetInfo("test", "A test", "MIT", "Nobody 2020", "here", downloads=downloads, **facts)
        monkeypatch.setattr(fetch_module, "info", lambda name: card)

    return set_card


def test_download(site, offer, tmp_path, capsys):
    offer({"deep/file.bin": Download(site.url, SHA256)})
    assert fetch("test", tmp_path / "new") == tmp_path / "new"
    assert (tmp_path / "new" / "deep" / "file.bin").read_bytes() == CONTENT
    assert [p.name for p in (tmp_path / "new" / "deep").iterdir()] == ["file.bin"]
    shown = capsys.readouterr().err
    assert "licence: MIT" in shown and "cite:    Nobody 2020" in shown
    assert shown.index("licence") < shown.index("file.bin")


def test_quiet_download_still_tells_the_licence(site, offer, tmp_path, capsys):
    offer({"file.bin": Download(site.url, SHA256)})
    fetch("test", tmp_path, progress=False)
    shown = capsys.readouterr().err
    assert "licence: MIT" in shown and "file.bin" not in shown


def test_file_that_is_there_is_checked_and_not_fetched_again(site, offer, tmp_path):
    offer({"file.bin": Download(site.url, SHA256)})
    (tmp_path / "file.bin").write_bytes(CONTENT)
    fetch("test", tmp_path, progress=False)
    assert site.ranges == []


def test_file_of_the_user_is_left_alone(site, offer, tmp_path):
    offer({"file.bin": Download(site.url, SHA256)})
    (tmp_path / "file.bin").write_bytes(b"mine")
    mine = hashlib.sha256(b"mine").hexdigest()
    with pytest.raises(
        DataError, match=f"already exists with SHA-256 {mine}, but the published file has {SHA256}"
    ):
        fetch("test", tmp_path, progress=False)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"


def test_broken_connection_goes_on_by_itself(site, offer, tmp_path):
    offer({"file.bin": Download(site.url, SHA256)})
    site.breaks = [1000, 2000]
    fetch("test", tmp_path, progress=False)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=1000-", "bytes=3000-"]


def test_broken_connection_keeps_the_part_for_the_next_run(site, offer, tmp_path):
    offer({"file.bin": Download(site.url, SHA256)})
    site.breaks = [1000, 0, 5]
    with pytest.raises(
        ConnectionError, match=r"not downloaded after 3 attempts: .* 1005 bytes are kept in .*\.part"
    ):
        fetch("test", tmp_path, progress=False)
    assert not (tmp_path / "file.bin").exists()
    assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[:1005]
    fetch("test", tmp_path, progress=False)
    assert site.ranges[-1] == "bytes=1005-"
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert not (tmp_path / "file.bin.part").exists()


def test_server_without_ranges_starts_again(site, offer, tmp_path):
    offer({"file.bin": Download(site.url, SHA256)})
    site.knows_ranges = False
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:10])
    fetch("test", tmp_path, progress=False)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_complete_part_only_needs_its_name(site, offer, tmp_path):
    offer({"file.bin": Download(site.url, SHA256)})
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    fetch("test", tmp_path, progress=False)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_part_longer_than_the_file_is_no_part_of_it(site, offer, tmp_path):
    offer({"file.bin": Download(site.url, SHA256)})
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    fetch("test", tmp_path, progress=False)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert site.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_wrong_checksum(site, offer, tmp_path):
    offer({"file.bin": Download(site.url, "0" * 64)})
    (tmp_path / "other.bin").write_bytes(b"mine")
    with pytest.raises(
        DataError, match=f"the download has SHA-256 {SHA256}, expected {'0' * 64}. It was discarded"
    ):
        fetch("test", tmp_path, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["other.bin"]


def test_server_trouble_is_tried_again_and_refusal_is_not(site, offer, tmp_path):
    offer({"file.bin": Download(site.url, SHA256)})
    site.failures = [404]
    with pytest.raises(ConnectionError, match="not downloaded after 1 attempts: HTTP Error 404"):
        fetch("test", tmp_path, progress=False)
    site.failures = [503, 429]
    fetch("test", tmp_path, progress=False)
    assert len(site.ranges) == 4


def test_unreachable(offer, tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "WAIT_S", 0.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    offer({"file.bin": Download(f"http://127.0.0.1:{port}/", SHA256)})
    with pytest.raises(
        ConnectionError, match=rf"127.0.0.1:{port}/: not downloaded after 3 attempts: .*refused"
    ):
        fetch("test", tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def counted(offer, tmp_path, site, scanpaths):
    """A set without a checksum whose file, already there, holds one scene and one scanpath."""
    trial = Trial(0, Scanpath([[1, 1]]), [0])
    save([Scene("a", (10, 10), [[0, 0, 5, 5]])], tmp_path / "scenes.json", [trial])
    offer({"scenes.json": Download(site.url)}, counts={"scenes": 1, "scanpaths": scanpaths})


def test_counts_stand_in_for_an_unknown_checksum(site, offer, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetch_module, "load", lambda name, root, on_bad_record: load("scenes_json", root))
    counted(offer, tmp_path, site, scanpaths=1)
    fetch("test", tmp_path, progress=False)
    assert "checksum unknown for scenes.json: the counts of the set are compared" in capsys.readouterr().err
    counted(offer, tmp_path, site, scanpaths=2)
    with pytest.raises(
        DataError, match=r"are not the published set: 1 scanpaths instead of 2. They were not changed"
    ):
        fetch("test", tmp_path, progress=False)
    assert (tmp_path / "scenes.json").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "coco_search18",
            "coco_search18 cannot be fetched: download the fixations by hand from https://sites.google",
        ),
        ("scenes_json", "scenes_json cannot be fetched: write the file yourself"),
    ],
)
def test_sets_that_are_not_openly_downloadable(name, message, tmp_path):
    with pytest.raises(DataError, match=message):
        fetch(name, tmp_path)


@pytest.mark.network
@pytest.mark.parametrize("name", ["eyecrowd", "osie"])
def test_published_files_are_still_there(name, tmp_path):
    fetch(name, tmp_path, progress=False)
    assert load(name, tmp_path).scenes
