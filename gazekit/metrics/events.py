"""Agreement of event detections over recordings; the definitions are in `functional.events`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from gazekit.metrics.functional.events import Events, check_min_iou, event_f1, timing_moments, timing_of
from gazekit.metrics.functional.moments import merge_moments
from gazekit.metrics.item_metric import Aggregation, ItemMetric

__all__ = ["EventF1", "EventTiming"]


class EventF1(ItemMetric):
    """`functional.event_f1` of recordings.

    Args:
        label: kind of events that counts; None for all kinds together.
        min_iou: how far events must overlap to match.
        aggregation: "weight" (default) = F1 of all recordings' events together; "item" = mean over
            recordings; "group" = mean over groups' means; "none" = each recording.

    Recordings without an event on either side are left out and counted in `undefined`.

    Example:
        >>> from gazekit.metrics.functional import Events
        >>> metric = EventF1()
        >>> metric.update([Events([0, 300], [200, 500])], [Events([10, 190, 320], [180, 290, 500])])
        >>> metric.compute()
        tensor(0.8000, dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(
        self, label: int | None = None, min_iou: float = 0.0, aggregation: Aggregation = "weight"
    ) -> None:
        super().__init__(aggregation)
        self.label = label
        self.min_iou = check_min_iou(min_iou)

    def update(
        self, detected: Sequence[Events], reference: Sequence[Events], group: Tensor | None = None
    ) -> None:
        """Add B recordings, with integer groups [B] (of subjects, say) where they matter."""
        pairs = list(_recordings(detected, reference, self.label))
        f1 = [event_f1(d, r, self.min_iou).to(self.device) for d, r in pairs]
        sizes = torch.tensor([float(len(d) + len(r)) for d, r in pairs], device=self.device)
        self.add(torch.stack(f1) if f1 else sizes, group, sizes)


class EventTiming(Metric):
    """`functional.event_timing_ms` over the matched events of all recordings together.

    Args:
        label: kind of events that counts; None for all kinds together.
        min_iou: how far events must overlap to match.

    Recordings in which nothing matches are counted in `undefined`.

    Example:
        >>> from gazekit.metrics.functional import Events
        >>> metric = EventTiming()
        >>> metric.update([Events([0, 300], [200, 500])], [Events([10, 190, 320], [180, 290, 500])])
        >>> metric.compute()
        tensor([-15.0000,   7.0711,  10.0000,  14.1421,   0.8750], dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    undefined: Tensor

    def __init__(self, label: int | None = None, min_iou: float = 0.0) -> None:
        super().__init__()
        self.label = label
        self.min_iou = check_min_iou(min_iou)
        # Named by the settings: a MetricCollection lets metrics whose states have equal names and, on the first
        # batch, equal values share them.
        self._state = f"timing_of_{label}_from_{min_iou}"
        self.add_state(self._state, torch.zeros(3, 3, dtype=torch.float64), dist_reduce_fx=merge_moments)
        self.add_state("undefined", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, detected: Sequence[Events], reference: Sequence[Events]) -> None:
        """Add B recordings."""
        for one, other in _recordings(detected, reference, self.label):
            found = timing_moments(one, other, self.min_iou).to(self.device)
            setattr(self, self._state, merge_moments(torch.stack([getattr(self, self._state), found])))
            self.undefined = self.undefined + (found[0, 0] == 0)

    def compute(self) -> Tensor:
        """[5] as `functional.TIMING_PARTS`; NaN without a match."""
        return timing_of(getattr(self, self._state))


def _recordings(detected: Sequence[Events], reference: Sequence[Events], label: int | None):
    if len(detected) != len(reference):
        raise ValueError(
            "detected and reference must hold equally many recordings, "
            f"got {len(detected)} and {len(reference)}"
        )
    for events in zip(detected, reference, strict=True):
        for one in events:
            if not isinstance(one, Events):
                raise TypeError(f"recordings must be Events, got {type(one).__name__}")
        yield events if label is None else tuple(one.only(label) for one in events)
