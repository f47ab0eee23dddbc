"""How the detections of a frame exchange information: one round, in two forms of the same interface.

Both take node states and the edges of the graph, see the same neighbours and the same edge features, and end with
h_i <- unit(ReLU(W_u [h_i; heard_i])), unit(v) = sqrt(width) v / |v|. They differ in `heard`: a mean of messages that
are made of both ends (`Sage`), or attention over the neighbours (`Attention`).
"""

from __future__ import annotations

import math
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.kernels.object_attention import object_attention
from gazekit.models.impn.edges import EDGE_FEATURES, ranges

with warnings.catch_warnings():  # it compiles parts of itself in a way that torch calls deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.utils import scatter

__all__ = ["MIXERS", "Attention", "Sage"]


class Sage(nn.Module):
    """heard_i = mean_j ReLU(A h_j + B e_ji), after GraphSAGE (Hamilton et al. 2017); 0 for a node without neighbours.

    W_m of the definition is A beside a part that is multiplied with W_e: no nonlinearity lies between them, so that B
    holds the product.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_node = nn.Linear(width, width)
        self.of_edge = nn.Linear(EDGE_FEATURES, width, bias=False)
        self.combine = nn.Linear(2 * width, width)

    def forward(self, h: Tensor, source: Tensor, target: Tensor, edge: Tensor, counts: Tensor) -> Tensor:
        """[N, width] new states.

        Args:
            h: [N, width] states, sorted by frame.
            source, target: [E] rows of the ends; edge [E, 8] features.
            counts: [F] nodes of each frame.
        """
        message = F.relu(self.of_node(h).index_select(0, source) + self.of_edge(edge))
        heard = scatter(message, target, dim_size=len(h), reduce="mean")
        return _unit(F.relu(self.combine(torch.cat([h, heard], 1))))


class Attention(nn.Module):
    """heard_i = sum_j a_ij (V h_j + B e_ji), a_ij = softmax_j of <Q h_i, K h_j> / sqrt(d) + b(e_ji).

    j goes over i and its neighbours. The bias b is a network of the edge features with one output a head; B, after the
    relative positions of Shaw et al. 2018, tells where that lies which a head attends to. b and B are 0 between a node
    and itself; a node may attend to itself, so that it can ignore its neighbours.

    Raises:
        ValueError: a width that the heads do not divide.
    """

    def __init__(self, width: int, heads: int = 4, hidden: int = 32) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of the {heads} heads, got {width}")
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.bias = nn.Sequential(nn.Linear(EDGE_FEATURES, hidden), nn.GELU(), nn.Linear(hidden, heads))
        self.of_edge = nn.Linear(EDGE_FEATURES, width, bias=False)
        self.combine = nn.Linear(2 * width, width)

    def forward(self, h: Tensor, source: Tensor, target: Tensor, edge: Tensor, counts: Tensor) -> Tensor:
        """As `Sage`."""
        if not len(h):
            return h
        place, frame = ranges(torch.zeros_like(counts), counts)
        most = int(counts.max())
        rows = self.query_key_value(h).unflatten(1, (3, self.heads, -1))  # [N, 3, A, d]
        padded = h.new_zeros(len(counts), most, *rows.shape[1:])
        padded[frame, place] = rows
        query, key, value = padded.permute(2, 0, 3, 1, 4)
        of_edge = self.bias(edge)
        bias = h.new_full((len(counts), most, most, self.heads), -torch.inf)
        bias[frame, place, place] = 0.0
        bias[frame[target], place[target], place[source]] = of_edge
        heard, lse = object_attention(query, key, value, bias.permute(0, 3, 1, 2), return_lse=True)
        heard, lse = heard[frame, :, place], lse[frame, :, place]  # [N, A, d], [N, A]
        score = (rows[target, 0] * rows[source, 1]).sum(-1) * rows.shape[-1] ** -0.5 + of_edge
        share = (score - lse[target]).exp()[..., None]  # [E, A, 1]
        heard = heard.index_add(0, target, share * self.of_edge(edge).unflatten(1, (self.heads, -1)))
        return _unit(F.relu(self.combine(torch.cat([h, heard.flatten(1)], 1))))


MIXERS = {"sage": Sage, "attention": Attention}
"""By the name of the setting."""


def _unit(h: Tensor) -> Tensor:
    return math.sqrt(h.shape[1]) * F.normalize(h, dim=1, eps=1e-12)
