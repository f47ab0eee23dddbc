"""The rows of a comparison of searches in scenes: people, densities of people, chance, and models.

`search_scenes` says what is compared; the scores are in `search_scores`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.base.scores import Settings
from gazekit.metrics import Score, bootstrap_interval
from gazekit.metrics.bootstrap import Interval
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths import search_scores
from gazekit.scanpaths.positions import model_scanpaths
from gazekit.scanpaths.predictor import ObjectPredictor
from gazekit.scanpaths.search_maps import (
    SIGMAS_PX,
    CentreBias,
    MapGrid,
    ObjectSpread,
    gold_standard,
    offsets_of,
)
from gazekit.scanpaths.search_scores import PREDICTION, searched
from gazekit.scene import TrialBatch

__all__ = ["SceneRows", "SceneSettings"]


@dataclass(frozen=True)
class SceneSettings:
    """As the arguments of `SearchSceneComparison`."""

    fovea_px: float
    most_fixations: int
    cell_px: float
    by: str | None


@dataclass(frozen=True, eq=False)
class _Searches:
    """Searches of people, or of a model.

    Args:
        paths: [B, T]; image: [B] row of the list of images; boxes_px: [B, 4] of the targets.
        allowed: [B] fixations that each search was allowed, or None.
    """

    paths: Scanpaths
    image: Tensor
    boxes_px: Tensor
    allowed: Tensor | None = None


class SceneRows:
    """Makes the scores of each row on the scored part of a data set."""

    def __init__(self, options: SceneSettings, data: Any, settings: Settings) -> None:
        self.options, self.data, self.settings = options, data, settings
        self.index = data.parts[data.split].tolist()
        self.scenes, image = np.unique(
            [data.dataset.trials[i].scene for i in self.index], return_inverse=True
        )
        self.size_px = _size([data.dataset.scenes[s] for s in self.scenes], data.dataset.name)
        self.grid = MapGrid(self.size_px, options.cell_px)
        self.people = self._people(torch.as_tensor(image))
        self.train = data.parts.get("train", data.parts["all"]).tolist()
        self.groups = self._groups()
        self._centre: dict[float, Tensor] = {}

    def people_row(self) -> dict[str, Score]:
        return self._columns(self._performance(self.people) | {"AvgMM": self._mean(self._among_people)})

    def gold_row(self) -> dict[str, Score]:
        profiles = {sigma: self.grid.profiles(sigma) for sigma in SIGMAS_PX}

        def maps(rows: Tensor, grid: MapGrid) -> Tensor:
            return gold_standard(grid, self.people.paths[rows], profiles)[:, None]

        return self._prediction(maps)

    def centre_row(self) -> dict[str, Score]:
        return self._prediction(lambda rows, grid: self._centre_bias(grid)[self.people.image[rows]][:, None])

    def uniform_row(self) -> dict[str, Score]:
        def maps(rows: Tensor, grid: MapGrid) -> Tensor:
            cells = math.prod(grid.shape)
            return torch.full((len(rows), 1, cells), -math.log(cells), dtype=torch.float64)

        return self._prediction(maps)

    def model_row(self, row: Predictor) -> dict[str, Score]:
        searches = self.of_model(row)
        steps, cut = searched(searches.paths, searches.boxes_px, self.options.fovea_px)
        hits = steps.isfinite()
        alike = search_scores.likeness(
            cut[hits], searches.image[hits], *self._found_by_people, len(self.scenes), self.size_px
        )
        made = self._performance(searches) | {"AvgMM": self._mean(alike)}
        people = self._among_people
        made["Corr"] = lambda of: (
            search_scores.correlation_interval(alike[of], people[of], *self._draws),
            (alike[of] + people[of]).isnan(),
        )
        said = {}
        if hasattr(row, "next_fixation_maps") or isinstance(row, ObjectPredictor):
            said = self._model_prediction(row)
        return self._columns(made) | said

    def curve(self, searches: _Searches) -> dict[str, list[float]]:
        """Share of targets found by each saccade among the searches that were allowed as many, with its interval."""
        steps, _ = searched(searches.paths, searches.boxes_px, self.options.fovea_px)
        counts = search_scores.found_by_each(
            steps, searches.image, len(self.scenes), self.options.most_fixations, searches.allowed
        )
        found = bootstrap_interval(*counts, None, self.settings.resamples, seed=self.settings.seed)
        return dict(zip(("found", "low", "high"), (bound.tolist() for bound in found), strict=True))

    @property
    def _draws(self) -> tuple[int, int]:
        return self.settings.resamples, self.settings.seed

    def _columns(self, made: Mapping[str, Callable[[Tensor], tuple[Interval, Tensor]]]) -> dict[str, Score]:
        """Each score over all images, or over the images of each group."""
        found = {}
        for group, of in self.groups.items():
            for name, make in made.items():
                interval, lacking = make(of)
                column = f"{name}.{group}" if group else name
                out = int(lacking.sum())
                found[column] = Score.of(interval, len(lacking) - out, out)
        return found

    def _mean(self, of_image: Tensor) -> Callable[[Tensor], tuple[Interval, Tensor]]:
        return lambda of: (search_scores.mean_interval(of_image[of], *self._draws), of_image[of].isnan())

    def _performance(self, searches: _Searches) -> dict[str, Callable]:
        steps, _ = searched(searches.paths, searches.boxes_px, self.options.fovea_px)
        counts = search_scores.found_counts(
            steps, searches.image, len(self.scenes), self.options.most_fixations, searches.allowed
        )
        return {
            "AUCperf": lambda of: (
                search_scores.area_interval(*(count[of] for count in counts), *self._draws),
                counts[1][of].sum(1) == 0,
            )
        }

    def _prediction(self, maps: Callable[[Tensor, MapGrid], Tensor]) -> dict[str, Score]:
        """Scores of predictions [B, T or 1, cells] for the people of one image."""
        grid = self.grid
        scores = self.people.boxes_px.new_full((len(self.index), len(PREDICTION)), torch.nan)
        for image in range(len(self.scenes)):
            rows = (self.people.image == image).nonzero()[:, 0]
            scores[rows] = self._scored(maps(rows, grid), rows, grid)
        return self._prediction_columns(scores)

    def _model_prediction(self, row: Predictor) -> dict[str, Score]:
        grid = MapGrid(self.size_px, getattr(row, "cell_px", self.options.cell_px))
        spread = None if hasattr(row, "next_fixation_maps") else ObjectSpread(grid, self._offsets())
        scores = self.people.boxes_px.new_full((len(self.index), len(PREDICTION)), torch.nan)
        start = 0
        for batch in self._batches(row, self.index):
            rows = torch.arange(start, start + len(batch))
            with torch.no_grad():
                maps = _maps_of(row, batch, grid) if spread is None else _object_maps(row, batch, spread)
            scores[rows] = self._scored(maps, rows, grid)
            start += len(batch)
        return self._prediction_columns(scores)

    def _scored(self, maps: Tensor, rows: Tensor, grid: MapGrid) -> Tensor:
        paths = self.people.paths[rows]
        steps = paths.mask.shape[1] if maps.shape[1] == 1 else maps.shape[1]
        cells, mask = grid.cell_of(paths.xy_px)[:, :steps], paths.mask[:, :steps]
        centre = self._centre_bias(grid)[self.people.image[rows]]
        return search_scores.prediction_scores(maps, centre, cells, mask)

    def _prediction_columns(self, scores: Tensor) -> dict[str, Score]:
        of_image = search_scores.of_images(scores, self.people.image, len(self.scenes))
        return self._columns({name: self._mean(of_image[:, k]) for k, name in enumerate(PREDICTION)})

    @property
    def _found_by_people(self) -> tuple[Scanpaths, Tensor]:
        steps, cut = searched(self.people.paths, self.people.boxes_px, self.options.fovea_px)
        hits = steps.isfinite()
        return cut[hits], self.people.image[hits]

    @property
    def _among_people(self) -> Tensor:
        """[images] likeness of people to one another; measured once."""
        if not hasattr(self, "_people_likeness"):
            found = self._found_by_people
            self._people_likeness = search_scores.likeness(*found, None, None, len(self.scenes), self.size_px)
        return self._people_likeness

    def _centre_bias(self, grid: MapGrid) -> Tensor:
        """[images, cells]; made once for each size of cells."""
        if grid.cell_px not in self._centre:
            trials = [self.data.dataset.trials[i] for i in self.train]
            paths = Scanpaths.of([trial.scanpath.xy_px for trial in trials])
            bias = CentreBias(grid, paths, torch.tensor([trial.scene for trial in trials]))
            self._centre[grid.cell_px] = torch.stack([bias.density(int(scene)) for scene in self.scenes])
        return self._centre[grid.cell_px]

    def _offsets(self) -> Tensor:
        parts = [
            offsets_of(batch.scenes, batch.scene_of_trial, batch.objects, batch.xy_px, batch.mask)
            for batch in self._batches(None, self.train)
        ]
        return torch.cat(parts)

    def _batches(self, row: Predictor | None, index: Sequence[int]) -> Iterator[TrialBatch]:
        device = "cpu" if row is None else next((p.device for p in row.parameters()), "cpu")
        for start in range(0, len(index), self.data.batch_size):
            part = index[start : start + self.data.batch_size]
            yield (self.data.batch(part) if row is None else self.data.batch_for(part, row.facts)).to(device)

    def _people(self, image: Tensor) -> _Searches:
        trials = [self.data.dataset.trials[i] for i in self.index]
        scenes = [self.data.dataset.scenes[trial.scene] for trial in trials]
        allowed = [
            s.attributes.get("max_fixations", {}).get(t.scanpath.observer)
            for s, t in zip(scenes, trials, strict=True)
        ]
        return _Searches(
            Scanpaths.of([trial.scanpath.xy_px for trial in trials]),
            image,
            torch.as_tensor(np.stack([scene.boxes_px[scene.target] for scene in scenes])),
            None if None in allowed else torch.tensor(allowed),
        )

    def of_model(self, row: Predictor) -> _Searches:
        said = model_scanpaths(row, self.data, self.index, self.settings.samples, self.settings.seed)
        image = torch.as_tensor(np.searchsorted(self.scenes, said.image))
        scenes = [self.data.dataset.scenes[scene] for scene in self.scenes]
        boxes = torch.as_tensor(np.stack([scene.boxes_px[scene.target] for scene in scenes]))
        return _Searches(Scanpaths.of(said.scanpaths), image, boxes[image])

    def _groups(self) -> dict[str, Tensor]:
        """Name of a group of images (nothing for all of them) to their rows."""
        if self.options.by is None:
            return {"": torch.arange(len(self.scenes))}
        scenes = [self.data.dataset.scenes[scene] for scene in self.scenes]
        values = [str(scene.attributes.get(self.options.by)) for scene in scenes]
        if "None" in values:
            lacking = scenes[values.index("None")].name
            raise ValueError(
                f"scene {lacking!r} has no attribute {self.options.by!r}, by which scores are to be split"
            )
        return {
            f"{self.options.by} {value}": torch.tensor([k for k, v in enumerate(values) if v == value])
            for value in sorted(set(values))
        }


def _size(scenes: Sequence, name: str) -> tuple[float, float]:
    sizes = sorted({tuple(scene.size_px) for scene in scenes})
    if len(sizes) > 1:
        raise ValueError(f"{name}: pictures must have one size, got {', '.join(map(str, sizes[:3]))}")
    if any(scene.target is None for scene in scenes):
        raise ValueError(f"{name} has scenes without a target, where nothing can be found")
    return sizes[0]


def _maps_of(row: Any, batch: TrialBatch, grid: MapGrid) -> Tensor:
    maps = row.next_fixation_maps(batch).cpu()
    expected = (*batch.mask.shape, *grid.shape)
    if maps.shape != expected:
        raise ValueError(
            f"{type(row).__name__}.next_fixation_maps must give [trials, fixations, rows, columns] = {list(expected)} "
            f"with cells of {grid.cell_px} px, got {list(maps.shape)}"
        )
    return maps.flatten(-2)


def _object_maps(row: ObjectPredictor, batch: TrialBatch, spread: ObjectSpread) -> Tensor:
    objects = row.model.log_prob(batch)[:, :-1, :-1].log_softmax(-1)
    return spread.maps(objects.cpu(), batch.scenes.to("cpu")[batch.scene_of_trial.cpu()])
