"""Gaze-LLE (Ryan et al. 2025, CVPR): a small decoder over the tokens of a frozen transformer; and the same decoder
given what the head's patches attend to as well ("rows and tokens"), which is our own combination with ViTGaze."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gazekit.backbones.vit import Block
from gazekit.errors import DataError
from gazekit.models.gaze_following.boxes import rounded_cells, touched_patches
from gazekit.models.gaze_following.frozen_encoder import FrozenEncoder
from gazekit.models.gaze_following.gaze_net import GazeNet
from gazekit.models.gaze_following.interaction import interaction
from gazekit.models.gaze_following.looks import Looks
from gazekit.models.gaze_following.losses import GazeLoss
from gazekit.models.gaze_following.positions import sine_positions

__all__ = ["GazeLLENet", "GazeLLEScene"]

OWN = "own_encoder."  # of a frozen ViTGaze, in checkpoints
LOSS = {"heatmap_loss": "bce", "inside_weight": 1.0, "focal_gamma": 0.0}


@dataclass(frozen=True, eq=False)
class GazeLLEScene:
    """B pictures, encoded.

    Args:
        tokens: [B, width, h, w], projected, with positions.
        queries, keys: of the tapped blocks of the frozen transformer, [B, A, F + h w, d] each.
        score: [B, h, w], by which patches of a head are weighted where their attention is read; None without.
    """

    tokens: Tensor
    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    score: Tensor | None


class DropPath(nn.Module):
    """In training, the whole branch of a sample is dropped with this probability, and the others scaled up."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.probability:
            return x
        keep = 1 - self.probability
        return x * (torch.rand(len(x), *[1] * (x.dim() - 1), device=x.device) < keep) / keep


