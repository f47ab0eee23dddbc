"""Are two lists of eye-movement events of one recording the same? Matching, F1, errors of timing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, integers, values
from gazekit.metrics.functional.moments import moments, unpack_moments

__all__ = [
    "TIMING_PARTS",
    "EventMatches",
    "Events",
    "event_f1",
    "event_timing_ms",
    "labels_to_events",
    "match_events",
]

TIMING_PARTS = ("onset_mean_ms", "onset_std_ms", "offset_mean_ms", "offset_std_ms", "mean_iou")
"""What `event_timing_ms` holds, in order."""

_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one recording, in any order; fixations, saccades and others apart by their label.

    Args:
        onset_ms: [E] when each began; tensors, arrays or lists.
        offset_ms: [E] when it was over: the time of the first sample that belongs to it no more, so that the
            duration is offset - onset. Add a sample's duration to offsets of tools that name the last sample.
        label: [E] integer kinds of events; None where all are of one kind (label 0).
    Raises:
        TypeError: times are not real numbers, labels not integers.
        ValueError: shapes are not one [E], a time that is not finite, an offset before its onset.

    Example:
        >>> Events([0.0, 250.0], [200.0, 480.0]).duration_ms
        tensor([200., 230.], dtype=torch.float64)
    """

    onset_ms: Tensor
    offset_ms: Tensor
    label: Tensor | None = None

    def __post_init__(self) -> None:
        onset, offset = (values(name, getattr(self, name)) for name in ("onset_ms", "offset_ms"))
        label = torch.zeros_like(onset).long() if self.label is None else integers("label", self.label)
        if not onset.shape == offset.shape == label.shape or onset.dim() != 1:
            raise ValueError(
                "onset_ms, offset_ms and label must share one shape [E], "
                f"got {list(onset.shape)}, {list(offset.shape)} and {list(label.shape)}"
            )
        bad = (~(onset.isfinite() & offset.isfinite()) | (offset < onset)).nonzero()
        if len(bad):
            index = int(bad[0])
            raise ValueError(
                f"event {index} lasts from {onset[index].item():g} to {offset[index].item():g} ms: times must "
                "be finite, and no offset before its onset"
            )
        for name, tensor in (("onset_ms", onset), ("offset_ms", offset), ("label", label)):
            object.__setattr__(self, name, tensor)

    def __len__(self) -> int:
        return len(self.onset_ms)

    @property
    def duration_ms(self) -> Tensor:
        """[E] how long each lasted."""
        return self.offset_ms - self.onset_ms

    def only(self, label: int) -> Events:
        """The events of one kind."""
        chosen = self.label == label
        return Events(self.onset_ms[chosen], self.offset_ms[chosen], self.label[chosen])


class EventMatches(NamedTuple):
    """M matched events: their indices in `a` and in `b`, [M] each in a's order of index, and their IoU [M]."""

    a: Tensor
    b: Tensor
    iou: Tensor


def match_events(a: Events, b: Events, min_iou: float = 0.0) -> EventMatches:
    """Pair events of equal label one to one, the best overlapping first.

    Of all pairs of equal label that overlap, the one with the largest IoU (time in both / time in either) is
    taken, then the largest among events left over, and so on; on equal IoU the earlier onset in `a`, then in
    `b`, comes first. So the partner of an event is the one that overlaps it most, unless that one prefers
    another. (A matching with the largest sum of IoU can differ, by pulling apart the best pair.)

    Source: the rule by largest overlap is that of Zemblys, Niehorster and Holmqvist 2019 (Behavior Research
    Methods 51, 840), to our recollection; IoU in place of overlap keeps a long event from taking whatever it covers.

    Args:
        a: events of one detector or rater; `b` those of the other, on the same clock.
        min_iou: pairs must overlap, and by this much at least.
    Returns:
        The matches. An event of duration 0 overlaps nothing.
    Raises:
        ValueError: min_iou outside 0 to 1.

    Example:
        >>> a, b = Events([0, 300], [200, 500]), Events([10, 190, 320], [180, 290, 500])
        >>> matches = match_events(a, b)
        >>> matches.a.tolist(), matches.b.tolist()
        ([0, 1], [0, 2])
    """
    check_min_iou(min_iou)
    left, right, iou = _overlapping(a, b, min_iou)
    order = torch.arange(len(iou), device=iou.device)
    for key in (b.onset_ms[right], a.onset_ms[left], -iou):  # the last sorts first
        order = order[key[order].sort(stable=True).indices]
    left, right, iou = left[order], right[order], iou[order]
    taken = _best_first(left, right, len(a), len(b))
    left, right, iou = left[taken], right[taken], iou[taken]
    by_a = left.argsort()
    return EventMatches(left[by_a], right[by_a], iou[by_a])


