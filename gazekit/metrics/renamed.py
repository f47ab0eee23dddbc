"""Old names of arguments, accepted for a while."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps

__all__ = ["renamed"]


def renamed(**names: str) -> Callable[[Callable], Callable]:
    """Decorator that accepts old keyword names, `renamed(old="new")`, with a DeprecationWarning.

    The signature shows the new names only, so that whatever passes arguments by name (`MetricCollection`, the report)
    passes the new ones.

    Raises:
        TypeError: when the function is called with the old and the new name of one argument.

    Example:
        >>> @renamed(width="width_px")
        ... def area(width_px, height_px):
        ...     return width_px * height_px
        >>> area(width_px=3, height_px=2)
        6
    """

    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def accepting(*args, **kwargs):
            for old in names.keys() & kwargs.keys():
                new, name = names[old], function.__qualname__
                if new in kwargs:
                    raise TypeError(
                        f"{name} got {old} and {new}: {old} is the old name of {new}, pass {new} only"
                    )
                warnings.warn(f"{name}: argument {old} is now called {new}", DeprecationWarning, stacklevel=2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return accepting

    return decorate
