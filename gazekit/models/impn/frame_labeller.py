"""A frozen detector and a head over it, for batches of frames with fixations: of the system and its baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gazekit.base import Data
from gazekit.models.impn.assignment import check_groups
from gazekit.models.impn.detections import LabelledFrame, Predictions
from gazekit.models.impn.edges import Graph, graph_of, random_turns
from gazekit.models.impn.fixated import fixated_rows
from gazekit.models.impn.frozen_detector import FrozenDetector
from gazekit.models.impn.objective import Targets, balanced_weights, graph_loss, targets_of
from gazekit.models.impn.predictions import predictions_of

__all__ = ["FrameLabeller"]


class FrameLabeller(nn.Module):
    """Boxes with labels in frames, and the label of what is fixated.

    Args:
        facts: `labels`, names, and `exclusive`, groups of them of which each occurs at most once in a frame.
        make_net: of C and D (features of the detector), the head: logits of a `Graph`.
    """

    def __init__(self, facts: Mapping[str, Any], make_net: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.labels = tuple(facts["labels"])
        self.exclusive = check_groups(facts["exclusive"], len(self.labels))
        self.detector = FrozenDetector(self.labels)
        self.net = make_net(len(self.labels), self.detector.feature_size)
        self.register_buffer("class_weight", torch.ones(len(self.labels) + 1))

    def fit(self, data: Data, detector_steps: int) -> None:
        """Train the detector, and count the classes among what it finds in the training part."""
        self.detector.fit(data, detector_steps)
        _, targets = self._learnt_from(data.batch(data.parts["train"].tolist()))
        self.class_weight.copy_(balanced_weights(targets, len(self.labels)))

    def graph(self, batch: Mapping[str, Any]) -> Graph:
        """What the detector finds in the frames of a batch, on the CPU."""
        found = self.detector.detections(batch["frames"], batch["frame"].tolist())
        return graph_of(found, len(self.labels), self.detector.feature_size)

    def _learnt_from(self, batch: Mapping[str, Any]) -> tuple[Graph, Targets]:
        numbers = batch["frame"].tolist()
        found = self.detector.detections(batch["frames"], numbers)
        graph, labelled = self.graph(batch), []
        for number, detections, truth in zip(numbers, found, batch["truth"], strict=True):
            boxes, labels = truth["boxes"].cpu(), truth["labels"].cpu()
            labelled.append(LabelledFrame(number, detections, boxes, labels, torch.ones(len(labels))))
        return graph, targets_of(labelled, graph.boxes, graph.counts, len(self.labels))

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator | None = None) -> Tensor:
        """`graph_loss` of the frames of a batch; in training mode each is rolled at random.

        Args:
            generator: of the rolls (CPU); None takes torch's own.
        """
        graph, targets = self._learnt_from(batch)
        if self.training:
            graph = graph._replace(turn=random_turns(len(graph.counts), generator))
        device = self.class_weight.device
        targets = Targets(*(column.to(device) for column in targets))
        return graph_loss(self.net(graph.to(device)), targets, self.class_weight)

    def predict(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """What is in the frames, and what is fixated.

        Returns:
            predictions: for each frame "boxes" [n, 4], "labels" [n] and "scores" [n].
            predicted: [B] the label of the smallest box that holds the fixation; C, the background, where none does;
                `labels_a` is the same, for metrics of agreement.
            score: [B] the probability of that label, NaN for the background.
            box_px: [B, 4] that box, NaN for the background.
        """
        said = predictions_of(self.net, self.graph(batch), self.exclusive)
        rows = fixated_rows(batch["fixation_px"].cpu(), [frame.boxes for frame in said])
        looked_at = [
            _at(frame, row, len(self.labels)) for frame, row in zip(said, rows.tolist(), strict=True)
        ]
        label, score, box = (list(column) for column in zip(*looked_at, strict=True))
        return {
            "predictions": [{"boxes": f.boxes, "labels": f.label, "scores": f.score} for f in said],
            "predicted": torch.tensor(label),
            "labels_a": torch.tensor(label),
            "score": torch.tensor(score),
            "box_px": torch.stack(box),
        }


def _at(frame: Predictions, row: int, background: int) -> tuple[int, float, Tensor]:
    if row < 0:
        return background, torch.nan, torch.full((4,), torch.nan)
    return int(frame.label[row]), float(frame.score[row]), frame.boxes[row]
