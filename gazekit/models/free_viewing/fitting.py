"""The short training of the learned model of free viewing."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.models.free_viewing.features import FrozenFeatures
from gazekit.models.free_viewing.net import History, NextFixation, histories
from gazekit.scanpaths.picture_density import FixationCounts
from gazekit.scene import SceneBatch
from gazekit.schedule import one_cycle


class Fitted(Protocol):
    """What a `FreeViewing` has."""

    features: FrozenFeatures
    reductions: nn.ModuleDict
    members: nn.ModuleList
    centre: Tensor
    centre_rows: Tensor
    steps: int
    learning_rate: float
    weight_decay: float

    def grid_of(self, scenes: SceneBatch) -> Grid: ...

    def reduced(self, pictures: Tensor, grid: Grid) -> Tensor: ...

    def centre_on(self, grid: Grid) -> Tensor: ...


__all__ = ["fit_free_viewing"]

PICTURES = 8  # of a step
SHARE = 0.25  # of their fixations
FIRST_STEPS = 120  # of the readout and the centre bias alone
FIRST_RATE = 4e-3
READOUT_RATE = 0.1  # of the rate of the other parameters
CHECKS = 8  # looks at the validation part
CHUNK = 512  # fixations at once, where no gradient is needed


class _Part:
    """Pictures of one part of the data and the fixations on them: features [P, channels, C], histories, cells [F]."""

    def __init__(self, system: Fitted, data: Data, part: str, grid: Grid | None) -> None:
        pictures, rows, cells, seen, self.grid = [], [], [], {}, grid
        for batch in data.batches(part):
            self.grid = self.grid or system.grid_of(batch.scenes)
            if system.grid_of(batch.scenes) != self.grid:
                raise ValueError(
                    "the training of a model of free viewing needs pictures of one shape; bring them to one size first"
                )
            number = []
            for picture in batch.scenes.pictures:  # a picture may be in several batches
                key = hash(picture.numpy().tobytes())
                if key not in seen:
                    seen[key] = len(pictures)
                    pictures.append(picture)
                number.append(seen[key])
            history, cell = histories(batch, self.grid)
            rows.append(History(torch.tensor(number)[history.row], history.cell, history.step))
            cells.append(cell)
        self.pictures = pictures
        self.history = History(*(torch.cat([getattr(h, f) for h in rows]) for f in ("row", "cell", "step")))
        self.cell = torch.cat(cells)
        counts = torch.bincount(
            self.history.row * len(self.grid) + self.cell, minlength=len(pictures) * len(self.grid)
        )
        self.counts = counts.view(len(pictures), -1).float()
        self.features = torch.zeros(0)

    def mirrored(self) -> _Part:
        """Left and right exchanged, the features as if the nets did the same."""
        other = object.__new__(_Part)
        other.grid, other.pictures = self.grid, self.pictures
        columns = self.grid.columns
        flip = lambda cell: torch.where(cell >= 0, cell + columns - 1 - 2 * (cell % columns), cell)  # noqa: E731
        other.history = History(self.history.row, flip(self.history.cell), self.history.step)
        other.cell = flip(self.cell)
        other.counts, other.features = (_flipped(x, columns) for x in (self.counts, self.features))
        return other


def _flipped(maps: Tensor, columns: int) -> Tensor:
    """[..., C]."""
    return maps.unflatten(-1, (-1, columns)).flip(-1).flatten(-2)


def fit_free_viewing(system: Fitted, data: Data) -> None:
    """Maximise the likelihood of people's fixations; the weights of the best validation are kept.

    First the readout with the centre bias, then all parameters together; each step sees a quarter of the fixations on 8
    pictures, half of the time mirrored. Memory: features of the training pictures, 1.5 MB per picture with five nets.
    Equal data and settings give equal weights.

    Raises:
        ValueError: pictures of several shapes.
    """
    train = _Part(system, data, "train", None)
    val = _Part(system, data, "val", train.grid)
    _fit_centre(system, train)
    _reduce(system, train, val)
    mirrored = train.mirrored()
    centre = system.centre_on(train.grid)
    with torch.enable_grad():
        for seed, member in enumerate(system.members):
            generator = torch.Generator().manual_seed(seed)
            _restart(member, seed)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)  # of dropout
                _fit_member(system, member, (train, mirrored), val, centre, generator)


def _fit_centre(system: Fitted, train: _Part) -> None:
    counts = FixationCounts(
        train.cell,
        train.history.row,
        train.history.row,
        len(train.pictures),
        train.grid.rows,
        len(train.grid),
    )
    system.centre = counts.centre_bias()[0].float()
    system.centre_rows.fill_(train.grid.rows)


def _reduce(system: Fitted, train: _Part, val: _Part) -> None:
    """Fit the components and set the features of both parts."""
    maps = system.features(torch.stack(train.pictures), train.grid)
    for name, reduction in system.reductions.items():
        reduction.fit(maps[name])
    train.features = torch.cat([system.reductions[name](maps.pop(name)) for name in list(maps)], 1)
    val.features = system.reduced(torch.stack(val.pictures), val.grid)


def _restart(member: NextFixation, seed: int) -> None:
    """First weights of a seed."""
    first = member.readout
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = NextFixation(first[1].in_channels, first[1].out_channels, first[0].p)
    member.load_state_dict(fresh.state_dict())


def _fit_member(
    system: Fitted,
    member: NextFixation,
    parts: tuple[_Part, _Part],
    val: _Part,
    centre: Tensor,
    generator: torch.Generator,
) -> None:
    grid, decay = val.grid, system.weight_decay
    _fit_readout(member, parts, centre, decay, min(FIRST_STEPS, system.steps), generator)
    of_readout = [*member.readout.parameters(), *member.content.parameters()]
    known = {id(p) for p in of_readout}
    others = [p for p in member.parameters() if id(p) not in known]
    rate = system.learning_rate
    optimizer = torch.optim.AdamW(
        [
            {"params": of_readout, "lr": rate * READOUT_RATE, "weight_decay": decay},
            {"params": others, "lr": rate, "weight_decay": 0.0},
        ]
    )
    scheduler = one_cycle(optimizer, system.steps)
    best, weights = torch.inf, member.state_dict()
    for step in range(1, system.steps + 1):
        part = _side(parts, generator)
        pictures, rows = _drawn(part, generator)
        member.train()
        history = part.history.select(rows)
        history = History(torch.searchsorted(pictures, history.row), history.cell, history.step)
        seen = member.see(part.features[pictures], grid)
        loss = -member(seen, history, centre, grid).gather(1, part.cell[rows, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step == system.steps or step % max(1, system.steps // CHECKS) == 0:
            now = _loss(member, val, centre)
            if now < best:
                best, weights = now, {name: x.clone() for name, x in member.state_dict().items()}
    member.load_state_dict(weights)
    member.eval()


def _fit_readout(
    member: NextFixation,
    parts: tuple[_Part, _Part],
    centre: Tensor,
    decay: float,
    steps: int,
    generator: torch.Generator,
) -> None:
    """Without a history, a picture's fixations are counts of its cells, which is fast."""
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
        part = _side(parts, generator)
        chosen = torch.randperm(len(part.counts), generator=generator)[:10]
        log = member.spatial(member.see(part.features[chosen], part.grid), centre)
        loss = -(log * part.counts[chosen]).sum() / part.counts[chosen].sum().clamp(min=1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    with torch.no_grad():  # of the third fixation so far
        for weight in weights[:2]:
            weight.copy_(weight[2].expand_as(weight))


def _side(parts: tuple[_Part, _Part], generator: torch.Generator) -> _Part:
    return parts[int(torch.rand((), generator=generator) < 0.5)]


def _drawn(part: _Part, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Some pictures in order, and the rows of some of their fixations."""
    pictures = torch.randperm(len(part.counts), generator=generator)[:PICTURES].sort().values
    inside = torch.isin(part.history.row, pictures) & (
        torch.rand(len(part.cell), generator=generator) < SHARE
    )
    return pictures, inside.nonzero()[:, 0]


@torch.no_grad()
def _loss(member: NextFixation, part: _Part, centre: Tensor) -> float:
    """Nats per fixation."""
    member.eval()
    seen, total = member.see(part.features, part.grid), 0.0
    for rows in torch.arange(len(part.cell)).split(CHUNK):
        log = member(seen, part.history.select(rows), centre, part.grid)
        total -= float(log.gather(1, part.cell[rows, None]).sum())
    return total / max(1, len(part.cell))
