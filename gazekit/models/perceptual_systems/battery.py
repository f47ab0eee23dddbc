"""The battery: what nets behind perceptual systems still name when pictures are changed.

Each net is asked about pictures that its own system has seen and that were changed afterwards (`manipulations`,
`conflicts`); only the generalisation asks it about the other systems' pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data, System
from gazekit.models.perceptual_systems import conflicts
from gazekit.models.perceptual_systems import manipulations as change

__all__ = ["FULL", "PASSES", "QUICK", "SUMMARY", "Battery", "Levels", "Measured", "summary"]

PASSES = ("low pass", "high pass", "low pass, grey", "high pass, grey")
SUMMARY = ("accuracy", "occlusion", "high_pass", "centre_bias")
"""Of each net: accuracy on its own pictures; its mean over the occlusions and their levels but the first and the last
(nothing and everything hidden); its mean over the high-pass levels but the first, in colour; and the window at which
it
begins to name the middle."""


@dataclass(frozen=True)
class Levels:
    """Which levels are asked, numbered from 1."""

    occlusion: Sequence[int]
    passes: Sequence[str]
    pass_levels: Sequence[int]
    window: Sequence[int]
    square: Sequence[int]


FULL = Levels(range(1, 18), PASSES, range(1, 9), range(1, 9), range(1, 18))
QUICK = Levels((5, 9, 13), PASSES[1:2], range(2, 9), range(1, 9), ())


@dataclass
class Measured:
    """Shares of right answers of R runs of V systems at L levels each; NaN for levels that were not asked.

    Args:
        confusion: [R, V, V', C, C] pictures of system V' and class (row) that the net of V gives a class (column).
        occlusion: [R, V, 4, 17], in the order of `OCCLUSIONS`.
        passes: [R, V, 4, 8], in the order of `PASSES`.
        window, square: [R, V, 2, L]: named the class in the middle, named the class around it.
    """

    confusion: Tensor
    occlusion: Tensor
    passes: Tensor
    window: Tensor
    square: Tensor

    @property
    def generalisation(self) -> Tensor:
        """[R, V, V'] accuracy of the net of V on pictures of V'."""
        right = self.confusion.diagonal(dim1=-2, dim2=-1).sum(-1)
        return right / self.confusion.sum((-2, -1))

    @property
    def accuracy(self) -> Tensor:
        """[R, V] on its own pictures."""
        return self.generalisation.diagonal(dim1=-2, dim2=-1)

    @property
    def centre_bias(self) -> Tensor:
        """[R, V] share of the picture at which the middle wins in the window conflict; NaN where it never does."""
        foveal, peripheral = self.window.unbind(2)
        return conflicts.crossing(torch.tensor(conflicts.WINDOW_SHARES), foveal, peripheral)

    @property
    def square_bias(self) -> Tensor:
        """[R, V] the same in the square conflict."""
        foveal, peripheral = self.square.unbind(2)
        return conflicts.crossing(torch.tensor(conflicts.SQUARE_SHARES), foveal, peripheral)


def summary(measured: Measured) -> Tensor:
    """[R, V, M] see `SUMMARY`."""
    return torch.stack(
        [
            measured.accuracy,
            measured.occlusion[..., 1:-1].nanmean((2, 3)),
            measured.passes[:, :, PASSES.index("high pass"), 1:].nanmean(2),
            measured.centre_bias,
        ],
        -1,
    )


class Battery:
    """The battery on some items of a part, whose classes should be about equally frequent.

    Args:
        system: a `PerceptualSystems` in evaluation mode.
        data: see `datasets.perceived`.
        index: items.
        levels: which of them are asked.
        told: called with the share that is done.
    """

    def __init__(
        self,
        system: System,
        data: Data,
        index: np.ndarray,
        levels: Levels = FULL,
        told: Callable[[float], None] = lambda share: None,
    ) -> None:
        self.system, self.data, self.index, self.levels, self.told = system, data, index, levels, told
        self.device = system.course.device
        self.mean_colour = torch.tensor(data.facts()["mean_colour"])

    @torch.no_grad()
    def measure(self) -> Measured:
        runs, systems = self.system.runs, len(self.system.systems)
        classes = len(self.data.facts()["classes"])
        shape = runs, systems
        found = Measured(
            torch.zeros(*shape, systems, classes, classes),
            torch.full((*shape, len(change.OCCLUSIONS), change.OCCLUSION_LEVELS), torch.nan),
            torch.full((*shape, len(PASSES), change.PASS_LEVELS), torch.nan),
            torch.full((*shape, 2, len(conflicts.WINDOW_SHARES)), torch.nan),
            torch.full((*shape, 2, len(conflicts.SQUARE_SHARES)), torch.nan),
        )
        pairs = {
            cycle: self.index[conflicts.partners(self._labels(self.index), cycle)] for cycle in (False, True)
        }
        size = self.data.batch_size
        for at in range(0, len(self.index), size):
            one = slice(at, at + size)
            self._add(found, self.index[one], pairs[False][one], pairs[True][one])
            self.told(min(1.0, (at + size) / len(self.index)))
        for counts in (found.occlusion, found.passes, found.window, found.square):
            counts /= len(self.index)
        return found

    def _labels(self, index: np.ndarray) -> np.ndarray:
        return self.data.labels[index]

    def _views(self, index: np.ndarray) -> Tensor:
        return self.data.batch(index)["views"].to(self.device).movedim(-1, 2).float()  # [B, V, 3, S, S]

    def _add(self, found: Measured, index: np.ndarray, following: np.ndarray, cycled: np.ndarray) -> None:
        views, labels = self._views(index), self._labels(index)
        label = torch.from_numpy(labels).to(self.device)
        for run, own, other, named in self._named_all(views):
            cell = label * found.confusion.shape[-1] + named
            found.confusion[run, own, other] += (
                torch.bincount(cell, minlength=found.confusion[0, 0, 0].numel())
                .view_as(found.confusion[0, 0, 0])
                .cpu()
            )
        for place, level, table, changed in self._changed(views, found):
            table[:, :, place, level - 1] = self._plus(
                table[:, :, place, level - 1], self._hits(changed, label)
            )
        for table, levels, mask_of, partner in (
            (found.window, self.levels.window, conflicts.window_mask, following),
            (found.square, self.levels.square, conflicts.square_mask, cycled),
        ):
            if not len(levels):
                continue
            middle = self._views(partner)
            foveal = torch.from_numpy(self._labels(partner)).to(self.device)
            for level in levels:
                mask = mask_of(level, views.shape[-1]).to(views)
                mixed = (mask * middle + (1 - mask) * views).round()
                hits = self._hits(mixed, foveal, label)
                table[..., level - 1] = self._plus(table[..., level - 1], hits)

    def _changed(self, views: Tensor, found: Measured) -> Iterator[tuple[int, int, Tensor, Tensor]]:
        """Place in a table, level, the table, and the changed pictures."""
        for place, kind in enumerate(change.OCCLUSIONS):
            for level in self.levels.occlusion:
                yield place, level, found.occlusion, change.occlude(views, kind, level)
        mean_colour = self.mean_colour.to(views)
        for kind in self.levels.passes:
            for level in self.levels.pass_levels:
                high = kind.startswith("high")
                changed = (
                    change.high_pass(views, level, mean_colour) if high else change.low_pass(views, level)
                )
                changed = change.grey(changed) if kind.endswith("grey") else changed
                yield PASSES.index(kind), level, found.passes, changed

    def _named_all(self, views: Tensor) -> Iterator[tuple[int, int, int, Tensor]]:
        """Each net's answers [B] to the pictures of each system."""
        for run in range(self.system.runs):
            for own in range(views.shape[1]):
                for other in range(views.shape[1]):
                    yield run, own, other, self.system.logits(run, own, views[:, other]).argmax(1)

    def _hits(self, views: Tensor, *labels: Tensor) -> Tensor:
        """[R, V] (or [R, V, K] of K labels) how often each net names the label of its own system's pictures."""
        hits = torch.zeros(self.system.runs, views.shape[1], len(labels))
        for run in range(self.system.runs):
            for own in range(views.shape[1]):
                named = self.system.logits(run, own, views[:, own]).argmax(1)
                hits[run, own] = torch.stack([(named == label).sum() for label in labels]).float().cpu()
        return hits[..., 0] if len(labels) == 1 else hits

    @staticmethod
    def _plus(total: Tensor, more: Tensor) -> Tensor:
        return total.nan_to_num(0) + more
