"""The package transformers, which is optional, and how it is imported beside our own `kernels/`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["hide_our_kernels", "import_transformers", "quiet"]


def hide_our_kernels() -> None:
    """Before transformers is imported: it takes any package `kernels` for one that it knows, and in a checkout Python
    may find our folder of that name."""
    spec = find_spec("kernels")
    if spec is not None and spec.origin and (Path(spec.origin).parent / "roi_align").is_dir():
        sys.modules["kernels"] = None


def import_transformers() -> Any:
    """The package, or ImportError that says how to get it."""
    hide_our_kernels()
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            "RT-DETRv2, D-FINE, SAM 2 and CLIP need the package transformers: pip install transformers"
        ) from error
    return transformers


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and warnings of transformers meanwhile: what matters is raised."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
