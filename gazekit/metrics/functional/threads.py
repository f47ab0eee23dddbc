"""Work that is many short operations in a row is done by the thread that calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Operations of torch on the CPU are not shared among cores in here, nor in a function that this decorates.

    A dynamic programme over pairs of scanpaths is hundreds of operations of 10 to 100 microseconds. Shared, each of
    them ends when the slowest core has done its part: that saves up to a quarter on an idle machine, and takes ten
    times as long and more on one with other work, where a core comes back milliseconds later. Other threads of the
    program keep their number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
