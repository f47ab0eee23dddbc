"""`evaluate`: score a checkpoint, its baselines and people on any copy of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gazekit.datasets.datamodule import ScanpathDataModule
from gazekit.datasets.split import trial_keys
from gazekit.report.rows import Row
from gazekit.verbs.build import Saved, landing_note, load_saved
from gazekit.verbs.report import table, write_report

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["evaluate"]


def evaluate(cfg: DictConfig) -> dict[str, Row] | pd.DataFrame:
    """Run a composed configuration (conf/evaluate.yaml); returns the rows of the report.

    Raises:
        FileNotFoundError, DataError: checkpoint or data set absent or broken.
        ValueError: the checkpoint does not fit the data.
    """
    if (Path(cfg.ckpt) / "config.yaml").is_file():  # a run folder of another task
        from gazekit.verbs.annotation import evaluate_annotation

        return evaluate_annotation(cfg)
    folder = Path(HydraConfig.get().runtime.output_dir)
    saved = load_saved(cfg.ckpt)
    data = open_data(cfg, saved)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    saved.check_scenes(data.dataset.scenes)
    for model in saved.models.values():
        model.to(cfg.device)
    name = saved.recipe["name"]
    title = f"{name} on {data.dataset.name}, {data.split} split"
    notes = _seen(data, saved) + landing_note(saved.recipe)
    limits = (saved.recipe["max_fixations"], cfg.seed)
    rows, positions = write_report(folder, title, saved.models, data, cfg.metrics, *limits, notes=notes)
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        "\n".join(["", title, table(rows, positions), *notes, "", f"run folder: {folder}"]), markup=False
    )
    return rows


def open_data(cfg: DictConfig, saved: Saved) -> ScanpathDataModule:
    """The data set of the configuration, split as the checkpoint's training split it.

    On the data set of its training, whatever the copy, the images (subjects, trials) that the checkpoint was
    trained and chosen with stay training and validation; all others are test.
    """
    given = {k: v for k, v in OmegaConf.to_container(cfg.data, resolve=True).items() if v is not None}
    trained = saved.recipe["data"]
    same = given.get("name", trained["name"]) == trained["name"]
    if same:
        ours = ("root", "on_bad_record", "split", "batch_size", "options", "crop_size")
        settings = {**trained, **{k: v for k, v in given.items() if k in ours}}
    else:
        settings = given
    settings = {
        "crop_size": saved.recipe["crop_size"],
        **{k: v for k, v in settings.items() if v is not None},
    }
    settings.pop("_target_", None)  # nothing of a checkpoint is instantiated by name
    assigned = saved.recipe["assigned"] if same else None
    data = ScanpathDataModule(**settings, categories=saved.recipe["categories"], assigned=assigned)
    data.setup()
    return data


def _seen(data: ScanpathDataModule, saved: Saved) -> list[str]:
    """A note if scored trials share images (subjects, trials) with the checkpoint's training."""
    if data.assigned is None:
        return []
    keys = trial_keys(data.dataset, data.split_by)[data.parts[data.split]]
    count = int(np.isin(keys, [name for names in data.assigned.values() for name in names]).sum())
    if not count:
        return []
    return [
        f"{count} of {len(keys)} scored scanpaths: the checkpoint was trained or chosen with their {data.split_by}"
    ]
