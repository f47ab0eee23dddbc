"""The plain vision transformer of ViTGaze: features of its last block, and queries and keys of tapped blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gazekit.backbones import INFO
from gazekit.backbones.load import fill, load_backbone
from gazekit.backbones.preprocessing import IMAGENET
from gazekit.backbones.vit import ViT
from gazekit.models.gaze_following.boxes import touched_patches
from gazekit.models.gaze_following.masking import hidden_patches
from gazekit.models.gaze_following.positions import sine_positions

__all__ = ["Encoding", "Normalise", "SceneEncoder", "vit_of"]


@dataclass(frozen=True, eq=False)
class Encoding:
    """B pictures after the transformer; the first F tokens (class, registers) have no place.

    Args:
        image: [B, 3, H, W], normalised.
        features: [B, D, h, w] of the last block, or after the last norm.
        queries, keys: of the tapped blocks, [B, A, F + h w, d] each.
    """

    image: Tensor
    features: Tensor
    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]


class Normalise(nn.Module):
    """(x / 255 - mean) / std of each channel, for values from 0 to 255."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image.to(self.mean.dtype) / 255 - self.mean) / self.std


def vit_of(backbone: str | Mapping[str, Any]) -> tuple[ViT, Normalise]:
    """A vision transformer without classes, and what comes before it.

    Args:
        backbone: the name of one of `gazekit.backbones`, or the arguments of `gazekit.backbones.vit.ViT`.
    Raises:
        ValueError: a name that is not of a vision transformer.
    """
    if not isinstance(backbone, str):
        return _from_scratch(ViT(**backbone)), Normalise(**IMAGENET)
    vits = [name for name, card in INFO.items() if card.net == "vit:ViT"]
    if backbone not in vits:
        raise ValueError(f"backbone must be one of {', '.join(vits)}, or width, depth, ..., got {backbone!r}")
    card = INFO[backbone]
    return ViT(**{**card.settings, "classes": 0}), Normalise(card.preprocessing.mean, card.preprocessing.std)


def _from_scratch(vit: ViT) -> ViT:
    """Small weights and positions that say where a patch is from the start: both make short trainings learn faster."""
    for module in vit.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    places = sine_positions(vit.pos_embed.shape[-1], (vit.grid, vit.grid), longest=100)
    with torch.no_grad():
        vit.pos_embed[0, 1:] = 0.2 * places.flatten(1).T
    return vit


