"""Chooses the implementation of an operator: plain torch, which runs everywhere, or the Triton kernel."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Impl", "check_tensors", "use_triton"]

Impl = Literal["auto", "reference", "triton"]

_DTYPES = (torch.float16, torch.bfloat16, torch.float32)


def use_triton(impl: Impl, *tensors: Tensor, unfit: str = "") -> bool:
    """Whether to run the Triton kernel on these tensors.

    "auto" uses it on a CUDA device in half and single precision, if it is installed and applicable; "triton" uses it
    or raises an error. On the CPU it runs only in Triton's interpreter, which is for tests.

    Args:
        impl: "auto", "reference" or "triton".
        tensors: floating tensors that the kernel would read.
        unfit: why the kernel cannot handle this call; "" if it can.
    Raises:
        ValueError: another `impl`, or "triton" where that cannot run.
    """
    if impl not in ("auto", "reference", "triton"):
        raise ValueError(f"impl must be 'auto', 'reference' or 'triton', got {impl!r}")
    if impl == "reference" or (impl == "auto" and tensors[0].device.type == "cpu"):
        return False
    devices, dtypes = {t.device for t in tensors}, {t.dtype for t in tensors}
    interpreted = impl == "triton" and os.environ.get("TRITON_INTERPRET") == "1"
    if not _has_triton():
        unfit = "triton is not installed"
    elif len(devices) > 1 or not (tensors[0].device.type == "cuda" or interpreted):
        unfit = f"it needs tensors on one CUDA device, got {', '.join(sorted(map(str, devices)))}"
    elif not dtypes <= set(_DTYPES):
        unfit = f"it takes float16, bfloat16 and float32, got {', '.join(sorted(map(str, dtypes)))}"
    if impl == "triton" and unfit:
        raise ValueError(f"impl='triton' cannot run here: {unfit}")
    return not unfit


def check_tensors(**arguments: object) -> None:
    """Raise a TypeError that names the first argument that is neither a tensor nor None."""
    for name, value in arguments.items():
        if not isinstance(value, Tensor | None):
            raise TypeError(
                f"{name} must be a torch tensor, got {type(value).__name__}: convert it with torch.as_tensor"
            )


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
