"""A learner in one safetensors file: tensors, and settings as JSON text. Reading it runs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open

from gazekit.files import save_tensors
from gazekit.models.impn.net import IMPN, Parts
from gazekit.models.impn.replay import HeldOut

if TYPE_CHECKING:
    from gazekit.models.impn.learner import Learner

__all__ = ["load", "save"]

FORMAT = "gazekit.impn 1"


def save(learner: Learner, path: Path) -> None:
    """See `Learner.save`."""
    net = learner.net
    if not isinstance(net, IMPN):
        raise TypeError(f"only a learner with an IMPN can be saved, got {type(net).__name__}")
    settings = {
        "n_labels": learner.n_labels,
        "feature_size": learner.feature_size,
        "exclusive": learner.exclusive,
        "seed": learner.seed,
        "flip": learner.flip,
        "updates": learner.updates,
        "width": net.head.in_features,
        "layers": len(net.rounds),
        "parts": net.parts,
    }
    tensors = {f"net.{key}": value for key, value in net.state_dict().items()}
    for name in ("known", "kept_out"):
        numbers = list(getattr(learner.held_out, name))
        tensors[f"held_out.{name}"] = torch.tensor(numbers, dtype=torch.long)
    save_tensors(path, tensors, {"format": FORMAT, "settings": json.dumps(settings)})


def load(cls: type[Learner], path: Path) -> Learner:
    """See `Learner.load`."""
    if not path.is_file():
        raise FileNotFoundError(f"no model at {path}")
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            if about.get("format") != FORMAT:
                raise ValueError(f"its format should be {FORMAT!r}, got {about.get('format')!r}")
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        settings = json.loads(about["settings"])
        sizes = (settings[name] for name in ("n_labels", "feature_size", "width", "layers"))
        with torch.device("meta"):  # no memory is taken by what the settings say, only by what the file holds
            net = IMPN(*sizes, Parts(*settings["parts"]))
        net.load_state_dict(
            {key.removeprefix("net."): x for key, x in tensors.items() if key.startswith("net.")}, assign=True
        )
        learner = cls(
            settings["n_labels"],
            settings["feature_size"],
            settings["exclusive"],
            settings["seed"],
            settings["flip"],
            lambda *_: net,
        )
        learner.held_out = HeldOut(
            *(tensors.pop(f"held_out.{name}").tolist() for name in ("known", "kept_out"))
        )
        learner.updates = settings["updates"]
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is no model written by Learner.save, or it is damaged: {error}") from error
    return learner
