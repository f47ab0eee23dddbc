"""A scene encoder that is not trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gazekit.backbones.load import SEED, fill, read_weights
from gazekit.download import file_sha256
from gazekit.errors import DataError
from gazekit.models.gaze_following.scene_encoder import Encoding, SceneEncoder

__all__ = ["FrozenEncoder"]

PREFIX = "net.encoder."  # of the encoder's tensors in a checkpoint of ViTGaze


class FrozenEncoder:
    """No module on purpose: whoever holds one neither trains nor saves it, and names its weights by their checksum.

    Args:
        backbone: see `SceneEncoder`.
        weights: a file or a folder for `gazekit.backbones.load_backbone`; or a checkpoint of ViTGaze (*.ckpt, or an
            export), whose scene encoder is taken. None is data/backbones/NAME; "random" draws weights, always the
            same, for tests and untrained controls.
        taps: see `SceneEncoder`.
    Attributes:
        module: the encoder; its features are behind the last norm, unless it is ViTGaze's, which has none.
        sha256: of the weights; "random".
    Raises:
        FileNotFoundError, DataError: no weights, or those of another net.
        ValueError: an unknown backbone or block; sizes of an own net without a checkpoint.
    """

    def __init__(
        self,
        backbone: str | Mapping[str, Any],
        weights: str | Path | None = None,
        taps: Sequence[int] | None = None,
    ) -> None:
        with (
            torch.device("cpu"),
            torch.random.fork_rng(devices=[]),
        ):  # weights are read wherever the rest is made
            torch.manual_seed(SEED)
            trained = None if weights in (None, "random") else _of_checkpoint(Path(weights), backbone)
            self.module = SceneEncoder(backbone, taps, norm=trained is None)
            if trained is not None:
                fill(self.module, trained, weights)
                self.sha256 = file_sha256(Path(weights))
            else:
                self.sha256 = "random" if weights == "random" else self.module.load(weights)
        self.module.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Encoding:
        """Of pictures [B, 3, H, W], on their device; see `GazeNet.encode`."""
        if self.module.mask_token.device != image.device:
            self.module.to(image.device)
        return self.module(image)


def _of_checkpoint(path: Path, backbone: str | Mapping[str, Any]) -> dict[str, Tensor] | None:
    """The tensors of the scene encoder; None where the file is no checkpoint of gazekit."""
    if path.suffix == ".ckpt":
        content = torch.load(path, map_location="cpu", weights_only=True)
        state = content["state_dict"]
        trained = content["gazekit"]["settings"].get("backbone", backbone)
        if trained != (backbone if isinstance(backbone, str) else dict(backbone)):
            raise DataError(f"{path} holds a net with backbone={trained}, expected {backbone}")
    elif path.suffix == ".safetensors" and path.is_file():
        state = read_weights(path)
    else:
        return None
    found = {name.removeprefix(PREFIX): x for name, x in state.items() if name.startswith(PREFIX)}
    if path.suffix == ".ckpt" and not found:
        raise DataError(f"{path} holds no scene encoder: expected a checkpoint of ViTGaze")
    return found or None
