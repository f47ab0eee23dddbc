"""A read-out that looks where the content of the picture says: a query for each voxel over all tokens."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from gazekit.models.brain_encoding.readouts import Readout

__all__ = ["AttentionReadout", "sine_positions"]


def sine_positions(channels: int, height: int, width: int, temperature: float = 10000.0) -> Tensor:
    """Sines and cosines of the row in the first half of the channels, of the column in the second.

    Source: the two-dimensional code of DETR, not normalised: rows and columns count from 1, and wavelengths rise
    geometrically from 2 pi to 2 pi `temperature`; sine and cosine alternate.

    Returns:
        [channels, height, width].
    Raises:
        ValueError: channels not divisible by 4.
    """
    if channels % 4:
        raise ValueError(f"a position code needs channels divisible by 4, got {channels}")
    pairs = channels // 4
    rates = temperature ** -(torch.arange(pairs) / pairs)

    def code(cells: int) -> Tensor:
        angle = (1 + torch.arange(cells))[:, None] * rates  # [cells, pairs]
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(1).T  # [channels / 2, cells]

    rows, columns = code(height)[:, :, None], code(width)[:, None]
    return torch.cat([rows.expand(-1, -1, width), columns.expand(-1, height, -1)])


class AttentionReadout(Readout):
    """Places are chosen by content: a query for each voxel over all tokens.

    y_v = sum_hn a_vhn (w_vh . z_n) + b_v with a_vhn = softmax_n(q_vh . k_hn / sqrt(D) + p_vhn).

    The cross-attention of the transformer encoder (Adeli et al. 2025) with a query for each voxel, whose own weights
    read the values z_n. Keys are k_n = W (x_n + s_n) with the sine code s of the place. Values are the tokens x_n, or
    with `hidden` z_n = ReLU(U x_n + u), features that all voxels share. Deviation: each voxel also has free logits p of
    places. Without content they are all that is left: the factorised read-out is the special case of attention that
    ignores content, and `content=False` is the control of whatever attention gains.

    Args:
        shape: C, H, W of the maps.
        voxels: V.
        heads: per voxel.
        width: D, of a query and a key.
        hidden: number of shared features of a token; None reads the tokens themselves.
        content: whether places depend on content.
        dropout: share of the channels that is set to 0 in training, in all tokens of a picture; of the shared features,
            too. Keys are left whole.
        weight_l1: times the mean over voxels of the L1 norm of the weights.
    """

    rates: ClassVar = {"logits": 10.0}

    def __init__(
        self,
        shape: tuple[int, int, int],
        voxels: int,
        heads: int = 1,
        width: int = 16,
        hidden: int | None = None,
        content: bool = True,
        dropout: float = 0.0,
        weight_l1: float = 0.0,
    ) -> None:
        super().__init__(shape, voxels)
        if min(heads, width, hidden or 1) < 1:
            raise ValueError(f"heads, width and hidden must be at least 1, got {heads}, {width} and {hidden}")
        channels, height, rows = self.shape
        self.heads, self.width, self.weight_l1 = heads, width, weight_l1
        self.dropout = nn.Dropout(dropout)
        self.features = nn.Linear(channels, hidden) if hidden else None
        self.key = nn.Linear(channels, heads * width, bias=False) if content else None
        if content:
            code = sine_positions(-(-channels // 4) * 4, height, rows)[:channels]
            self.register_buffer("positions", code.flatten(1).T.contiguous())  # [N, C]
            self.query = nn.Parameter(torch.randn(self.voxels, heads, width) * 0.1)
        self.logits = nn.Parameter(0.1 * torch.randn(self.voxels, heads, height * rows))
        self.weight = nn.Parameter(torch.randn(self.voxels, heads, hidden or channels) * 0.01)
        self.bias = nn.Parameter(torch.zeros(self.voxels))

    def places(self, tokens: Tensor) -> Tensor:
        """[B, N, C] standardised tokens to [B, V, heads, N]."""
        if self.key is None:
            return self.logits.softmax(-1).expand(len(tokens), -1, -1, -1)
        keys = (self.key(tokens) + self.key(self.positions)).unflatten(-1, (self.heads, self.width))
        content = torch.einsum("vhd,bnhd->bvhn", self.query * self.width**-0.5, keys)
        return (content + self.logits).softmax(-1)

    def values(self, tokens: Tensor) -> Tensor:
        """[B, N, C] standardised tokens to [B, N, hidden or C]."""
        tokens = self._dropped(tokens)
        return tokens if self.features is None else self._dropped(self.features(tokens).relu())

    def read(self, maps: Tensor) -> Tensor:
        tokens = maps.flatten(2).transpose(1, 2).contiguous()  # [B, N, C]
        drive = torch.einsum("vhc,bnc->bvhn", self.weight, self.values(tokens))
        return (self.places(tokens) * drive).sum((2, 3)) + self.bias

    def attention(self, maps: Tensor) -> Tensor:
        """[B, V, H * W], the mean over heads."""
        return self.places(self.standardised(maps).flatten(2).transpose(1, 2)).mean(2)

    def penalty(self) -> Tensor:
        return self.weight_l1 * self.weight.abs().sum((1, 2)).mean()

    def _dropped(self, tokens: Tensor) -> Tensor:
        """Whole channels of a picture at 0, the rest raised."""
        if not self.training or not self.dropout.p:
            return tokens
        return tokens * self.dropout(tokens.new_ones(len(tokens), 1, tokens.shape[2]))
