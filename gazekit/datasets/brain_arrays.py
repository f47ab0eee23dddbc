"""Arrays and tables of people's own files: .npy, .h5, .mat and .csv, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.errors import DataError

__all__ = ["brain_extra", "read_array", "read_table"]

HDF5_START = b"\x89HDF\r\n\x1a\n"


def read_array(folder: Path, where: str, what: str) -> np.ndarray:
    """An array that a layout names.

    Args:
        folder: of the layout.
        where: "FILE", or "FILE:VARIABLE" of files that hold several. An .npy file is memory-mapped (what is written to
            it stays in memory), any other is read whole. MATLAB's files of version 7.3 keep axes in reverse; they are
            turned, so that the array has the shape that MATLAB shows.
        what: what it should be, for errors.
    Raises:
        FileNotFoundError: no such file. DataError: it cannot be read, or holds no such variable.
        ImportError: an HDF5 file without the extra "brain".
    """
    name, _, variable = where.partition(":")
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; it should hold {what}")
    if path.suffix == ".npy":
        with _readable(path, what):
            return np.load(path, mmap_mode="c", allow_pickle=False)
    with path.open("rb") as file:  # MATLAB's own HDF5 files begin with 512 bytes of text
        start = file.read(520)
    if HDF5_START in (start[:8], start[512:]):
        return _read_hdf5(path, variable, what)
    if path.suffix == ".mat":
        return _read_mat(path, variable, what)
    raise DataError(f"{path} is no .npy, .h5 or .mat file; {what} must be in one of these")


def _read_hdf5(path: Path, variable: str, what: str) -> np.ndarray:
    brain_extra("h5py")
    import h5py

    with _readable(path, what), h5py.File(path) as file:
        found: dict[str, Any] = {}
        file.visititems(
            lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None
        )
        values = _chosen(found, variable, path, what)[()]
    return values.T if path.suffix == ".mat" else values


def _read_mat(path: Path, variable: str, what: str) -> np.ndarray:
    import zlib

    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    with _readable(path, what, MatReadError, TypeError, LookupError, zlib.error):
        content = loadmat(path)
    found = {name: value for name, value in content.items() if not name.startswith("__")}
    return np.asarray(_chosen(found, variable, path, what))


def _chosen(found: dict[str, Any], variable: str, path: Path, what: str) -> Any:
    if not variable and len(found) == 1:
        return next(iter(found.values()))
    if variable not in found:
        raise DataError(
            f"{path} has {f'no variable {variable!r}' if variable else 'several variables'}: write "
            f'"{path.name}:VARIABLE" for {what}, one of: {", ".join(sorted(found)) or "none"}'
        )
    return found[variable]


@contextmanager
def _readable(path: Path, what: str, *also: type[Exception]) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, EOFError, NotImplementedError, *also) as error:
        raise DataError(f"{path} cannot be read as {what}, is it complete? ({error})") from error


def read_table(path: Path, needed: tuple[str, ...]) -> Any:
    """A CSV file (a TSV file by its suffix) as a frame of strings; empty cells are "".

    Raises:
        FileNotFoundError: no such file. DataError: it cannot be read or lacks a column.
    """
    import pandas as pd

    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; expected a table with columns {', '.join(needed)}")
    try:
        table = pd.read_csv(
            path,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            sep="\t" if path.suffix == ".tsv" else ",",
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    if lacking := [name for name in needed if name not in table.columns]:
        raise DataError(f"{path} has no column {', '.join(lacking)}, found: {', '.join(table.columns)}")
    return table


def brain_extra(package: str) -> Any:
    """A package of the extra "brain".

    Raises:
        ImportError: it is not installed; the message says how to get it.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"{package} is needed for this: pip install 'gazekit-attention[brain]'") from error
