"""Processing many recordings in several processes; a failure does not stop the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any

__all__ = ["Outcome", "for_each"]


@dataclass(frozen=True)
class Outcome:
    """The outcome for one item: `result`, or `error`, the reason why there is none."""

    index: int
    result: Any = None
    error: str = ""


def for_each(
    work: Callable[..., Any], items: Sequence[Any], arguments: Iterable[Any] = (), jobs: int | None = None
) -> Iterator[Outcome]:
    """Call work(item, *arguments) for every item and yield outcomes as they come.

    Every error becomes the outcome of its item, including running out of memory and a process that died. An
    error that is neither ValueError nor OSError is reported with its type and location, as it is probably a
    bug of ours. An interrupt (Ctrl-C) cancels items that have not started.

    Args:
        work: a module-level function; it and its results must be picklable.
        items: the items to process.
        arguments: further arguments, the same for all.
        jobs: number of processes; None: one per core; 1: this process.
    """
    arguments = tuple(arguments)
    jobs = min(os.cpu_count() or 1 if jobs is None else jobs, len(items))
    if jobs <= 1:
        for index, item in enumerate(items):
            yield _outcome(index, work, item, arguments)
        return
    left = dict(enumerate(items))
    while left:  # a process that dies breaks the pool: items that had not started go to a new one
        yield from _pooled(work, left, arguments, min(jobs, len(left)))


def _pooled(work: Callable, left: dict[int, Any], arguments: tuple, jobs: int) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")  # threads of BLAS and OpenCV do not survive a fork
    pool = ProcessPoolExecutor(jobs, mp_context=context)
    try:
        waiting = iter(list(left.items()))
        running: dict[Future, int] = {}
        while True:
            for index, item in waiting:
                with _interrupts_kept():
                    future = pool.submit(_outcome, index, work, item, arguments)
                running[future] = index
                if len(running) >= jobs:  # no more than can run: one that dies had one of these
                    break
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                index = running.pop(future)
                outcome = future.result()
                left.pop(index)
                yield outcome
    except BrokenProcessPool:
        yield from _alone(work, left, [index, *running.values()], arguments)
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(work: Callable, left: dict[int, Any], suspects: list[int], arguments: tuple) -> Iterator[Outcome]:
    """Run each item that was running when a process died in its own process, to find the one responsible."""
    context = multiprocessing.get_context("spawn")
    for index in suspects:
        item = left.pop(index)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                with _interrupts_kept():
                    future = pool.submit(_outcome, index, work, item, arguments)
                yield future.result()
            except BrokenProcessPool:
                yield Outcome(index, error="the process that read it died; is there enough memory?")


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Shield processes started in this context from Ctrl-C, which a terminal sends to all; this process stops
    them.

    They inherit the blocked signal; one that arrives meanwhile is delivered here afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outcome(index: int, work: Callable, item: Any, arguments: tuple) -> Outcome:
    try:
        return Outcome(index, work(item, *arguments))
    except (ValueError, OSError) as error:
        return Outcome(index, error=str(error))
    except MemoryError:
        return Outcome(index, error="it does not fit into memory")
    except Exception as error:  # one item must not stop the others
        place = extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(place.filename)}, line {place.lineno}"
        return Outcome(index, error=f"{type(error).__name__} in {where}: {error}")
