"""Score the models of a run on one split and write its folder: table, metrics.json, report.md, figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from rich.progress import Progress
from torch import nn

from gazekit.datasets.datamodule import ScanpathDataModule
from gazekit.report import figures
from gazekit.report.evaluation import TrialScores, image_of_trial, score_model, score_people
from gazekit.report.files import report_text, table_lines, write_metrics
from gazekit.report.rows import HEADLINE, Row, row

__all__ = ["score_all", "write_report"]

PICTURES = 3
"""Scenes whose scanpaths are drawn."""


def score_all(
    models: Mapping[str, nn.Module], data: ScanpathDataModule, part: str, samples: int, max_fixations: int, seed: int
) -> dict[str, TrialScores]:
    """Trial scores of every model, then of the simulated observer or of other people."""
    observer, index = data.dataset.observer, data.parts[part].tolist()
    scores = {}
    with Progress(transient=True) as progress:
        total = len(index) * (len(models) + (observer is not None))
        task = progress.add_task(f"scoring {len(index)} scanpaths of {data.dataset.name}", total=total)

        def advance(n: int) -> None:
            progress.advance(task, n)

        for name, model in models.items():
            device = next(iter([p.device for p in model.parameters()]), torch.device("cpu"))
            model.eval()
            scores[name] = score_model(model, data.batches(part), samples, max_fixations, seed, device, advance)
        if observer is not None:
            known = data.batches(part, data.dataset.categories)
            scores["observer"] = score_model(observer, known, samples, max_fixations, seed, advance=advance)
        else:
            scores["people"] = score_people(data.dataset, index, data.batches(part))
    return scores


def write_report(
    folder: Path,
    title: str,
    models: Mapping[str, nn.Module],
    data: ScanpathDataModule,
    metrics: Mapping,
    max_fixations: int,
    seed: int,
    history: Mapping | None = None,
) -> dict[str, Row]:
    """Score everything on `data.split` and write metrics.json, report.md and figures/*.png into `folder`.

    Args:
        metrics: `samples`, `resamples`, `level` (conf/metrics).
        history: curves of a training run, for their figure.
    Returns:
        the rows of the table.
    """
    part = data.split
    index = data.parts[part].tolist()
    scores = score_all(models, data, part, metrics["samples"], max_fixations, seed)
    image = image_of_trial(data.dataset, index)
    rows = {name: row(s, image, metrics["resamples"], metrics["level"], seed) for name, s in scores.items()}
    drawn = _draw(folder / "figures", rows, models, data, part, max_fixations, seed, history)
    dataset = data.dataset
    write_metrics(
        folder / "metrics.json",
        rows,
        dataset=dataset.name,
        split=part,
        split_by=data.split_by,
        seed=seed,
        fingerprint=dataset.fingerprint(),
        samples=metrics["samples"],
        images=int(image.max()) + 1,
        scanpaths=len(index),
        max_fixations=max_fixations,
        filtered=dataset.filtered,
        skipped=list(dataset.skipped),
    )
    notes = [f"{n} scanpaths left out: {rule}" for rule, n in dataset.filtered.items()]
    notes += [f"skipped {message}" for message in dataset.skipped]
    (folder / "report.md").write_text(report_text(title, rows, notes, drawn))
    return rows


def table(rows: dict[str, Row]) -> str:
    """The main table for the terminal."""
    return "\n".join(table_lines(rows))


def _draw(folder, rows, models, data, part, max_fixations, seed, history) -> list[str]:
    """Save the figures; returns their paths relative to the run folder."""
    saved = {"scores": figures.scores_figure(rows, HEADLINE), "behaviour": figures.behaviour_figure(rows)}
    if history:
        saved["training"] = figures.training_figure(history)
    saved |= _scanpaths(models, data, part, max_fixations, seed)
    for name, figure in saved.items():
        figures.save(figure, folder / f"{name}.png")
    return [f"figures/{name}.png" for name in saved]


def _scanpaths(models, data: ScanpathDataModule, part: str, max_fixations: int, seed: int) -> dict:
    """For the first scenes of the split: a person's scanpath beside one of each of the two best models."""
    from gazekit.scanpath_model import sample

    first: dict[int, int] = {}
    for i in data.parts[part].tolist():
        first.setdefault(data.dataset.trials[i].scene, i)
    index = list(first.values())[:PICTURES]
    batch = data.batch(index)
    drawn = {}
    for name in list(models)[:2]:
        device = next(iter([p.device for p in models[name].parameters()]), torch.device("cpu"))
        scenes = batch.scenes[batch.scene_of_trial].to(device)
        drawn[name] = sample(models[name], scenes, 1, max_fixations, torch.Generator().manual_seed(seed)).to_list()
    result = {}
    for k, i in enumerate(index):
        trial = data.dataset.trials[i]
        scene = data.dataset.scenes[trial.scene]
        centres = (scene.boxes_px[:, :2] + scene.boxes_px[:, 2:]) / 2
        panels = {"simulated observer" if data.dataset.observer else f"person {trial.scanpath.observer}": trial.scanpath.xy_px}
        panels |= {name: centres[paths[k].cpu().numpy()] for name, paths in drawn.items()}
        result[f"scanpaths_{k + 1}"] = figures.scanpath_figure(scene, panels, title=f"{data.dataset.name}, scene {scene.name}")
    return result
