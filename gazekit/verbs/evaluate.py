"""`evaluate`: score a checkpoint, its baselines and people on any copy of a data set."""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gazekit.datasets.datamodule import ScanpathDataModule
from gazekit.report.rows import Row
from gazekit.verbs.build import Saved, load_saved
from gazekit.verbs.report import table, write_report

__all__ = ["evaluate"]


def evaluate(cfg: DictConfig) -> dict[str, Row]:
    """Run a composed configuration (conf/evaluate.yaml); returns the rows of the report.

    Raises:
        FileNotFoundError, DataError: checkpoint or data set absent or broken.
        ValueError: the checkpoint does not fit the data.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    saved = load_saved(cfg.ckpt)
    data = open_data(cfg, saved)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    saved.check_scenes(data.dataset.scenes)
    for model in saved.models.values():
        model.to(cfg.device)
    name = saved.recipe["name"]
    title = f"{name} on {data.dataset.name}, {data.split} split"
    rows = write_report(
        folder, title, saved.models, data, cfg.metrics, saved.recipe["max_fixations"], cfg.seed
    )
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"\n{title}\n{table(rows)}\n\nrun folder: {folder}", markup=False)
    return rows


def open_data(cfg: DictConfig, saved: Saved) -> ScanpathDataModule:
    """The data set of the configuration, what it leaves open as the checkpoint was trained with."""
    given = {key: value for key, value in cfg.data.items() if value is not None}
    same = given.get("name", saved.recipe["data"]["name"]) == saved.recipe["data"]["name"]
    settings = {**(saved.recipe["data"] if same else {}), **given}
    data: ScanpathDataModule = instantiate(
        {**settings, "categories": saved.recipe["categories"]}, _convert_="all"
    )
    data.setup()
    return data
