"""Callbacks of training runs."""

from __future__ import annotations

import signal
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info

__all__ = ["KeepOnInterrupt"]


class KeepOnInterrupt(Callback):
    """The first Ctrl-C ends training after the running step and saves a checkpoint; the second one kills.

    Lightning alone would leave the process, so that no report could be written of what was learnt.

    Args:
        path: of the checkpoint; written only after an interrupt.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.interrupted = Path(path), False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        def stop(number, frame) -> None:
            rank_zero_info("\nInterrupted: finishing this step, then saving and reporting. Ctrl-C again to kill.")
            self.interrupted = trainer.should_stop = True
            signal.signal(signal.SIGINT, signal.default_int_handler)

        self._before = signal.signal(signal.SIGINT, stop)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        signal.signal(signal.SIGINT, self._before)
        if self.interrupted:
            trainer.save_checkpoint(self.path)
