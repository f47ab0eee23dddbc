"""The transformer encoder of Adeli, Sun and Kriegeskorte 2025 (arXiv 2505.17329): regions that attend to a picture.

Every region has a learned query that attends once to the tokens of a picture; what it gathers is read out linearly
by the voxels of that region.

    a_rn = softmax_n( (W_q e_r)' W_k (x_n + p_n) / sqrt(D) ),   h_r = W_o sum_n a_rn W_v x_n       (each head)
    h_r <- h_r + FFN(LN(h_r)),   token_r = LN(h_r),   y_v = sum_{r : v in r} (w_v . token_r + b_v)

As queries do not depend on the picture, W_q e_r can be folded into W_k, and the positions into a constant bias: a
picture then costs 2 H R C N instead of 2 C d N + 2 R d N multiplications for keys, scores and values (H heads, R
queries, C channels, N tokens, d width), which is less for few queries. `TransformerEncoder` takes the cheaper form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.kernels.attention_rows import attention_rows
from gazekit.kernels.object_attention import object_attention
from gazekit.models.brain_encoding.readouts import Readout
from gazekit.models.brain_encoding.readouts_attention import sine_positions
from gazekit.models.brain_encoding.regions import Queries, queries_of

__all__ = ["QUERIES", "TransformerEncoder"]

QUERIES = ("regions", "hemispheres", "voxels")


class TransformerEncoder(Readout):
    """Voxels from maps [B, C, H, W] of a frozen net, through one cross-attention of learned queries.

    Args:
        shape: C, H, W of the maps.
        voxels: V.
        queries: who attends: "regions" (a query for each region, in each hemisphere and subject; voxels without
            region share one, `REST`), "hemispheres" or "voxels" (a query each).
        regions, subject_of, hemisphere_of: of the voxels, see `BrainData.facts`; without them all are one region.
        width: d; maps with another number of channels are projected to it first. None = C.
        heads, feedforward: sizes; the source has 16 and 1,024 at d = 768.
        dropout: of attention, hidden units and both residual branches.

    Attributes:
        names: of the queries, in their order.
    """

    def __init__(
        self,
        shape: Sequence[int],
        voxels: int,
        queries: str = "regions",
        regions: Mapping[str, Sequence[int]] | None = None,
        subject_of: Sequence[int] | None = None,
        hemisphere_of: Sequence[int] | None = None,
        width: int | None = None,
        heads: int = 8,
        feedforward: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(shape, voxels)
        channels, rows, columns = self.shape
        width = width or channels
        if width % heads or width % 4:
            raise ValueError(f"width must be a multiple of 4 and of heads={heads}, got {width}")
        if queries not in QUERIES:
            raise ValueError(f"queries must be one of {', '.join(QUERIES)}, got {queries!r}")
        found = queries_of(queries, voxels, regions or {}, subject_of, hemisphere_of)
        self.names, self.heads = found.names, heads
        self.per_voxel = queries == "voxels"
        self._gathered(found)
        self.project = nn.Linear(channels, width) if width != channels else nn.Identity()
        self.query = nn.Parameter(torch.randn(len(found.names), width))
        self.in_query, self.in_key, self.in_value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm_in, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.hidden, self.back = nn.Linear(width, feedforward), nn.Linear(feedforward, width)
        self.dropout = dropout
        self.weight = nn.Parameter(torch.randn(voxels, width) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(voxels))
        code = sine_positions(width, rows, columns).flatten(1).T.contiguous()
        self.register_buffer("positions", code, persistent=False)  # [N, d]
        for linear in (self.in_query, self.in_key, self.in_value, self.out, self.hidden, self.back):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def _gathered(self, queries: Queries) -> None:
        """Members of all queries in one row, and where each query's end."""
        members = np.concatenate(queries.members)
        self.register_buffer("members", torch.as_tensor(members), persistent=False)
        self.sizes = [len(m) for m in queries.members]
        count = np.bincount(members, minlength=self.voxels)
        self.register_buffer("count", torch.as_tensor(count), persistent=False)

    @property
    def folds(self) -> bool:
        """Whether queries are folded into keys and values: the cheaper form for few queries."""
        width, queries = self.query.shape[1], len(self.query)
        return self.heads * queries < width + queries

    def read(self, maps: Tensor) -> Tensor:
        return self.responses(self.tokens(maps))

    def tokens(self, maps: Tensor) -> Tensor:
        """[B, R, d] what each query gathers from standardised maps."""
        seen = self._seen(maps)
        gathered = self._folded(seen) if self.folds else self._multiplied(seen)
        state = self._drop(self.out(gathered))
        hidden = self._drop(F.relu(self.hidden(self.norm_in(state))))
        return self.norm_out(state + self._drop(self.back(hidden)))

    def responses(self, tokens: Tensor) -> Tensor:
        """[B, V] linear read-out of tokens [B, R, d]: each voxel from the queries of its regions, summed."""
        if self.per_voxel:
            return torch.einsum("bvd,vd->bv", tokens, self.weight) + self.bias
        found = self.bias * self.count  # each region of a voxel brings the bias, as in the source
        parts = self.members.split(self.sizes)
        each = [tokens[:, r] @ self.weight[part].T for r, part in enumerate(parts)]
        return found.expand(len(tokens), -1).index_add(1, self.members, torch.cat(each, 1).to(found))

    def attention(self, maps: Tensor) -> Tensor:
        """[B, R, H * W] where each query looks, mean over heads, of sum 1; of maps as `forward` takes them."""
        seen = self._seen(self.standardised(maps))
        query, key = self._query(len(seen)), self._key(seen)
        rows = torch.arange(query.shape[2], device=query.device).expand(len(seen), -1)
        return attention_rows(query, key, rows).mean(1)

    def _seen(self, maps: Tensor) -> Tensor:
        """[B, N, d]"""
        return self.project(maps.flatten(2).transpose(1, 2))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)

    def _split(self, x: Tensor) -> Tensor:
        """[..., N, d] to [..., H, N, d / H]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def _query(self, batch: int) -> Tensor:
        return self._split(self.in_query(self.query)).expand(batch, -1, -1, -1)

    def _key(self, seen: Tensor) -> Tensor:
        return self._split(self.in_key(seen + self.positions))

    def _multiplied(self, seen: Tensor) -> Tensor:
        drop = self.dropout if self.training else 0.0
        value = self._split(self.in_value(seen))
        found = object_attention(self._query(len(seen)), self._key(seen), value, dropout=drop)
        return found.transpose(1, 2).flatten(2)

    def _folded(self, seen: Tensor) -> Tensor:
        """The same; a constant of all tokens, such as the bias of keys, drops out of the softmax."""
        heads, queries, width = self.heads, len(self.query), self.query.shape[1]
        query = self._split(self.in_query(self.query)) * (width // heads) ** -0.5  # [H, R, D]
        folded = query @ self.in_key.weight.unflatten(0, (heads, -1))  # [H, R, d]
        place = folded @ self.positions.T  # [H, R, N]
        scores = folded.flatten(0, 1) @ seen.transpose(1, 2) + place.flatten(0, 1)
        weight = self._drop(scores.softmax(-1))
        gathered = (weight @ seen).unflatten(1, (heads, queries))  # [B, H, R, d] of unprojected tokens
        value = self.in_value.weight.unflatten(0, (heads, -1))  # [H, D, d]
        found = torch.einsum("bhrc,hdc->brhd", gathered, value)
        total = weight.sum(-1).unflatten(1, (heads, queries)).transpose(1, 2)[..., None]  # 1 without dropout
        return (found + total * self.in_value.bias.unflatten(0, (heads, -1))).flatten(2)
