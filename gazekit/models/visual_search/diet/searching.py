"""eccNET's search over a net that was grown here, instead of a published backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from gazekit.backbones import Backbone
from gazekit.base import Predictor
from gazekit.datasets.search_tasks import ASYMMETRY, TASKS
from gazekit.models.visual_search.diet.net import NETS, SMALL_WIDTHS, grown
from gazekit.models.visual_search.eccnet import EccNetRow

__all__ = ["Grown", "UntrainedDiet"]


class Grown(Predictor):
    """A net with random weights, and how it searches with the weights that it has.

    Args:
        facts: `classes` of the data that it is trained on.
        net: "small" or "vgg16", see `grown`.
        init_seed: of the random weights.
        widths: see `DietNet`.
        tasks: of the search data that it is judged on, in their order: a batch says which by number, and the
            sharpening of maps differs between them.
        stride: of the map of priorities, see `EccNetRow`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        net: str = "small",
        init_seed: int = 0,
        widths: Sequence[int] = SMALL_WIDTHS,
        tasks: Sequence[str] = ASYMMETRY,
        stride: int = 16,
    ) -> None:
        super().__init__(facts)
        self.kind, self.tasks, self.stride = net, tuple(tasks), stride
        self.net = grown(net, len(facts["classes"]), init_seed, widths)
        self._rows: list[_Row] = []

    def train(self, mode: bool = True) -> nn.Module:
        """Also forgets what is known of the weights."""
        self._rows = []
        return super().train(mode)

    @torch.no_grad()
    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """See `EccNetRow.predict`. Nothing is random.

        Raises:
            ValueError: displays that are not those of `tasks`.
        """
        if "task" in batch:
            self._check_task(int(batch["task"][0]), batch["picture"].shape[1])
        if not self._rows:
            self._rows = [_Row(self.kind, self.net, self.tasks, self.stride)]
        return self._rows[0].predict(batch, generator, samples)

    def _check_task(self, task: int, side_px: int) -> None:
        if task >= len(self.tasks) or TASKS[self.tasks[task]].size_px != side_px:
            raise ValueError(
                f"displays of task {task} with {side_px} px are not those of model.tasks={', '.join(self.tasks)}: "
                "judge the model on the search data that it was made for, or train it with their model.tasks"
            )


class UntrainedDiet(Grown):
    """The same net as it was before its training."""


class _Row(EccNetRow):
    """A copy of a net as it is now, since a backbone freezes its net; on the CPU, where searches run."""

    def __init__(self, kind: str, net: nn.Module, tasks: Sequence[str], stride: int) -> None:
        super().__init__({"tasks": list(tasks)}, kind, layers=NETS[kind].layers, stride=stride)
        self._backbone = Backbone(kind, deepcopy(net).cpu(), NETS[kind].preprocessing)

    def load(self) -> Backbone:
        return self._backbone
