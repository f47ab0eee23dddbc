"""How well people predict people, beside what no knowledge and the centre bias get: for any metric, in one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.ceiling import maps, predictors
from gazekit.metrics.ceiling.inputs import MapInputs, missing_inputs, takes_scanpaths
from gazekit.metrics.ceiling.people import ModelScanpaths, People
from gazekit.metrics.ceiling.predictors import Predictors
from gazekit.metrics.ceiling.scores import Items, comparisons_of, every_item, scores_of, update
from gazekit.metrics.ceiling.table import Ceiling, Comparisons
from gazekit.metrics.item_metric import ItemMetric
from gazekit.metrics.score import Score

__all__ = ["BASELINES", "human_ceiling"]

BASELINES = ("people, leave one out", "people, split half", "other images", "chance")
_PAIRS_AT_ONCE = 20_000
_CELLS_A_SIGMA = 6


def human_ceiling(
    people: People,
    metrics: Mapping[str, ItemMetric],
    models: Mapping[str, ModelScanpaths | Mapping[object, Tensor]] | None = None,
    sigma_px: float | None = None,
    cell_px: float | None = None,
    unit: Literal["image", "observer"] = "image",
    splits: int = 2,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    progress: Callable[[str, float], None] = lambda row, share: None,
) -> Ceiling:
    """Score people by people, by baselines and by models, under any metrics that take scanpaths or maps.

    Rows: each model; "people, leave one out" (each person predicted by all others on the image), "people, split
    half" (by a random half of the people that the person is not in, `splits` times), "other images" (by what people
    did elsewhere: the centre bias), "chance" (uniformly random positions, as many as people make). A model that
    predicts people better than "leave one out" knows more than the other people do; one below "other images" has
    not beaten the centre bias.

    A comparison of scanpaths (`update(model, human, ...)`) scores each person's scanpath against each
    predicting one and takes the mean; "other images" and "chance" draw as many as there are other people. A metric of
    maps (`update(saliency, fixations, ...)`) scores a model's map, or the density of all predicting fixations;
    that of "other images" is made of all of them. Values are means over scanpaths; whole images (or
    observers) are drawn for the intervals.

    Args:
        people: the scanpaths; its `facts` are handed to metrics that ask for them.
        metrics: name to metric, whose own accumulated state and aggregation don't matter.
        models: name to what the model predicts for every image of the people: `ModelScanpaths`, or a mapping
            from image to map [height, width], for which comparisons of scanpaths are undefined.
        sigma_px: of the Gaussian around each fixation; required if any metric takes maps.
        cell_px: side of a cell of the densities; by default a sixth of `sigma_px`, but at least 1 pixel. Maps of
            models are scored as they are.
        unit: what the bootstrap draws: images (their pictures) or people, to generalise to others of them.
        splits: random halves.
        n_resamples: bootstrap draws; `level` of the intervals.
        seed: of everything random; equal seeds give equal tables.
        progress: told the row and the share of it that is done.
    Returns:
        A `Ceiling`; an entry without any defined scanpath is NaN.
    Raises:
        TypeError: metrics that are not a mapping, a metric that takes neither, or an argument that is missing.
        ValueError: no metric, maps without sigma_px, an unknown unit, an image that a model leaves out.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must be a mapping from name to metric, got {type(metrics).__name__}")
    _check(metrics, sigma_px, people.facts)
    _check_settings(models or {}, sigma_px, cell_px, unit, splits)
    grid = None
    if sigma_px is not None:
        grid = maps.Grid(sigma_px, cell_px or max(1.0, sigma_px / _CELLS_A_SIGMA))
    group = people.picture_row if unit == "image" else people.observer_row
    options = {"n_resamples": n_resamples, "level": level, "seed": seed}
    sources = _models(people, models or {}) | _baselines(people, splits, seed)
    rows: dict[str, dict[str, Score]] = {}
    comparisons: Comparisons = {}
    for row, parts in sources.items():
        told = [_within(progress, row, k, len(parts)) for k in range(len(parts))]
        found = [_measure(people, metrics, part, grid, t) for part, t in zip(parts, told, strict=True)]
        rows[row], comparisons[row] = {}, {}
        for name, metric in metrics.items():
            items = [part[name] for part in found]
            rows[row] |= scores_of(name, metric, items, group, options)
            comparisons[row] |= comparisons_of(name, metric, items)
    facts = {"scanpaths": len(people), "images": len(people.images), "observers": len(people.observers)}
    facts |= {
        "unit": unit,
        "level": level,
        "resamples": n_resamples,
        "splits": splits,
        "seed": seed,
    }
    if grid is not None:
        facts |= {"sigma_px": grid.sigma_px, "cell_px": grid.cell_px}
    return Ceiling(rows, comparisons, facts)


@dataclass(frozen=True, eq=False)
class _Source:
    """Who predicts: `pairs` for comparisons of scanpaths, `blocks` of (rows, maps, cell_px) for map metrics."""

    pairs: Predictors | None
    blocks: Callable[[maps.Grid], Iterator[tuple[Tensor, Tensor, float]]]


