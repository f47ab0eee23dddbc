"""Background work that reports its progress and can be cancelled; an error ends the job alone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Job", "Status", "Worker"]

log = logging.getLogger(__name__)
REPORT_EVERY_S = 0.2
ETA_AFTER_S = 1.0  # before that, the remaining time is a guess


@dataclass(frozen=True)
class Status:
    """The state of a worker.

    Args:
        state: "idle", the name of the running job ("training"), or "failed".
        progress: of the running job, 0 to 1.
        message: what the job is doing, how it ended, or why it failed.
        eta_s: estimated seconds left; None where unknown, for instance before the last part of a job.
    """

    state: str = "idle"
    progress: float = 0.0
    message: str = ""
    eta_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Job:
    """Passed to the running function: tells whether to stop, and takes its progress."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._stop, self._reported = worker, threading.Event(), 0.0
        self._since, self._from = time.monotonic(), 0.0  # start time and start share of the present part
        self._last = True

    def should_stop(self) -> bool:
        """True once the job was cancelled: return soon; partial results may be kept."""
        return self._stop.is_set()

    def progress(self, share: float, message: str | None = None, last: bool = True) -> None:
        """Report progress, 0 to 1; passed on at most every 0.2 s.

        Args:
            message: starts a new part of the work, with an estimate of its own.
            last: whether this is the last part.
        """
        now = time.monotonic()
        if message is not None:
            self._since, self._from, self._last = now, share, last
        if now - self._reported >= REPORT_EVERY_S or message is not None:
            self._reported = now
            text = self._worker.status.message if message is None else message
            share = min(max(float(share), 0.0), 1.0)
            self._worker._report(Status(self._worker.word, share, text, self._eta_s(now, share)))

    def _eta_s(self, now: float, share: float) -> float | None:
        took, done = now - self._since, share - self._from
        known = self._last and took >= ETA_AFTER_S and done > 0
        return round(took * (1 - share) / done, 1) if known else None


class Worker:
    """One thread that runs one job at a time. A job started while one runs follows it; only the newest such job does.

    Args:
        word: the name of the state while a job runs.
        tell: called with each new `Status`, from either thread.
    """

    def __init__(self, word: str, tell: Callable[[Status], None] = lambda status: None) -> None:
        self.word, self.status, self._tell = word, Status(), tell
        self._lock = threading.Lock()
        self._closed = False
        self._job: Job | None = None
        self._then: Callable[[Job], str] | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._job is not None

    def start(self, work: Callable[[Job], str]) -> bool:
        """Run `work(job)`, which returns its outcome in words. False if it must wait for the running job, or the worker
        is closed."""
        with self._lock:
            if self._closed:
                return False
            if self._job is not None:
                self._then = work
                return False
            self._job = Job(self)
            name = f"gazekit {self.word}"
            self._thread = threading.Thread(target=self._run, args=(self._job, work), name=name, daemon=True)
            self._thread.start()
        return True

    def cancel(self) -> bool:
        """Ask the running job to stop, and drop the one that follows; False if none runs."""
        with self._lock:
            self._then = None
            if self._job is not None:
                self._job._stop.set()
            return self._job is not None

    def close(self) -> None:
        """`cancel`, and start no further jobs."""
        with self._lock:
            self._closed = True
        self.cancel()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing runs; False after `timeout_s`."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while (thread := self._thread) is not None and thread.is_alive():
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
            if end is not None and time.monotonic() >= end:
                return not self.busy
        return True

    def _run(self, job: Job, work: Callable[[Job], str]) -> None:
        while True:
            self._report(Status(self.word))
            try:
                end = Status("idle", 1.0, work(job))
            except Exception as error:  # any error: labelling goes on, and the status reports it
                log.exception("%s failed", self.word)
                end = Status("failed", 0.0, f"{type(error).__name__}: {error}")
            with self._lock:
                work, self._then = self._then, None
                self._job = job = Job(self) if work is not None else None
            self._report(end)
            if work is None:
                return

    def _report(self, status: Status) -> None:
        self.status = status
        self._tell(status)
