"""The errors that users meet. Each text says what is wrong, where, what was expected and what to do."""

from __future__ import annotations

__all__ = ["DataError", "GazekitError", "RecordingError", "StoreError"]


class GazekitError(Exception):
    """Base of all errors that gazekit defines; the command line prints them without a traceback."""


class DataError(GazekitError, ValueError):
    """A data set that cannot be read: the message names the file, the record and what was expected."""


class RecordingError(GazekitError, ValueError):
    """A recording that cannot be read as what it claims to be."""


class StoreError(GazekitError, RuntimeError):
    """The file of an annotation project cannot be read or written; the text says what is safe."""
