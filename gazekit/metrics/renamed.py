"""Old names of arguments, accepted for a while."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["AcceptsOldNames", "renamed"]


def renamed(**names: str) -> Callable[[Callable], Callable]:
    """Decorator that accepts old keyword names, `renamed(old="new")`, with a DeprecationWarning.

    The signature shows the new names only.

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

        accepting.old_names = names
        return accepting

    return decorate


class AcceptsOldNames:
    """Mixin of metrics: a MetricCollection hands them old names too, where the new one is not given."""

    def _filter_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        chosen = super()._filter_kwargs(**kwargs)
        names = getattr(type(self).update, "old_names", {})
        old = {name: kwargs[name] for name, new in names.items() if name in kwargs and new not in chosen}
        return chosen | old
