"""The server as people start it: killed in the middle of a burst, told to end, asked for twice."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from gazekit.annotate.project import Project
from gazekit.verbs.annotate import main

TOY = ("annotation_toy", "neon_export", "toy-0001")


@pytest.fixture(scope="module")
def recording(shared_data):
    return shared_data.joinpath(*TOY)


@contextlib.contextmanager
def served(*options):
    """A running server and its port."""
    command = [sys.executable, "-m", "gazekit", "annotate", "open_browser=false", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            port = re.search(r":(\d+)/", line)
            assert port, line + process.stderr.read()
            yield process, int(port[1]), line
        finally:
            process.kill()


def ask(port, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if "json" in answer.headers.get(
            "content-type", ""
        ) else content


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(recording, tmp_path):
    folder, acknowledged = tmp_path / "project", {}

    def burst(port, author):
        with contextlib.suppress(OSError, http.client.HTTPException):
            for i in range(50):
                place = {"op": "box.add", "frame": i, "label": 1, "box": [i, i, i + 9, i + 9.5]}
                nonce = f"{author}{i}"
                status, answer = ask(
                    port, "POST", "/api/actions", {"author": author, "nonce": nonce, **place}
                )
                assert status == 200, answer
                acknowledged[nonce] = (answer["event"], i, answer["box"])

    with served(f"recording={recording}", f"project={folder}") as (process, port, _):
        assert ask(port, "POST", "/api/actions", {"author": "a", "op": "label.add", "name": "book"})[0] == 200
        threads = [threading.Thread(target=burst, args=(port, author)) for author in "abcd"]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 60 and any(thread.is_alive() for thread in threads):
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert 60 <= len(acknowledged) < 200, "killed in the middle"
    with Project.open(folder) as project:
        events = {event["nonce"]: event for event in project.store.events(0, 1000)}
        for nonce, (number, frame, box) in acknowledged.items():
            assert events[nonce]["id"] == number
            assert box in {b["id"] for b in project.store.frame(frame)["boxes"]}
    with served(f"project={folder}") as (_, port, _):  # and goes on, with the undo of before
        last = max(number for nonce, (number, *_) in acknowledged.items() if nonce[0] == "a")
        status, undone = ask(port, "POST", "/api/undo", {"author": "a"})
        assert status == 200 and undone["undoes"] >= last


def test_it_listens_on_loopback_and_ends_when_told_though_pages_listen(recording, tmp_path):
    with served(f"recording={recording}", f"project={tmp_path / 'p'}") as (process, port, _):
        stream = socket.create_connection(("127.0.0.1", port))
        stream.sendall(b"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        stream.settimeout(10)
        assert b"text/event-stream" in stream.recv(4000)
        assert ask(port, "GET", "/api/project", host="evil.example")[0] == 421
        with pytest.raises(ValueError, match=f"already open at http://127.0.0.1:{port}/"):
            main([f"project={tmp_path / 'p'}", "open_browser=false"])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Everything is saved" in process.stderr.read()
        stream.close()


@pytest.mark.slow
def test_events_resume_after_the_last_one_seen(recording, tmp_path):
    def listen(port, n, query="", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", f"/api/stream{query}", headers=headers)
            answer, found = connection.getresponse(), []
            ready.set()
            while len(found) < n:
                event = {}
                while line := answer.readline().decode().strip():
                    key, _, value = line.partition(": ")
                    event[key] = value
                found.append(event)
            return found

    with served(f"recording={recording}", f"project={tmp_path / 'p'}") as (_, port, _):
        ready = threading.Event()
        results = []
        thread = threading.Thread(target=lambda: results.append(listen(port, 3)))
        thread.start()
        assert ready.wait(10)
        for name in ("book", "cup", "pen"):
            ask(port, "POST", "/api/actions", {"author": "a", "op": "label.add", "name": name})
        thread.join(20)
        _, first, _ = results[0]
        assert first["event"] == "labels"
        again = listen(port, 3, **{"Last-Event-ID": first["id"]})
        assert [int(event["id"]) for event in again[1:]] == [int(first["id"]) + 1, int(first["id"]) + 2]
        assert listen(port, 2, **{"Last-Event-ID": "17"})[1]["event"] == "reset"
        assert listen(port, 3, f"?after={first['id']}")[1:] == again[1:]
        newer = {"Last-Event-ID": again[1]["id"]}  # of a browser that reconnects: the address is the old one
        assert listen(port, 2, f"?after={first['id']}", **newer)[1] == again[2]
        assert [listen(port, 2, f"?after={odd}")[1]["event"] for odd in (-1, 0, 10**30)] == ["reset"] * 3
        assert ask(port, "GET", "/api/stream?after=now")[0] == 422


@pytest.mark.slow
def test_six_pages_that_listen_keep_nobody_waiting(recording, tmp_path):
    with (
        served(f"recording={recording}", f"project={tmp_path / 'p'}") as (_, port, _),
        contextlib.ExitStack() as stack,
    ):
        pages = []
        for _ in range(6):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            stack.enter_context(contextlib.closing(connection))
            connection.request("GET", "/api/stream")
            pages.append(connection.getresponse())
            assert pages[-1].readline().startswith(b"retry")
        start = time.perf_counter()
        ask(port, "POST", "/api/actions", {"author": "a", "op": "label.add", "name": "book"})
        for frame in range(20):
            action = {"author": "a", "op": "box.add", "frame": frame, "label": 1, "box": [0, 0, 9, 9]}
            assert ask(port, "POST", "/api/actions", action)[0] == 200
            assert ask(port, "GET", f"/api/frames/{frame}.jpg?width=80")[0] == 200
        assert time.perf_counter() - start < 10
        for page in pages:
            told = b""
            while b'"frame": 19' not in told:
                told += page.readline()
            assert told.count(b"event: frame") == 20 and told.count(b"event: labels") == 1


def test_others_need_the_printed_token(recording, tmp_path):
    with served(f"recording={recording}", f"project={tmp_path / 'p'}", "--host=0.0.0.0") as (_, port, line):
        token = re.search(r"\?token=(\S+)", line)[1]
        assert ask(port, "GET", "/api/project")[0] == 401
        assert ask(port, "GET", "/api/project", authorization=f"Bearer {token}")[0] == 200


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["project=p"], "no project in p yet: give recording=PATH"), (["recording=r"], "project=DIR is missing"),
        (["project=p", "port=x"], "port=x"), (["project=p", "port=99999"], "port=99999"), (["p"], "expected KEY=VALUE"),
        (["project=p", "open_browser=yes"], "true or false"), (["project=p", "colour=red"], "unknown colour"),
        (["project=p", "project=q"], "given twice"), (["project=p", "recording=nowhere"], "nowhere"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(words, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=re.escape(text)):
        main([*words])


def test_a_project_of_another_recording_is_refused(recording, tmp_path):
    Project.create(tmp_path / "p", recording).close()
    with pytest.raises(ValueError, match="is of the recording"):
        main([f"project={tmp_path / 'p'}", f"recording={tmp_path}"])


def test_help_is_shown(capsys):
    assert main(["--help"]) == 0
    assert "recording=PATH" in capsys.readouterr().out


def test_simulate_of_a_folder_draws_the_curves_of_its_runs(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(
        "gazekit.verbs.annotate.learning_curves", lambda runs, given: told.append((runs, given)) or 0
    )
    assert main([f"simulate={tmp_path}", "run_dir=out", "every=5"]) == 0
    assert told == [(tmp_path, {"run_dir": "out", "every": "5"})]


@pytest.mark.slow
def test_a_restart_is_found_at_the_same_address_and_the_project_by_its_uuid(recording, tmp_path):
    with served(f"recording={recording}", f"project={tmp_path / 'p'}") as (_, port, _):
        uuid = ask(port, "GET", "/api/project")[1]["uuid"]
    with served(f"project={tmp_path / 'p'}") as (_, again, _):
        assert again == port and ask(again, "GET", "/api/project")[1]["uuid"] == uuid
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with served(f"project={tmp_path / 'p'}") as (_, other, _):
            assert other != port
    with served(f"recording={recording}", f"project={tmp_path / 'q'}") as (_, port, _):
        assert ask(port, "GET", "/api/project")[1]["uuid"] not in ("", uuid)
