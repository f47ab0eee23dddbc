"""A learner in one safetensors file: tensors, and settings as JSON text. Reading it executes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from gazekit.files import save_tensors
from gazekit.models.impn.net import IMPNNet, Parts
from gazekit.models.impn.replay import HeldOut

__all__ = ["Saved", "damaged", "load", "save"]

FORMAT = "gazekit.impn 1"
OF_NET = ("n_labels", "feature_size", "width", "layers", "parts", "mixer")
HELD_OUT = ("known", "kept_out")


class Saved(NamedTuple):
    """Content of a file.

    Args:
        net: with its weights.
        held_out: frames that are never trained on.
        settings: everything else, in plain values.
    """

    net: IMPNNet
    held_out: HeldOut
    settings: dict[str, Any]


def save(path: Path, net: nn.Module, held_out: HeldOut, settings: Mapping[str, Any]) -> None:
    """Write a file; it is complete, or the old one.

    Raises:
        OSError: it cannot be written. TypeError: another network than `IMPNNet`.
    """
    if not isinstance(net, IMPNNet):
        raise TypeError(f"only a learner with an IMPNNet can be saved, got {type(net).__name__}")
    sizes = (
        net.n_labels, net.feature_size, net.head.in_features, len(net.rounds), net.parts, net.mixer,
    )  # fmt: skip
    tensors = {f"net.{key}": value for key, value in net.state_dict().items()}
    for name in HELD_OUT:
        tensors[f"held_out.{name}"] = torch.tensor(list(getattr(held_out, name)), dtype=torch.long)
    about = {**settings, **dict(zip(OF_NET, sizes, strict=True))}
    save_tensors(path, tensors, {"format": FORMAT, "settings": json.dumps(about)})


def load(path: Path) -> Saved:
    """What `save` wrote.

    Raises:
        FileNotFoundError: no such file. ValueError: another file, or a damaged one.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no model at {path}")
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            if about.get("format") != FORMAT:
                raise ValueError(f"its format should be {FORMAT!r}, got {about.get('format')!r}")
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        settings = {"mixer": "sage", **json.loads(about["settings"])}  # older files have no other mixer
        *sizes, parts, mixer = (settings.pop(name) for name in OF_NET)
        with torch.device("meta"):  # no memory is taken by what the settings say, only by what the file holds
            net = IMPNNet(*sizes, Parts(*parts), mixer)
        weights = {key.removeprefix("net."): x for key, x in tensors.items() if key.startswith("net.")}
        net.load_state_dict(weights, assign=True)
        held_out = HeldOut(*(tensors[f"held_out.{name}"].tolist() for name in HELD_OUT))
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(path, error) from error
    return Saved(net, held_out, settings)


def damaged(path: Path, error: Exception) -> ValueError:
    """The error of a file that cannot be used."""
    return ValueError(f"{path} is no model written by Learner.save, or it is damaged: {error}")
