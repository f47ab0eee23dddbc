"""Server-sent events (WHATWG HTML, section 9.2) for the pages; a page that reconnects resumes where it left off.

All pages read the same short history at their own pace, so a slow page costs no memory.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice
from typing import Any

__all__ = ["EventStream"]

HEARTBEAT_S = 15.0


class EventStream:
    """A history of events, published from any thread and followed from any number of connections.

    Ids increase, also over restarts of the server: the first one is the start time in microseconds. A page that asks
    for the events after an id that is no longer (or not yet) in the history gets the event `reset`: reload everything.

    Args:
        keep: number of events in the history.
    """

    def __init__(self, keep: int = 4096) -> None:
        self._first = self._last = time.time_ns() // 1000
        self._events: deque[tuple[int, str, str]] = deque(maxlen=keep)
        self._lock = threading.Lock()
        self._followers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._closed = False

    @property
    def last_id(self) -> int:
        """Id of the newest event."""
        return self._last

    def publish(self, name: str, data: dict[str, Any]) -> int:
        """Send an event to all pages; returns its id."""
        text = json.dumps(data, allow_nan=False)
        with self._lock:
            self._last += 1
            self._events.append((self._last, name, text))
            last = self._last
        self._ring()
        return last

    def close(self) -> None:
        """End all connections."""
        self._closed = True
        self._ring()

    def _ring(self) -> None:
        with self._lock:
            followers = list(self._followers)
        for loop, bell in followers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(bell.set)

    def since(self, last_id: int) -> list[tuple[int, str, str]]:
        """Events (id, name, JSON text) after an id; one `reset` where the history does not reach back to it."""
        with self._lock:
            oldest = self._events[0][0] if self._events else self._last + 1
            if not oldest - 1 <= last_id <= self._last:
                return [(self._last, "reset", "{}")]
            return list(islice(self._events, last_id + 1 - oldest, None))

    async def follow(self, last_id: int | None = None) -> AsyncIterator[str]:
        """Text of `text/event-stream`, as events come.

        Args:
            last_id: the last event that the page has seen, from its `Last-Event-ID`; None: from now on.
        """
        at = self._last if last_id is None else last_id
        follower = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._followers.add(follower)
        try:
            yield f"retry: 1000\nid: {at}\n\n"
            while not self._closed:
                follower[1].clear()
                for number, name, text in self.since(at):
                    at = number
                    yield f"id: {number}\nevent: {name}\ndata: {text}\n\n"
                try:
                    await asyncio.wait_for(follower[1].wait(), HEARTBEAT_S)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            with self._lock:
                self._followers.discard(follower)
