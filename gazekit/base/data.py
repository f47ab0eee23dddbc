"""Batches of one data set, for training and for reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from gazekit.base.predictor import Predictor

__all__ = ["Data", "arguments_of", "group_of"]


class Data(LightningDataModule):
    """A data set, its parts, and how items become batches.

    A subclass defines `setup`, which sets `self.parts`, and `batch`; everything else has a default. A batch is a
    dict or a dataclass of tensors. Its entry `group` [B] (integers) says what each item belongs to: the image, subject
    or video that the bootstrap of a report draws as a whole.

    Args:
        batch_size: items per batch and process.
        split: the part that a report is about.
        seed: of the order of the training items.

    Attributes:
        parts: part name to the indices of its items, set by `setup`; "train" and "val" serve training.
        trained_with: facts of the model that is evaluated on these data, if there is one. Set before `setup`, so that
            what the model was trained on stays out of the test part.
    """

    parts: dict[str, np.ndarray]
    trained_with: Mapping[str, Any] | None = None

    def __init__(self, batch_size: int = 64, split: str = "test", seed: int = 0) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"data.batch_size must be at least 1, got {batch_size}")
        self.batch_size, self.split, self.seed = batch_size, split, seed

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> Any:
        """The items with these indices as one batch.

        Args:
            generator: given for training only: the source of everything random in it (augmentation).
        """
        raise NotImplementedError(f"{type(self).__name__} must define batch(index, generator)")

    def facts(self) -> dict[str, Any]:
        """Plain values (JSON) that a model of these data needs: vocabulary, sizes. Kept in its checkpoint."""
        return {}

    def about(self) -> dict[str, Any]:
        """Plain values that a report says about the data: `name`, counts, fingerprint, `notes` (list of sentences)."""
        return {"name": type(self).__name__, "split": self.split, "items": len(self.parts[self.split])}

    def distinct(self, part: str) -> list[int]:
        """Indices of a part that `predict` goes through. Default: all; fewer where items share what is predicted."""
        return self.parts[part].tolist()

    def items(self, index: Sequence[int]) -> list[Any]:
        """What `System.records` is told of these items: a name, a record, a scene. Default: their numbers."""
        return list(index)

    def references(self) -> dict[str, Predictor]:
        """Rows that are known without training: other people, a simulated observer, a noise ceiling."""
        return {}

    def batch_for(self, index: Sequence[int], facts: Mapping[str, Any]) -> Any:
        """A batch as a model with these facts reads it (its vocabulary, say). Default: `batch`, whatever the model."""
        return self.batch(index)

    def batches(self, part: str, facts: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """One pass over a part in order.

        Args:
            facts: of the model that reads the batches, where they differ from those of the data (its vocabulary).
        """
        for chosen in self.groups(self.parts[part].tolist()):
            yield self.batch(chosen) if facts is None else self.batch_for(chosen, facts)

    def groups(self, index: Sequence[int]) -> list[list[int]]:
        """These items as batches. Default: `batch_size` at a time; data whose items do not all go together say more."""
        return [list(index[at : at + self.batch_size]) for at in range(0, len(index), self.batch_size)]

    def training_batch(self, step: int, rank: int = 0, processes: int = 1) -> Any:
        """The batch of one training step: a function of the seed, the step and the process only.

        Items are drawn without replacement within an epoch. A run that is interrupted and resumed therefore sees the
        batches that an unbroken run sees.
        """
        train = self.parts["train"]
        epoch, place = divmod(step, self.steps_per_epoch(processes))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(train))
        start = (place * processes + rank) * self.batch_size
        index = train[np.take(order, np.arange(start, min(start + self.batch_size, len(order))))]
        if len(index) == 0:  # the last step of an epoch may leave a process without items
            index = train[order[:1]]
        seed = np.random.SeedSequence([self.seed, step, rank]).generate_state(1)[0]
        return self.batch(index.tolist(), torch.Generator().manual_seed(int(seed)))

    def steps_per_epoch(self, processes: int = 1) -> int:
        """Training steps in which every item is seen once."""
        return max(1, -(-len(self.parts["train"]) // (self.batch_size * processes)))

    def train_dataloader(self) -> DataLoader:
        """Endless; starts at the step at which a resumed run goes on."""
        rank, processes = _process()
        start = self.trainer.global_step * self.trainer.accumulate_grad_batches if self.trainer else 0
        return DataLoader(_Steps(self, start, rank, processes), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Each item in exactly one process, so that sums over processes are sums over the data."""
        rank, processes = _process()
        index = self.parts["val"][rank::processes].tolist()
        if not index:
            raise ValueError(
                f"{len(self.parts['val'])} validation items cannot be shared by {processes} processes"
            )
        return DataLoader(index, self.batch_size, collate_fn=self.batch)


class _Steps(IterableDataset):
    def __init__(self, data: Data, start: int, rank: int, processes: int) -> None:
        self.data, self.start, self.rank, self.processes = data, start, rank, processes

    def __iter__(self) -> Iterator[Any]:
        step = self.start
        while True:
            yield self.data.training_batch(step, self.rank, self.processes)
            step += 1


def _process() -> tuple[int, int]:
    """Rank and number of processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def arguments_of(batch: Any) -> dict[str, Any]:
    """The entries of a batch by name: what metrics may ask for beside what a predictor says."""
    return dict(batch) if isinstance(batch, Mapping) else dict(vars(batch))


def group_of(batch: Any) -> Tensor:
    """[B] what the items of a batch belong to.

    Raises:
        ValueError: the batch has no entry `group`.
    """
    group = arguments_of(batch).get("group")
    if group is None:
        raise ValueError(
            f"a batch must have an entry 'group' [B]: the image, subject or video of each item, which intervals draw; "
            f"this one has {', '.join(arguments_of(batch)) or 'nothing'}"
        )
    return group
