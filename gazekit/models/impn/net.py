"""The graph network: the detections of a frame exchange information, and correct what the detector believes.

Feature, probabilities and place of a detection -> h; L rounds of a mixer (`mixers`); a head whose output is added to
log p of the detector. All nodes and frames share every weight, so that the model applies to unseen frames and
objects. Definition and deviations: README.md of this folder.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.models.impn.edges import Graph, edge_features, positions
from gazekit.models.impn.mixers import MIXERS

__all__ = ["DetectorBelief", "IMPNNet", "LinearHead", "Parts", "log_belief"]

LEAST_PROBABILITY = 1e-6


class Parts(NamedTuple):
    """Inputs of the network; the ablations leave one of them out."""

    messages: bool = True
    edge_features: bool = True
    probs: bool = True
    position: bool = True


ALL_PARTS = Parts()


def log_belief(probs: Tensor) -> Tensor:
    """log p of the detector; at least log 1e-6, so that every label can be corrected."""
    return probs.clamp(min=LEAST_PROBABILITY).log()


class DetectorBelief(nn.Module):
    """The detector's own log p: nothing is learned.

    Args:
        n_labels, feature_size: unused; as of `IMPNNet`.
    """

    def __init__(self, n_labels: int, feature_size: int) -> None:
        super().__init__()

    def forward(self, graph: Graph) -> Tensor:
        """[N, C + 1] logits."""
        return log_belief(graph.probs)


class LinearHead(nn.Module):
    """log p + W LN(z) + b: the last layer of the detector, updated. Untrained it is the detector."""

    def __init__(self, n_labels: int, feature_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(feature_size, elementwise_affine=False)
        self.head = nn.Linear(feature_size, n_labels + 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, graph: Graph) -> Tensor:
        return log_belief(graph.probs) + self.head(self.norm(graph.features))


class IMPNNet(nn.Module):
    """Logits log p + s of every detection of a graph. Untrained, s = 0: the detector itself.

    Args:
        n_labels: C, without the background.
        feature_size: D of the detector's features.
        width: of node states.
        layers: rounds of the mixer.
        parts: its inputs. Without `messages` it classifies each box alone, with as many weights.
        mixer: "attention" or "sage", see `mixers`.
    Raises:
        ValueError: an unknown mixer.
    """

    def __init__(
        self,
        n_labels: int,
        feature_size: int,
        width: int = 128,
        layers: int = 2,
        parts: Parts = ALL_PARTS,
        mixer: str = "attention",
    ) -> None:
        super().__init__()
        if mixer not in MIXERS:
            raise ValueError(f"mixer must be one of {', '.join(MIXERS)}, got {mixer!r}")
        self.n_labels, self.feature_size = n_labels, feature_size
        self.parts, self.mixer = Parts(*parts), mixer
        self.appearance = nn.Sequential(nn.Linear(feature_size, width), nn.LayerNorm(width))
        self.enter = nn.Linear(width + 4 + n_labels + 1, width)
        self.rounds = nn.ModuleList([MIXERS[mixer](width) for _ in range(layers)])
        self.head = nn.Linear(width, n_labels + 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, graph: Graph) -> Tensor:
        """[N, C + 1] logits."""
        parts = self.parts
        # inputs that are left out are 0, so that every ablation has the same number of weights
        place = positions(graph) * float(parts.position)
        x = torch.cat([self.appearance(graph.features), place, graph.probs * float(parts.probs)], 1)
        h = F.relu(self.enter(x))
        kept = slice(None) if parts.messages else slice(0)
        source, target = graph.source[kept], graph.target[kept]
        edge = edge_features(graph)[kept] * float(parts.edge_features)
        for mixer in self.rounds:
            h = mixer(h, source, target, edge, graph.counts)
        return log_belief(graph.probs) + self.head(h)

    @torch.no_grad()
    def with_labels(self, n_labels: int) -> IMPNNet:
        """A copy with more labels: nothing changes for the old ones, the new ones start from log p."""
        width, layers = self.head.in_features, len(self.rounds)
        with torch.device("meta"):  # nothing is drawn: all weights come from here
            grown = IMPNNet(n_labels, self.feature_size, width, layers, self.parts, self.mixer)
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
