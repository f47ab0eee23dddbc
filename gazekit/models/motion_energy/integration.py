"""Stage II: places that move alike inform one another, several times over, through shared weights.

A, V <- stage I;   then K times:  similarity of A -> messages of V -> A, V updated by gated recurrent units
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from gazekit.kernels.object_attention import object_attention
from gazekit.models.motion_energy.bank import ChannelDivisiveNorm

__all__ = ["GraphMotionIntegration", "SeparableGRU", "place_code", "symmetric_attention"]


def symmetric_attention(unit: Tensor, value: Tensor, scale: Tensor) -> Tensor:
    """D^-1/2 M D^-1/2 V with M = exp(scale u u') and D its row sums: the exponential cosine graph of stage II.

    With L the logarithm of the row sums, which softmax attention gives anyway, this is
    exp(L/2) softmax(scale u u') (exp(-L/2) V), as M is symmetric. So `object_attention` computes it, without the
    N x N matrix where a kernel runs. A constant factor of M, such as the division by its maximum, cancels.

    Args:
        unit: [B, N, D] of length 1 (or 0).
        value: [B, N, C].
        scale: [B], above 0.
    Returns:
        [B, N, C].
    """
    scaled = (scale.sqrt()[:, None, None] * unit)[:, None]
    ones = value.new_ones(*value.shape[:2], 1)[:, None]
    _, degree = object_attention(scaled, scaled, ones, scale=1.0, return_lse=True)
    degree = degree[:, 0, :, None] / 2  # log of the root of each row sum
    mean = degree.mean(1, keepdim=True)  # so that neither factor overflows
    weighted = value * (mean - degree).exp()
    mixed = object_attention(scaled, scaled, weighted[:, None], scale=1.0)[:, 0]
    return mixed * (degree - mean).exp()


def place_code(feature: Tensor, weight: float = 0.45 * torch.pi, temperature: float = 10_000.0) -> Tensor:
    """Activities [B, C, h, w] with sines of their place added, relative to their mean size, which stays what it was.

    Half of the channels code y and half x, from 0 to 2 pi over the map, as in DETR (Carion et al. 2020).
    """
    _, channels, height, width = feature.shape
    each = channels // 2
    k = torch.arange(each, device=feature.device, dtype=feature.dtype)
    rate = temperature ** (2 * (k // 2) / each)

    def code(side: int) -> Tensor:
        place = torch.arange(1, side + 1, device=feature.device, dtype=feature.dtype) / side * 2 * torch.pi
        angle = place[None] / rate[:, None]
        return torch.where((k % 2 == 0)[:, None], angle.sin(), angle.cos())  # [C / 2, side]

    y, x = code(height)[:, :, None], code(width)[:, None]
    both = torch.cat([y.expand(-1, -1, width), x.expand(-1, height, -1)])
    both = torch.nn.functional.pad(both, [0, 0, 0, 0, 0, channels - len(both)])
    size = feature.abs().mean((1, 2, 3), keepdim=True)
    coded = feature + weight * size * both
    return coded * size / coded.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-12)


class SeparableGRU(nn.Module):
    """A gated recurrent unit along rows, then one along columns (1 x 5 and 5 x 1), as in RAFT (Teed and Deng 2020).

    Args:
        hidden: channels of the state; inputs: of what updates it.
    """

    def __init__(self, hidden: int, inputs: int) -> None:
        super().__init__()
        for name, kernel, pad in (("row", (1, 5), (0, 2)), ("column", (5, 1), (2, 0))):
            gates = nn.Conv2d(hidden + inputs, 2 * hidden, kernel, padding=pad)
            setattr(self, f"{name}_gates", gates)
            setattr(self, f"{name}_new", nn.Conv2d(hidden + inputs, hidden, kernel, padding=pad))

    def forward(self, state: Tensor, x: Tensor) -> Tensor:
        """The next state [B, hidden, h, w]."""
        for gates, new in ((self.row_gates, self.row_new), (self.column_gates, self.column_new)):
            update, reset = gates(torch.cat([state, x], 1)).sigmoid().chunk(2, 1)
            state = (1 - update) * state + update * new(torch.cat([reset * state, x], 1)).tanh()
        return state


class GraphMotionIntegration(nn.Module):
    """Recurrent integration of motion over a graph of similar places.

    Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156), as released in 2025. Deviation: the states that enter the gated
    units are what stage I and the messages are, without a bound by tanh at the start, as far as we can tell.

    Args:
        channels: C of stage I.
        iterations: K.
    """

    def __init__(self, channels: int, iterations: int = 6) -> None:
        super().__init__()
        if iterations < 1:
            raise ValueError(f"iterations must be at least 1, got {iterations}")
        c = channels
        self.iterations = iterations
        self.similarity = nn.Sequential(nn.Linear(c, c, bias=False), nn.ReLU(), nn.Linear(c, c, bias=False))
        self.value, self.message = nn.Linear(c, c, bias=False), nn.Linear(c, c, bias=False)
        self.message_norm, self.mixed_norm, self.fused_norm = (nn.LayerNorm(c) for _ in range(3))
        self.mixed = nn.Sequential(
            nn.Linear(2 * c, 4 * c, bias=False), nn.GELU(),
            nn.Linear(4 * c, 4 * c, bias=False), nn.GELU(), nn.Linear(4 * c, c, bias=False),
        )  # fmt: skip
        self.to_attention = nn.Linear(c, c)
        self.fusion = nn.Sequential(
            nn.Conv2d(2 * c, c, 1), nn.GELU(),
            nn.Conv2d(c, c, 3, padding=1), nn.GELU(), nn.Conv2d(c, c, 3, padding=1), nn.GELU(),
        )  # fmt: skip
        self.attention_unit, self.value_unit = SeparableGRU(c, c), SeparableGRU(c, c)
        self.readout = nn.Sequential(nn.Linear(c, c), nn.GELU(), nn.Linear(c, c))
        self.readout_norm = ChannelDivisiveNorm(1.8, 1.0, over=(1, 2, 3))

    def forward(self, energy: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Of stage I's [B, C, h, w]: K population codes, and K attention features, [B, C, h, w] each."""
        value, attention = energy, place_code(energy)
        codes, features = [], []
        for _ in range(self.iterations):
            message = self._message(value, attention)
            told = _maps(self.fused_norm(self.to_attention(_nodes(message))), message)
            attention = self.attention_unit(attention, self.fusion(torch.cat([attention, told], 1)))
            value = self.value_unit(value, message)
            codes.append(self.readout_norm(_maps(self.readout(_nodes(value)), value).square()))
            features.append(attention)
        return codes, features

    def _message(self, value: Tensor, attention: Tensor) -> Tensor:
        """[B, C, h, w] what each place is told."""
        g, nodes = self.similarity(_nodes(attention)), _nodes(value)
        scale = 1 + 3 * torch.pi * g.mean((1, 2)).sigmoid()
        mixed = symmetric_attention(normalize(g, dim=2, eps=1e-6), self.value(nodes), scale)
        message = self.message_norm(self.message(mixed))
        return _maps(self.mixed_norm(self.mixed(torch.cat([nodes, message], 2))), value)


def _nodes(maps: Tensor) -> Tensor:
    return maps.flatten(2).mT


def _maps(nodes: Tensor, like: Tensor) -> Tensor:
    return nodes.mT.unflatten(2, like.shape[2:])
