"""`export`: a checkpoint as one safetensors file with its recipe, or as ONNX, checked against the checkpoint."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from rich.console import Console
from torch.nn.attention import SDPBackend, sdpa_kernel

from gazekit.base import System
from gazekit.files import save_tensors, written_whole
from gazekit.run.checkpoint import load_checkpoint, read_checkpoint
from gazekit.run.recipe import trusted

__all__ = ["export"]

TOLERANCE = 1e-4


def export(cfg: DictConfig, folder: Path) -> Path:
    """Run a composed configuration (conf/export.yaml); returns the written file.

    Raises:
        FileNotFoundError, ValueError: no checkpoint, an unknown format, a system without an ONNX form.
        ImportError: ONNX without `pip install 'gazekit-attention[onnx]'`.
    """
    system = load_checkpoint(cfg.ckpt, trusted(cfg))
    out = Path(cfg.out) if cfg.out else folder / f"{system.recipe['name']}.{cfg.format}"
    if cfg.format == "safetensors":
        _, state, step = read_checkpoint(cfg.ckpt)
        save_tensors(out, state, {"gazekit": json.dumps(system.recipe | {"step": step})})
        note = "evaluate ckpt=FILE and predict ckpt=FILE read it"
    elif cfg.format == "onnx":
        note = f"largest difference from the checkpoint: {_onnx(system, out):.1e}"
    else:
        raise ValueError(f"format must be safetensors or onnx, got {cfg.format!r}")
    Console(soft_wrap=True, highlight=False).print(f"{out}\n{note}", markup=False)
    return out


def _onnx(system: System, out: Path) -> float:
    """Write the net as ONNX; the largest difference of its outputs from torch's on the example."""
    module, example = system.onnx_example()
    try:
        import onnxruntime
        import onnxscript  # noqa: F401, torch.onnx needs it
    except ImportError as error:
        raise ImportError(f"format=onnx needs `pip install 'gazekit-attention[onnx]'`: {error}") from error
    module.eval()
    with torch.no_grad():
        wanted = _tensors(module(**example))
    logging.getLogger("torch.onnx").setLevel(
        logging.ERROR
    )  # it reports operators of packages that are not installed
    with written_whole(out) as unfinished, warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module, kwargs=example, dynamo=True, verbose=False)
        program.save(str(unfinished), include_initializers=True)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]  # unused arguments are left out
    found = session.run(None, {name: np.ascontiguousarray(example[name].numpy()) for name in names})
    gap = max(_gap(a.numpy(), b) for a, b in zip(wanted, found, strict=True))
    if not gap <= TOLERANCE:
        out.unlink()
        raise ValueError(
            f"the ONNX net differs from the checkpoint by {gap:.1e} on its example; it was not kept"
        )
    return gap


def _tensors(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of finite values; infinite where one side alone is not finite."""
    finite = np.isfinite(a)
    if (finite != np.isfinite(b)).any():
        return float("inf")
    return float(np.abs(a[finite] - b[finite]).max(initial=0.0))
