"""The reader of CapMIT1003, on a small made-up database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from gazekit.datasets import DataError, load


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "stimuli").mkdir()
    for name, size in (("a.jpeg", (40, 60)), ("b.jpeg", (30, 20))):
        cv2.imwrite(str(tmp_path / "stimuli" / name), np.zeros((*size, 3), np.uint8))
    _run(
        tmp_path,
        "CREATE TABLE captions (obs_uid TEXT, usr_uid TEXT, start_time TEXT, caption TEXT, img_uid INTEGER)",
        "CREATE TABLE images (img_uid INTEGER, img_path TEXT)",
        "CREATE TABLE clicks (obs_uid TEXT, click_id INTEGER, x INTEGER, y INTEGER, click_time TEXT)",
        "INSERT INTO images VALUES (1, 'ALLSTIMULI/a.jpeg'), (2, 'ALLSTIMULI/b.jpeg'), (3, 'ALLSTIMULI/c.jpeg')",
        "INSERT INTO captions VALUES ('o1', 'u1', '', 'a dog', 1), ('o2', 'u2', '', 'a cat', 1), "
        "('o3', 'u1', '', 'a tree', 2), ('o4', 'u1', '', 'again', 1)",
        "INSERT INTO clicks VALUES ('o1', 2, 50, 30, ''), ('o1', 1, 10, 5, ''), ('o1', 10, 59, 39, ''), "
        "('o2', 1, 30, 20, ''), ('o4', 1, 1, 1, '')",
    )
    return tmp_path


def _run(root: Path, *commands: str) -> None:
    with closing(sqlite3.connect(root / "capmit1003.db")) as base, base:
        for command in commands:
            base.execute(command)


def test_clicks_in_their_order_and_captions_of_each_person(root):
    data = load("cap_mit1003", root)
    assert [scene.name for scene in data.scenes] == ["a.jpeg", "b.jpeg"]
    assert data.scenes[0].size_px == (60, 40) and data.scenes[0].image_path.is_file()
    paths = {(t.scene, t.scanpath.observer): t.scanpath.xy_px.tolist() for t in data.trials}
    assert paths == {
        (0, "u1"): [[10, 5], [50, 30], [59, 39]],  # click 10 is after click 2
        (0, "u1, o4"): [[1, 1]],
        (0, "u2"): [[30, 20]],
        (1, "u1"): [],
    }
    assert data.scenes[0].attributes["captions"] == {"u1": "a dog", "u2": "a cat", "u1, o4": "again"}
    assert data.trials[0].scanpath.duration_ms is None


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("UPDATE clicks SET x = 70 WHERE obs_uid = 'o2'", "outside the 60 x 40 px"),
        ("UPDATE clicks SET x = 'far' WHERE obs_uid = 'o2'", "x of a click must be a number, got 'far'"),
        ("UPDATE captions SET img_uid = 3 WHERE obs_uid = 'o2'", "no readable picture"),
        ("UPDATE captions SET img_uid = 9 WHERE obs_uid = 'o2'", "not in the table images"),
    ],
)
def test_a_broken_observation_is_told_or_left_out(root, command, message):
    _run(root, command)
    with pytest.raises(DataError, match=message):
        load("cap_mit1003", root)
    data = load("cap_mit1003", root, on_bad_record="skip")
    assert len(data.trials) == 3 and any(message.split(",")[0] in said for said in data.skipped)


def test_another_database_is_one_error(root):
    _run(root, "ALTER TABLE clicks DROP COLUMN y")
    with pytest.raises(DataError, match="no column y in table clicks"):
        load("cap_mit1003", root)
    _run(root, "DROP TABLE images")
    with pytest.raises(DataError, match="no table images"):
        load("cap_mit1003", root)
    (root / "capmit1003.db").write_bytes(b"not a database, but long enough to be read as one" * 40)
    with pytest.raises(DataError, match="not an SQLite database"):
        load("cap_mit1003", root)
    (root / "capmit1003.db").unlink()
    with pytest.raises(FileNotFoundError):
        load("cap_mit1003", root)
