"""Versions that a number depends on."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch

import gazekit

__all__ = ["versions"]


def versions() -> dict[str, str]:
    """Package to version, with Python's and the number of torch's threads."""
    packages = ("torch", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy")
    return {
        "gazekit": gazekit.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "threads": str(torch.get_num_threads()),
    }
