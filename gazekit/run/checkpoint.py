"""Checkpoints: what a system is made of, in plain values beside its weights; loading executes nothing of theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gazekit.base import Data, Predictor, System
from gazekit.files import written_whole
from gazekit.run.recipe import call, plain, resolve, settings_of

__all__ = ["build", "load_checkpoint", "read_checkpoint", "recipe_of", "save_checkpoint"]


def recipe_of(cfg: DictConfig, data: Data) -> dict[str, Any]:
    """Plain values from which `build` makes the same system and baselines again, on any machine."""
    target, settings = settings_of(cfg.model, "model")
    baselines = {}
    for name, config in (cfg.metrics.get("baselines") or {}).items():
        its_target, its_settings = settings_of(config, f"metrics.baselines.{name}")
        baselines[name] = {"target": its_target, "settings": its_settings}
    return {
        "target": target,
        "settings": settings,
        "facts": plain(data.facts(), "facts of the data"),
        "baselines": baselines,
        "name": cfg.name,
        "data": _with_absolute_root(OmegaConf.to_container(cfg.data, resolve=True)),
        "metrics": OmegaConf.to_container(cfg.metrics, resolve=True),
    }


def save_checkpoint(system: System, path: Path) -> None:
    """Keep a system that no trainer keeps, so that the other verbs take it like a trained one."""
    with written_whole(path) as unfinished:
        torch.save({"gazekit": system.recipe, "state_dict": system.state_dict()}, unfinished)


def _with_absolute_root(data: dict) -> dict:
    """So that `evaluate` finds the data from any folder."""
    root = data.get("root")
    return data if root is None else data | {"root": str(Path(root).expanduser().resolve())}


def build(recipe: Mapping[str, Any], trust: Sequence[str] = ()) -> System:
    """The untrained system of a recipe, with its unfitted baselines.

    Raises:
        ValueError: a recipe that names something else than systems and predictors, or settings that do not fit.
    """
    facts = plain(recipe["facts"], "facts")

    def made(part: Mapping, base: type, where: str) -> Any:
        cls = resolve(part["target"], base, trust)
        return call(cls, where, facts=facts, **plain(part["settings"], where))

    system = made(recipe, System, "model")
    for name, part in recipe.get("baselines", {}).items():
        system.baselines[name] = made(part, Predictor, f"metrics.baselines.{name}")
    system.baselines.requires_grad_(False)
    system.recipe = dict(recipe)
    return system


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor], int]:
    """Recipe, weights and training step of a checkpoint or of an export, without making anything.

    Raises:
        FileNotFoundError: no such file. ValueError: no checkpoint of gazekit.
    """
    path = Path(path)
    if path.is_dir():
        raise FileNotFoundError(f"ckpt={path} is a folder: name a file in it, such as best.ckpt or last.ckpt")
    if not path.is_file():
        raise FileNotFoundError(
            f"ckpt={path} does not exist; a run folder of fit holds best.ckpt and last.ckpt"
        )
    try:
        if path.suffix == ".safetensors":
            return _read_export(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        recipe, state = content["gazekit"], content["state_dict"]
        if "target" not in recipe:
            recipe, state = _upgraded(recipe, state)
        return dict(recipe), dict(state), int(content.get("global_step", 0))
    except (KeyError, TypeError, RuntimeError, EOFError, UnpicklingError, SafetensorError) as error:
        raise ValueError(f"ckpt={path} is not a checkpoint of gazekit fit: {_first_line(error)}") from error


def _read_export(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], int]:
    with safe_open(path, "pt") as file:
        recipe = json.loads((file.metadata() or {})["gazekit"])
        return recipe, {key: file.get_tensor(key) for key in file.keys()}, int(recipe.get("step", 0))


def _upgraded(recipe: Mapping, state: Mapping) -> tuple[dict, dict]:
    """Checkpoints of 0.1 name a net; its room knows how to read them.

    Raises:
        KeyError: there is no such room, so that it is not a checkpoint of gazekit.
    """
    room = str(recipe["net"]["_target_"]).rpartition(".")[0]
    if room.count(".") != 2 or not room.startswith("gazekit.models."):
        raise KeyError("target")
    return import_module(room).upgrade(recipe, state)


def load_checkpoint(path: str | Path, trust: Sequence[str] = ()) -> System:
    """The trained system of a checkpoint (or of `export`), with its fitted baselines, ready to predict.

    Args:
        path: best.ckpt or last.ckpt of a run, or an exported .safetensors file.
        trust: full names of classes outside gazekit that it may be made of.
    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint of gazekit, a class that is not trusted, or weights that do not fit it.
    """
    recipe, state, _ = read_checkpoint(path)
    try:
        if recipe["target"] not in trust:
            _check_shapes(recipe, state, trust)
        system = build(recipe, trust)
        system.load_state_dict(state, strict=True)
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"ckpt={path} does not fit this version of gazekit: {_first_line(error)}") from error
    except ValueError as error:
        raise ValueError(f"ckpt={path}: {error}") from error
    return system.eval()


def _check_shapes(recipe: Mapping, state: Mapping[str, Tensor], trust: Sequence[str]) -> None:
    """Compare shapes before any memory is taken: settings that were tampered with could ask for all there is."""
    with torch.device("meta"):
        wanted = {key: tuple(x.shape) for key, x in build(recipe, trust).state_dict().items()}
    found = {key: tuple(x.shape) for key, x in state.items()}
    if wanted != found:
        key = next(key for key in (*wanted, *found) if wanted.get(key) != found.get(key))
        raise RuntimeError(f"{key} has shape {found.get(key)}, expected {wanted.get(key)}")


def _first_line(error: Exception) -> str:
    """Without torch's advice to switch its safety off."""
    return str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
