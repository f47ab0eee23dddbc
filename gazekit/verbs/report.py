"""Score the models of a run on one split and write its folder: table, metrics.json, report.md, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from matplotlib.figure import Figure
from rich.progress import Progress
from torch import nn

from gazekit import drawing as figures
from gazekit.datasets import info
from gazekit.datasets.datamodule import ScanpathDataModule
from gazekit.geometry import box_centres
from gazekit.metrics.ceiling import Ceiling
from gazekit.report.evaluation import (
    TrialScores,
    image_of_trial,
    other_half,
    other_people,
    score_model,
    score_people,
)
from gazekit.report.files import report_text, table_lines, write_metrics
from gazekit.report.rows import HEADLINE, Row, row
from gazekit.scanpaths.model import sample
from gazekit.scanpaths.positions import position_scores

__all__ = ["score_all", "write_report"]

PICTURES = 3
"""Scenes whose scanpaths are drawn."""


def score_all(
    models: Mapping[str, nn.Module],
    data: ScanpathDataModule,
    part: str,
    samples: int,
    max_fixations: int,
    seed: int,
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
            model.eval()
            scores[name] = score_model(
                model, data.batches(part), samples, max_fixations, seed, _device(model), advance
            )
        if observer is not None:
            known = data.batches(part, data.dataset.categories)
            scores["observer"] = score_model(observer, known, samples, max_fixations, seed, advance=advance)
        else:
            scores["people"] = score_people(
                data.dataset, other_people(data.dataset, index), data.batches(part)
            )
    return scores


def _halves(data: ScanpathDataModule, part: str, image: torch.Tensor, metrics: Mapping, seed: int) -> Row:
    """The behavioural deltas of one half of the people from the other."""
    halves = other_half(data.dataset, data.parts[part].tolist(), seed)
    kept = np.isin(data.parts[part], list(halves))
    batches = (
        data.batch(list(halves)[k : k + data.batch_size]) for k in range(0, len(halves), data.batch_size)
    )
    scores = score_people(data.dataset, halves, batches)
    deltas = row(scores, image[torch.as_tensor(kept)], metrics["resamples"], seed)
    return {name: entry for name, entry in deltas.items() if name.startswith("behaviour_delta")}


def write_report(
    folder: Path,
    title: str,
    models: Mapping[str, nn.Module],
    data: ScanpathDataModule,
    metrics: Mapping,
    max_fixations: int,
    seed: int,
    training: tuple[Mapping, int | None] = ({}, None),
    notes: Sequence[str] = (),
) -> tuple[dict[str, Row], Ceiling | None]:
    """Score everything on `data.split` and write metrics.json, report.md and figures/*.png into `folder`.

    Args:
        metrics: `samples`, `resamples`, and metrics of `positions` (conf/metrics).
        training: curves of the training run and the step of the checkpoint that is scored, for their figure.
        notes: what a reader must know besides.
    Returns:
        the rows of the table, and the scores of positions where such metrics are configured.
    """
    part, dataset = data.split, data.dataset
    caution = info(dataset.name).caution
    notes = [*notes, caution] if caution else list(notes)
    index = data.parts[part].tolist()
    scores = score_all(models, data, part, metrics["samples"], max_fixations, seed)
    image = image_of_trial(dataset, index)
    rows = {name: row(s, image, metrics["resamples"], seed) for name, s in scores.items()}
    if "people" in rows and len(dataset.observers) > 1:
        rows["people"] |= _halves(data, part, image, metrics, seed)
    facts = {
        "dataset": dataset.name,
        "split": part,
        "split_by": data.split_by,
        "seed": seed,
        "fingerprint": dataset.fingerprint(),
        "samples": metrics["samples"],
        "images": int(image.max()) + 1,
        "scanpaths": len(index),
        "max_fixations": max_fixations,
        "notes": notes,
        "filtered": dataset.filtered,
        "skipped": list(dataset.skipped),
    }
    positions = _positions(models, data, metrics, max_fixations, seed)
    if positions is not None:
        facts["positions"] = positions.to_dict()
    write_metrics(folder / "metrics.json", rows, **facts)
    drawn = {"scores": figures.scores_figure(rows, HEADLINE), "behaviour": figures.behaviour_figure(rows)}
    if training[0]:
        drawn["training"] = figures.training_figure(*training)
    if positions is not None:
        drawn["positions"] = _positions_figure(positions, metrics)
    drawn |= _scanpaths(models, data, part, max_fixations, seed)
    for name, figure in drawn.items():
        figures.save(figure, folder / "figures" / f"{name}.png")
    notes = [*notes, *(f"{n} scanpaths left out: {rule}" for rule, n in dataset.filtered.items())]
    notes += [f"skipped {message}" for message in dataset.skipped]
    pictures = [f"figures/{name}.png" for name in drawn]
    (folder / "report.md").write_text(report_text(title, rows, notes, pictures, positions))
    return rows, positions


def table(rows: dict[str, Row], positions: Ceiling | None = None) -> str:
    """The main tables for the terminal."""
    return "\n".join([*table_lines(rows), *(["", str(positions)] if positions else [])])


def _positions(
    models: Mapping[str, nn.Module], data: ScanpathDataModule, metrics: Mapping, max_fixations: int, seed: int
) -> Ceiling | None:
    """Scores by the configured metrics of positions; None without any."""
    chosen = {name: instantiate(metric) for name, metric in (metrics.get("positions") or {}).items()}
    if not chosen:
        return None
    settings = {"sigma_px": metrics.get("sigma_px"), "n_resamples": metrics["resamples"]}
    with Progress(transient=True) as progress:
        task = progress.add_task("scoring positions", total=1.0)

        def told(row: str, share: float) -> None:
            progress.update(task, description=f"scoring positions: {row}", completed=share)

        limits = (metrics["samples"], max_fixations, seed)
        return position_scores(models, data, data.split, chosen, *limits, progress=told, **settings)


def _positions_figure(positions: Ceiling, metrics: Mapping) -> Figure:
    """Scores that somebody has; what the same number of scanpaths lacks in all rows is said below the table."""
    up = {name: instantiate(metric).higher_is_better for name, metric in metrics["positions"].items()}
    columns = [c for c in positions.columns if any(scores[c].n for scores in positions.rows.values())]
    lacking = {c: {scores[c].undefined for scores in positions.rows.values()} for c in columns}
    rows = {
        row: {c: scores[c]._asdict() | ({"undefined": 0} if len(lacking[c]) == 1 else {}) for c in columns}
        for row, scores in positions.rows.items()
    }
    return figures.scores_figure(rows, columns, {c: up[c.partition(".")[0]] for c in columns})


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _scanpaths(
    models, data: ScanpathDataModule, part: str, max_fixations: int, seed: int
) -> dict[str, Figure]:
    """A few scenes of the split: a person's scanpath beside one of each of the two best models."""
    index = _examples(data, part)
    batch = data.batch(index)
    drawn = {}
    for name in list(models)[:2]:
        scenes = batch.scenes[batch.scene_of_trial].to(_device(models[name]))
        drawn[name] = sample(
            models[name], scenes, 1, max_fixations, torch.Generator().manual_seed(seed)
        ).to_list()
    result = {}
    for k, i in enumerate(index):
        trial = data.dataset.trials[i]
        scene = data.dataset.scenes[trial.scene]
        centres = box_centres(scene.boxes_px)
        who = "simulated observer" if data.dataset.observer else f"person {trial.scanpath.observer}"
        panels = {"scene": None} if scene.crops is not None or scene.image_path else {}
        panels |= {who: trial.scanpath} | {
            name: centres[paths[k].cpu().numpy()] for name, paths in drawn.items()
        }
        title = f"{data.dataset.name}, scene {scene.name}"
        result[f"scanpaths_{k + 1}"] = figures.scanpath_figure(scene, panels, title=title)
    return result


def _examples(data: ScanpathDataModule, part: str) -> list[int]:
    """Trials worth a picture, of different scenes: those nearest to the third quartile of the lengths."""
    index = data.parts[part]
    length = np.array([len(data.dataset.trials[i].objects) for i in index])
    order = np.argsort(np.abs(length - np.quantile(length, 0.75)), kind="stable")
    chosen: dict[int, int] = {}
    for i in index[order].tolist():
        chosen.setdefault(data.dataset.trials[i].scene, i)
        if len(chosen) == PICTURES:
            break
    return list(chosen.values())
