"""Which labelled frames a training step uses, and which are held out for evaluation."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from gazekit.models.impn.objective import Targets

__all__ = ["Batches", "HeldOut"]

ONE_IN = 5
HALF = 16


class HeldOut:
    """Every fifth labelled frame is held out permanently.

    Args:
        known: numbers of the frames seen so far, in order; `kept_out` of those held out.
    """

    def __init__(self, known: Iterable[int] = (), kept_out: Iterable[int] = ()) -> None:
        self.known, self.kept_out = dict.fromkeys(known), set(kept_out)

    def meet(self, frames: Iterable[int]) -> None:
        """Assign frames that were not seen before."""
        for frame in frames:
            if frame not in self.known:
                self.known[frame] = None
                if len(self.known) % ONE_IN == 0:
                    self.kept_out.add(frame)


class Batches:
    """Draws of frames: half of them new, half of the rest, and one frame of every class.

    If there are no new frames or no others, all are drawn from the same pool. Frames without a known label are never
    drawn.

    Args:
        targets: of all N detections, sorted by frame.
        frame: [N] of each.
        new: [F] bool, changed since the last update.
        classes: C + 1.
        generator: of the draws.
    """

    def __init__(
        self, targets: Targets, frame: Tensor, new: Tensor, classes: int, generator: torch.Generator
    ) -> None:
        known = targets.weight > 0
        has = torch.zeros(classes, len(new))
        has[targets.label[known], frame[known]] = 1.0
        useful = has.any(0)
        pools = [(useful & new).nonzero()[:, 0], (useful & ~new).nonzero()[:, 0]]
        self.pools = [pool for pool in pools if len(pool)]
        self.has = has[has.any(1)]
        self.generator = generator

    def __bool__(self) -> bool:
        return bool(self.pools)

    def draw(self) -> Tensor:
        """[B] frames, 32 and one for each class."""
        size = 2 * HALF // len(self.pools)
        parts = [pool[torch.randint(len(pool), (size,), generator=self.generator)] for pool in self.pools]
        parts.append(torch.multinomial(self.has, 1, generator=self.generator)[:, 0])
        return torch.cat(parts)
