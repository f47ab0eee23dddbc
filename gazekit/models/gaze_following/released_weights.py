"""Weights that the authors of ViTGaze and Gaze-LLE have released, under the names of the nets of this room."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gazekit.backbones.load import fill, read_weights
from gazekit.errors import DataError
from gazekit.models.gaze_following.gaze_net import GazeNet
from gazekit.models.gaze_following.gazelle_net import GazeLLENet
from gazekit.models.gaze_following.positions import sine_positions
from gazekit.models.gaze_following.vitgaze_net import ViTGazeNet

__all__ = ["load_released", "load_start"]

VITGAZE_NAMES = (
    (r"^backbone\.mask_token$", "encoder.mask_token"),
    (r"^backbone\.", "encoder.vit."),
    (r"^pam\.patch_embed\.patch_embed\.", "guidance.patch_embed."),
    (r"^pam\.", "guidance."),
    (r"^regressor\.", "heatmap_head."),
    (r"^classifier\.classifier\.", "inside_head.classifier."),
)
GAZELLE_NAMES = ((r"^inout_token\.", "inside_token."), (r"^inout_head\.", "inside_head."))
OURS_ALONE = ("direction_head.", "inside_token.", "inside_head.", "score.", "rows.", "backbone_sha256")


def load_released(net: GazeNet, weights: str | Path | Mapping[str, Tensor]) -> list[str]:
    """Give a net the released weights of its kind.

    Gaze-LLE's decoder is read with or without its in/out head; tensors of its frozen backbone, which some files hold,
    are not: the net has its own. Its heat maps are logits here, and probabilities in the released code.

    Args:
        net: a `ViTGazeNet` or a `GazeLLENet` of the published sizes.
        weights: a file, or the tensors by their released names, perhaps under "model".
    Returns:
        The names of tensors of the net that the release does not have and that stay as they were: further heads.
    Raises:
        DataError: tensors of another net; the message names them.
        TypeError: a net of another kind.
    """
    source = "the released state" if isinstance(weights, Mapping) else str(weights)
    state = dict(weights) if isinstance(weights, Mapping) else _read(Path(weights))
    if isinstance(net, ViTGazeNet):
        state = _renamed(state, VITGAZE_NAMES)
    elif isinstance(net, GazeLLENet):
        state = _renamed(_without_fixed(state, source), GAZELLE_NAMES)
    else:
        raise TypeError(f"there are released weights of ViTGazeNet and GazeLLENet, got {type(net).__name__}")
    own = net.state_dict()
    left = [name for name in own if name not in state and name.startswith(OURS_ALONE)]
    try:
        net.load_state_dict(state | {name: own[name] for name in left})
    except RuntimeError as error:
        raise DataError(f"{source} does not fit {type(net).__name__}: {error}") from error
    return [name for name in left if name != "backbone_sha256"]


def load_start(net: GazeNet, path: Path) -> None:
    """Give a net the weights of an earlier training (a checkpoint of `fit` or an export of it), or released ones.

    Raises:
        FileNotFoundError: no such file. DataError: weights of another net.
    """
    if not path.is_file():
        raise FileNotFoundError(f"model.start={path} does not exist")
    state = _read(path)
    own = {name.removeprefix("net."): x for name, x in state.items() if name.startswith("net.")}
    if own:
        fill(net, own, path)
    else:
        load_released(net, state)


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_weights(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, dict):
        content = content.get("model", content.get("state_dict", content))
    if not isinstance(content, dict) or not all(isinstance(x, Tensor) for x in content.values()):
        raise DataError(f"{path} holds no plain dictionary of tensors")
    return content


def _renamed(state: Mapping[str, Tensor], names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    found = {}
    for name, x in state.items():
        for pattern, ours in names:
            name, changed = re.subn(pattern, ours, name)
            if changed:
                break
        found[name] = x
    return found


def _without_fixed(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Without the backbone and the positions, which must be the fixed ones."""
    kept = {name: x for name, x in state.items() if not name.startswith("backbone.")}
    positions = kept.pop("pos_embed", None)
    if positions is not None and not torch.allclose(
        positions, sine_positions(len(positions), tuple(positions.shape[1:])), atol=1e-4
    ):
        raise DataError(f"{source} has other positions than Gaze-LLE's fixed sines and cosines")
    return kept
