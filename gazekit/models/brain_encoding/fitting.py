"""Train a read-out on features and responses that fit into memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gazekit.models.brain_encoding.readouts import Readout

__all__ = ["History", "fit_readout", "masked_r", "predict_in_batches", "seeded"]


READY_BYTES = 2**30
"""Up to which maps are standardised once, instead of in each step."""


class History(NamedTuple):
    """What happened in training.

    Attributes:
        step: numbers of the steps after which was validated.
        loss: mean training loss since the validation before.
        val_r: mean over voxels of the validation correlation; NaN without validation.
        best_step: the one whose parameters were kept, the last one without validation.
        best_r: its validation correlation.
    """

    step: list[int]
    loss: list[float]
    val_r: list[float]
    best_step: int
    best_r: float


def fit_readout(
    readout: Readout,
    features: Tensor,
    response: Tensor,
    val: tuple[Tensor, Tensor] | None = None,
    *,
    steps: int = 1000,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    batch_size: int = 128,
    average: float = 0.98,
    check_every: int = 25,
    patience: int | None = 8,
    generator: torch.Generator | None = None,
    progress: Callable[[float], None] | None = None,
) -> History:
    """Least squares over the responses that are there (not NaN), both sides standardised, by AdamW.

    Parameters are averaged over steps (exponentially), the averages are validated, and the best ones are what the
    read-out holds in the end, in evaluation mode. Parts of it may learn at rates of their own (`Readout.rates`).

    Args:
        readout: is changed.
        features: [n, C, H, W] training maps.
        response: [n, V], NaN = none.
        val: the same of other pictures, for the choice of the best step. None keeps the last step.
        steps: at most, of `batch_size` pictures, drawn without replacement within an epoch.
        lr: learning rate of parameters without one of their own; falls to 0 as a half cosine over `steps`.
        average: weight of the past in the running average of parameters; 0 for none.
        check_every: steps between validations.
        patience: validations without a better one after which training ends; None never ends early.
        generator: of batches and of everything random in the read-out. None is seed 0.
        progress: told the share that is done.
    Returns:
        The course of training.
    Raises:
        ValueError: shapes that do not fit together; no response at all; validation in which no voxel varies.
    """
    _check(readout, features, response)
    if val and masked_r(val[1], val[1]).isnan().all():
        raise ValueError(
            f"no voxel varies over the {len(val[1])} validation pictures, so that no step is the best: give more of "
            "them, or none"
        )
    generator = generator or torch.Generator().manual_seed(0)
    readout.standardise(features, response)
    ready = features.nbytes <= READY_BYTES
    maps = readout.standardised(features) if ready else features
    target = readout.standardised_response(response)
    optimiser = torch.optim.AdamW(readout.parameter_groups(lr), weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    averaged = copy.deepcopy(readout).eval().requires_grad_(False)
    best, course, losses = copy.deepcopy(averaged.state_dict()), History([], [], [], 0, -torch.inf), []
    batches = _batches(len(features), batch_size, generator)
    with seeded(generator):
        for step in range(1, steps + 1):
            index = next(batches)
            readout.train()
            loss = _loss(readout, maps[index] if ready else readout.standardised(maps[index]), target[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
            _average(averaged, readout, min(average, step / (step + 10)) if average else 0.0)
            if step % check_every and step != steps:
                continue
            r = float(masked_r(predict_in_batches(averaged, val[0]), val[1]).nanmean()) if val else torch.nan
            course = _noted(course, step, torch.stack(losses).mean().item(), r, bool(val))
            losses = []
            if course.best_step == step:
                best = copy.deepcopy(averaged.state_dict())
            if progress:
                progress(step / steps)
            if patience and step - course.best_step >= patience * check_every:
                break
    readout.load_state_dict(best)
    readout.eval()
    return course


def masked_r(prediction: Tensor, response: Tensor) -> Tensor:
    """[V] Pearson's r of each voxel over the pictures [n] with a response; NaN where either does not vary."""
    there = ~response.isnan()
    count = there.sum(0)

    def centred(x: Tensor) -> Tensor:
        x = torch.where(there, x, 0).double()
        return torch.where(there, x - x.sum(0) / count, 0)

    x, y = centred(prediction), centred(response)
    return (x * y).sum(0) / (x.square().sum(0) * y.square().sum(0)).sqrt()


@torch.no_grad()
def predict_in_batches(readout: nn.Module, features: Tensor, batch_size: int = 256) -> Tensor:
    """[n, V] predictions of a read-out as it is, in bounded memory."""
    return torch.cat([readout(part) for part in features.split(batch_size)])


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Torch's global draws (starts of parameters, dropout) come from this generator; afterwards all is as before."""
    seed = int(torch.randint(2**62, (1,), generator=generator, device="cpu"))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _loss(readout: Readout, maps: Tensor, target: Tensor) -> Tensor:
    there = ~target.isnan()
    error = torch.where(there, readout.read(maps) - target.nan_to_num(), 0)
    return error.square().sum() / there.sum().clamp(min=1) + readout.penalty()


@torch.no_grad()
def _average(averaged: nn.Module, readout: nn.Module, past: float) -> None:
    for kept, new in zip(averaged.parameters(), readout.parameters(), strict=True):
        kept.lerp_(new, 1 - past)


def _noted(course: History, step: int, loss: float, r: float, validated: bool) -> History:
    better = r > course.best_r or not validated
    return History(
        [*course.step, step],
        [*course.loss, loss],
        [*course.val_r, r],
        step if better else course.best_step,
        r if better else course.best_r,
    )


def _batches(items: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    while True:
        order = torch.randperm(items, generator=generator)
        yield from order.split(batch_size)


def _check(readout: Readout, features: Tensor, response: Tensor) -> None:
    readout.checked(features[:1])
    if response.shape != (len(features), readout.voxels):
        raise ValueError(
            f"expected a response [n, V] of {len(features)} pictures and {readout.voxels} voxels, "
            f"got {list(response.shape)}"
        )
    if response.isnan().all():
        raise ValueError("all responses are NaN: nothing to learn from")