class SceneEncoder(nn.Module):
    """ViTGaze's transformer: no last norm, no position of the class token, a token for hidden patches.

    Args:
        backbone: the name of one of `gazekit.backbones` ("dinov2_small"), or width, depth, heads, patch_px and grid
            of a `ViT`. Weights are random; see `load`.
        taps: blocks whose queries and keys are kept, counted from 0; None for the last of each quarter.
        hidden_share: of patches that training hides at most.
        hidden_probability: that patches of a picture are hidden.
        norm: whether features are after the last norm.
    Raises:
        ValueError: an unknown backbone, or a block that it does not have.
    """

    def __init__(
        self,
        backbone: str | Mapping[str, Any] = "dinov2_small",
        taps: Sequence[int] | None = None,
        hidden_share: float = 0.5,
        hidden_probability: float = 0.5,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.vit, self.normalise = vit_of(backbone)
        if not norm:
            self.vit.norm = nn.Identity()
        self.mask_token = nn.Parameter(torch.zeros(1, self.width))
        self.hidden_share, self.hidden_probability = hidden_share, hidden_probability
        depth = len(self.vit.blocks)
        quarters = min(4, depth)
        self.taps = tuple(taps or (depth * (k + 1) // quarters - 1 for k in range(quarters)))
        if not all(0 <= tap < depth for tap in self.taps) or len(set(self.taps)) < len(self.taps):
            raise ValueError(f"taps must be different blocks in 0 .. {depth - 1}, got {list(self.taps)}")

    @property
    def width(self) -> int:
        return self.vit.cls_token.shape[-1]

    @property
    def channels(self) -> int:
        """Attention maps of the tapped blocks, together."""
        return len(self.taps) * self.vit.blocks[0].attn.heads

    def load(self, weights: str | Path | None = None) -> str:
        """Pretrained weights of a named backbone; returns their SHA-256.

        Args:
            weights: a file or a folder, see `gazekit.backbones.load_backbone`.
        Raises:
            ValueError: an encoder with sizes of its own.
            FileNotFoundError, DataError: no weights, or those of another net.
        """
        if not isinstance(self.backbone, str):
            raise ValueError(
                f"an encoder with sizes of its own has no pretrained weights, got weights={weights!r}: give the "
                "checkpoint of a ViTGaze of these sizes, model.weights=RUN/best.ckpt of fit +experiment=vitgaze"
            )
        pretrained = load_backbone(self.backbone, weights)
        self.load_pretrained(pretrained.net.state_dict(), weights or self.backbone)
        return pretrained.recipe["weights"]

    def load_pretrained(self, state: Mapping[str, Tensor], source: str | Path = "the state") -> None:
        """As `load`, from tensors under any published names.

        The position of the class token, which this encoder does not have, is added to the token itself, so that
        features are those of the pretrained net. (The released code of ViTGaze leaves it out.)
        """
        left = ("head.",) if isinstance(self.vit.norm, nn.LayerNorm) else ("head.", "norm.")
        state = {name: x for name, x in self.vit.translate(dict(state)).items() if not name.startswith(left)}
        first = state["pos_embed"][:, :1]
        state["cls_token"] = state["cls_token"] + first
        state["pos_embed"] = torch.cat([torch.zeros_like(first), state["pos_embed"][:, 1:]], 1)
        fill(self.vit, state, source)

    def forward(
        self,
        image: Tensor,
        generator: torch.Generator | None = None,
        picture: Tensor | None = None,
        head_norm: Tensor | None = None,
    ) -> Encoding:
        """See `GazeNet.encode`."""
        size_px = tuple(image.shape[-2:])
        image = self.normalise(image)
        hidden = None if generator is None else self._hidden(image, generator, picture, head_norm)
        x, queries, keys = self._embed(image, hidden), {}, {}
        for i, block in enumerate(self.vit.blocks):
            query, key, value = block.project(x)
            if i in self.taps:
                queries[i], keys[i] = query, key
            x = block.finish(x, query, key, value)
        kept = tuple(queries[i] for i in self.taps), tuple(keys[i] for i in self.taps)
        return Encoding(image, self.vit.patch_map(self.vit.norm(x), size_px), *kept)

    def _embed(self, image: Tensor, hidden: Tensor | None) -> Tensor:
        patches = self.vit.patches(image)
        if hidden is not None:
            patches = torch.where(
                hidden[:, None], self.mask_token[..., None, None].to(patches.dtype), patches
            )
        return self.vit.tokens(patches, self.vit.cls_token)

    def _hidden(
        self, image: Tensor, generator: torch.Generator, picture: Tensor | None, head_norm: Tensor | None
    ) -> Tensor:
        """[B, h, w]"""
        height, width = image.shape[-2:]
        grid = height // self.vit.patch_px, width // self.vit.patch_px
        hidden = torch.zeros(len(image), *grid, dtype=torch.bool)
        for mask in hidden:
            if torch.rand((), generator=generator) < self.hidden_probability:
                mask.copy_(hidden_patches(grid, self.hidden_share, generator))
        hidden = hidden.to(image.device)
        if picture is None or head_norm is None:
            return hidden
        heads = touched_patches(head_norm, (height, width), self.vit.patch_px)
        return hidden & (
            torch.zeros(hidden.shape, device=image.device).index_add(0, picture, heads.float()) == 0
        )
