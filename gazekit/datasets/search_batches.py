"""Batches of items that go together: pictures of one size, displays of one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from gazekit.base import Data

__all__ = ["AlikeData"]


class AlikeData(Data):
    """`Data` whose batches hold items with the same `batch_key` only. A subclass defines `setup`, `batch` and it."""

    def batch_key(self, index: int) -> tuple:
        """What the items of a batch share; batches come in its order."""
        raise NotImplementedError(f"{type(self).__name__} must define batch_key(index)")

    def groups(self, index: Sequence[int]) -> list[list[int]]:
        """See `Data.groups`; in the order of `batch_key`."""
        alike: dict[tuple, list[int]] = {}
        for i in index:
            alike.setdefault(self.batch_key(i), []).append(i)
        step = self.batch_size
        return [
            alike[key][start : start + step]
            for key in sorted(alike)
            for start in range(0, len(alike[key]), step)
        ]

    def training_batch(self, step: int, rank: int = 0, processes: int = 1) -> dict[str, Any]:
        """See `Data.training_batch`; the same batches in another order in each epoch."""
        groups = self.groups(self.parts["train"].tolist())
        epoch, place = divmod(step, self.steps_per_epoch(processes))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(groups))
        return self.batch(groups[order[(place * processes + rank) % len(groups)]])

    def steps_per_epoch(self, processes: int = 1) -> int:
        return max(1, -(-len(self.groups(self.parts["train"].tolist())) // processes))

    def val_dataloader(self) -> DataLoader:
        """Each batch in exactly one process."""
        rank, processes = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(
            self.groups(self.parts["val"].tolist())[rank::processes], batch_size=None, collate_fn=self.batch
        )
