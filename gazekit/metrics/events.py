"""Agreement of event detections over recordings; the definitions are in `functional.events`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_statistic
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.events import (
    TIMING_PARTS,
    Events,
    check_min_iou,
    event_f1,
    timing_moments,
    timing_of,
)
from gazekit.metrics.functional.moments import drawn_moments, merge_moments
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.metrics.score import Score

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
        """Add B recordings, with integer groups [B] (subjects, for example)."""
        pairs = list(_recordings(detected, reference, self.label))
        f1 = [event_f1(d, r, self.min_iou).to(self.device) for d, r in pairs]
        sizes = torch.tensor([float(len(d) + len(r)) for d, r in pairs], device=self.device)
        self.add(torch.stack(f1) if f1 else sizes, group, sizes)


class EventTiming(GroupedMetric):
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

    higher_is_better = None
    parts = TIMING_PARTS

    def __init__(self, label: int | None = None, min_iou: float = 0.0) -> None:
        super().__init__("recordings", recordings=9)  # moments [3, 3]
        self.label = label
        self.min_iou = check_min_iou(min_iou)

    def update(
        self, detected: Sequence[Events], reference: Sequence[Events], group: ArrayLike | None = None
    ) -> None:
        """Add B recordings, with integer ids [B] of groups (subjects, for example)."""
        found = [
            timing_moments(one, other, self.min_iou).to(self.device)
            for one, other in _recordings(detected, reference, self.label)
        ]
        rows = torch.stack(found).flatten(1) if found else self.no_rows("recordings")
        self.add_grouped(rows, group)

    def compute(self) -> Tensor:
        """[5] as `functional.TIMING_PARTS`; NaN without a match."""
        return timing_of(merge_moments(self._moments()))

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Score]:
        """Each of the `parts` with its percentile bootstrap interval; `n` and `undefined` count recordings.

        The bootstrap draws whole groups, or recordings if there are no groups. Call it on all processes.
        """
        with self.sync_context():
            unit, units = self.units()
            moments, count, undefined = self._moments(), self.count, int(self.undefined)

        def drawn(counts: Tensor) -> Tensor:
            counts = torch.nn.functional.pad(counts.to(moments)[:, unit], (0, 1))
            return timing_of(drawn_moments(moments, counts).transpose(1, 2)).T

        found = bootstrap_statistic(drawn, units, n_resamples, level, seed, 16 * count)
        return {
            part: Score.of(bounds, count - undefined, undefined)
            for part, *bounds in zip(TIMING_PARTS, *found, strict=True)
        }

    @property
    def undefined(self) -> Tensor:
        """[] number of recordings of this process (of all inside `sync_context`) in which nothing matches."""
        return (self.rows("recordings")[:, 0] == 0).sum()

    def _moments(self) -> Tensor:
        """[N + 1, 3, 3] of each recording, and of one without any events."""
        rows = self.rows("recordings").unflatten(1, (3, 3))
        return torch.cat([rows, rows.new_zeros(1, 3, 3)])


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
