"""`evaluate`: report on a checkpoint, or on an experiment without training it."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from gazekit.base import Data, System
from gazekit.base.scores import Table
from gazekit.run.checkpoint import load_checkpoint
from gazekit.run.fit import fit, quieten
from gazekit.run.recipe import make, trusted
from gazekit.run.reporting import report_on

__all__ = ["data_for", "evaluate"]


def evaluate(cfg: DictConfig, folder: Path) -> Table:
    """Run a composed configuration (conf/evaluate.yaml); returns the table of the report.

    Raises:
        FileNotFoundError, DataError: checkpoint or data set absent or broken.
        ValueError: the checkpoint does not fit the data.
    """
    if cfg.ckpt is None:
        cfg.trainer = None
        return fit(cfg, folder)
    quieten()
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    system = load_checkpoint(cfg.ckpt, trusted(cfg)).to(cfg.device)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    return report_on(cfg, folder, system, data_for(cfg, system), trusted(cfg))


def data_for(cfg: DictConfig, system: System) -> Data:
    """The data of the configuration, set up so that what the system was trained on stays out of the test part."""
    data: Data = make(cfg.data, Data, "data", trusted(cfg))
    data.trained_with = system.facts
    data.prepare_data()
    data.setup()
    return data
