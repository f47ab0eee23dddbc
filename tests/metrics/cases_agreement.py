"""Cases of the agreement metrics."""

from __future__ import annotations

import torch
from cases import Batch, Case
from torch import Tensor

from gazekit.metrics import Accuracy, CohenKappa, EventF1, EventTiming, KrippendorffAlpha, SampleF1
from gazekit.metrics.functional import (
    Events,
    cohen_kappa,
    event_timing_ms,
    krippendorff_alpha,
    match_events,
    sample_f1,
)

__all__ = ["CASES", "random_events"]


def labels_batch(seed: int) -> Batch:
    """Labels by two raters who agree on most; some are missing, with rubbish in their place."""
    draw = torch.Generator().manual_seed(seed)
    a = torch.randint(4, (60,), generator=draw)
    b = torch.where(torch.rand(60, generator=draw) < 0.7, a, torch.randint(4, (60,), generator=draw))
    mask = torch.rand(60, generator=draw) < 0.9
    return {"labels_a": a, "labels_b": torch.where(mask, b, -7), "labels_mask": mask}


def ratings_batch(seed: int) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    ratings = torch.randint(5, (30,), generator=draw) + torch.randint(2, (3, 30), generator=draw)
    return {"ratings": ratings, "ratings_mask": torch.rand(3, 30, generator=draw) < 0.6}


def random_events(draw: torch.Generator, count: int = 12) -> Events:
    """Events of two kinds, one after the other with gaps."""
    edges = torch.rand(2 * count, generator=draw, dtype=torch.float64).mul(200).add(20).cumsum(0)
    return Events(edges[::2], edges[1::2], torch.randint(2, (count,), generator=draw))


def recordings_batch(seed: int) -> Batch:
    """Six recordings; one has no events of kind 1 at all."""
    draw = torch.Generator().manual_seed(seed)
    reference = [random_events(draw) for _ in range(6)]
    detected = [
        Events(e.onset_ms + 5, e.offset_ms + 30 * torch.rand(len(e), generator=draw), e.label)
        for e in reference
    ]
    reference[2] = reference[2].only(0)
    detected[2] = detected[2].only(0)
    return {"detected": detected, "reference": reference}


def joined(batches: list[Batch], name: str, dim: int = 0) -> Tensor:
    return torch.cat([batch[name] for batch in batches], dim)


def labels_of(batches: list[Batch]) -> tuple[Tensor, Tensor]:
    mask = joined(batches, "labels_mask")
    return joined(batches, "labels_a")[mask], joined(batches, "labels_b")[mask]


def alpha(batches: list[Batch]) -> Tensor:
    return krippendorff_alpha(joined(batches, "ratings", 1), joined(batches, "ratings_mask", 1), "ordinal")


def pooled_f1(batches: list[Batch]) -> Tensor:
    matched, events = 0, 0
    for batch in batches:
        for sides in zip(batch["detected"], batch["reference"], strict=True):
            one, other = (events.only(1) for events in sides)
            matched += len(match_events(one, other, 0.5).iou)
            events += len(one) + len(other)
    return torch.tensor(2 * matched / events, dtype=torch.float64)


def timing_of_one_long_recording(batches: list[Batch]) -> Tensor:
    """All recordings one after the other, which cannot overlap, are one recording."""
    sides: dict[str, Events] = {}
    for name in ("detected", "reference"):
        parts = [events.only(1) for batch in batches for events in batch[name]]
        shift = [10_000.0 * i for i in range(len(parts))]
        sides[name] = Events(
            torch.cat([part.onset_ms + s for part, s in zip(parts, shift, strict=True)]),
            torch.cat([part.offset_ms + s for part, s in zip(parts, shift, strict=True)]),
        )
    return event_timing_ms(sides["detected"], sides["reference"], 0.25)


def classes_batch(seed: int) -> Batch:
    """Classes of items, some of which have no label."""
    draw = torch.Generator().manual_seed(seed)
    return {
        "predicted": torch.randint(3, (40,), generator=draw),
        "label": torch.randint(4, (40,), generator=draw) - 1,
    }


def share_right(batches: list[Batch]) -> Tensor:
    predicted, label = joined(batches, "predicted"), joined(batches, "label")
    return (predicted == label)[label >= 0].double().mean()


CASES: dict[str, Case] = {
    "accuracy": Case(Accuracy, classes_batch, share_right),
    "cohen_kappa": Case(
        lambda: CohenKappa(4, "linear"), labels_batch, lambda b: cohen_kappa(*labels_of(b), "linear")
    ),
    "krippendorff_alpha": Case(lambda: KrippendorffAlpha(6, "ordinal"), ratings_batch, alpha),
    "sample_f1": Case(lambda: SampleF1(4), labels_batch, lambda b: sample_f1(*labels_of(b), 4)),
    "event_f1": Case(lambda: EventF1(label=1, min_iou=0.5), recordings_batch, pooled_f1),
    "event_timing_ms": Case(
        lambda: EventTiming(label=1, min_iou=0.25), recordings_batch, timing_of_one_long_recording
    ),
}
