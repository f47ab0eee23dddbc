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

CHECKPOINTS = (".ckpt", ".safetensors")
PREFIX = "net.encoder."  # of the encoder's tensors in a checkpoint of ViTGaze


class FrozenEncoder:
    """No module on purpose: whoever holds one neither trains nor saves it, and names its weights by their checksum.

    Args:
        backbone: see `SceneEncoder`.
        weights: a file or a folder for `gazekit.backbones.load_backbone`; or a checkpoint of ViTGaze (*.ckpt, or an
            export), whose scene encoder is taken: a decoder's checkpoint brings it along. None is
            data/backbones/NAME; "random" draws weights, always the same, for tests and untrained controls.
        taps: see `SceneEncoder`.
    Attributes:
        module: the encoder; its features are behind the last norm, unless it is ViTGaze's, which has none.
        sha256: of the weights; "random".
        own: whether they are of a ViTGaze.
        missing: the path of a checkpoint of ViTGaze that does not exist; see `check`.
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
            path = None if weights in (None, "random") else Path(weights).expanduser()
            self.own = path is not None and path.suffix in CHECKPOINTS and not isinstance(backbone, str)
            self.missing = path if self.own and not path.is_file() else None
            trained = None if path is None or self.missing else _of_checkpoint(path, backbone)
            self.own = self.own or trained is not None
            self.module = SceneEncoder(backbone, taps, norm=not self.own)
            if trained is not None:
                fill(self.module, trained, path)
                self.sha256 = file_sha256(path)
            elif self.missing or weights == "random":
                self.sha256 = "random"
            else:
                self.sha256 = self.module.load(weights)
        self.module.eval().requires_grad_(False)

    def check(self) -> None:
        """Whether the weights are there.

        Raises:
            FileNotFoundError: the checkpoint of ViTGaze does not exist, and no decoder's checkpoint brought its
                encoder.
        """
        if self.missing:
            raise FileNotFoundError(
                f"model.weights={self.missing} does not exist: give a checkpoint of +experiment=vitgaze"
            )

    def take(self, state: Mapping[str, Tensor], sha256: str) -> None:
        """Weights that a decoder's checkpoint brought along."""
        fill(self.module, {name: x.detach().cpu().clone() for name, x in state.items()}, "the checkpoint")
        self.module.eval().requires_grad_(False)
        self.sha256, self.missing = sha256, None

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
        if not isinstance(content, dict) or not {"state_dict", "gazekit"} <= set(content):
            raise DataError(f"{path} is no checkpoint of gazekit")
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
