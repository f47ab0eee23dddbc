"""Gaze following: where the people in a picture look, and whether their target is in the frame."""

from importlib import import_module

__all__ = ["TargetMasks"]

_MODULE_OF = {"TargetMasks": "target_masks"}


def __getattr__(name: str):
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