def check_min_iou(min_iou: float) -> float:
    """`min_iou`, if it is one.

    Raises:
        ValueError: outside 0 to 1.
    """
    if not 0 <= min_iou <= 1:
        raise ValueError(f"min_iou must lie between 0 and 1, got {min_iou}")
    return min_iou


def event_f1(detected: Events, reference: Events, min_iou: float = 0.0) -> Tensor:
    """F1 of detected events: 2 x matched / (detected + reference), matched as `match_events` does.

    Source: Hooge et al. 2018 (Behavior Research Methods 50, 1864) for F1 of events; their matching differs.

    Args:
        detected: events of one recording; `reference` those that are held to be true.
        min_iou: as in `match_events`.
    Returns:
        [] float64 from 0 to 1; NaN if there is no event on either side.
    Raises:
        ValueError: min_iou outside 0 to 1.

    Example:
        >>> event_f1(Events([0, 300], [200, 500]), Events([10, 190, 320], [180, 290, 500]))
        tensor(0.8000, dtype=torch.float64)
    """
    matched = match_events(detected, reference, min_iou).iou
    return 2 * matched.new_tensor(len(matched)) / (len(detected) + len(reference))


def event_timing_ms(detected: Events, reference: Events, min_iou: float = 0.0) -> Tensor:
    """Errors of onset and offset of matched events, detected - reference (positive = late), and their IoU.

    Args:
        detected: events of one recording; `reference` those that are held to be true.
        min_iou: as in `match_events`. The matches decide the errors: report it, and `event_f1` beside them.
    Returns:
        [5] float64, as `TIMING_PARTS` says: mean and standard deviation (divisor M - 1) of the onset's and of
        the offset's error over the M matches, in ms, and their mean IoU. NaN without a match, standard
        deviations also with one.
    Raises:
        ValueError: min_iou outside 0 to 1.

    Example:
        >>> event_timing_ms(Events([0, 300], [200, 500]), Events([10, 190, 320], [180, 290, 500]))
        tensor([-15.0000,   7.0711,  10.0000,  14.1421,   0.8750], dtype=torch.float64)
    """
    return timing_of(timing_moments(detected, reference, min_iou))


def timing_moments(detected: Events, reference: Events, min_iou: float) -> Tensor:
    """[3, 3] `moments` of onset error, offset error and IoU over the matches."""
    matches = match_events(detected, reference, min_iou)
    onset, offset = (
        getattr(detected, time)[matches.a] - getattr(reference, time)[matches.b]
        for time in ("onset_ms", "offset_ms")
    )
    return moments(torch.stack([onset, offset, matches.iou], 1))


def timing_of(packed: Tensor) -> Tensor:
    """[5] as `TIMING_PARTS` from packed moments [3, 3]."""
    count, mean, comoment = unpack_moments(packed)
    mean = torch.where(count > 0, mean[0], torch.nan)
    std = torch.where(count > 1, comoment[0, 0] / (count - 1), torch.nan).sqrt()
    return torch.stack([mean[0], std[0], mean[1], std[1], mean[2]])


def labels_to_events(
    labels: ArrayLike, *, time_ms: ArrayLike | None = None, sampling_rate_hz: float | None = None
) -> Events:
    """Runs of equal sample labels as events; every sample belongs to one.

    An event lasts until the next sample's time. The last one gets the median sample interval. Where samples
    are missing from the time axis the event before the gap is longer by it: label such stretches, or cut there.

    Args:
        labels: [N] integer label of each sample (also of lost data, as one of the kinds).
        time_ms: [N] increasing times of the samples, N at least 2 (or 0); or instead
        sampling_rate_hz: of equally spaced samples, the first at 0 ms.
    Returns:
        Events with the labels of their samples, in order of time; none of no sample.
    Raises:
        TypeError: labels are not integers; not exactly one of time_ms and sampling_rate_hz.
        ValueError: wrong shapes, times that don't increase, a rate that is not positive.

    Example:
        >>> events = labels_to_events([1, 1, 1, 2, 1, 1], sampling_rate_hz=500)
        >>> events.onset_ms.tolist(), events.offset_ms.tolist(), events.label.tolist()
        ([0.0, 6.0, 8.0], [6.0, 8.0, 12.0], [1, 2, 1])
    """
    labels = integers("labels", labels)
    if labels.dim() != 1:
        raise ValueError(f"labels must have shape [N], got {list(labels.shape)}")
    edges = _edges_ms(len(labels), time_ms, sampling_rate_hz).to(labels.device)
    change = (labels[1:] != labels[:-1]).nonzero()[:, 0] + 1
    start = torch.cat([change.new_zeros(min(1, len(labels))), change])
    end = torch.cat([change, change.new_full((min(1, len(labels)),), len(labels))])
    return Events(edges[start], edges[end], labels[start])


