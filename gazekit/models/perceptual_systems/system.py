"""One small net behind each of four perceptual systems, several times over, trained side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.base import Data, System
from gazekit.models.perceptual_systems.battery import QUICK, SUMMARY, Battery, summary
from gazekit.models.perceptual_systems.figures import battery_figures
from gazekit.models.perceptual_systems.net import SMALL_WIDTHS, grown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PerceptualSystems"]


class PerceptualSystems(System):
    """Nets behind fixed transforms of the picture: what does each of them learn from the same pictures?

    Net k of a run belongs to system k. All nets of a run start from the same weights and see the same pictures in
    the same order, so that they differ in the transform alone; runs differ in both. No parameter is shared: the loss
    is the sum over nets, and each learns as if it were alone (gradients must not be clipped together).

    Args:
        facts: `classes`, `systems`, `side_px`, `mean_colour` of `datasets.perceived`.
        net: "small", "alexnet" or "resnet18".
        runs: nets of each system.
        init_seed: of the first weights; run r takes the r-th of this seed.
        widths: of the small net.
        watched: shares of the training at which a short battery is run on validation pictures, ascending.
        watched_pictures: how many of them.

    Attributes:
        course: [K, runs, 4, M] of what was watched, `battery.SUMMARY`; NaN before.
        measured: what `EmergentProperties` measured last, for the figures; None before.
    """

    course: Tensor

    def __init__(
        self,
        facts: Mapping[str, Any],
        net: str = "small",
        runs: int = 3,
        init_seed: int = 0,
        widths: Sequence[int] = SMALL_WIDTHS,
        watched: Sequence[float] = (0.1, 0.3, 1.0),
        watched_pictures: int = 96,
    ) -> None:
        super().__init__(facts)
        if runs < 1:
            raise ValueError(f"model.runs must be at least 1, got {runs}")
        if list(watched) != sorted(set(watched)) or not all(0 < share <= 1 for share in watched):
            raise ValueError(f"model.watched must be ascending shares of the training up to 1, got {watched}")
        self.runs, self.systems = runs, list(facts["systems"])
        self.watched, self.watched_pictures = list(watched), watched_pictures
        self.nets = nn.ModuleList(
            nn.ModuleList(grown(net, len(facts["classes"]), (init_seed, run), widths) for _ in self.systems)
            for run in range(runs)
        )
        shape = len(watched), runs, len(self.systems), len(SUMMARY)
        self.register_buffer("course", torch.full(shape, torch.nan))
        self.measured: Any = None

    def logits(self, run: int, system: int, pictures: Tensor) -> Tensor:
        """[B, classes] of pictures [B, 3, S, S] from 0 to 255."""
        return self.nets[run][system](pictures.contiguous(memory_format=torch.channels_last))

    def _each(self, batch: Mapping[str, Any]) -> Iterator[tuple[int, int, Tensor, Tensor]]:
        """Run, system, logits and labels of what each net is shown of a batch."""
        views = batch["views"].movedim(-1, 2)  # [B, 4, 3, S, S]
        for run in range(self.runs):
            own = batch["run"] == run if "run" in batch else slice(None)
            for system in range(len(self.systems)):
                yield run, system, self.logits(run, system, views[own, system].float()), batch["label"][own]

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Cross-entropy, summed over all nets.

        Raises:
            ValueError: a training batch for another number of runs.
        """
        if "run" in batch and len(batch["run"].unique()) != self.runs:
            raise ValueError(f"data.runs must be model.runs={self.runs}, got {len(batch['run'].unique())}")
        terms = [F.cross_entropy(logits, label) for _, _, logits, label in self._each(batch)]
        return {"loss": torch.stack(terms).sum()}

    def validate(self, batch: Mapping[str, Any]) -> None:
        hits = self.course.new_zeros(self.runs, len(self.systems))
        for run, system, logits, label in self._each(batch):
            hits[run, system] = (logits.argmax(1) == label).float().mean()
        many = {"batch_size": len(batch["label"]), "sync_dist": True}
        self.log("val/accuracy", hits.mean(), **many)
        for name, value in zip(self.systems, hits.mean(0), strict=True):
            self.log(f"val/accuracy {name}", value, **many)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Watch what was learnt so far; before the validation of the same step, whose checkpoint keeps it."""
        total = self.trainer.max_steps
        due = [k for k, share in enumerate(self.watched) if math.ceil(share * total) == self.global_step]
        if due and self.course[due[0]].isnan().all():
            self.course[due] = self.watch(self.trainer.datamodule).to(self.course)

    @torch.no_grad()
    def watch(self, data: Data) -> Tensor:
        """[runs, 4, M] the short battery on validation pictures, spread over classes."""
        self.eval()
        index = _in_turn(data.parts["val"], data.labels)[: self.watched_pictures]
        found = summary(Battery(self, data, index, QUICK).measure())
        self.train()
        return found

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`named` [B, 4], the class that each system names by the mean probability over its runs, and the `label` [B].

        Nothing is random.
        """
        total = batch["views"].new_zeros(
            (len(batch["label"]), len(self.systems), len(self.facts["classes"])), dtype=torch.float32
        )
        for _, system, logits, _ in self._each({k: batch[k] for k in ("views", "label")}):
            total[:, system] += logits.softmax(1) / self.runs
        return {"named": total.argmax(2), "label": batch["label"]}

    def notes(self) -> list[str]:
        return [
            f"{self.runs} runs of {len(self.systems)} systems, each run from one set of first weights; chance is "
            f"{1 / len(self.facts['classes']):.3f}"
        ]

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """All curves of the battery, confusions, and pictures as the systems see them."""
        return battery_figures(self, data)


def _in_turn(index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """These items, one of each class after the other, so that the first ones are of all classes."""
    rank = np.zeros(len(index), int)
    for label in np.unique(labels[index]):
        own = labels[index] == label
        rank[own] = np.arange(own.sum())
    return index[np.argsort(rank, kind="stable")]
