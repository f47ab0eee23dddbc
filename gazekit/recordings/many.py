"""The same work on many recordings, in several processes; one that fails stops none of the others."""

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
    """What came of one item: `result`, or `error`, why there is none."""

    index: int
    result: Any = None
    error: str = ""


def for_each(
    work: Callable[..., Any], items: Sequence[Any], arguments: Iterable[Any] = (), jobs: int | None = None
) -> Iterator[Outcome]:
    """Call work(item, *arguments) for every item and yield outcomes as they come.

    Every error is an outcome; so are memory that ran out and a process that died, for the item that it had. An error
    that is neither ValueError nor OSError is told with its kind and place: it is likely ours, not the item's. An
    interrupt (Ctrl-C) stops what has not begun.

    Args:
        work: a function of a module; it and what it returns travel between processes.
        items: what to work on, each in turn.
        arguments: further arguments, the same for all.
        jobs: processes; None = one a core; 1 = this process.
    """
    arguments = tuple(arguments)
    jobs = min(os.cpu_count() or 1 if jobs is None else jobs, len(items))
    if jobs <= 1:
        for index, item in enumerate(items):
            yield _outcome(index, work, item, arguments)
        return
    left = dict(enumerate(items))
    while left:  # a process that dies takes the pool with it: what had not begun goes to a new one
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
                if len(running) >= jobs:  # no more than can run: if one dies it is among these
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
    """One process for each of those that ran when one died, to find out which it was."""
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
    """Processes that begin meanwhile see no Ctrl-C, which a terminal sends to all: this one ends their work.

    They inherit that the signal is blocked; one that comes meanwhile is delivered here afterwards.
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
    except Exception as error:  # one item must not take the others with it
        place = extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(place.filename)}, line {place.lineno}"
        return Outcome(index, error=f"{type(error).__name__} in {where}: {error}")