def _edges_ms(count: int, time_ms: ArrayLike | None, sampling_rate_hz: float | None) -> Tensor:
    """[N + 1] when each sample begins, and the last one ends."""
    if (time_ms is None) == (sampling_rate_hz is None):
        raise TypeError("labels_to_events needs either time_ms or sampling_rate_hz")
    if time_ms is None:
        if not sampling_rate_hz > 0:
            raise ValueError(f"sampling_rate_hz must be positive, got {sampling_rate_hz}")
        return torch.arange(count + 1, dtype=torch.float64) * 1000 / sampling_rate_hz
    time = values("time_ms", time_ms)
    step = time.diff()
    if time.shape != (count,) or count == 1:
        raise ValueError(
            f"time_ms must have shape [{count}], one time a label and at least 2, got {list(time.shape)}"
        )
    if not (step > 0).all():
        raise ValueError("time_ms must increase from sample to sample")
    return torch.cat([time, time[-1:] + step.quantile(0.5)]) if count else time.new_zeros(1)


def _overlapping(a: Events, b: Events, min_iou: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of equal label that overlap enough, in the order of their indices: indices in a, in b, IoU.

    Of two that overlap, either b's begins while a's lasts or a's begins after b's while that lasts: stretches of
    the sorted onsets, in which nothing else lies.
    """
    (a_onset, a_offset), (b_onset, b_offset) = _places(a, b)
    found = [(a.label[:0], a.label[:0], a.onset_ms[:0])]
    for stretches, in_order, swapped in (
        (_stretches(b_onset, a_onset, a_offset, from_start=True), b_onset.argsort(), False),
        (_stretches(a_onset, b_onset, b_offset, from_start=False), a_onset.argsort(), True),
    ):
        for owner, place in _members(*stretches):
            left, right = (in_order[place], owner) if swapped else (owner, in_order[place])
            both = torch.minimum(a.offset_ms[left], b.offset_ms[right])
            both = both - torch.maximum(a.onset_ms[left], b.onset_ms[right])
            either = torch.maximum(a.offset_ms[left], b.offset_ms[right])
            either = either - torch.minimum(a.onset_ms[left], b.onset_ms[right])
            enough = (both > 0) & (both >= min_iou * either)
            found.append((left[enough], right[enough], (both / either)[enough]))
    left, right, iou = (torch.cat(column) for column in zip(*found, strict=True))
    order = (left * len(b) + right).argsort()
    return left[order], right[order], iou[order]


def _places(a: Events, b: Events) -> list[tuple[Tensor, Tensor]]:
    """Integers for onset and offset of each event of a and of b, by label and then by time."""
    times = torch.cat([a.onset_ms, a.offset_ms, b.onset_ms, b.offset_ms])
    label = torch.cat([a.label, a.label, b.label, b.label])
    (times, time), (_, label) = (x.unique(return_inverse=True) for x in (times, label))
    place = (label * len(times) + time).split([len(a), len(a), len(b), len(b)])
    return [place[:2], place[2:]]


def _stretches(onset: Tensor, start: Tensor, end: Tensor, from_start: bool) -> tuple[Tensor, Tensor]:
    """First index among the sorted onsets, and number, of those from (or after) each start and before each end."""
    onset = onset.sort().values
    first = torch.searchsorted(onset, start.contiguous(), right=not from_start)
    return first, (torch.searchsorted(onset, end.contiguous()) - first).clamp(min=0)


def _members(first: Tensor, count: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Of stretches: whose it is and the index, for all indices in them, some stretches at once."""
    most = max(1, _CHUNK_BYTES // (8 * 12))  # about twelve columns at the peak
    before = count.cumsum(0) - count
    _, sizes = (before // most).unique_consecutive(return_counts=True)
    for part in torch.arange(len(count), device=count.device).split(sizes.tolist()):
        owner = part.repeat_interleave(count[part])
        number = torch.arange(len(owner), device=owner.device) + before[part[:1]]
        yield owner, number - before[owner] + first[owner]


def _best_first(left: Tensor, right: Tensor, n_left: int, n_right: int) -> Tensor:
    """[M] bool: which pairs, best first, are taken if each takes both of its ends away from later ones.

    In each round every pair is taken that comes first for both of its ends: that is what going through them
    one by one does, in a few rounds.
    """
    count = len(left)
    rank = torch.arange(count, device=left.device)
    taken, alive = torch.zeros_like(rank, dtype=torch.bool), torch.ones_like(rank, dtype=torch.bool)
    while alive.any():
        first = [
            torch.full((size,), count, device=left.device).scatter_reduce(0, end[alive], rank[alive], "amin")
            for end, size in ((left, n_left), (right, n_right))
        ]
        now = alive & (first[0][left] == rank) & (first[1][right] == rank)
        taken = taken | now
        used = [torch.zeros(n, dtype=torch.bool, device=left.device) for n in (n_left, n_right)]
        used[0][left[now]] = True
        used[1][right[now]] = True
        alive = alive & ~(used[0][left] | used[1][right])
    return taken