def _check(metrics: Mapping[str, ItemMetric], sigma_px: float | None, facts: Mapping) -> None:
    if not metrics:
        raise ValueError("metrics is empty, expected a mapping from name to metric")
    for name, metric in metrics.items():
        if not isinstance(metric, ItemMetric):
            raise TypeError(
                f"metric {name!r} must be an ItemMetric of gazekit.metrics, got {type(metric).__name__}"
            )
        missing = missing_inputs(type(metric), facts)
        if missing is None:
            raise TypeError(
                f"metric {name!r} ({type(metric).__name__}) takes neither scanpaths (model, human) nor maps "
                "(saliency or density)"
            )
        if missing:
            raise TypeError(
                f"metric {name!r} needs {missing[0]} of each image: People(..., facts={{{missing[0]!r}: ...}})"
            )
        if not takes_scanpaths(type(metric)) and sigma_px is None:
            raise ValueError(f"metric {name!r} takes maps: sigma_px, the blur around a fixation, is needed")


def _check_settings(
    models: Mapping, sigma_px: float | None, cell_px: float | None, unit: str, splits: int
) -> None:
    taken = [name for name in models if name in BASELINES]
    if taken:
        raise ValueError(
            f"a model is named {taken[0]!r}, as one of the rows that are always there: rename it"
        )
    for name, value in (("sigma_px", sigma_px), ("cell_px", cell_px)):
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} must be above 0 and finite, got {value}")
    if unit not in ("image", "observer"):
        raise ValueError(f"unit must be 'image' or 'observer', got {unit!r}")
    if splits < 1:
        raise ValueError(f"splits must be at least 1, got {splits}")


def _models(people: People, models: Mapping) -> dict[str, list[_Source]]:
    found = {}
    for name, model in models.items():
        if isinstance(model, ModelScanpaths):
            found[name] = [_people_source(people, predictors.by_model(people, model, name))]
        else:
            maps.check_maps(people, model, name)
            found[name] = [_Source(None, lambda grid, model=model: maps.model_maps(people, model))]
    return found


def _baselines(people: People, splits: int, seed: int) -> dict[str, list[_Source]]:
    generator = torch.Generator().manual_seed(seed)
    halves = [predictors.split_half(people, generator) for _ in range(splits)]
    elsewhere = predictors.other_images(people, generator)
    rows = (
        [_people_source(people, predictors.leave_one_out(people))],
        [_people_source(people, half) for half in halves],
        [_Source(elsewhere, lambda grid: maps.CentreMaps(people).blocks(grid))],
        [_people_source(people, predictors.chance(people, generator))],
    )
    return dict(zip(BASELINES, rows, strict=True))


def _people_source(people: People, pairs: Predictors) -> _Source:
    return _Source(pairs, lambda grid: maps.predicted_maps(people, pairs, grid))


def _within(progress: Callable[[str, float], None], row: str, k: int, n: int) -> Callable[[float], None]:
    """Progress of the k-th of n parts of a row."""
    return lambda share: progress(row, (k + share) / n)


def _measure(
    people: People,
    metrics: Mapping[str, ItemMetric],
    source: _Source,
    grid: maps.Grid | None,
    told: Callable[[float], None],
) -> dict[str, Items]:
    """What each metric says of each person by this source; NaN for who has no predictor."""
    pairs = {name: every_item(metric) for name, metric in metrics.items() if takes_scanpaths(type(metric))}
    mapped = {name: every_item(metric) for name, metric in metrics.items() if name not in pairs}
    nothing = torch.zeros(0, dtype=torch.long)
    pair_rows = _score_pairs(people, pairs, source.pairs, told) if pairs and source.pairs else nothing
    map_rows = MapInputs(people, grid).update(mapped, source.blocks(grid), told) if mapped else nothing
    return {
        name: Items.by(rows, metric.item_values, len(people))
        for part, rows in ((pairs, pair_rows), (mapped, map_rows))
        for name, metric in part.items()
    }


def _score_pairs(
    people: People, metrics: Mapping[str, ItemMetric], source: Predictors, told: Callable[[float], None]
) -> Tensor:
    """Update metrics by all pairs; the person's row of each."""
    done = 0
    order = [source.truth[:0]]
    for part, facts in _pair_blocks(people, source):
        truth, predictor = source.truth[part], source.predictor[part]
        inputs = {
            "model": source.pool[predictor],
            "human": people.scanpaths[truth],
            "size_px": people.sizes[people.image_row[truth]],
        }
        update(metrics, inputs | facts)
        order.append(truth)
        done += len(truth)
        told(done / len(source.truth))
    return torch.cat(order)


def _pair_blocks(people: People, source: Predictors) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Which pairs to score together, with the facts about their image: image by image only if there are any."""
    if not people.facts:
        yield from ((part, {}) for part in torch.arange(len(source.truth)).split(_PAIRS_AT_ONCE) if len(part))
        return
    image = people.image_row[source.truth]
    counts = torch.bincount(image, minlength=len(people.images)).tolist()
    for number, pairs in enumerate(image.argsort(stable=True).split(counts)):
        yield from ((part, people.facts_of(number)) for part in pairs.split(_PAIRS_AT_ONCE) if len(part))
