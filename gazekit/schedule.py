"""Learning-rate schedules that know only the present number of steps, so that a resumed run may be longer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

__all__ = ["one_cycle", "stepped", "warm_cosine"]


def one_cycle(optimizer: Optimizer, total_steps: int, warm_up: float = 0.3, start: float = 0.04) -> LambdaLR:
    """Raise the rate along a cosine from `start` times its value to its value, then lower it to 0 the same way.

    The shape of Smith and Topin 2019 (super-convergence), without a cycle of the momentum. Unlike
    `torch.optim.lr_scheduler.OneCycleLR` nothing about its length is kept in checkpoints: with more steps it
    goes on, at the rate that belongs to the new length.

    Args:
        total_steps: number of optimiser steps; the rate stays 0 after them.
        warm_up: fraction of the steps in which the rate rises.
        start: first rate, as a fraction of the highest.
    """
    peak = max(1, round(warm_up * total_steps))

    def factor(step: int) -> float:
        if step < peak:
            return start + (1 - start) * (1 - math.cos(math.pi * step / peak)) / 2
        done = min(1.0, (step - peak) / max(1, total_steps - peak))
        return (1 + math.cos(math.pi * done)) / 2

    return LambdaLR(optimizer, factor)


def warm_cosine(
    optimizer: Optimizer, total_steps: int, warm_up: float = 0.01, start: float = 0.001, end: float = 0.1
) -> LambdaLR:
    """Raise the rate linearly from `start` times its value to its value, then lower it along a cosine to `end` times
    it.

    Args:
        total_steps: number of optimiser steps; the rate stays at its end after them.
        warm_up: fraction of the steps in which the rate rises.
        start, end: first and last rate, as fractions of the highest.
    """
    peak = max(1, round(warm_up * total_steps))

    def factor(step: int) -> float:
        if step < peak:
            return start + (1 - start) * step / peak
        done = min(1.0, (step - peak) / max(1, total_steps - peak))
        return end + (1 - end) * (1 + math.cos(math.pi * done)) / 2

    return LambdaLR(optimizer, factor)


def stepped(
    optimizer: Optimizer, total_steps: int, at: Sequence[float] = (0.25, 0.5), factor: float = 0.5
) -> LambdaLR:
    """Multiply the rate by a factor at some shares of the training.

    Args:
        total_steps: number of optimiser steps.
        at: shares from 0 to 1.
    """
    return LambdaLR(optimizer, lambda step: factor ** sum(step >= share * total_steps for share in at))
