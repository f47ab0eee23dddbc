"""Callbacks of training runs."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.utilities import rank_zero_info
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["LastCheckpoint", "StepProgress"]


class StepProgress(ProgressBar):
    """One bar for the whole training, in steps, with the time left, the loss and the newest validation.

    Args:
        title: what is trained.
    """

    def __init__(self, title: str = "training") -> None:
        super().__init__()
        self.title, self.enabled, self.bar = title, True, None

    def disable(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not (self.enabled and trainer.is_global_zero):
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, TextColumn("{task.fields[scores]}"))
        total = trainer.max_steps if trainer.max_steps > 0 else trainer.estimated_stepping_batches
        self.task = self.bar.add_task(self.title, total=total, completed=trainer.global_step, scores="")
        self.bar.start()

    def on_train_batch_end(self, trainer: Trainer, *_) -> None:
        if self.bar is not None:
            monitor = getattr(trainer.checkpoint_callback, "monitor", None)
            values = trainer.callback_metrics
            scores = " ".join(
                f"{key} {float(values[key]):.3f}" for key in ("train/loss", monitor) if key in values
            )
            self.bar.update(self.task, completed=trainer.global_step, scores=scores)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.bar is not None:
            self.bar.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self.bar is not None:
            self.bar.stop()


class LastCheckpoint(Callback):
    """Saves the newest weights after every validation and at the end, also when Ctrl-C or SIGTERM ends the training.

    The first signal ends training after the current step, so that what was learnt is saved and reported; a second
    one kills the process. (Lightning alone would leave the process, and its `save_last` follows the best
    checkpoint, not the newest weights.) Cluster schedulers send SIGTERM before they take a machine away.

    Args:
        path: of the checkpoint.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.interrupted, self._before = Path(path), False, {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        def stop(number, frame) -> None:
            rank_zero_info(
                "\nInterrupted: finishing this step, then saving and reporting. Ctrl-C again to kill."
            )
            self.interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(self, trainer: Trainer, *_) -> None:
        # all processes leave after the same step, or those left would wait for ever
        if trainer.strategy.reduce_boolean_decision(self.interrupted, all=False):
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.save_checkpoint(self.path)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.save_checkpoint(self.path)
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
