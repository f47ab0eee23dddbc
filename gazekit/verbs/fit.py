"""`fit`: train a model, fit the baselines on the same trials, report both on the same split."""

from __future__ import annotations

import csv
import logging
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console
from torch import nn

from gazekit.datasets.datamodule import ScanpathDataModule
from gazekit.models.module import ScanpathModule
from gazekit.models.schedule import one_cycle
from gazekit.report.rows import Row
from gazekit.scanpaths.baselines import Pairwise
from gazekit.verbs.build import build_net, landing_note, load_saved, make_recipe, new_baselines
from gazekit.verbs.callbacks import StepProgress
from gazekit.verbs.report import table, write_report

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fit", "fit_baselines"]

log = logging.getLogger(__name__)


def fit(cfg: DictConfig) -> dict[str, Row] | pd.DataFrame:
    """Run a composed configuration (conf/fit.yaml) in its run folder; returns the rows of the report.

    Raises:
        FileNotFoundError, DataError: the data set is absent or broken.
        ValueError: an unknown task, settings that contradict each other or the data.
    """
    if cfg.task == "annotation":
        from gazekit.verbs.annotation import fit_annotation

        return fit_annotation(cfg)
    if cfg.task != "scanpaths":
        raise ValueError(f"task must be scanpaths or annotation, got {cfg.task!r}")
    return _fit_scanpaths(cfg)


def _fit_scanpaths(cfg: DictConfig) -> dict[str, Row]:
    folder = Path(HydraConfig.get().runtime.output_dir)
    _quieten()
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    if cfg.data.split == "all":
        raise ValueError(
            "data.split=all leaves nothing unseen to report on: it is for evaluate; use test or val"
        )
    data: ScanpathDataModule = instantiate(cfg.data, _convert_="all")
    data.setup()
    if rank_zero_only.rank == 0:
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    recipe = make_recipe(cfg, data)
    log.info("appearance: %s", recipe["net"]["appearance"])
    if cfg.ckpt:
        check_resume(load_saved(cfg.ckpt).recipe, recipe)
    module = ScanpathModule(
        build_net(recipe),
        instantiate(cfg.model.optimizer),
        instantiate(cfg.model.scheduler),
        max_fixations=recipe["max_fixations"],
        samples=cfg.model.samples,
        baselines=new_baselines(recipe) if cfg.ckpt else fit_baselines(new_baselines(recipe), data, cfg),
        recipe=recipe,
    )
    trainer = _trainer(cfg, folder)
    trainer.fit(module, data, ckpt_path=cfg.ckpt, weights_only=True)
    if not trainer.is_global_zero:
        return {}
    return _report(cfg, folder, data, module, trainer)


def check_resume(old: dict, new: dict) -> None:
    """Refuse to go on with a checkpoint under settings that would make its weights or its test meaningless.

    Raises:
        ValueError: another net, vocabulary, crop size or data set, or other images in training.
    """
    for key, config_key in (("net", "model.net"), ("crop_size", "data.crop_size"), ("categories", "data")):
        if old[key] != new[key]:
            raise ValueError(f"ckpt was trained with another {config_key}: {old[key]}, now {new[key]}")
    if old["data"]["name"] != new["data"]["name"] or old["assigned"] != new["assigned"]:
        raise ValueError(
            f"ckpt was trained on other {new['data']['split_by']}s of {old['data']['name']}: resume with the same "
            "copy, data.split_by, data.split_seed and data.fractions, or what it was trained on would be in the test"
        )


def _trainer(cfg: DictConfig, folder: Path) -> pl.Trainer:
    callbacks = list(instantiate(cfg.callbacks).values())
    if not cfg.trainer.fast_dev_run:  # a short run is validated, too
        cfg.trainer.val_check_interval = min(cfg.trainer.val_check_interval, cfg.trainer.max_steps)
    return instantiate(
        cfg.trainer, callbacks=callbacks, logger=instantiate(cfg.logger), default_root_dir=str(folder)
    )


def fit_baselines(
    baselines: dict[str, nn.Module], data: ScanpathDataModule, cfg: DictConfig
) -> dict[str, nn.Module]:
    """Fit the marginal in closed form and the pairwise network by a short training, on the training trials."""
    baselines["marginal"].fit(data.batches("train"))
    pairwise: Pairwise = baselines["pairwise"]
    steps = min(cfg.pairwise_steps, 2) if cfg.trainer.fast_dev_run else cfg.pairwise_steps
    optimizer = partial(torch.optim.AdamW, lr=1e-2, weight_decay=1e-3)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    limits = {"max_steps": steps, "max_epochs": -1, "limit_val_batches": 0, "gradient_clip_val": 1.0}
    bar = StepProgress("pairwise baseline")
    trainer = pl.Trainer(accelerator="cpu", devices=1, callbacks=[bar], **limits, **quiet)
    try:
        trainer.fit(ScanpathModule(pairwise, optimizer, one_cycle, samples=0), data)
    except SystemExit:  # Lightning's answer to Ctrl-C
        sys.exit(
            "interrupted while the pairwise baseline was fitted, before training: there is nothing to report"
        )
    return baselines


def _quieten() -> None:
    """Silence what Lightning says on every run and no user can act on."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(
        lambda record: (
            not any(word in record.getMessage() for word in ("available:", "Tip:", "`Trainer.fit` stopped"))
        )
    )
    logging.getLogger("pytorch_lightning.trainer.connectors.checkpoint_connector").setLevel(logging.WARNING)
    for text in (
        ".*exists and is not empty",
        ".*isinstance.treespec, LeafSpec.*",
        ".*does not have many workers",
    ):
        warnings.filterwarnings("ignore", text)


def _report(
    cfg: DictConfig, folder: Path, data: ScanpathDataModule, module: ScanpathModule, trainer: pl.Trainer
) -> dict:
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    module.to("cpu")
    if best:
        models = load_saved(best).models
    else:
        log.warning("no validation was reached, so the report is about the last weights")
        models = {module.recipe["name"]: module.net, **module.baselines}
    history = read_history(folder / "log" / "metrics.csv")
    step = torch.load(best, map_location="cpu", weights_only=True)["global_step"] - 1 if best else None
    which = (
        f"of step {step}, the best validation"
        if best
        else f"after step {trainer.global_step}, never validated"
    )
    notes = [f"weights {which}", *landing_note(module.recipe)]
    title = f"{cfg.name} on {data.dataset.name}, {data.split} split by {data.split_by}"
    rows, positions = write_report(
        folder, title, models, data, cfg.metrics, module.max_fixations, cfg.seed, (history, step), notes
    )
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        "\n".join(["", title, table(rows, positions), *notes, "", f"run folder: {folder}"]), markup=False
    )
    return rows


def read_history(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Curves of Lightning's CSV log, metric name to (step, value); empty without a log."""
    if not path.is_file():
        return {}
    curves: dict[str, list[tuple[int, float]]] = {}
    with path.open() as file:
        for line in csv.DictReader(file):
            step = int(line.pop("step"))
            line.pop("epoch", None)
            for name, value in line.items():
                if value:
                    curves.setdefault(name, []).append((step, float(value)))
    return curves
