"""Versions that a number depends on."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch

__all__ = ["versions"]


def versions() -> dict[str, str]:
    """Package to version, with Python's and the number of torch's threads."""
    packages = ("torch", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy")
    return {
        # of the installed package: in the folder above a clone, `import gazekit` finds the clone's folder instead
        "gazekit": version("gazekit-attention"),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "threads": str(torch.get_num_threads()),
    }
