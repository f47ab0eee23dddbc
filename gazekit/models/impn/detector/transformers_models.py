"""Models of the package transformers: made from a folder or a checkpoint on this machine, and given more labels.

Nothing is downloaded, and nothing that a file holds is run: only the model types of `KINDS` are made, by the code of
transformers, from tensors (safetensors) and settings (JSON).
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gazekit.transformers_package import hide_our_kernels, import_transformers, quiet

__all__ = [
    "BACKBONES",
    "KINDS",
    "check_folder",
    "from_folder",
    "from_settings",
    "hide_our_kernels",
    "import_transformers",
    "quiet",
    "with_labels",
]

KINDS = {
    "rt_detr_v2": ("RTDetrV2Config", "RTDetrV2ForObjectDetection"),
    "d_fine": ("DFineConfig", "DFineForObjectDetection"),
}
"""Model types that are known to work here, each with its classes."""
BACKBONES = ("rt_detr_resnet", "hgnet_v2")
"""Their backbones; others of transformers would need more packages."""
UNSEEN = 0.01  # probability of a label without an example


def check_folder(folder: Path) -> None:
    """Whether a detector can be made from a folder, without reading its weights.

    Raises:
        ImportError: transformers is not installed.
        FileNotFoundError: no such folder, or no weights in it.
        ValueError: a model of another type.
    """
    import_transformers()
    if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"{folder} must hold config.json and model.safetensors of RT-DETRv2 or D-FINE; nothing is downloaded"
        )
    try:
        _check_kind(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from error


def from_folder(folder: Path, labels: Sequence[str], seed: int) -> Any:
    """A model as `save_pretrained` wrote it, with class layers for these labels: its own where it has the same labels
    in the same order, else new ones.

    Raises:
        As `check_folder`; ValueError: weights that are damaged.
    """
    check_folder(folder)
    from safetensors import SafetensorError
    from transformers import AutoModelForObjectDetection

    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        try:
            model, told = AutoModelForObjectDetection.from_pretrained(
                str(folder),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
                output_loading_info=True,
                **_names(labels),
            )
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(f"{folder / 'model.safetensors'} cannot be read: {error}") from error
    if told["missing_keys"]:  # they would be random
        raise ValueError(
            f"{folder / 'model.safetensors'} lacks {', '.join(sorted(told['missing_keys'])[:3])}"
        )
    return model.eval().requires_grad_(False)


def from_settings(settings: dict[str, Any], weights: dict[str, Tensor]) -> Any:
    """A model from its configuration and all of its weights.

    Raises:
        ImportError: transformers is not installed.
        ValueError: a configuration that is none, or of another type; weights that are not all of it.
    """
    transformers = import_transformers()
    _check_kind(settings)
    config_class, model_class = (getattr(transformers, name) for name in KINDS[settings["model_type"]])
    try:
        config = config_class.from_dict(settings)
        with torch.device("meta"):  # what settings say may be huge, what the file holds is what is there
            sizes = {name: value.shape for name, value in model_class(config).state_dict().items()}
        if sizes != {name: value.shape for name, value in weights.items()}:
            raise ValueError("its weights are not those of its configuration")
        model = model_class(config)
        model.load_state_dict(weights)
    except (
        Exception
    ) as error:  # of a configuration that fits no model, transformers and torch raise what they like
        raise ValueError(f"no {settings['model_type']} can be made of it: {error}") from error
    return model.eval().requires_grad_(False)


@torch.no_grad()
def with_labels(model: Any, labels: Sequence[str]) -> Any:
    """A copy with more labels: it says of the old ones what it said, and of each new one a probability of 0.01."""
    config, old = copy.deepcopy(model.config), model.config.num_labels
    for name, value in _names(labels).items():
        setattr(config, name, value)
    with torch.random.fork_rng(devices=[]):
        grown = type(model)(config)
    state = grown.state_dict()
    for name, value in model.state_dict().items():
        if state[name].shape == value.shape:
            state[name].copy_(value)
        elif len(value) == old:  # a row each label
            state[name].zero_() if value.ndim > 1 else state[name].fill_(math.log(UNSEEN / (1 - UNSEEN)))
            state[name][:old] = value
        else:  # and one for no label, the last, where boxes are made noisy for training
            state[name][:old], state[name][-1] = value[:old], value[-1]
    return grown.to(model.device).eval().requires_grad_(False)


def _check_kind(settings: Any) -> None:
    if not isinstance(settings, dict):
        raise ValueError(f"expected a JSON object, got {type(settings).__name__}")
    kind, backbone = settings.get("model_type"), settings.get("backbone_config") or {}
    if kind not in KINDS:
        raise ValueError(f"model_type must be one of {', '.join(KINDS)}, got {kind!r:.80}")
    if not isinstance(backbone, dict) or backbone.get("model_type", BACKBONES[0]) not in BACKBONES:
        raise ValueError(
            f"the backbone's model_type must be one of {', '.join(BACKBONES)}, got {backbone!r:.80}"
        )


def _names(labels: Sequence[str]) -> dict[str, dict]:
    return {"id2label": dict(enumerate(labels)), "label2id": {name: k for k, name in enumerate(labels)}}
