"""Work in the background: watched, cancelled, and failing without harm."""

import threading

import pytest

from gazekit.annotate.model.worker import Worker


@pytest.fixture
def told():
    return []


@pytest.fixture
def worker(told):
    return Worker("training", told.append)


def test_work_is_watched(worker, told):
    def work(job):
        job.progress(0.5, "half")
        return "all done"

    assert worker.start(work)
    assert worker.wait(5)
    assert [(s.state, s.progress, s.message) for s in told] == [
        ("training", 0.0, ""),
        ("training", 0.5, "half"),
        ("idle", 1.0, "all done"),
    ]
    assert worker.status is told[-1]


def test_progress_is_not_told_too_often(worker, told):
    def work(job):
        for i in range(10_000):
            job.progress(i / 10_000)
        return ""

    worker.start(work)
    assert worker.wait(10)
    assert len(told) < 100


def test_work_is_cancelled(worker):
    begun = threading.Event()

    def work(job):
        begun.set()
        while not job.should_stop():
            pass
        return "stopped"

    worker.start(work)
    assert begun.wait(5)
    assert worker.busy and worker.cancel()
    assert worker.wait(5)
    assert worker.status.message == "stopped"
    assert not worker.busy and not worker.cancel()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_failure_is_told_and_the_next_job_runs(worker, caplog):
    def fails(job):
        raise MemoryError("no room for it")

    worker.start(fails)
    assert worker.wait(5)
    assert (worker.status.state, worker.status.message) == ("failed", "MemoryError: no room for it")
    assert "no room for it" in caplog.text
    assert worker.start(lambda job: "fine")
    assert worker.wait(5)
    assert worker.status.message == "fine"


def test_only_the_last_job_asked_for_meanwhile_follows(worker):
    go, ran = threading.Event(), []

    def work(name):
        def run(job):
            go.wait(5)
            ran.append(name)
            return name

        return run

    assert worker.start(work("first"))
    assert not worker.start(work("second"))
    assert not worker.start(work("third"))
    go.set()
    assert worker.wait(5)
    assert ran == ["first", "third"]


def test_a_closed_worker_starts_nothing(worker):
    go, ran = threading.Event(), []

    def first(job):
        go.wait(5)
        ran.append(job.should_stop())
        return ""

    worker.start(first)
    worker.start(lambda job: ran.append("second"))
    worker.close()
    assert not worker.start(lambda job: ran.append("third"))
    go.set()
    assert worker.wait(5)
    assert not worker.start(lambda job: ran.append("fourth")) and worker.wait(5)
    assert ran == [True]


def test_what_is_left_is_told_for_each_part(worker, told, monkeypatch):
    """Ten seconds for the first quarter leave thirty; another part goes at its own pace."""
    now = [100.0]
    monkeypatch.setattr("gazekit.annotate.model.worker.time.monotonic", lambda: now[0])

    def work(job):
        for seconds, share, message in ((0, 0.0, "reading"), (0.5, 0.01, None), (9.5, 0.25, None),
                                        (5, 0.5, "learning"), (2, 0.75, None), (2, 1.0, None)):  # fmt: skip
            now[0] += seconds
            job.progress(share, message)
        return ""

    worker.start(work)
    assert worker.wait(5)
    assert [s.eta_s for s in told] == [None, None, None, 30.0, None, 2.0, 0.0, None]
    assert told[3].to_dict()["eta_s"] == 30.0
