"""`annotate` that cannot start says in one line what is wrong, where and what to do, and leaves nothing behind."""

import shutil
import socket
import sqlite3

import numpy as np
import pytest

from gazekit.annotate.project import Project
from gazekit.cli import main
from gazekit.errors import StoreError


@pytest.fixture(scope="module")
def recording(shared_data):
    return shared_data / "annotation_toy" / "neon_export" / "toy-0001"


@pytest.fixture(scope="module")
def whole(recording, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "project"
    with Project.create(folder, recording) as project:
        for name in ("book", "cup", "pen"):
            project.store.act({"op": "label.add", "name": name}, "ada")
    return folder


def told(capsys, *words):
    assert main(["annotate", "open_browser=false", *map(str, words)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def foreign(file):
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE songs (title TEXT)")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda file: file.write_text("no database"), "damaged, or not a file of gazekit: put a copy back"),
        (lambda file: file.write_bytes(file.read_bytes()[:5000]), "damaged"),
        (foreign, "not of an annotation project: take another folder"),
    ],
)
def test_a_file_that_is_no_project_is_one_clear_line(whole, tmp_path, capsys, spoil, text):
    shutil.copytree(whole, tmp_path / "p")
    file = tmp_path / "p" / "project.sqlite"
    if spoil is foreign:
        file.unlink()
    spoil(file)
    line = told(capsys, f"project={tmp_path / 'p'}")
    assert str(file) in line and text in line


def test_a_project_of_a_newer_version_is_told(whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path / "p")
    with sqlite3.connect(tmp_path / "p" / "project.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert "written in form 99" in told(capsys, f"project={tmp_path / 'p'}")


def test_facts_that_are_missing_are_damage(whole, tmp_path, capsys):
    for key, value in (("size_px", None), ("frame_t_ms", "[1, 2")):
        folder = tmp_path / key
        shutil.copytree(whole, folder)
        with sqlite3.connect(folder / "project.sqlite") as db:
            if value is None:
                db.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                db.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
        db.close()
        assert "damaged: restore a copy" in told(capsys, f"project={folder}")


def test_damage_anywhere_is_told_or_does_no_harm(whole, tmp_path):
    data, rng, refused = (whole / "project.sqlite").read_bytes(), np.random.default_rng(0), 0
    for k in range(40):
        at = int(rng.integers(0, len(data)))
        junk = rng.integers(0, 256, 300, dtype=np.uint8).tobytes()
        (tmp_path / "project.sqlite").write_bytes(data[:at] if k % 2 else data[:at] + junk + data[at + 300 :])
        for beside in tmp_path.glob("project.sqlite-*"):
            beside.unlink()
        try:
            with Project.open(tmp_path) as project:
                project.store.snapshot(), project.store.stats(), project.store.fixations()
        except StoreError:
            refused += 1
    assert refused > 10


def test_a_port_that_is_taken_leaves_no_project_behind(recording, tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = (f"recording={recording}", f"project={tmp_path / 'p'}")
        assert f"port={port}" in told(capsys, *words, f"port={port}")
        assert "no.such.host.example" in told(capsys, *words, "host=no.such.host.example")
    assert list(tmp_path.iterdir()) == []
