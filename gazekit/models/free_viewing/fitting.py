"""The short training of the learned model of free viewing.

Each member leaves out its share of the training pictures, whose likelihood stops it. First its readout is fitted with
the centre bias, as a density of fixations without a history, then all of it together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.models.free_viewing.features import FrozenFeatures
from gazekit.models.free_viewing.net import History, NextFixation, histories
from gazekit.scanpaths.picture_density import FixationCounts
from gazekit.scene import SceneBatch
from gazekit.schedule import one_cycle

__all__ = ["fit_free_viewing", "stretched"]

FIRST_STEPS = 120  # of the readout alone
FIRST_PICTURES = 10  # of such a step
FIRST_RATE = 4e-3
PICTURES = 8  # of a step
SHARE = 0.25  # of their fixations
RATE = 0.01
READOUT_RATE = 0.001
SHARES = 6  # of the pictures, one left out by each member
CHECKS = 8  # looks at the left-out pictures
CHUNK = 512  # fixations at once, where no gradient is needed


class Fitted(Protocol):
    """What a `FreeViewing` has."""

    features: FrozenFeatures
    reductions: nn.ModuleDict
    members: nn.ModuleList
    centre: Tensor
    steps: int
    weight_decay: float

    def grid_of(self, scenes: SceneBatch) -> Grid: ...

    def centre_on(self, grid: Grid) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Pictures:
    """P pictures on one grid, and the F fixations on them.

    Args:
        features: [P, channels, C] reduced; counts: [P, C] of fixations; cell: [F].
    """

    grid: Grid
    features: Tensor
    counts: Tensor
    history: History
    cell: Tensor

    def mirrored(self) -> Pictures:
        """Left and right exchanged, the features as if the nets did the same."""
        columns = self.grid.columns

        def flip(maps: Tensor) -> Tensor:
            return maps.unflatten(-1, (-1, columns)).flip(-1).flatten(-2)

        def turn(cell: Tensor) -> Tensor:
            return torch.where(cell >= 0, cell + columns - 1 - 2 * (cell % columns), cell)

        history = replace(self.history, cell=turn(self.history.cell))
        return Pictures(self.grid, flip(self.features), flip(self.counts), history, turn(self.cell))


def fit_free_viewing(system: Fitted, data: Data) -> None:
    """Maximise the likelihood of people's fixations on the training and the validation part.

    Half of the steps see pictures mirrored. Memory: twice the reduced features, 3 MB per picture with five nets. Equal
    data and settings give equal weights.

    Raises:
        ValueError: pictures of several shapes, or fewer than there are readouts.
    """
    seen = _gathered(system, data)
    if len(seen.counts) < max(2, len(system.members)):
        raise ValueError(
            f"{len(seen.counts)} training pictures are too few for {len(system.members)} members, each of which "
            "leaves out its share: model.members=2 needs two"
        )
    sides = (seen, seen.mirrored())
    centre = system.centre_on(seen.grid)
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        share = torch.randperm(len(seen.counts)) % max(SHARES, len(system.members))
        for k, member in enumerate(system.members):
            _fit_member(member, sides, share == k, centre, system.steps, system.weight_decay)


def _gathered(system: Fitted, data: Data) -> Pictures:
    """The pictures of both parts; fits what has a closed form on the way."""
    pictures, number, found, cells, grid = [], {}, [], [], None
    for batch in (b for part in ("train", "val") if part in data.parts for b in data.batches(part)):
        grid = grid or system.grid_of(batch.scenes)
        if system.grid_of(batch.scenes) != grid:
            raise ValueError("free viewing is fitted on pictures of one shape; bring them to one size first")
        rows = []
        for picture in batch.scenes.pictures:  # a picture may be in several batches
            rows.append(number.setdefault(picture.numpy().tobytes(), len(pictures)))
            if rows[-1] == len(pictures):
                pictures.append(picture)
        history, cell = histories(batch, grid)
        found.append(replace(history, row=torch.tensor(rows)[history.row]))
        cells.append(cell)
    if grid is None:
        raise ValueError("free viewing needs training pictures, and the training part has none")
    cell = torch.cat(cells)
    history = History(*(torch.cat([getattr(h, name) for h in found]) for name in ("row", "cell", "step")))
    counts = FixationCounts(cell, history.row, history.row, len(pictures), grid.rows, len(grid))
    bias = counts.centre_bias()[0].float().view(1, 1, grid.rows, grid.columns)
    system.centre.copy_(stretched(bias, system.centre.shape[2:]))
    maps = system.features(torch.stack(pictures), grid)
    reduced = []
    for name, reduction in system.reductions.items():
        reduction.fit(maps[name])
        reduced.append(reduction(maps.pop(name)))
    return Pictures(grid, torch.cat(reduced, 1), counts.by_picture().float(), history, cell)


def stretched(maps: Tensor, size: Sequence[int]) -> Tensor:
    """[1, 1, H, W] maps at another size, as they are where it is the same."""
    return nn.functional.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)


def _fit_member(
    member: NextFixation,
    sides: tuple[Pictures, Pictures],
    left_out: Tensor,
    centre: Tensor,
    steps: int,
    decay: float,
) -> None:
    first, grid = member.readout, sides[0].grid
    member.load_state_dict(NextFixation(first[1].in_channels, first[1].out_channels, first[0].p).state_dict())
    learned = (~left_out).nonzero()[:, 0]
    _fit_readout(member, sides, learned, centre, min(FIRST_STEPS, steps), decay)
    of_readout = [*member.readout.parameters(), *member.content.parameters()]
    known = {id(p) for p in of_readout}
    optimizer = torch.optim.AdamW(
        [
            {"params": of_readout, "lr": READOUT_RATE, "weight_decay": decay},
            {
                "params": [p for p in member.parameters() if id(p) not in known],
                "lr": RATE,
                "weight_decay": 0.0,
            },
        ]
    )
    scheduler = one_cycle(optimizer, max(1, steps))
    best, weights = torch.inf, member.state_dict()
    for step in range(1, steps + 1):
        member.train()
        part = _side(sides)
        pictures, inside = _drawn(part, learned)
        history = part.history.select(inside)
        history = replace(history, row=torch.searchsorted(pictures, history.row))
        seen = member.see(part.features[pictures], grid)
        chosen = member(seen, history, centre, grid).gather(1, part.cell[inside, None])
        loss = -chosen.sum() / max(1, len(chosen))
        _step(optimizer, scheduler, loss)
        if step == steps or step % max(1, steps // CHECKS) == 0:
            now = _loss(member, sides[0], left_out, centre)
            if now < best:
                best, weights = now, {name: x.clone() for name, x in member.state_dict().items()}
    member.load_state_dict(weights)
    member.eval()


def _fit_readout(
    member: NextFixation,
    sides: tuple[Pictures, Pictures],
    learned: Tensor,
    centre: Tensor,
    steps: int,
    decay: float,
) -> None:
    """Without a history the fixations on a picture are counts of its cells, which is fast."""
    weights = [member.priority_weight, member.centre_weight, member.log_width]
    optimizer = torch.optim.AdamW(
        [
            {"params": member.readout.parameters(), "weight_decay": decay},
            {"params": weights, "weight_decay": 0.0},
        ],
        lr=FIRST_RATE,
    )
    scheduler = one_cycle(optimizer, max(1, steps))
    member.train()
    for _ in range(steps):
        part = _side(sides)
        chosen = learned[torch.randperm(len(learned))[:FIRST_PICTURES]]
        log = member.spatial(member.see(part.features[chosen], part.grid), centre)
        loss = -(log * part.counts[chosen]).sum() / part.counts[chosen].sum().clamp(min=1)
        _step(optimizer, scheduler, loss)
    with torch.no_grad():  # of the third fixation so far
        for weight in weights[:2]:
            weight.copy_(weight[2].expand_as(weight))


def _side(sides: tuple[Pictures, Pictures]) -> Pictures:
    return sides[int(torch.rand(()) < 0.5)]


def _drawn(part: Pictures, learned: Tensor) -> tuple[Tensor, Tensor]:
    """Some pictures in order, and [F] which fixations: some of those on them."""
    pictures = learned[torch.randperm(len(learned))[:PICTURES]].sort().values
    return pictures, torch.isin(part.history.row, pictures) & (torch.rand(len(part.cell)) < SHARE)


def _step(optimizer: torch.optim.Optimizer, scheduler: LRScheduler, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()


@torch.no_grad()
def _loss(member: NextFixation, part: Pictures, left_out: Tensor, centre: Tensor) -> float:
    """Nats per fixation on the left-out pictures."""
    member.eval()
    seen, total = member.see(part.features, part.grid), 0.0
    rows = left_out[part.history.row].nonzero()[:, 0]
    for chosen in rows.split(CHUNK):
        log = member(seen, part.history.select(chosen), centre, part.grid)
        total -= float(log.gather(1, part.cell[chosen, None]).sum())
    return total / max(1, len(rows))
