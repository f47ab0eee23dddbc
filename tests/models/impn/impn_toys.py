"""Made-up detections for the tests of the graph model."""

import torch

from gazekit.models.impn.detections import Detections, LabelledFrame

SIZE_PX = (800.0, 600.0)
LABELS, FEATURES = 5, 16


def detections(count: int, seed: int = 0, labels: int = LABELS) -> Detections:
    """Boxes anywhere, with features and beliefs of noise; none so sure of background that it is left out."""
    draw = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=draw) * torch.tensor([600.0, 400.0])
    boxes = torch.cat([corner, corner + 20 + 150 * torch.rand(count, 2, generator=draw)], 1)
    probs = torch.randn(count, labels + 1, generator=draw).softmax(1)
    return Detections(boxes, probs, torch.randn(count, FEATURES, generator=draw), SIZE_PX)


def labelled(number: int, found: Detections, labels, weight: float = 1.0, **more) -> LabelledFrame:
    """A frame in which every detection is right where it is."""
    labels = torch.as_tensor(labels, dtype=torch.long).reshape(-1)
    return LabelledFrame(number, found, found.boxes, labels, torch.full((len(labels),), weight), **more)


def looks(label, seed: int) -> Detections:
    """Far apart boxes whose features say the label, while the detector knows nothing."""
    draw = torch.Generator().manual_seed(seed)
    label = torch.as_tensor(label)
    left = 100.0 * torch.arange(len(label))
    boxes = torch.stack([left, left * 0 + 50, left + 60, left * 0 + 120], 1)
    features = 3 * torch.eye(FEATURES)[label] + 0.1 * torch.randn(len(label), FEATURES, generator=draw)
    return Detections(boxes, torch.full((len(label), LABELS + 1), 1 / (LABELS + 1)), features, SIZE_PX)
