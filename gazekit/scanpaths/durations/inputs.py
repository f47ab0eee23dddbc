"""What the duration of a fixation may depend on, as numbers of about 1: groups that a model chooses from.

All groups but "outgoing" are causal: row t of them is made of fixations 0 to t, of the durations of 0 to t - 1, and
of nothing else. "outgoing" is the saccade that ends the fixation, which a viewer knows only if the next goal is chosen
before the eye leaves; a model that uses it must be given the whole scanpath.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gazekit.scanpaths.durations.timed import Timed

__all__ = ["CAUSAL", "GROUPS", "duration_inputs"]

TYPICAL_MS = 230.0
"""About the median fixation; stands for unknown ones in the time that has passed."""
LAGS = 3
"""Durations, and earlier fixations' positions, that are kept one by one."""


def duration_inputs(timed: Timed, groups: Sequence[str]) -> Tensor:
    """[..., T, F] a constant and the groups' inputs side by side. Without meaning on padding.

    Raises:
        ValueError: an unknown group.
    """
    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise ValueError(f"inputs must be among {', '.join(GROUPS)}, got {', '.join(unknown)}")
    constant = timed.start_xy_px.new_ones(*timed.mask.shape, 1)
    return torch.cat([constant, *(GROUPS[name](timed) for name in groups)], -1)


def _order(timed: Timed) -> Tensor:
    """Which fixation it is: the first four by name."""
    step = _steps(timed)
    first = [(step == k).to(step) for k in range(4)]
    return torch.stack([*first, step / 5, step.log1p()], -1)


def _past(timed: Timed) -> Tensor:
    """Earlier durations: the last three, the mean and the spread so far, and how many are unknown of the last two."""
    log = (timed.duration_ms.clamp(min=1) / TYPICAL_MS).log()
    known = timed.known.to(log)
    log = torch.where(timed.known, log, 0.0)  # an unknown one tells nothing: as if it were typical
    count = _before(known.cumsum(-1), 1) + 1  # one typical fixation beforehand
    moments = [_before(x.cumsum(-1), 1) / count for x in (log, log.square())]
    lags = [_before(log, k) for k in range(1, LAGS + 1)]
    missing = [1 - _before(known, k) for k in (1, 2)]
    return torch.stack([*lags, *moments, *missing], -1)


def _saccade(timed: Timed) -> Tensor:
    """The saccade that led here: its length and direction, its turn, and how near it came to earlier places."""
    move, length = _moves(timed)
    direction = move / length.clamp(min=1e-4)[..., None]
    before = _before(direction, 1, -2)
    turn = (direction * before).sum(-1)
    side = (direction[..., 0] * before[..., 1] - direction[..., 1] * before[..., 0]).abs()
    log = _log_length(length)
    across, down = direction.unbind(-1)
    parts = [log, _before(log, 1), across, down, across.abs(), turn, side, *_returns(timed)]
    return torch.stack(parts, -1)


def _returns(timed: Timed) -> list[Tensor]:
    """Log distance from the fixation before the last, and from the one before that; far where there is none."""
    places, step = _places(timed)[..., 1:, :], _steps(timed)
    far = places.new_full((), 1.0)
    found = []
    for lag in (2, 3):
        distance = (places - _before(places, lag, -2)).norm(dim=-1)
        found.append(_log_length(torch.where(step >= lag, distance, far)))
    return found


def _place(timed: Timed) -> Tensor:
    """Where in the picture: right and down of its centre, and how far from it."""
    diagonal = timed.size_px.norm(dim=-1)[..., None, None]
    offset = (timed.xy_px - timed.size_px[..., None, :] / 2) / diagonal
    return 3 * torch.cat([offset, offset.norm(dim=-1, keepdim=True)], -1)


def _clock(timed: Timed) -> Tensor:
    """Time looked so far, in s: a recording of fixed length keeps no fixation that outlasts it."""
    spent = torch.where(timed.known, timed.duration_ms, TYPICAL_MS) / 1000
    last, total = _before(spent, 1), _before(spent.cumsum(-1), 1)
    late = [(total + 0.045 * _steps(timed) - after).clamp(min=0) for after in (1.2, 1.7, 2.2)]
    return torch.stack([last, total, *late], -1)


def _outgoing(timed: Timed) -> Tensor:
    """The saccade that ends the fixation, and whether none is known: not causal."""
    _, length = _moves(timed)
    last = torch.cat([timed.mask[..., 1:], torch.zeros_like(timed.mask[..., :1])], -1)[..., : len(timed)]
    following = torch.cat([length, length[..., :1]], -1)[..., 1:]
    log = torch.where(last, _log_length(following), 0.0)
    return torch.stack([log, (~last).to(log)], -1)


CAUSAL = ("order", "past", "saccade", "place", "clock")
GROUPS: dict[str, Callable[[Timed], Tensor]] = {
    "order": _order,
    "past": _past,
    "saccade": _saccade,
    "place": _place,
    "clock": _clock,
    "outgoing": _outgoing,
}


def _steps(timed: Timed) -> Tensor:
    """[..., T] 0, 1, 2, ..."""
    step = torch.arange(len(timed), device=timed.mask.device)
    return step.to(timed.start_xy_px).expand(timed.mask.shape)


def _places(timed: Timed) -> Tensor:
    """[..., T + 1, 2] start and fixations, in diagonals of the picture."""
    places = torch.cat([timed.start_xy_px[..., None, :], timed.xy_px], -2)
    return places / timed.size_px.norm(dim=-1)[..., None, None]


def _moves(timed: Timed) -> tuple[Tensor, Tensor]:
    """[..., T, 2] saccades that led to the fixations, and their lengths [..., T], in diagonals."""
    places = _places(timed)
    move = places[..., 1:, :] - places[..., :-1, :]
    return move, move.norm(dim=-1)


def _log_length(length: Tensor) -> Tensor:
    return (length + 0.01).log() + 2


def _before(values: Tensor, lag: int, dim: int = -1) -> Tensor:
    """What stood `lag` steps earlier; 0 before the first."""
    steps = values.shape[dim]
    lag = min(lag, steps)
    zeros = torch.zeros_like(values.narrow(dim, 0, lag))
    return torch.cat([zeros, values.narrow(dim, 0, steps - lag)], dim)
