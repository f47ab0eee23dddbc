"""A predictor that is trained by gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from gazekit.base.data import group_of
from gazekit.base.predictor import Predictor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gazekit.base.data import Data

__all__ = ["System"]


class System(Predictor, LightningModule):
    """What a new model derives from: `loss` and `predict` are all that it must define.

    Its constructor takes `facts` (plain values from its data) and its settings, which are plain values too: a
    checkpoint keeps both, and the same call makes the system again. `fit(data)`, which does nothing by default, is
    called once before the training, for parts that gradient descent does not train. The run sets the attributes below.

    Attributes:
        optimizer: makes an optimiser of parameters.
        scheduler: makes a scheduler of an optimiser and the total number of steps; None keeps the rate.
        seed: of the draws in training (dropout), which depend on the step only, so that a resumed run makes the same.
        baselines: name to fitted `Predictor`, reported beside the system and kept in its checkpoint; not trained here.
        recipe: see `gazekit.run.recipe`; kept in the checkpoint.
    """

    optimizer: Callable[..., torch.optim.Optimizer]
    scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler] | None = None
    seed: int = 0
    recipe: Mapping[str, Any] | None = None

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(facts)
        self.baselines = nn.ModuleDict()

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """The training loss of a batch: "loss", which is minimised, and the terms that are logged beside it."""
        raise NotImplementedError(f"{type(self).__name__} must define loss(batch)")

    def validate(self, batch: Any) -> None:
        """Log further scores of a validation batch with `self.log("val/NAME", ...)`. Default: the loss alone."""

    def read(self, input: Path) -> Iterator[tuple[list[Any], Any]]:
        """Batches of a user's own file or folder, for `predict`, each with a list that says what its items are.

        Further keyword arguments become options of the command.

        Raises:
            ValueError: a system that reads data sets only.
        """
        raise ValueError(
            f"{type(self).__name__} reads no files of its own; leave input= out to predict on its data set"
        )

    def records(self, items: list[Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """What `predict` writes of a batch: file name to content.

        A content is a figure (.png), a data frame (.csv; those of one name are appended), plain values (.json), or a
        function that writes the file at the path that it is given. Default: everything predicted that has one row per
        item, as `predictions.csv`.

        Args:
            items: what the items of the batch are, from `read` or `Data.items`.
            said: of `predict`.
        """
        from gazekit.base.records import table_of

        return {"predictions.csv": table_of(items, said)}

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Pictures of a report beside those that every report has, by name. Default: none."""
        return {}

    def notes(self) -> list[str]:
        """Sentences that the reader of a report must know about this system."""
        return []

    def onnx_example(self) -> tuple[nn.Module, dict[str, Tensor]]:
        """A module with tensors in and out, and example arguments by name, for `export format=onnx`.

        Raises:
            ValueError: the system has no such form.
        """
        raise ValueError(f"{type(self).__name__} has no ONNX form")

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        part = batch_idx % self.trainer.accumulate_grad_batches  # of the step
        torch.manual_seed(_seed_of(self.seed, self.global_step, part, self.global_rank))

    def training_step(self, batch: Any, _: int) -> Tensor:
        return self._logged("train", batch)["loss"]

    def validation_step(self, batch: Any, _: int) -> None:
        self._logged("val", batch)
        self.validate(batch)

    def _logged(self, part: str, batch: Any) -> dict[str, Tensor]:
        terms = self.loss(batch)
        many = {"batch_size": len(group_of(batch)), "sync_dist": part == "val"}
        for name, value in terms.items():
            self.log(f"{part}/{name}", value, prog_bar=name == "loss", **many)
        return terms

    def configure_optimizers(self) -> Any:
        return self.scheduled(self.optimizer([p for p in self.parameters() if p.requires_grad]))

    def scheduled(self, optimizer: torch.optim.Optimizer) -> Any:
        """What `configure_optimizers` returns of an optimiser: with the scheduler of the run."""
        if self.scheduler is None:
            return optimizer
        scheduler = self.scheduler(optimizer, total_steps=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["gazekit"] = self.recipe


def _seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
