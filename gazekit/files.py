"""One way to write a file: it is complete, or it is not there (or it is still the old one)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["save_tensors", "written_whole"]


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` when the block ends without an error.

    The folder of `path` is created. Two processes that write the same path do not disturb each other: the last one
    to finish wins.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder) / "numbers.txt") as unfinished:
    ...         _ = unfinished.write_text("1 2 3")
    ...     [path.name for path in Path(folder).iterdir()]
    ['numbers.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def save_tensors(
    path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file whole.

    Raises:
        OSError: it cannot be written; safetensors has no better name for a full disk.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with written_whole(path) as unfinished:
            save_file({name: x.contiguous() for name, x in tensors.items()}, unfinished, metadata)
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written: {error}") from error
