"""Attention among objects, and encoder and decoder layers that keep their keys for generation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.kernels.object_attention import DisplacementBias, object_attention

__all__ = ["Attention", "DecoderLayer", "EncoderLayer", "FeedForward"]


class Attention(nn.Module):
    """Multi-head attention; layout (B, A, N, D) for A heads. Keys are made apart, so they can be kept."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N, width] to keys and values, each (B, A, N, D)."""
        return self._split(self.key(memory)), self._split(self.value(memory))

    def forward(
        self,
        x: Tensor,
        keys: tuple[Tensor, Tensor],
        bias: Tensor | DisplacementBias | None = None,
        present: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """[B, T, width] attends to keys, those that are `present` [B, N]; bias as of `object_attention`."""
        dropout = self.dropout if self.training else 0.0
        query = self._split(self.query(x))
        mixed = object_attention(query, *keys, bias, mask=present, causal=causal, dropout=dropout)
        return self.out(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Sequential):
    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width))


class _Residual(nn.Module):
    """x + f(x) with the norm before (`norm_first`) or after, as in the paper."""

    def __init__(self, width: int, dropout: float, norm_first: bool) -> None:
        super().__init__()
        self.norm, self.dropout, self.norm_first = nn.LayerNorm(width), nn.Dropout(dropout), norm_first

    def forward(self, x: Tensor, f) -> Tensor:
        if self.norm_first:
            return x + self.dropout(f(self.norm(x)))
        return self.norm(x + self.dropout(f(x)))


class EncoderLayer(nn.Module):
    """Self-attention among the objects and the target token, then a feed-forward network."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float, norm_first: bool) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.feed = FeedForward(width, hidden, dropout)
        self.residuals = nn.ModuleList(_Residual(width, dropout, norm_first) for _ in range(2))

    def forward(self, x: Tensor, bias: Tensor | DisplacementBias | None, present: Tensor) -> Tensor:
        """x [B, N, width]; present [B, N]."""
        x = self.residuals[0](x, lambda y: self.attention(y, self.attention.keys(y), bias, present))
        return self.residuals[1](x, self.feed)


class DecoderLayer(nn.Module):
    """Causal self-attention over past fixations, attention to the scene, a feed-forward network.

    `forward` takes whole scanpaths; `step` takes the newest fixation of n scanpaths a trial, given the keys
    of the earlier ones. Both attend to the scene's keys, which are made once.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float, norm_first: bool) -> None:
        super().__init__()
        self.past = Attention(width, heads, dropout)
        self.scene = Attention(width, heads, dropout)
        self.feed = FeedForward(width, hidden, dropout)
        self.residuals = nn.ModuleList(_Residual(width, dropout, norm_first) for _ in range(3))

    def _rest(
        self, x: Tensor, scene_keys: tuple[Tensor, Tensor], scene_bias: Tensor | None, present: Tensor
    ) -> Tensor:
        x = self.residuals[1](x, lambda y: self.scene(y, scene_keys, scene_bias, present))
        return self.residuals[2](x, self.feed)

    def forward(
        self, x: Tensor, scene_keys: tuple[Tensor, Tensor], scene_bias: Tensor | None, present: Tensor
    ) -> Tensor:
        """x [B, T, width], scene_bias (B, A, T, N) or None, present [B, N]."""
        x = self.residuals[0](x, lambda y: self.past(y, self.past.keys(y), causal=True))
        return self._rest(x, scene_keys, scene_bias, present)

    def step(
        self,
        x: Tensor,
        past_keys: tuple[Tensor, Tensor] | None,
        scene_keys: tuple[Tensor, Tensor],
        scene_bias: Tensor | None,
        present: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x [B, n, width]; past_keys (B n, A, t, D). Returns the output and the keys with this step's added."""
        b, n, _ = x.shape
        kept: list[tuple[Tensor, Tensor]] = []

        def attend(y: Tensor) -> Tensor:
            rows = y.reshape(b * n, 1, -1)
            new = self.past.keys(rows)
            kept.append(
                new
                if past_keys is None
                else tuple(torch.cat(pair, 2) for pair in zip(past_keys, new, strict=True))
            )
            return self.past(rows, kept[0]).view(b, n, -1)

        x = self.residuals[0](x, attend)
        return self._rest(x, scene_keys, scene_bias, present), kept[0]
