"""Training of any `ScanpathModel` with Lightning: loss, validation scores, and what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from gazekit.metrics import BehaviourDelta, InformationGain
from gazekit.scanpaths.likelihood import negative_log_likelihood, next_fixation
from gazekit.scanpaths.model import ScanpathModel, sample
from gazekit.scene import TrialBatch

__all__ = ["ScanpathModule"]


class ScanpathModule(LightningModule):
    """Cross-entropy over next objects and STOP; validates likelihood and the behaviour of generated scanpaths.

    Args:
        net: the model that is trained.
        optimizer: makes an optimiser of parameters.
        scheduler: makes a scheduler of an optimiser and the total number of steps; None keeps the rate.
        max_fixations: generated scanpaths are cut there.
        samples: scanpaths generated a trial in validation; 0 leaves the behavioural delta out.
        baselines: fitted models that the report compares with; kept with the checkpoint, not trained here.
        recipe: plain values from which the same net can be made again, kept with the checkpoint.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler] | None = None,
        max_fixations: int = 50,
        samples: int = 2,
        baselines: Mapping[str, nn.Module] | None = None,
        recipe: Mapping | None = None,
    ) -> None:
        super().__init__()
        self.net: ScanpathModel = net
        self.baselines = nn.ModuleDict(dict(baselines or {})).requires_grad_(False)
        self.optimizer, self.scheduler = optimizer, scheduler
        self.max_fixations, self.samples, self.recipe = max_fixations, samples, dict(recipe or {})
        self.information_gain, self.behaviour_delta = InformationGain(), BehaviourDelta()

    def forward(self, batch: TrialBatch) -> Tensor:
        return self.net.log_prob(batch)

    def training_step(self, batch: TrialBatch, _: int) -> Tensor:
        loss = negative_log_likelihood(self.net.log_prob(batch), batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: TrialBatch, index: int) -> None:
        self.information_gain.update(*next_fixation(self.net.log_prob(batch), batch))
        self.log("val/information_gain_bits", self.information_gain, prog_bar=True, on_epoch=True)
        if self.samples:
            # drawn anew from the first trial: the same draws each epoch make the scores of epochs comparable
            generator = torch.Generator().manual_seed(int(batch.trial[0]))
            scenes = batch.scenes[batch.scene_of_trial]
            paths = sample(self.net, scenes, self.samples, self.max_fixations, generator)
            self.behaviour_delta.update(paths.values, paths.mask, batch.objects, batch.mask, scenes.target)
            self.log("val/behaviour_delta", self.behaviour_delta, prog_bar=True, on_epoch=True)

    def configure_optimizers(self):
        optimizer = self.optimizer(self.net.parameters())
        if self.scheduler is None:
            return optimizer
        scheduler = self.scheduler(optimizer, total_steps=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["gazekit"] = self.recipe
