"""What the graph model is compared with: learners of the same interface that lack something.

`Detector` says what the frozen detector says, `LinearHead` makes the detector's own last layer learn from the same
corrections, an `IMPN` without messages is a network of each box alone, `Tracker` learns no looks and carries labels
from frame to frame.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from gazekit.models.impn.edges import Graph
from gazekit.models.impn.net import IMPN, Parts, log_belief

__all__ = ["ARMS", "LinearHead"]


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


ARMS: dict[str, Callable[[int, int], nn.Module]] = {
    "graph": IMPN,
    "detector": LinearHead,
    "per box": partial(IMPN, parts=Parts(messages=False)),
    "no edge features": partial(IMPN, parts=Parts(edge_features=False)),
    "no p": partial(IMPN, parts=Parts(probs=False)),
    "no q": partial(IMPN, parts=Parts(position=False)),
}
"""Networks that learn, by name. "detector" learns its last layer; frozen, it is any of them before its first update."""
