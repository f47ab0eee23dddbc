"""From configuration to models, and from a checkpoint back to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from pickle import UnpicklingError

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from gazekit.datasets.datamodule import ScanpathDataModule
from gazekit.datasets.split import part_names
from gazekit.models.oat import OATNet
from gazekit.models.oat.appearance import CategoryAppearance, CropAppearance, NoAppearance
from gazekit.scanpaths.baselines import Marginal, Pairwise, Uniform
from gazekit.scene import Scene

__all__ = ["Saved", "build_net", "landing_note", "load_saved", "make_recipe", "new_baselines"]

APPEARANCES = ("crop", "category", "none")
NETS = {"gazekit.models.oat.OATNet": OATNet}
"""What a configuration or a checkpoint may name. Called directly: nothing of a checkpoint reaches Hydra."""
CROP_POOLS = {150: (5, 3), 32: (2, 3)}
"""Max-pools that suit crops of a height: the paper's, and those of the generated displays."""


def make_recipe(cfg: DictConfig, data: ScanpathDataModule) -> dict:
    """Plain values from which `build_net` makes the same net again, on any machine.

    Raises:
        ValueError: an appearance that the data set does not have.
    """
    scenes = data.dataset.scenes
    net = OmegaConf.to_container(cfg.model.net, resolve=True)
    has = {
        "crop": all(s.crops is not None for s in scenes),
        "category": len(data.categories) > 1,
        "none": True,
    }
    if "appearance" in net:
        wanted = net["appearance"]
        if wanted not in (*APPEARANCES, "auto"):
            raise ValueError(
                f"model.net.appearance must be one of auto, {', '.join(APPEARANCES)}, got {wanted!r}"
            )
        if wanted == "auto":
            wanted = next(name for name in APPEARANCES if has[name])
        if not has[wanted]:
            raise ValueError(
                f"model.net.appearance={wanted}, but {data.dataset.name} has no "
                f"{'crops' if wanted == 'crop' else 'categories to tell apart'}; choose auto or none"
            )
        net["appearance"] = wanted
    source = OmegaConf.to_container(cfg.data, resolve=True)
    if source["root"] is not None:  # so that `evaluate` finds it from any folder
        source["root"] = str(Path(source["root"]).expanduser().resolve())
    return {
        "net": net,
        "categories": list(data.categories),
        "crop_size": list(scenes[0].crops.shape[1:3]) if has["crop"] else None,
        "free_viewing": any(scenes[data.dataset.trials[i].scene].target is None for i in data.parts["train"]),
        "assigned": part_names(data.dataset, data.split_by, data.parts),
        "max_fixations": data.longest(),
        "data": source,
        "name": cfg.name,
    }


def build_net(recipe: dict) -> nn.Module:
    """Make the net of a recipe, untrained.

    Raises:
        ValueError: the recipe names a class that is not in `NETS`: a checkpoint must not choose what runs.
    """
    net = dict(recipe["net"])
    target = net.pop("_target_")
    if target not in NETS:
        raise ValueError(f"the net must be one of {', '.join(NETS)}, got {target!r}")
    return NETS[target](**{**net, "appearance": _appearance(net["appearance"], recipe)})


def _appearance(name: str, recipe: dict):
    if name == "crop":
        height, width = recipe["crop_size"]
        return partial(CropAppearance, crop_size=(height, width), pools=CROP_POOLS.get(height, (3, 3)))
    if name == "category":
        return partial(CategoryAppearance, n_categories=len(recipe["categories"]))
    return NoAppearance


def landing_note(recipe: dict) -> list[str]:
    """What the reader of a report must know of a net that sees more than the baselines do."""
    if not (recipe["net"].get("landing") and recipe["net"].get("relation_bias")):
        return []
    return [
        f"the likelihood of {recipe['name']} is given where in its object each past fixation landed; the baselines "
        "know the object only (model.net.landing=false compares on equal terms)"
    ]


def new_baselines(recipe: dict) -> dict[str, nn.Module]:
    """Unfitted baselines, the strongest first."""
    position = recipe["net"].get("target_position", "known")
    return {"pairwise": Pairwise(target_position=position), "marginal": Marginal(), "uniform": Uniform()}


class Saved:
    """What a checkpoint holds: the trained net, its fitted baselines, and the recipe of both."""

    def __init__(self, recipe: dict, state: dict[str, torch.Tensor]) -> None:
        self.recipe = recipe
        self.net, self.baselines = build_net(recipe), new_baselines(recipe)
        holder = nn.ModuleDict({"net": self.net, "baselines": nn.ModuleDict(self.baselines)})
        holder.load_state_dict(state, strict=True)
        holder.eval()

    @property
    def models(self) -> dict[str, nn.Module]:
        """Row name to model, in the report's order."""
        return {self.recipe["name"]: self.net, **self.baselines}

    def check_scenes(self, scenes: Sequence[Scene]) -> None:
        """Raise ValueError if the net needs crops that these scenes lack."""
        if self.recipe["net"].get("appearance") == "crop" and any(s.crops is None for s in scenes):
            raise ValueError(
                "this checkpoint was trained on crops of the objects, which these scenes do not have"
            )


def _first_line(error: Exception) -> str:
    """Without the advice that torch adds, which is to switch its safety off."""
    return str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__


def load_saved(path: str | Path) -> Saved:
    """Load a checkpoint of `fit` without executing code in it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint of gazekit, or one that does not fit this version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"ckpt={path} does not exist; a run folder of fit holds best.ckpt and last.ckpt"
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        recipe, state = checkpoint["gazekit"], checkpoint["state_dict"]
    except (KeyError, TypeError, RuntimeError, EOFError, UnpicklingError) as error:
        raise ValueError(f"ckpt={path} is not a checkpoint of gazekit fit: {_first_line(error)}") from error
    metrics = ("information_gain.", "behaviour_delta.")
    try:
        return Saved(recipe, {key: value for key, value in state.items() if not key.startswith(metrics)})
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"ckpt={path} does not fit this version of gazekit: {_first_line(error)}") from error
