"""The published features of foveated texture: AdaIN's VGG19 up to relu4_1, and a decoder trained to invert it.

Source: Huang and Belongie 2017 (ICCV, arXiv 1703.06868), whose normalised encoder is used by Deza et al. 2019 with a
decoder of their own. Names of tensors are those of the published files.
"""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from gazekit.errors import DataError

__all__ = ["AdainCoder"]

LAST = 31  # modules of the published encoder up to relu4_1
SMALLEST_PX = 9  # at stride 8, two points are left to mirror


class AdainCoder(nn.Module):
    """Pictures [B, 3, H, W] to 512 features at ceil(H / 8) x ceil(W / 8) points, and back.

    Args:
        weights: files of the encoder and the decoder, safetensors or torch (loaded with `weights_only`). The encoder's
            may go on beyond relu4_1.
    Raises:
        FileNotFoundError: a file is missing.
        DataError: no file of tensors, or not those of this net.
    """

    linear = False

    def __init__(self, weights: tuple[str | Path, str | Path]):
        super().__init__()
        self.encoder, self.decoder = _encoder(), _decoder()
        for net, path in zip((self.encoder, self.decoder), weights, strict=True):
            _fill(net, Path(path).expanduser())
        self.eval().requires_grad_(False)

    def analyse(self, images: Tensor) -> list[Tensor]:
        if images.shape[1] != 3 or min(images.shape[-2:]) < SMALLEST_PX:
            raise ValueError(
                f"the published encoder takes colour pictures of {SMALLEST_PX} px or more, got {list(images.shape[1:])}"
            )
        return [self.encoder(images)]

    def synthesise(self, bands: list[Tensor], height: int, width: int) -> Tensor:
        return self.decoder(bands[0])[..., :height, :width]

    def shapes(self, height: int, width: int) -> list[tuple[int, int]]:
        return [(-(-height // 8), -(-width // 8))]

    def places(self, band: int) -> tuple[int, float]:
        return 8, 4.0


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]


def _encoder() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    channels = 3
    for stage in ((64, 64), (128, 128), (256, 256, 256, 256)):
        for width in stage:
            layers += _conv(channels, width)
            channels = width
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers, *_conv(256, 512))


def _decoder() -> nn.Sequential:
    layers: list[nn.Module] = []
    for stage in ((512, 256), (256, 256, 256, 256, 128), (128, 128, 64), (64, 64, 3)):
        if layers:
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        for inputs, outputs in pairwise(stage):
            layers += _conv(inputs, outputs)
    return nn.Sequential(*layers[:-1])  # no rectification of colours


def _fill(net: nn.Sequential, path: Path) -> None:
    state = {name: x for name, x in _tensors(path).items() if int(name.split(".")[0]) < LAST}
    wanted = {name: list(x.shape) for name, x in net.state_dict().items()}
    found = {name: list(x.shape) for name, x in state.items()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise DataError(
            f"{path} is not the published net: {name} should be {wanted.get(name, 'absent')}, but is "
            f"{found.get(name, 'absent')} ({len(wrong)} tensors differ); expected "
            "vgg_normalised or a decoder of relu4_1"
        )
    net.load_state_dict(state)


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(
            f"no weights at {path}; they are linked from github.com/ArturoDeza/NeuroFovea_PyTorch (vgg_normalised.pth, "
            "decoder-content-similar.pth)"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                state = load_file(path)
            except SafetensorError as error:
                raise DataError(f"{path} is no safetensors file: {error}") from error
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise DataError(f"{path} is no file of tensors: {error}") from error
    names = all(isinstance(x, Tensor) and name.split(".")[0].isdigit() for name, x in state.items())
    if not names:
        raise DataError(f"{path} holds no dictionary of numbered layers")
    return state
