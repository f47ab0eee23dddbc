"""A cache of values that is limited by their bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["ByteCache"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteCache(Generic[Key, Value]):
    """The values that were used last, as many as fit in a number of bytes. Several threads may use it.

    Args:
        limit: bytes of all values together; a value that is larger alone is not kept.
        size: bytes of a value.
    """

    def __init__(self, limit: int, size: Callable[[Value], int] = len) -> None:
        self.limit, self.used = limit, 0
        self._size, self._lock = size, threading.Lock()
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, and forget those that were not used for longest."""
        with self._lock:
            if key in self._values:
                self.used -= self._size(self._values.pop(key))
            self._values[key] = value
            self.used += self._size(value)
            while self.used > self.limit:
                self.used -= self._size(self._values.popitem(last=False)[1])

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)
