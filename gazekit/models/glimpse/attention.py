"""A transformer over the glimpses so far, biased by how far from each of them the eye is about to land.

Not in the source of the glimpse prediction network: what is told of the coming saccade there is told here where it
matters, as the displacement from the coming fixation to each earlier one. A scanpath that returns to a place can find
the glimpse that was seen there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.kernels.object_attention import DisplacementBias, object_attention
from gazekit.models.glimpse.net import heads_of, initialise

__all__ = ["AttentionBlock", "GlimpseAttentionNet", "places_of"]


class GlimpseAttentionNet(nn.Module):
    """Transformer with the interface of `GlimpseNet`; it sees glimpses and saccades up to the present step only.

    Tokens are glimpses with their coming saccade. Where fixations lie is summed up from saccades, from the first
    fixation on; a query stands where the eye lands next, a key where its glimpse was, and each head adds a learned
    function of their displacement to its scores (`gazekit.kernels.object_attention.DisplacementBias`).

    Args:
        size: D of the embeddings of glimpses.
        heads, categories: as of `GlimpseNet`; so are hidden, dropout_in, dropout and saccade_scale_px, which is also
            the unit of displacements.
        residual: the head says what to add to glimpses seen so far, less the mean of training glimpses, each times a
            learned function of its displacement; at first to the present one alone.
        layers: blocks of attention.
        attention_heads: A; divides hidden.
        bias_hidden: units of the function of displacement.
    Raises:
        ValueError: hidden is no multiple of attention_heads.
    """

    def __init__(
        self,
        size: int,
        heads: Sequence[str] = ("glimpse",),
        categories: int = 91,
        hidden: int = 1024,
        layers: int = 3,
        dropout_in: float = 0.1,
        dropout: float = 0.1,
        residual: bool = False,
        saccade_scale_px: float = 1.0,
        attention_heads: int = 4,
        bias_hidden: int = 16,
    ) -> None:
        super().__init__()
        if hidden % attention_heads:
            raise ValueError(
                f"hidden must be a multiple of attention_heads={attention_heads}, got hidden={hidden}"
            )
        self.scale = saccade_scale_px
        self.dropout_in = nn.Dropout(dropout_in)
        self.glimpse, self.saccade = nn.Linear(size, hidden), nn.Linear(4, hidden)
        self.blocks = nn.ModuleList(
            AttentionBlock(hidden, attention_heads, bias_hidden, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden)
        self.heads = heads_of(heads, hidden, size, categories)
        self.register_buffer("mean", torch.zeros(size))
        initialise(self)
        self.recall = Recall(bias_hidden) if residual else None
        if residual and "glimpse" in self.heads:
            nn.init.zeros_(self.heads["glimpse"][-1].weight)

    def forward(self, glimpse: Tensor, saccade_px: Tensor) -> dict[str, Tensor]:
        """As `GlimpseNet.forward`; what follows the end of a shorter scanpath changes nothing before it."""
        x = glimpse - self.mean
        state = self.norm(self._tokens(x, saccade_px)[-1])
        said = {name: head(state) for name, head in self.heads.items()}
        if "glimpse" in said and self.recall is not None:
            said["glimpse"] = said["glimpse"] + self.recall(x, saccade_px / self.scale)
        return {"state": state, **said}

    def layers(self, glimpse: Tensor, saccade_px: Tensor) -> dict[str, Tensor]:
        """As `GlimpseNet.layers`; `hidden1` ... are the tokens after each block."""
        x = glimpse - self.mean
        joint, *each = self._tokens(x, saccade_px)
        state = self.norm(each[-1] if each else joint)
        found = {"glimpse": glimpse, "joint": joint}
        found |= {f"hidden{k + 1}": h for k, h in enumerate(each)} | {"state": state}
        if "glimpse" in self.heads:
            head = self.heads["glimpse"]
            added = 0.0 if self.recall is None else self.recall(x, saccade_px / self.scale)
            found |= {"head": head[:3](state), "prediction": head(state) + added}
        return found

    def _tokens(self, x: Tensor, saccade_px: Tensor) -> list[Tensor]:
        """Tokens [B, T, n] before the first block and after each."""
        step = saccade_px / self.scale
        seen, landing = places_of(step)
        length = step.norm(dim=2, keepdim=True)
        token = self.glimpse(self.dropout_in(x)) + self.saccade(torch.cat([step, length, length.log1p()], 2))
        found = [token]
        for block in self.blocks:
            found.append(block(found[-1], landing, seen))
        return found


class Recall(nn.Module):
    """Glimpses so far, times a learned function of their displacement from where the eye lands, added up."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.weight1, self.bias1 = nn.Parameter(torch.randn(4, hidden)), nn.Parameter(torch.randn(hidden))
        self.weight2, self.bias2 = nn.Parameter(torch.zeros(hidden, 1)), nn.Parameter(torch.zeros(1))
        self.present = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """[B, T, D] of glimpses [B, T, D] and saccades [B, T, 2] in units of about their length."""
        seen, landing = places_of(step)
        bias = DisplacementBias(landing, seen, self.weight1, self.bias1, self.weight2, self.bias2)
        return self.present * x + bias.rows(0, x.shape[1])[:, 0].tril() @ x


class AttentionBlock(nn.Module):
    """Causal attention biased by displacement, and a map of each token by itself, both added to what comes in."""

    def __init__(self, width: int, heads: int, bias_hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.map = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.weight1 = nn.Parameter(torch.randn(4, bias_hidden) / 2)
        self.bias1 = nn.Parameter(torch.zeros(bias_hidden))
        self.weight2 = nn.Parameter(torch.randn(bias_hidden, heads) / bias_hidden**0.5)
        self.bias2 = nn.Parameter(torch.zeros(heads))

    def forward(self, x: Tensor, landing: Tensor, seen: Tensor) -> Tensor:
        """Tokens [B, T, n]; landing and seen: [B, T, 2] positions of queries and keys."""
        parts = self.project(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = (part.contiguous() for part in parts)
        bias = DisplacementBias(landing, seen, self.weight1, self.bias1, self.weight2, self.bias2)
        gathered = object_attention(query, key, value, bias, causal=True).transpose(1, 2).flatten(2)
        x = x + F.dropout(self.mix(gathered), self.dropout, self.training)
        return x + F.dropout(self.map(self.norm2(x)), self.dropout, self.training)


def places_of(saccade: Tensor) -> tuple[Tensor, Tensor]:
    """Where each glimpse was and where the eye lands after it, [B, T, 2] each, from the first fixation on."""
    landing = saccade.cumsum(1)
    return landing - saccade, landing
