"""`predict`: what a checkpoint says of a user's own files, or of its data set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning_fabric.utilities import move_data_to_device
from matplotlib.figure import Figure
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from gazekit.base import Data, System
from gazekit.drawing import save
from gazekit.files import written_whole
from gazekit.run.checkpoint import load_checkpoint
from gazekit.run.evaluate import data_for
from gazekit.run.recipe import trusted

__all__ = ["options_of", "predict"]

_ALWAYS = {"self", "input", "batch", "generator", "samples"}


def options_of(system: type[System]) -> dict[str, Any]:
    """Options that a system adds to the command, with their defaults: further arguments of `read` and `predict`."""
    return {
        name: None if p.default is Parameter.empty else p.default
        for method in (system.read, system.predict)
        for name, p in signature(method).parameters.items()
        if name not in _ALWAYS
    }


def predict(cfg: DictConfig, folder: Path) -> list[Path]:
    """Run a composed configuration (conf/predict.yaml); returns the written files.

    Raises:
        FileNotFoundError: checkpoint or input absent.
        ValueError: an input that the system cannot read.
    """
    system = load_checkpoint(cfg.ckpt, trusted(cfg)).to(cfg.device)
    options = {name: cfg[name] for name in options_of(type(system)) if name in cfg}
    reads = {k: v for k, v in options.items() if k in signature(system.read).parameters}
    says = {k: v for k, v in options.items() if k not in reads}
    generator = torch.Generator().manual_seed(cfg.seed)
    written: dict[Path, None] = {}
    for items, batch in track(_batches(cfg, system, reads), "predicting", transient=True):
        with torch.no_grad():
            said = system.predict(move_data_to_device(batch, cfg.device), generator, cfg.samples, **says)
        for name, content in system.records(items, said).items():
            path = folder / name
            write_record(path, content, append=path in written)
            written[path] = None
    if not written:
        raise ValueError("there was nothing to predict: the input holds no item that this system reads")
    names = [str(path) for path in written]
    more = [f"... and {len(names) - 10} more"] if len(names) > 10 else []
    Console(soft_wrap=True, highlight=False).print("\n".join([*names[:10], *more]), markup=False)
    return list(written)


def _batches(cfg: DictConfig, system: System, reads: dict[str, Any]) -> Iterator[tuple[list[Any], Any]]:
    if cfg.input is not None:
        path = Path(cfg.input).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"input={cfg.input} does not exist")
        yield from system.read(path, **reads)
        return
    data: Data = data_for(cfg, system)
    index = data.distinct(data.split)
    for chosen in data.groups(index):
        yield data.items(chosen), data.batch_for(chosen, system.facts)


def write_record(path: Path, content: Any, append: bool) -> None:
    """Write what `System.records` gives; a table is appended to one that this command has begun.

    Raises:
        TypeError: content of another kind.
    """
    if isinstance(content, Figure):
        save(content, path)
    elif isinstance(content, pd.DataFrame):
        path.parent.mkdir(parents=True, exist_ok=True)
        content.to_csv(path, mode="a" if append else "w", header=not append, index=False)
    elif callable(content):
        path.parent.mkdir(parents=True, exist_ok=True)
        content(path)
    elif isinstance(content, dict | list):
        with written_whole(path) as unfinished:
            unfinished.write_text(json.dumps(content, indent=1) + "\n")
    else:
        raise TypeError(f"records of {path.name} must be a figure, a table, plain values or a function")
