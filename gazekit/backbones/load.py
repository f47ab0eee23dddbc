"""From a name and files to a backbone. Nothing that a file holds is run: safetensors, or torch files with
`weights_only=True`; every tensor must find its place."""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from gazekit.backbones.backbone import Backbone, Net
from gazekit.backbones.cards import CARDS, Card
from gazekit.download import download, file_sha256
from gazekit.errors import DataError

__all__ = ["build_net", "fetch_weights", "fill", "find_weights", "load_backbone", "read_weights"]

ROOT = Path("data/backbones")
SEED = 0  # of random weights


def load_backbone(
    name: str,
    weights: str | Path | None = None,
    layers: Sequence[str] | None = None,
    size_px: tuple[int, int] | None = None,
    device: str | torch.device = "cpu",
) -> Backbone:
    """A frozen net by its name.

    Args:
        name: one of `NAMES`.
        weights: a file, or a folder with one of the sets of files that the card names; None is
            data/backbones/NAME; "random" draws them with a fixed seed, for tests and untrained controls.
        layers: which maps to return; None for all.
        size_px: height and width to which pictures are stretched (detectors: into which they are fitted); None for
            the size and cut of the training.
        device: where the net runs.
    Raises:
        ValueError: an unknown name or layer.
        FileNotFoundError: no weights; the message says where they were looked for, how to get them and on what
            terms.
        DataError: weights of another net, or a file that differs from the published one.
    """
    card = _card(name)
    preprocessing = card.preprocessing
    if size_px is not None:
        height, width = size_px
        fit = "pad" if preprocessing.fit == "pad" else "stretch"
        preprocessing = replace(preprocessing, size_px=(int(height), int(width)), fit=fit)
    if weights == "random":
        return Backbone(name, build_net(name), preprocessing, layers).to(device)
    files = find_weights(name, weights)
    digests = _check(card, files)
    with torch.device("meta"):
        net = _class(card)(**card.settings)
    fill(net, _state(net, files), files[0])
    return Backbone(name, net, preprocessing, layers, digests).to(device)


def build_net(name: str) -> Net:
    """The net with random weights, always the same; the global generator is left alone."""
    card = _card(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return _class(card)(**card.settings)


def find_weights(name: str, weights: str | Path | None = None) -> list[Path]:
    """The files of a backbone; see `load_backbone`.

    Raises:
        FileNotFoundError: there are none.
    """
    card = _card(name)
    path = ROOT / name if weights is None else Path(weights).expanduser()
    if path.is_file():
        return [path]
    for files in card.weights:
        if all((path / file).is_file() for file in files):
            return [path / file for file in files]
    names = " or ".join(" + ".join(files) for files in card.weights)
    where = "" if weights is None else f" --root {path}"
    get = f"python -m gazekit data fetch {name}{where}" if card.downloads else card.how_to_get
    raise FileNotFoundError(
        f"no weights of {name} at {path} (expected {names})\n  get them: {get}\n"
        f"  licence:  {card.licence} ({card.source})"
    )


def fetch_weights(name: str, root: str | Path | None = None, progress: bool = True) -> Path:
    """Download the weights of a backbone; prints on what terms first. Files that are there already are checked.

    Args:
        name: one of `NAMES`.
        root: where to; None is data/backbones/NAME.
        progress: show a bar.
    Returns:
        The folder, for `load_backbone`.
    Raises:
        DataError: they cannot be downloaded (the message says why), or a checksum is wrong.
        ConnectionError: the network failed; what has arrived is kept.
    """
    card = _card(name)
    if not card.downloads:
        raise DataError(f"{name} cannot be fetched: {card.how_to_get}")
    print(f"{card.title}\n  source:  {card.source}\n  licence: {card.licence}", file=sys.stderr)
    folder = ROOT / name if root is None else Path(root).expanduser()
    download(card.downloads, folder, progress)
    return folder


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file on the CPU, in single precision; 8-bit ones are scaled back. Of an ONNX file the weights
    of its convolutions, see `onnx_weights`.

    Raises:
        DataError: not a file of tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        elif path.suffix == ".onnx":
            from gazekit.backbones.onnx_weights import read_convolutions

            state = read_convolutions(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise DataError(f"{path} is no file of tensors: {error}") from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":  # which derives from Exception alone
            raise
        raise DataError(f"{path} is no safetensors file: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise DataError(f"{path} holds no plain dictionary of tensors")
    return {name: x.float() if x.is_floating_point() else x for name, x in _dequantised(state).items()}


def _dequantised(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`X` in 8 bits with `X.scale`, one for all or one a row, and perhaps `X.zero`."""
    found = dict(state)
    for name, x in state.items():
        if x.dtype in (torch.int8, torch.uint8) and f"{name}.scale" in state:
            ones = [1] * (x.dim() - 1)
            zero = found.pop(f"{name}.zero", torch.zeros(1)).view(-1, *ones)
            found[name] = (x.float() - zero) * found.pop(f"{name}.scale").view(-1, *ones)
    return found


def _card(name: str) -> Card:
    if name not in CARDS:
        raise ValueError(f"unknown backbone {name!r}, expected one of: {', '.join(CARDS)}")
    return CARDS[name]


def _class(card: Card) -> type[Net]:
    module, _, name = card.net.partition(":")
    return getattr(import_module(f"gazekit.backbones.{module}"), name)


def _check(card: Card, files: list[Path]) -> str:
    """Compare with the published checksums of files of these names; the checksum of all together."""
    published = {name: file for known in card.weights for name, file in known.items()}
    digests = [file_sha256(path) for path in files]
    for path, digest in zip(files, digests, strict=True):
        known = published.get(path.name)
        if known is not None and not known.fits(digest):
            raise DataError(
                f"{path} has SHA-256 {digest}, but the published file begins with {known.sha256}. Delete it and "
                "fetch it again, or give weights of your own another name"
            )
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def fill(net: nn.Module, state: dict[str, Tensor], source: str | Path) -> None:
    """Give a net all of its weights, and no others.

    Raises:
        DataError: the tensors are not those of the net; the message names `source`.
    """
    try:
        net.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise DataError(f"{source} holds other weights than {type(net).__name__} has: {error}") from error


def _state(net: Net, files: list[Path]) -> dict[str, Tensor]:
    """All tensors, under the names of the net."""
    state: dict[str, Tensor] = {}
    for path in files:
        state |= read_weights(path)
    try:
        return net.translate(state)
    except KeyError as error:
        raise DataError(f"{files[0]} has no tensor {error}, which {type(net).__name__} needs") from error
