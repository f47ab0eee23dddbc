"""`fit`: train a system, fit the baselines on the same data, report all of them on the same part."""

from __future__ import annotations

import csv
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only
from rich.progress import Progress

from gazekit.base import Data, Predictor, System
from gazekit.base.scores import Table
from gazekit.run.checkpoint import build, load_checkpoint, read_checkpoint, recipe_of, save_checkpoint
from gazekit.run.recipe import make, targets_in, trusted
from gazekit.run.reporting import metrics_of, report_on

__all__ = ["fit", "prepared"]

log = logging.getLogger(__name__)


def fit(cfg: DictConfig, folder: Path) -> Table:
    """Run a composed configuration (conf/fit.yaml); returns the table of the report.

    With `trainer=none` nothing is trained: the report is about the untrained or frozen system, which is kept as
    last.ckpt.

    Raises:
        FileNotFoundError, DataError: the data set is absent or broken.
        ValueError: settings that contradict each other or the data.
    """
    quieten()
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    data, system = prepared(cfg)
    if rank_zero_only.rank == 0:
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    if cfg.ckpt:
        _check_resume(read_checkpoint(cfg.ckpt)[0], system.recipe)
    else:
        system.fit(data)
        _fit_baselines(system, data, bool((cfg.get("trainer") or {}).get("fast_dev_run")))
    if not cfg.get("trainer"):
        save_checkpoint(system, folder / "last.ckpt")
        note = (
            "the system was fitted, not trained further" if _learns(system) else "the system was not trained"
        )
        return report_on(cfg, folder, system.eval(), data, _trust(cfg), [note])
    trainer = _trainer(cfg, folder, data)
    system.train()
    trainer.fit(system, data, ckpt_path=cfg.ckpt, weights_only=True)
    first = trainer.is_global_zero
    if (
        torch.distributed.is_initialized()
    ):  # the report is made by one process; metrics must not wait for the others
        torch.distributed.destroy_process_group()
    if not first:
        return {}
    return _report(cfg, folder, data, system, trainer)


def prepared(cfg: DictConfig) -> tuple[Data, System]:
    """The data of a configuration, set up, and the untrained system that fits them."""
    for group, chosen in (
        ("model", cfg.get("model")),
        ("data", cfg.get("data")),
        ("metrics", cfg.metrics.scores),
    ):
        if not chosen:
            raise ValueError(
                f"{group} is not chosen: name an experiment with +experiment=NAME (see gazekit list experiments), "
                f"or give {group}=NAME"
            )
    metrics_of(cfg, _trust(cfg))  # what is wrong with them is told before the training
    data: Data = make(cfg.data, Data, "data", _trust(cfg))
    data.prepare_data()
    data.setup()
    _check_parts(data, ("train", "val", data.split) if cfg.get("trainer") else (data.split,))
    system = build(recipe_of(cfg, data), _trust(cfg))
    if any(map(_learns, (system, *system.baselines.values()))):
        _check_parts(data, ("train", "val"))
    if cfg.name in system.baselines or cfg.name in data.references():
        raise ValueError(f"name={cfg.name} is the name of another row of the report: choose another name")
    system.seed = data.seed = cfg.seed
    if cfg.get("optimizer"):
        system.optimizer, system.scheduler = instantiate(cfg.optimizer), instantiate(cfg.scheduler)
    return data, system


def _learns(predictor: Predictor) -> bool:
    """Whether its `fit` needs data."""
    return type(predictor).fit is not Predictor.fit


def _check_parts(data: Data, needed: Iterable[str]) -> None:
    for part in needed:
        if part not in data.parts or not len(data.parts[part]):
            raise ValueError(f"data have no items in the part {part!r}, parts: {', '.join(data.parts)}")


def _trust(cfg: DictConfig) -> list[str]:
    """Classes outside gazekit that may be made. Data and metrics are as the user typed them, in no checkpoint."""
    return [*trusted(cfg), *targets_in(cfg.get("data")), *targets_in(cfg.metrics)]


def _check_resume(old: dict, new: dict) -> None:
    """Refuse to go on under settings that would make the weights or the test part meaningless.

    Raises:
        ValueError: another system, other settings, or data with other facts (parts, vocabulary, sizes).
    """
    for what, key in (("with another model", "settings"), ("on other data", "facts")):
        differ = [name for name in {**old[key], **new[key]} if old[key].get(name) != new[key].get(name)]
        if key == "settings" and old["target"] != new["target"]:
            differ = [f"{old['target']} and {new['target']}"]
        if differ:
            raise ValueError(
                f"ckpt was trained {what} ({', '.join(differ)} differ): resume with the settings of its run, or "
                "what it was trained on could be in the test part"
            )


def _fit_baselines(system: System, data: Data, short: bool) -> None:
    """Fit each baseline on the training part; in a trial run with two steps at most."""
    with Progress(transient=True, disable=rank_zero_only.rank != 0) as progress:
        task = progress.add_task("baselines", total=len(system.baselines))
        for name, baseline in system.baselines.items():
            progress.update(task, description=f"fitting the baseline {name}")
            if short and hasattr(baseline, "steps"):
                baseline.steps = min(baseline.steps, 2)
            baseline.requires_grad_(True).fit(data)
            baseline.requires_grad_(False)
            progress.advance(task)


def _trainer(cfg: DictConfig, folder: Path, data: Data) -> pl.Trainer:
    settings = OmegaConf.to_container(cfg.trainer, resolve=True)
    if (
        settings.get("max_epochs", -1) > 0
    ):  # training is counted in steps, so that it can be resumed at any of them
        settings["max_steps"] = settings["max_epochs"] * data.steps_per_epoch(_processes(settings))
        settings["max_epochs"] = -1
    if settings.get("max_steps", -1) < 1:
        raise ValueError("trainer.max_steps (or trainer.max_epochs) must say how long to train")
    if not settings.get("fast_dev_run"):  # a short run is validated, too
        settings["val_check_interval"] = min(settings["val_check_interval"], settings["max_steps"])
    return instantiate(
        settings,
        callbacks=list(instantiate(cfg.callbacks).values()),
        logger=instantiate(cfg.logger),
        default_root_dir=str(folder),
    )


def _processes(settings: dict) -> int:
    devices = settings.get("devices", 1)
    return (devices if isinstance(devices, int) and devices > 0 else 1) * settings.get("num_nodes", 1)


def quieten() -> None:
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
        ".*your dataloader is not resumable",
    ):
        warnings.filterwarnings("ignore", text)


def _report(cfg: DictConfig, folder: Path, data: Data, system: System, trainer: pl.Trainer) -> Table:
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    system.to("cpu")
    step, note = None, f"weights after step {trainer.global_step}, never validated"
    if best and Path(best).is_file():
        step = read_checkpoint(best)[2] - 1
        system = load_checkpoint(best, _trust(cfg))
        note = f"weights of step {step}, the best validation"
    history = read_history(folder / "log" / "metrics.csv")
    return report_on(cfg, folder, system.eval(), data, _trust(cfg), [note], (history, step))


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
