"""The graph network: messages between the things of a frame, added to what the detector believes.

W_z z, probabilities and place of a detection -> h; L rounds of messages over edges; a head whose output is added to
log p of the detector. Every weight is shared by all nodes and frames (Hamilton et al. 2017, GraphSAGE), so that
the model speaks of frames and things that it never saw. Definition and deviations: README.md of this folder.
"""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.models.impn.edges import EDGE_FEATURES, Graph, edge_features, positions

with warnings.catch_warnings():  # it compiles parts of itself in a way that torch calls deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.utils import scatter

__all__ = ["IMPN", "Messages", "Parts", "log_belief"]

LEAST_PROBABILITY = 1e-6


class Parts(NamedTuple):
    """What the network gets to see; the ablations leave one of them out."""

    messages: bool = True
    edge_features: bool = True
    probs: bool = True
    position: bool = True


ALL_PARTS = Parts()


def log_belief(probs: Tensor) -> Tensor:
    """log p of the detector; at least log 1e-6, so that no label is beyond correction."""
    return probs.clamp(min=LEAST_PROBABILITY).log()


class Messages(nn.Module):
    """One round: h_i <- unit(ReLU(W_u [h_i; mean_j ReLU(A h_j + B e_ji)])), unit(v) = sqrt(width) v / |v|.

    W_m of the definition is A beside a part that is multiplied with W_e: nothing lies between, so B holds the
    product. The mean of a node that hears nobody is 0.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_node = nn.Linear(width, width)
        self.of_edge = nn.Linear(EDGE_FEATURES, width, bias=False)
        self.combine = nn.Linear(2 * width, width)

    def forward(self, h: Tensor, source: Tensor, target: Tensor, seen: Tensor) -> Tensor:
        """[N, width] from h [N, width], edges [E] and what lies between their ends [E, 8]."""
        message = F.relu(self.of_node(h).index_select(0, source) + self.of_edge(seen))
        heard = scatter(message, target, dim_size=len(h), reduce="mean")
        return _unit(F.relu(self.combine(torch.cat([h, heard], 1))))


def _unit(h: Tensor) -> Tensor:
    return math.sqrt(h.shape[1]) * F.normalize(h, dim=1, eps=1e-12)


class IMPN(nn.Module):
    """Logits log p + s of every detection of a graph; untrained, s = 0: the detector itself.

    Args:
        n_labels: C, without the background.
        feature_size: D of the detector's features.
        width: of nodes and messages.
        layers: rounds of messages.
        parts: what it gets to see. Without `messages` it is a network of each box alone, of the same size.
    """

    def __init__(
        self, n_labels: int, feature_size: int, width: int = 128, layers: int = 2, parts: Parts = ALL_PARTS
    ) -> None:
        super().__init__()
        self.n_labels, self.feature_size, self.parts = n_labels, feature_size, Parts(*parts)
        self.appearance = nn.Sequential(nn.Linear(feature_size, width), nn.LayerNorm(width))
        self.enter = nn.Linear(width + 4 + n_labels + 1, width)
        self.rounds = nn.ModuleList([Messages(width) for _ in range(layers)])
        self.head = nn.Linear(width, n_labels + 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, graph: Graph) -> Tensor:
        """[N, C + 1] logits."""
        parts = self.parts
        # what is left out is 0, so that every ablation has the same number of weights
        place = positions(graph) * float(parts.position)
        x = torch.cat([self.appearance(graph.features), place, graph.probs * float(parts.probs)], 1)
        h = F.relu(self.enter(x))
        kept = slice(None) if parts.messages else slice(0)
        source, target = graph.source[kept], graph.target[kept]
        seen = edge_features(graph)[kept] * float(parts.edge_features)
        for messages in self.rounds:
            h = messages(h, source, target, seen)
        return log_belief(graph.probs) + self.head(h)

    @torch.no_grad()
    def with_labels(self, n_labels: int) -> IMPN:
        """A copy that knows more labels: nothing changes for the old ones, the new ones start from log p."""
        with torch.device("meta"):  # nothing is drawn: all weights come from here
            grown = IMPN(n_labels, self.feature_size, self.head.in_features, len(self.rounds), self.parts)
        state, old = {key: weights.clone() for key, weights in self.state_dict().items()}, self.n_labels
        more = n_labels - old
        # rows of the head and columns of what enters end with labels, then the background
        for key in ("head.weight", "head.bias"):
            rows = state[key]
            state[key] = torch.cat([rows[:old], rows.new_zeros(more, *rows.shape[1:]), rows[old:]])
        columns = state["enter.weight"]
        state["enter.weight"] = torch.cat(
            [columns[:, :-1], columns.new_zeros(len(columns), more), columns[:, -1:]], 1
        )
        grown.load_state_dict(state, assign=True)
        return grown
