"""Plain vision transformers: ViT (Dosovitskiy et al. 2021), DINOv2 (Oquab et al. 2024) with or without registers
(Darcet et al. 2024). The names of tensors are those of facebook's DINOv2 and of timm.

Pictures -> patches -> tokens [B, N, D] (class token, registers, patches row by row) -> blocks -> norm. Heads are
called A and have width d = D / A; queries, keys and values are [B, A, N, d], what `gazekit.kernels` takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Layer, Net

__all__ = ["Attention", "Block", "ViT"]


class Attention(nn.Module):
    """Self-attention of `heads` heads."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, A, N, d] of normed tokens [B, N, D]."""
        batch, count, width = x.shape
        qkv = self.qkv(x).view(batch, count, 3, self.heads, width // self.heads)
        return qkv.permute(2, 0, 3, 1, 4).unbind(0)

    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """What the heads gather, projected: [B, N, D]."""
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Scale(nn.Module):
    """One learned factor a channel (layer scale)."""

    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class MLP(nn.Module):
    """Two layers around an exact GELU."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention, then MLP, each after a norm and added to what came in.

    `block(x)` is `block.finish(x, *block.project(x))`: who wants the attention of a block takes it between the two.
    """

    def __init__(self, width: int, heads: int, hidden: int, layer_scale: bool, eps: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.attn = Attention(width, heads)
        self.mlp = MLP(width, hidden)
        self.ls1, self.ls2 = (Scale(width) if layer_scale else nn.Identity() for _ in range(2))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, A, N, d] of tokens [B, N, D]."""
        return self.attn.project(self.norm1(x))

    def finish(self, x: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Tokens after the block."""
        x = x + self.ls1(self.attn.mix(query, key, value))
        return x + self.ls2(self.mlp(self.norm2(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(x, *self.project(x))


class Stem(nn.Sequential):
    """Convolutions instead of a patch embedding (Xiao et al. 2021, "Early convolutions help transformers see better").

    Two 3x3 convolutions per halving, each with batch norm and ReLU, then a linear map to the width. From scratch it
    learns in a small part of the pictures that a patch embedding needs.

    Args:
        channels: after each halving; the patch has 2 ** len(channels) pixels a side.
        width: D.
    """

    def __init__(self, channels: Sequence[int], width: int):
        layers: list[nn.Module] = []
        for before, after in zip((3, *channels), channels, strict=False):
            for source, stride in ((before, 2), (after, 1)):
                layers += [
                    nn.Conv2d(source, after, 3, stride, 1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                ]
        super().__init__(*layers, nn.Conv2d(channels[-1], width, 1))


class ViT(Net):
    """Layers, for each block i from 0: "block{i}" (patch tokens after it, without a norm), "block{i}.query" (its
    queries, heads side by side) and "block{i}.class" (its class token); then "norm" and "class" (patch tokens and
    class token after the last norm) and "logits" where there are classes.

    Sizes are multiples of the patch; positions that were learned on `grid` x `grid` patches are interpolated.
    Deviation: the grid is stretched to the new size exactly, as transformers does it; facebook's first release adds 0.1
    to the new size, which changes features in the third digit.

    Args:
        width, depth, heads: D, number of blocks, A.
        patch_px, grid: side of a patch, patches a side in training.
        registers: tokens without a place.
        layer_scale: DINOv2 has it.
        antialias: of interpolated positions; DINOv2 with registers and timm do it, DINOv2 without does not.
        classes: 0 for no head.
        hidden: of the MLPs; None is 4 D.
        stem: channels of a `Stem` instead of the patch embedding; no published weights have one.
    Raises:
        ValueError: a stem that does not halve down to the patch.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        patch_px: int,
        grid: int,
        registers: int = 0,
        layer_scale: bool = False,
        antialias: bool = True,
        classes: int = 0,
        hidden: int | None = None,
        eps: float = 1e-6,
        stem: Sequence[int] = (),
    ):
        super().__init__()
        if stem and 2 ** len(stem) != patch_px:
            raise ValueError(
                f"a stem of {len(stem)} halvings has patches of {2 ** len(stem)} px, got {patch_px}"
            )
        self.patch_px, self.grid, self.registers, self.antialias = patch_px, grid, registers, antialias
        embed = Stem(stem, width) if stem else nn.Conv2d(3, width, patch_px, patch_px)
        self.patch_embed = nn.ModuleDict({"proj": embed})
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + grid * grid, width))
        if registers:
            self.register_tokens = nn.Parameter(0.02 * torch.randn(1, registers, width))
        sizes = width, heads, hidden or 4 * width, layer_scale, eps
        self.blocks = nn.ModuleList(Block(*sizes) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps)
        self.head = nn.Linear(width, classes) if classes else None
        patches, vector = Layer(width, patch_px), Layer(width, None)
        self.layers = {}
        for i in range(depth):
            self.layers |= {f"block{i}.query": patches, f"block{i}": patches, f"block{i}.class": vector}
        self.layers |= {"norm": patches, "class": vector}
        if classes:
            self.layers["logits"] = Layer(classes, None)

    def embed(self, images: Tensor) -> Tensor:
        """Prepared images [B, 3, H, W] as tokens [B, 1 + registers + patches, D], positions added.

        Raises:
            ValueError: a size that is no multiple of the patch.
        """
        return self.tokens(self.patches(images), self.cls_token + self.pos_embed[:, :1])

    def patches(self, images: Tensor) -> Tensor:
        """The patches of prepared images as a map [B, D, h, w], without positions; raises as `embed`."""
        height, width = images.shape[-2:]
        if height % self.patch_px or width % self.patch_px:
            raise ValueError(f"images must be multiples of {self.patch_px} pixels, got {height} x {width}")
        return self.patch_embed["proj"](images)

    def tokens(self, patches: Tensor, class_token: Tensor) -> Tensor:
        """A class token [1, 1, D], registers, and patches [B, D, h, w] with their positions: [B, N, D]."""
        count = len(patches)
        patches = (patches + self._positions(patches.shape[-2:])).flatten(2).transpose(1, 2)
        first = [class_token] + ([self.register_tokens] if self.registers else [])
        return torch.cat([*(token.expand(count, -1, -1) for token in first), patches], 1)

    def _positions(self, size: tuple[int, int]) -> Tensor:
        """[1, D, h, w]"""
        learned = self.pos_embed[:, 1:].unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        if tuple(size) == (self.grid, self.grid):
            return learned
        return F.interpolate(
            learned, tuple(size), mode="bicubic", align_corners=False, antialias=self.antialias
        )

    def patch_map(self, tokens: Tensor, size_px: tuple[int, int]) -> Tensor:
        """The patches among tokens [B, N, D] of images of this height and width, as a map [B, D, h, w]."""
        height, width = (side // self.patch_px for side in size_px)
        return tokens[:, 1 + self.registers :].transpose(1, 2).unflatten(2, (height, width))

    def walk(self, images: Tensor, halve: None = None) -> Iterator[tuple[str, Tensor]]:
        size_px = images.shape[-2:]
        x = self.embed(images)
        for i, block in enumerate(self.blocks):
            query, key, value = block.project(x)
            yield f"block{i}.query", self.patch_map(query.transpose(1, 2).flatten(2), size_px)
            x = block.finish(x, query, key, value)
            yield f"block{i}", self.patch_map(x, size_px)
            yield f"block{i}.class", x[:, 0]
        x = self.norm(x)
        yield "norm", self.patch_map(x, size_px)
        yield "class", x[:, 0]
        if self.head is not None:
            yield "logits", self.head(x[:, 0])

    @staticmethod
    def translate(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """From facebook's, timm's or the Hugging Face hub's layout. The mask token, which only training uses, is left
        out."""
        state = {name: x for name, x in state.items() if not name.endswith("mask_token")}
        if any(name.startswith("embeddings.") for name in state):
            state = _from_hub(state)
        if "reg_token" in state:
            state["register_tokens"] = state.pop("reg_token")
        return state


HUB_NAMES = (
    (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"^embeddings\.position_embeddings", "pos_embed"),
    (r"^embeddings\.", ""),
    (r"^(encoder\.)?layers?\.", "blocks."),
    (r"attention\.(attention|output)\.", "attn."),
    (r"attention\.", "attn."),
    (r"attn\.(dense|o_proj)", "attn.proj"),
    (r"attn\.(query|q_proj)", "attn.q"),
    (r"attn\.(key|k_proj)", "attn.k"),
    (r"attn\.(value|v_proj)", "attn.v"),
    (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
    (r"^layernorm\.", "norm."),
)


def _from_hub(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values are one matrix here."""
    found: dict[str, Tensor] = {}
    for name, x in state.items():
        for pattern, ours in HUB_NAMES:
            name = re.sub(pattern, ours, name)
        found[name] = x
    for name in [name for name in found if ".attn.q." in name]:
        parts = [found.pop(name.replace(".attn.q.", f".attn.{part}.")) for part in "qkv"]
        found[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat(parts)
    return found
