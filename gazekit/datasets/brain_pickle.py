"""Dictionaries that were saved by `numpy.save`, which pickles them: read without running what a pickle may hold."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.errors import DataError

__all__ = ["read_plain_dict"]

_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
}
"""What an array that holds a dictionary of numbers and strings is made of."""


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_plain_dict(path: Path) -> dict:
    """A dictionary of numbers and strings in an .npy file.

    Raises:
        FileNotFoundError: no such file. DataError: another content; nothing that it holds is run.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; it should name regions")
    file = io.BytesIO(path.read_bytes())
    try:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        found = _Plain(file).load() if dtype.hasobject and shape == () else None
    except (ValueError, TypeError, LookupError, EOFError, pickle.UnpicklingError, AttributeError) as error:
        raise DataError(f"{path} cannot be read as a dictionary of names: {error}") from error
    found = found.item() if isinstance(found, np.ndarray) and found.shape == () else found
    if not isinstance(found, dict):
        raise DataError(f"{path} holds no dictionary of names")
    return found
