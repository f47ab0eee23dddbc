"""The package transformers, which is optional, and how it is imported beside our own `kernels/`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["check_folder_of", "hide_our_kernels", "import_transformers", "model_of_folder", "quiet"]


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


def check_folder_of(folder: Path, what: str, kinds: Sequence[str], vision: str) -> None:
    """Check that a folder holds a model as `save_pretrained` writes it, without reading its weights.

    Args:
        what: name of the model, for messages.
        kinds: values of `model_type` that are known to work.
        vision: the only type of its vision model that is; others need more packages.
    Raises:
        ImportError: transformers is not installed. FileNotFoundError: no such folder, or no weights in it.
        ValueError: settings that are no JSON object, or of a model of another type.
    """
    import_transformers()
    path = folder / "config.json"
    if not path.is_file() or not (folder / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"{folder} must hold config.json and model.safetensors of {what}; nothing is downloaded"
        )
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    kind = settings.get("model_type") if isinstance(settings, dict) else settings
    seen = settings.get("vision_config") or {} if isinstance(settings, dict) else {}
    if kind not in kinds or not isinstance(seen, dict) or seen.get("model_type", vision) != vision:
        raise ValueError(
            f"{path}: model_type must be {' or '.join(kinds)} with a vision_config of {vision}, got {kind!r:.80}"
        )


def model_of_folder(folder: Path, class_name: str) -> Any:
    """A model of a class of transformers in float32, with all of its weights from a folder that was checked.

    Raises:
        ValueError: weights that are damaged, or not all of the model.
    """
    import torch
    from safetensors import SafetensorError

    made = getattr(import_transformers(), class_name)
    weights = folder / "model.safetensors"
    try:
        with quiet():
            model, report = made.from_pretrained(
                str(folder),
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{weights} cannot be read: {error}") from error
    if report["missing_keys"]:  # they would be random
        raise ValueError(f"{weights} lacks {', '.join(sorted(report['missing_keys'])[:3])}")
    return model
