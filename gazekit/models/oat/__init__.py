"""Object-level attention transformer (OAT): which object is looked at next, and when to stop.

The system, which needs Lightning, is imported when it is first used; the net does without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gazekit.models.oat.net import OATNet

if TYPE_CHECKING:
    from gazekit.models.oat.system import OAT, upgrade

__all__ = ["OAT", "OATNet", "upgrade"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    return getattr(import_module("gazekit.models.oat.system"), name)
