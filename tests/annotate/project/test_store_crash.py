"""What was acknowledged is there: after SIGKILL, beside other programs, and when the disk is full."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from gazekit.annotate.project.store import Conflict, Store
from gazekit.errors import StoreError

BURST = """
import json, sys
from gazekit.annotate.project.store import Store

store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for i in range(200):
    action = {"op": "box.add", "frame": i % 7, "label": 1, "box": [i, 0, i + 5, 9], "nonce": f"n{i}"}
    if i % 10 == 9:
        answer = store.undo("child", nonce=f"n{i}")
    else:
        answer = store.act(action, "child")
    print(json.dumps([i, answer["event"], answer.get("box")]), flush=True)
"""
COUNTER = """
import sys
from gazekit.annotate.project.store import Conflict, Store

store = Store(sys.argv[1])
(box,) = store.frame(0)["boxes"]
for _ in range(30):
    while True:
        state = store.frame(0)
        (now,) = state["boxes"]
        x = now["box"][0] + 1
        action = {"op": "box.update", "id": box["id"], "box": [x, 0, x + 5, 9], "base_version": state["version"]}
        try:
            store.act(action, sys.argv[2])
            break
        except Conflict:
            pass
"""


def started(code, *told):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), OMP_NUM_THREADS="1")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, told)], env=environment, **pipes)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "p.sqlite") as store:
        store.act({"op": "label.add", "name": "mug"}, "ada")
        yield store


@pytest.mark.parametrize("seen", [3, 61, 137])
def test_nothing_that_was_acknowledged_is_lost_when_the_program_is_killed(store, tmp_path, seen):
    with started(BURST, tmp_path / "p.sqlite") as child:
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("go\n")
        child.stdin.flush()
        told = [json.loads(child.stdout.readline()) for _ in range(seen)]
        child.send_signal(signal.SIGKILL)
        told += [json.loads(line) for line in child.stdout.read().splitlines() if line.endswith("]")]
    assert len(told) < 200  # it was in the middle
    with Store(tmp_path / "p.sqlite") as again:
        assert again._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        events = again.events(after=1, limit=1000)
        assert [e["id"] for e in events][: len(told)] == [event for _, event, _ in told]
        assert len(events) - len(told) in (0, 1)  # at most one that was not told any more
        there = {box["id"] for box in again.boxes()}
        expected = [box for i, _, box in told if i % 10 != 9 and i % 10 != 8]
        assert set(expected) <= there
        last = f"n{told[-1][0]}"  # the page sends it again: it isn't done twice
        count = len(again.boxes())
        again.act({"op": "box.add", "frame": 0, "label": 1, "box": [1, 1, 2, 2], "nonce": last}, "child")
        assert len(again.boxes()) == count


def test_programs_that_act_at_once_lose_nothing(store, tmp_path):
    store.act({"op": "box.add", "frame": 0, "label": 1, "box": [0, 0, 5, 9]}, "ada")
    children = [started(COUNTER, tmp_path / "p.sqlite", name) for name in ("bob", "eve")]
    for child in children:
        with child:
            child.communicate(timeout=60)
        assert child.returncode == 0
    assert store.frame(0)["boxes"][0]["box"][0] == 60 and store.frame(0)["version"] == 61


def test_threads_that_act_at_once_lose_nothing(store):
    errors = []

    def work(name):
        try:
            for i in range(25):
                store.act({"op": "box.add", "frame": i, "label": 1, "box": [0, 0, 5, 9]}, name)
                store.frame(i), store.stats()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(store.boxes()) == 100 and len({b["track"] for b in store.boxes()}) == 100
    assert {store.frame(i)["version"] for i in range(25)} == {4}


def test_of_two_who_start_from_one_version_one_gets_a_conflict(store):
    outcomes, barrier = [], threading.Barrier(2)

    def work(name):
        barrier.wait()
        try:
            store.act({"op": "frame.confirm", "frame": 5, "base_version": 0}, name)
            outcomes.append("done")
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "done"]


def fill(store, limit=5000):
    """Acts until the store says that it cannot; the number that were done."""
    for i in range(limit):
        try:
            store.act({"op": "box.add", "frame": i, "label": 1, "box": [1, 1, 9, 9]}, "ada")
        except StoreError as error:
            assert "NOT saved, all before it are" in str(error)
            return i
    raise AssertionError("the disk never filled")


def check_full(store, path, done):
    assert len(store.boxes()) == done and store.stats()["events"] == done + 1
    with Store(path) as again:
        assert (
            len(again.boxes()) == done and again._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        )


def test_a_full_file_is_told_and_nothing_is_lost(store, tmp_path):
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages + 12}")
    done = fill(store)
    assert done > 5
    check_full(store, tmp_path / "p.sqlite", done)
    store._db.execute("PRAGMA max_page_count = 100000")  # room was made
    assert store.act({"op": "box.add", "frame": 1, "label": 1, "box": [1, 1, 9, 9]}, "ada")["box"] > 0
    check_full(store, tmp_path / "p.sqlite", done + 1)


FULL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
from test_store_crash import check_full, fill
from gazekit.annotate.project.store import Store

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = Store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
done = fill(store)
print(done)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
check_full(store, sys.argv[1], done)
store.act({"op": "box.add", "frame": 1, "label": 1, "box": [1, 1, 9, 9]}, "ada")
check_full(store, sys.argv[1], done + 1)
"""


def test_writes_that_the_system_cuts_short_are_told_and_nothing_is_lost(store, tmp_path):
    store.close()
    with started(FULL, tmp_path / "p.sqlite", os.path.dirname(__file__), 600_000) as child:
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 0 and int(out) > 5


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB, where this may be made."""
    place = tmp_path / "small"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    if mount.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_told_and_nothing_is_lost(small_disk):
    with Store(small_disk / "p.sqlite") as store:
        store.act({"op": "label.add", "name": "mug"}, "ada")
        done = fill(store)
        assert done > 5
        check_full(store, small_disk / "p.sqlite", done)


def test_a_locked_file_is_told(store, tmp_path):
    store._db.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(tmp_path / "p.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    with pytest.raises(StoreError, match="another program keeps it locked: this action was NOT saved"):
        store.act({"op": "frame.confirm", "frame": 1}, "ada")
    assert time.monotonic() - start < 5 and store.confirmed_frames() == []
    other.execute("ROLLBACK")
    other.close()
    assert store.act({"op": "frame.confirm", "frame": 1}, "ada")["version"] == 1