class GazeLLENet(GazeNet):
    """Heat maps are logits, on twice the grid of patches: 64 x 64 for 448 px and patches of 14.

    Pictures are encoded once, without gradients; the decoder runs for each person. Deviation: a head smaller than a
    cell marks the cell of its centre, where the released code marks none.

    Args:
        backbone, weights, taps: see `FrozenEncoder`. The weights are in no checkpoint; loading one whose backbone had
            other weights is an error.
        width, depth, heads: of the decoder.
        drop_path: of its blocks.
        inside: whether there is a token for in or out of the frame.
        direction: whether there is a head for the direction, read from the same token.
        rows: add what the head's patches attend to in the tapped blocks ("rows and tokens") to the tokens. It enters
            as log(1 + N I), N patches, through a projection that starts at 0.
        loss: arguments of `GazeLoss`, instead of Gaze-LLE's.
    Raises:
        ValueError: a width that is no multiple of 4, a direction without the token; see also `FrozenEncoder`.
    """

    def __init__(
        self,
        backbone: str | Mapping[str, Any] = "dinov2_base",
        weights: str | None = None,
        taps: Sequence[int] | None = None,
        width: int = 256,
        depth: int = 3,
        heads: int = 8,
        drop_path: float = 0.1,
        inside: bool = True,
        direction: bool = False,
        rows: bool = False,
        loss: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if width % 4:
            raise ValueError(f"width must be a multiple of 4, got {width}")
        if direction and not inside:
            raise ValueError("direction=true needs inside=true: it is read from the same token")
        self.frozen = FrozenEncoder(backbone, weights, taps)
        encoder = self.frozen.module
        self.register_buffer("backbone_sha256", _digest(self.frozen.sha256))
        self.linear = nn.Conv2d(encoder.width, width, 1)
        self.head_token = nn.Embedding(1, width)
        self.inside_token = nn.Embedding(1, width) if inside else None
        self.transformer = nn.Sequential(*(_decoder_block(width, heads, drop_path) for _ in range(depth)))
        self.heatmap_head = nn.Sequential(
            nn.ConvTranspose2d(width, width, 2, stride=2), nn.Conv2d(width, 1, 1, bias=False)
        )
        self.inside_head = _read_out(width, 1) if inside else None
        self.direction_head = _read_out(width, 2) if direction else None
        self.score = nn.Conv2d(encoder.width, 1, 1) if rows else None
        self.rows = nn.Conv2d(encoder.channels, width, 1) if rows else None
        if rows:
            nn.init.zeros_(self.rows.weight)
            nn.init.zeros_(self.rows.bias)
        self.criterion = GazeLoss(**(LOSS | dict(loss or {})))

    @property
    def patch_px(self) -> int:
        return self.frozen.module.vit.patch_px

    def encode(
        self,
        image: Tensor,
        generator: torch.Generator | None = None,
        picture: Tensor | None = None,
        head_norm: Tensor | None = None,
    ) -> GazeLLEScene:
        """See `GazeNet.encode`; no patches are hidden."""
        encoded = self.frozen(image)
        tokens = self.linear(encoded.features)
        tokens = tokens + sine_positions(tokens.shape[1], tuple(tokens.shape[2:])).to(tokens)
        score = None if self.score is None else self.score(encoded.features)[:, 0]
        return GazeLLEScene(tokens, encoded.queries, encoded.keys, score)

    def look(self, scene: GazeLLEScene, picture: Tensor, head_norm: Tensor, dense: bool = False) -> Looks:
        """See `GazeNet.look`. `dense`: by plain operators of fixed sizes, for export."""
        height, width = grid = tuple(scene.tokens.shape[2:])
        if not len(picture):
            nothing = scene.tokens.flatten()[:0]
            inside, direction_xy = nothing, nothing.view(0, 2)
            inside = None if self.inside_head is None else inside
            direction_xy = None if self.direction_head is None else direction_xy
            return Looks(nothing.view(0, 2 * height, 2 * width), inside, direction_xy)
        prompt = rounded_cells(head_norm, grid)[:, None] * self.head_token.weight[..., None, None]
        x = scene.tokens[picture] + prompt
        if self.rows is not None:
            x = x + self.rows(self._rows(scene, picture, head_norm, dense))
        x = x.flatten(2).transpose(1, 2)
        if self.inside_token is not None:
            x = torch.cat([self.inside_token.weight.expand(len(x), 1, -1), x], 1)
        x = self.transformer(x)
        patches = x[:, -height * width :].transpose(1, 2).unflatten(2, grid)
        inside = None if self.inside_head is None else self.inside_head(x[:, 0])[:, 0]
        direction_xy = None if self.direction_head is None else self.direction_head(x[:, 0])
        return Looks(self.heatmap_head(patches)[:, 0], inside, direction_xy)

    def _rows(self, scene: GazeLLEScene, picture: Tensor, head_norm: Tensor, dense: bool) -> Tensor:
        """[P, blocks x A, h, w]"""
        grid = tuple(scene.tokens.shape[2:])
        size_px = grid[0] * self.patch_px, grid[1] * self.patch_px
        outside = ~touched_patches(head_norm, size_px, self.patch_px)
        guidance = scene.score[picture].masked_fill(outside, -torch.inf).flatten(1).softmax(-1)
        read = interaction(scene.queries, scene.keys, guidance, picture, dense)
        return (guidance.shape[1] * read).log1p().unflatten(2, grid)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """The frozen encoder of a ViTGaze has no other home than its run folder, so it goes along."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.frozen.own:
            destination |= {f"{prefix}{OWN}{name}": x for name, x in self.frozen.module.state_dict().items()}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        found = state_dict.get(f"{prefix}backbone_sha256")
        brought = [name for name in state_dict if name.startswith(f"{prefix}{OWN}")]
        encoder = {name.removeprefix(f"{prefix}{OWN}"): state_dict.pop(name) for name in brought}
        if encoder and found is not None and not found.is_meta:
            self.frozen.take(encoder, bytes(found.cpu().round().byte().tolist()).hex())
            self.backbone_sha256.data = (
                found.clone().to(self.backbone_sha256) if not self.backbone_sha256.is_meta else found
            )
        own = self.backbone_sha256
        if found is not None and not own.is_meta and not torch.equal(found.cpu().round(), own.cpu().round()):
            raise DataError(
                f"the frozen backbone has the weights {self.frozen.sha256[:12]}, but the decoder was trained on others "
                f"({bytes(found.byte().tolist()).hex()[:12]}): give the weights of the training"
            )
        super()._load_from_state_dict(state_dict, prefix, *more)


def _decoder_block(width: int, heads: int, drop_path: float) -> Block:
    """As timm's defaults: no bias of queries, keys and values."""
    block = Block(width, heads, 4 * width, layer_scale=False, eps=1e-5)
    block.attn.qkv = nn.Linear(width, 3 * width, bias=False)
    block.ls1 = block.ls2 = DropPath(drop_path)
    return block


def _read_out(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, outputs))


def _digest(sha256: str) -> Tensor:
    """[32] bytes as reals, which averages of weights leave as they are; zeros for random weights."""
    return torch.tensor(list(bytes.fromhex(sha256)) if sha256 != "random" else [0] * 32, dtype=torch.float32)
